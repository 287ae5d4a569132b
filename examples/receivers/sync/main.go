// Command sync keeps the subscribers of lists in a database of its own, as an
// online shop or a CRM would.
package main

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/examples/receivers/receive"
)

// Events may arrive in another order than they happened in, above all those that are
// sent again, so each row has the moment of the event that wrote it, and an older event
// changes nothing. Of two events of one moment an unsubscription counts most. For
// what else they say, the one with the greater event counts, its type and ID:
// an update more than a subscription, and of the same type, mostly the later.
//
// The list '0' of list_changes stands for every list.
const schema = `
CREATE TABLE IF NOT EXISTS subscribers (
  id TEXT PRIMARY KEY, email TEXT NOT NULL, first_name TEXT NOT NULL, last_name TEXT NOT NULL,
  at INTEGER NOT NULL, event TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS fields (
  subscriber TEXT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL, at INTEGER NOT NULL, event TEXT NOT NULL,
  PRIMARY KEY (subscriber, field)
);
CREATE TABLE IF NOT EXISTS list_changes (
  list TEXT NOT NULL, subscriber TEXT NOT NULL,
  subscribed_at INTEGER NOT NULL DEFAULT 0, unsubscribed_at INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (list, subscriber)
);
CREATE VIEW IF NOT EXISTS memberships AS
  SELECT c.list, c.subscriber, c.subscribed_at > max(c.unsubscribed_at, coalesce(every.unsubscribed_at, 0)) AS subscribed
  FROM list_changes c LEFT JOIN list_changes every ON every.list = '0' AND every.subscriber = c.subscriber
  WHERE c.list <> '0';`

func main() { receive.Main(receive.Receiver{Schema: schema, Apply: apply, Page: page}) }

func apply(ctx context.Context, tx *sql.Tx, e webhook.Event) error {
	var s webhook.Subscriber
	var m webhook.Meta
	switch e := e.(type) {
	case webhook.Subscribe:
		s, m = e.Subscriber, e.Meta
	case webhook.Unsubscribe:
		s, m = e.Subscriber, e.Meta
	case webhook.Update:
		s, m = e.Subscriber, e.Meta
	default:
		return nil // the webhook was set to more than this needs
	}
	id := cmp.Or(s.ID, strings.ToLower(s.Email)) // an app without IDs knows people by address
	if id == "" {                                // it names nobody
		return nil
	}
	at, err := receive.Moment(ctx, tx, id, m)
	if err != nil {
		return err
	}
	switch told := string(e.Type()) + " " + m.ID; e.Type() {
	case webhook.TypeSubscribe:
		return errors.Join(changeList(ctx, tx, "subscribed_at", id, m, at), save(ctx, tx, id, s, at, told))
	case webhook.TypeUnsubscribe:
		return errors.Join(changeList(ctx, tx, "unsubscribed_at", id, m, at), add(ctx, tx, id, s))
	default: // an update subscribes nobody: its subscriber may have left the list
		return save(ctx, tx, id, s, at, told)
	}
}

// changeList records when somebody came to the event's list or left it: the
// column. Who leaves without a list leaves every list.
func changeList(ctx context.Context, tx *sql.Tx, column, id string, m webhook.Meta, at int64) error {
	list := "0"
	if len(m.Lists) > 0 {
		list = m.Lists[0] // a delivery names one
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO list_changes (list, subscriber, `+column+`) VALUES (?, ?, ?)
		ON CONFLICT DO UPDATE SET `+column+` = max(`+column+`, excluded.`+column+`)`, list, id, at)
	return err
}

// save keeps what an event says of a person, unless something later is known. A
// field that was cleared comes empty; one that does not come is as it was.
func save(ctx context.Context, tx *sql.Tx, id string, s webhook.Subscriber, at int64, event string) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO subscribers (id, email, first_name, last_name, at, event) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET email = excluded.email, first_name = excluded.first_name, last_name = excluded.last_name,
			at = excluded.at, event = excluded.event WHERE (excluded.at, excluded.event) > (at, event)`,
		id, s.Email, s.FirstName, s.LastName, at, event)
	if err != nil {
		return err
	}
	for field, value := range s.Fields {
		_, err := tx.ExecContext(ctx, `INSERT INTO fields (subscriber, field, value, at, event) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET value = excluded.value, at = excluded.at, event = excluded.event
				WHERE (excluded.at, excluded.event) > (at, event)`, id, field, value, at, event)
		if err != nil {
			return err
		}
	}
	return nil
}

// add keeps a person whom no event described yet. An unsubscription may say less
// of a person than what is known.
func add(ctx context.Context, tx *sql.Tx, id string, s webhook.Subscriber) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO subscribers (id, email, first_name, last_name, at, event) VALUES (?, ?, ?, ?, 0, '')
		ON CONFLICT DO NOTHING`, id, s.Email, s.FirstName, s.LastName)
	return err
}

func page(w http.ResponseWriter, r *http.Request, db *sql.DB) {
	var n int
	if err := db.QueryRowContext(r.Context(), `SELECT count(*) FROM memberships WHERE subscribed`).Scan(&n); err != nil {
		http.Error(w, "the database does not answer", http.StatusInternalServerError)
		return
	}
	fmt.Fprintf(w, "%d subscribed\n", n)
}
