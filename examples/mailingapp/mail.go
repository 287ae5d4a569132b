package main

import (
	"context"
	"database/sql"

	"github.com/listhook/webhook"
)

// A message is a mail of a campaign to one recipient, and what the recipient
// did with it.
type message struct {
	Token        string
	Campaign     campaign
	To           subscriber
	Opened       bool
	Clicks       int
	Forwards     int
	Shares       int
	Unsubscribed bool
	Bounce       webhook.BounceType // "": it arrived
}

const selectMessages = `SELECT r.token, r.opened, r.clicks, r.forwards, r.shares, r.unsubscribed, r.bounce,
		c.id, c.list_id, l.name, c.name, c.subject, c.text,
		(SELECT count(*) FROM recipients WHERE campaign_id = c.id), ` + subscriberColumns + `
	FROM recipients r JOIN campaigns c ON c.id = r.campaign_id JOIN lists l ON l.id = c.list_id
	JOIN subscribers s ON s.id = r.subscriber_id `

func scanMessage(rows *sql.Rows) (m message, err error) {
	return m, rows.Scan(append([]any{
		&m.Token, &m.Opened, &m.Clicks, &m.Forwards, &m.Shares, &m.Unsubscribed, &m.Bounce,
		&m.Campaign.ID, &m.Campaign.ListID, &m.Campaign.ListName, &m.Campaign.Name, &m.Campaign.Subject, &m.Campaign.Text,
		&m.Campaign.Recipients,
	}, m.To.columns()...)...)
}

// outbox returns the mails that were sent, the latest first.
func (a *app) outbox(ctx context.Context) ([]message, error) {
	return query(ctx, a.db, scanMessage, selectMessages+`ORDER BY c.sent_at DESC, c.id DESC, s.id LIMIT 200`)
}

func loadMessage(ctx context.Context, q querier, token string) (message, error) {
	all, err := query(ctx, q, scanMessage, selectMessages+`WHERE r.token = ?`, token)
	if err != nil || len(all) == 0 {
		return message{}, notFoundUnless(err)
	}
	return all[0], nil
}

// reaction records what somebody did with a mail and emits the event that it
// makes, in one transaction. Nil, nil of record: it was recorded before.
func (a *app) reaction(ctx context.Context, token string, record func(*sql.Tx, message) (webhook.Event, error)) error {
	return a.change(ctx, func(tx *sql.Tx) error {
		m, err := loadMessage(ctx, tx, token)
		if err != nil {
			return err
		}
		event, err := record(tx, m)
		if err != nil || event == nil {
			return err
		}
		if err := a.emit(ctx, tx, event); err != nil {
			return err
		}
		return a.finish(ctx, tx, m.Campaign.ID)
	})
}

// finish emits that a campaign is finished, if all of its mails were opened or came
// back. The event has one ID, so that later reactions do not bring it again.
func (a *app) finish(ctx context.Context, tx *sql.Tx, campaignID int64) error {
	var waiting bool
	err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM recipients WHERE campaign_id = ? AND NOT opened AND bounce = '')`,
		campaignID).Scan(&waiting)
	if err != nil || waiting {
		return err
	}
	c, err := loadCampaign(ctx, tx, campaignID)
	if err != nil {
		return err
	}
	return a.emit(ctx, tx, finished(c))
}

// about returns the Meta of a mail's events.
func (m message) about(source webhook.Source) webhook.Meta { return about(source, m.Campaign.ListID) }

// open records that a mail was opened: once, however often its picture loads.
func (a *app) open(ctx context.Context, token string) error {
	return a.reaction(ctx, token, func(tx *sql.Tx, m message) (webhook.Event, error) {
		isNew, err := execOne(ctx, tx, `UPDATE recipients SET opened = 1 WHERE token = ? AND NOT opened`, token)
		if err != nil || !isNew {
			return nil, err
		}
		return webhook.Open{
			Meta: once(m.about(webhook.SourcePublic), token), Subscriber: person(m.To), Campaign: mailing(m.Campaign),
		}, nil
	})
}

// click records that a link was clicked, and returns where it leads.
func (a *app) click(ctx context.Context, token string, linkID int64) (url string, err error) {
	err = a.reaction(ctx, token, func(tx *sql.Tx, m message) (webhook.Event, error) {
		err := tx.QueryRowContext(ctx, `SELECT url FROM links WHERE id = ? AND campaign_id = ?`, linkID, m.Campaign.ID).Scan(&url)
		if err != nil {
			return nil, found(err)
		}
		_, err = tx.ExecContext(ctx, `UPDATE recipients SET clicks = clicks + 1 WHERE token = ?`, token)
		return webhook.Click{
			Meta: m.about(webhook.SourcePublic), Subscriber: person(m.To), Campaign: mailing(m.Campaign),
			Link: webhook.Link{ID: id(linkID), URL: url},
		}, err
	})
	return url, err
}

// forward records that somebody sent a mail on to friends.
func (a *app) forward(ctx context.Context, token string, friends int) error {
	if friends < 1 || friends > 20 {
		return errInput("Forward it to between 1 and 20 friends.")
	}
	return a.reaction(ctx, token, func(tx *sql.Tx, m message) (webhook.Event, error) {
		_, err := tx.ExecContext(ctx, `UPDATE recipients SET forwards = forwards + ? WHERE token = ?`, friends, token)
		return webhook.Forward{
			Meta: m.about(webhook.SourcePublic), Subscriber: person(m.To), Campaign: mailing(m.Campaign),
			Details: webhook.ForwardDetails{Count: friends},
		}, err
	})
}

// share records that somebody shared a mail on a network.
func (a *app) share(ctx context.Context, token string, network webhook.Network, content string) error {
	if network != webhook.NetworkFacebook && network != webhook.NetworkTwitter {
		return errInput("Choose a network.")
	}
	return a.reaction(ctx, token, func(tx *sql.Tx, m message) (webhook.Event, error) {
		_, err := tx.ExecContext(ctx, `UPDATE recipients SET shares = shares + 1 WHERE token = ?`, token)
		return webhook.Share{
			Meta: m.about(webhook.SourcePublic), Subscriber: person(m.To), Campaign: mailing(m.Campaign),
			Details: webhook.ShareDetails{Network: network, Content: content},
		}, err
	})
}

// leave takes a mail's recipient off the list that it was sent to.
func (a *app) leave(ctx context.Context, token, reason string) error {
	return a.reaction(ctx, token, func(tx *sql.Tx, m message) (webhook.Event, error) {
		was, err := execOne(ctx, tx, `UPDATE subscriptions SET active = 0
			WHERE list_id = ? AND subscriber_id = ? AND active`, m.Campaign.ListID, m.To.ID)
		if err != nil || !was {
			return nil, err
		}
		_, err = tx.ExecContext(ctx, `UPDATE recipients SET unsubscribed = 1 WHERE token = ?`, token)
		c := mailing(m.Campaign)
		return webhook.Unsubscribe{
			Meta: m.about(webhook.SourcePublic), Subscriber: person(m.To), Campaign: &c,
			Details: webhook.UnsubscribeDetails{Reason: reason},
		}, err
	})
}

// bounces are the answers of mail servers that can be played.
var bounces = map[webhook.BounceType]webhook.BounceDetails{
	webhook.BounceHard: {Type: webhook.BounceHard, Code: "5.1.1", Description: "The mailbox does not exist"},
	webhook.BounceSoft: {Type: webhook.BounceSoft, Code: "4.2.2", Description: "The mailbox is full"},
}

// bounce records that a mail came back. After a hard bounce the recipient gets no more
// mails.
func (a *app) bounce(ctx context.Context, token string, kind webhook.BounceType) error {
	details, ok := bounces[kind]
	if !ok {
		return errInput("A bounce is hard or soft.")
	}
	return a.reaction(ctx, token, func(tx *sql.Tx, m message) (webhook.Event, error) {
		isNew, err := execOne(ctx, tx, `UPDATE recipients SET bounce = ? WHERE token = ? AND bounce = ''`, kind, token)
		if err == nil && kind == webhook.BounceHard {
			_, err = tx.ExecContext(ctx, `UPDATE subscribers SET bounced = 1 WHERE id = ?`, m.To.ID)
		}
		if err != nil || !isNew {
			return nil, err
		}
		return webhook.Bounce{
			Meta:       once(m.about(webhook.SourceSystem), token),
			Subscriber: person(m.To), Campaign: mailing(m.Campaign), Details: details,
		}, nil
	})
}
