package main

import (
	"context"
	"database/sql"
	"regexp"
	"time"

	"github.com/listhook/webhook"
)

// A campaign is a message to a list.
type campaign struct {
	ID       int64
	ListID   int64
	ListName string
	Name     string
	Subject  string
	Text     string
	Sent     time.Time // zero: a draft

	// How recipients reacted.
	Recipients, Opens, Clicks, Forwards, Shares, Unsubscribed, Bounces int
}

// IsDraft reports whether c was not sent yet.
func (c campaign) IsDraft() bool { return c.Sent.IsZero() }

const selectCampaigns = `SELECT c.id, c.list_id, l.name, c.name, c.subject, c.text, coalesce(c.sent_at, 0),
		count(r.token), coalesce(sum(r.opened), 0), coalesce(sum(r.clicks), 0), coalesce(sum(r.forwards), 0),
		coalesce(sum(r.shares), 0), coalesce(sum(r.unsubscribed), 0), coalesce(sum(r.bounce <> ''), 0)
	FROM campaigns c JOIN lists l ON l.id = c.list_id LEFT JOIN recipients r ON r.campaign_id = c.id `

func scanCampaign(rows *sql.Rows) (c campaign, err error) {
	var sent int64
	err = rows.Scan(&c.ID, &c.ListID, &c.ListName, &c.Name, &c.Subject, &c.Text, &sent,
		&c.Recipients, &c.Opens, &c.Clicks, &c.Forwards, &c.Shares, &c.Unsubscribed, &c.Bounces)
	if sent != 0 {
		c.Sent = time.Unix(sent, 0)
	}
	return c, err
}

func (a *app) campaigns(ctx context.Context) ([]campaign, error) {
	return query(ctx, a.db, scanCampaign, selectCampaigns+`GROUP BY c.id ORDER BY c.id DESC`)
}

func loadCampaign(ctx context.Context, q querier, id int64) (campaign, error) {
	all, err := query(ctx, q, scanCampaign, selectCampaigns+`WHERE c.id = ? GROUP BY c.id`, id)
	if err != nil || len(all) == 0 {
		return campaign{}, notFoundUnless(err)
	}
	return all[0], nil
}

// aLink matches a link in a campaign's text. The punctuation that ends a sentence is
// not part of it.
var aLink = regexp.MustCompile(`https?://[^\s<>"]*[^\s<>".,;:!?)]`)

// addCampaign keeps a draft and the links of its text.
func (a *app) addCampaign(ctx context.Context, c campaign) (id int64, err error) {
	if c.Name == "" || c.Subject == "" || c.Text == "" {
		return 0, errInput("A campaign needs a name, a subject and a text.")
	}
	if _, err := a.list(ctx, c.ListID); err != nil {
		return 0, err
	}
	err = transact(ctx, a.db, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `INSERT INTO campaigns (list_id, name, subject, text) VALUES (?, ?, ?, ?) RETURNING id`,
			c.ListID, c.Name, c.Subject, c.Text).Scan(&id)
		for _, url := range aLink.FindAllString(c.Text, -1) {
			if err == nil {
				_, err = tx.ExecContext(ctx, `INSERT INTO links (campaign_id, url) VALUES (?, ?) ON CONFLICT DO NOTHING`, id, url)
			}
		}
		return err
	})
	return id, err
}

// send puts a mail to everybody on the campaign's list into the outbox.
func (a *app) send(ctx context.Context, campaignID int64) error {
	return a.change(ctx, func(tx *sql.Tx) error {
		c, err := loadCampaign(ctx, tx, campaignID)
		switch {
		case err != nil:
			return err
		case !c.IsDraft():
			return errInput("The campaign was sent already.")
		}
		if _, err := tx.ExecContext(ctx, `UPDATE campaigns SET sent_at = unixepoch() WHERE id = ?`, campaignID); err != nil {
			return err
		}
		some, err := execOne(ctx, tx, `INSERT INTO recipients (token, campaign_id, subscriber_id)
			SELECT lower(hex(randomblob(16))), c.id, s.id
			FROM campaigns c JOIN subscriptions m ON m.list_id = c.list_id JOIN subscribers s ON s.id = m.subscriber_id
			WHERE c.id = ? AND m.active AND NOT s.bounced`, campaignID)
		switch {
		case err != nil:
			return err
		case !some:
			return errInput("Nobody is on the campaign's list: subscribe somebody first.")
		}
		if c, err = loadCampaign(ctx, tx, campaignID); err != nil { // now with its recipients
			return err
		}
		return a.emit(ctx, tx, webhook.Sent{
			Meta:     once(about(webhook.SourceAdmin, c.ListID), "campaign-"+id(c.ID)),
			Campaign: mailing(c),
		})
	})
}

// links returns the IDs of a campaign's links by their URLs.
func (a *app) links(ctx context.Context, campaignID int64) (map[string]int64, error) {
	type link struct {
		id  int64
		url string
	}
	links, err := query(ctx, a.db, func(rows *sql.Rows) (l link, err error) {
		return l, rows.Scan(&l.id, &l.url)
	}, `SELECT id, url FROM links WHERE campaign_id = ?`, campaignID)
	ids := map[string]int64{}
	for _, l := range links {
		ids[l.url] = l.id
	}
	return ids, err
}
