package main

import (
	"context"
	"database/sql"
	"net/mail"
	"strings"

	"github.com/listhook/webhook"
)

// A list is what people subscribe to.
type list struct {
	ID     int64
	Name   string
	Active int // subscribers
}

// A subscriber is a person on lists.
type subscriber struct {
	ID        int64
	Email     string
	FirstName string
	LastName  string
	City      string // a custom field
	IP        string // of the last sign-up or change; "": not known
	Bounced   bool   // the address is gone for good
	Active    bool   // on the list that was asked for
}

// Name is how to call s.
func (s subscriber) Name() string {
	if name := strings.TrimSpace(s.FirstName + " " + s.LastName); name != "" {
		return name
	}
	return s.Email
}

// errInput is a mistake of the visitor's, told in words.
type errInput string

func (e errInput) Error() string { return string(e) }

func (a *app) lists(ctx context.Context) ([]list, error) {
	return query(ctx, a.db, func(rows *sql.Rows) (l list, err error) {
		return l, rows.Scan(&l.ID, &l.Name, &l.Active)
	}, `SELECT id, name, (SELECT count(*) FROM subscriptions WHERE list_id = id AND active) FROM lists ORDER BY id`)
}

func (a *app) list(ctx context.Context, id int64) (l list, err error) {
	err = a.db.QueryRowContext(ctx, `SELECT id, name FROM lists WHERE id = ?`, id).Scan(&l.ID, &l.Name)
	return l, found(err)
}

func (a *app) addList(ctx context.Context, name string) error {
	if name == "" {
		return errInput("Give the list a name.")
	}
	_, err := a.db.ExecContext(ctx, `INSERT INTO lists (name) VALUES (?)`, name)
	return err
}

const subscriberColumns = `s.id, s.email, s.first_name, s.last_name, s.city, s.ip, s.bounced`

func (s *subscriber) columns() []any {
	return []any{&s.ID, &s.Email, &s.FirstName, &s.LastName, &s.City, &s.IP, &s.Bounced}
}

// subscribers returns everybody who is or was on a list.
func (a *app) subscribers(ctx context.Context, listID int64) ([]subscriber, error) {
	return query(ctx, a.db, func(rows *sql.Rows) (s subscriber, err error) {
		return s, rows.Scan(append(s.columns(), &s.Active)...)
	}, `SELECT `+subscriberColumns+`, m.active FROM subscribers s JOIN subscriptions m ON m.subscriber_id = s.id
		WHERE m.list_id = ? ORDER BY s.id DESC`, listID)
}

func loadSubscriber(ctx context.Context, q querier, id int64) (s subscriber, err error) {
	err = q.QueryRowContext(ctx, `SELECT `+subscriberColumns+` FROM subscribers s WHERE s.id = ?`, id).Scan(s.columns()...)
	return s, found(err)
}

// subscribe puts somebody on a list, who may be known from another.
func (a *app) subscribe(ctx context.Context, listID int64, s subscriber, source webhook.Source) error {
	if address, err := mail.ParseAddress(s.Email); err != nil || address.Address != s.Email {
		return errInput("“" + s.Email + "” is no email address.")
	}
	return a.change(ctx, func(tx *sql.Tx) error {
		// An empty field keeps its value.
		err := tx.QueryRowContext(ctx, `INSERT INTO subscribers AS s (email, first_name, last_name, city, ip) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (email) DO UPDATE SET
				first_name = coalesce(nullif(excluded.first_name, ''), s.first_name),
				last_name = coalesce(nullif(excluded.last_name, ''), s.last_name),
				city = coalesce(nullif(excluded.city, ''), s.city),
				ip = coalesce(nullif(excluded.ip, ''), s.ip)
			RETURNING id`, s.Email, s.FirstName, s.LastName, s.City, s.IP).Scan(&s.ID)
		if err == nil {
			s, err = loadSubscriber(ctx, tx, s.ID)
		}
		if err != nil {
			return err
		}
		isNew, err := execOne(ctx, tx, `INSERT INTO subscriptions (list_id, subscriber_id) VALUES (?, ?)
			ON CONFLICT DO UPDATE SET active = 1 WHERE NOT active`, listID, s.ID)
		switch {
		case err != nil:
			return err
		case !isNew:
			return errInput(s.Email + " is on the list already.")
		}
		event := webhook.Subscribe{Meta: about(source, listID), Subscriber: person(s)}
		if source == webhook.SourcePublic {
			event.Form.ID = formID
		}
		return a.emit(ctx, tx, event)
	})
}

// formID is the one sign-up form that every list has.
const formID = "1"

// update changes a subscriber's details.
func (a *app) update(ctx context.Context, s subscriber, source webhook.Source) error {
	return a.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE subscribers SET first_name = ?, last_name = ?, city = ?,
			ip = coalesce(nullif(?, ''), ip) WHERE id = ?`, s.FirstName, s.LastName, s.City, s.IP, s.ID)
		if err == nil {
			s, err = loadSubscriber(ctx, tx, s.ID)
		}
		if err != nil {
			return err
		}
		// Whichever of the lists a webhook is tied to, it hears of it once.
		lists, err := query(ctx, tx, func(rows *sql.Rows) (id int64, err error) {
			return id, rows.Scan(&id)
		}, `SELECT list_id FROM subscriptions WHERE subscriber_id = ? AND active ORDER BY list_id`, s.ID)
		if err != nil {
			return err
		}
		return a.emit(ctx, tx, webhook.Update{Meta: about(source, lists...), Subscriber: person(s)})
	})
}

// unsubscribe takes somebody off a list on an admin's word; see mail.leave for
// the subscriber's own.
func (a *app) unsubscribe(ctx context.Context, listID, subscriberID int64) error {
	return a.change(ctx, func(tx *sql.Tx) error {
		s, err := loadSubscriber(ctx, tx, subscriberID)
		if err != nil {
			return err
		}
		was, err := execOne(ctx, tx, `UPDATE subscriptions SET active = 0
			WHERE list_id = ? AND subscriber_id = ? AND active`, listID, subscriberID)
		if err != nil || !was {
			return err
		}
		return a.emit(ctx, tx, webhook.Unsubscribe{Meta: about(webhook.SourceAdmin, listID), Subscriber: person(s)})
	})
}
