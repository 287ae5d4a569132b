// Command sync keeps the subscribers of lists in a database of its own, as an
// online shop or a CRM would.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/examples/receivers/receive"
)

const schema = `
CREATE TABLE IF NOT EXISTS subscribers (
  id TEXT PRIMARY KEY, email TEXT NOT NULL, first_name TEXT NOT NULL, last_name TEXT NOT NULL, at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS fields (
  subscriber TEXT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (subscriber, field)
);
CREATE TABLE IF NOT EXISTS memberships (
  list TEXT NOT NULL, subscriber TEXT NOT NULL, subscribed INTEGER NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (list, subscriber)
);`

func main() { receive.Main(receive.Receiver{Schema: schema, Apply: apply, Page: page}) }

func apply(ctx context.Context, tx *sql.Tx, e webhook.Event) error {
	switch e := e.(type) {
	case webhook.Subscribe:
		return join(ctx, tx, e.Meta, e.Subscriber, true)
	case webhook.Unsubscribe:
		return join(ctx, tx, e.Meta, e.Subscriber, false)
	case webhook.Update:
		return save(ctx, tx, e.Meta, e.Subscriber)
	}
	return nil // the webhook was set to more than this needs
}

// join notes that somebody came to the event's list, or left it. Events may
// arrive in another order than they happened in: an older one changes nothing,
// so that nobody is subscribed again who has left.
func join(ctx context.Context, tx *sql.Tx, m webhook.Meta, s webhook.Subscriber, subscribed bool) error {
	for _, list := range m.Lists {
		_, err := tx.ExecContext(ctx, `INSERT INTO memberships (list, subscriber, subscribed, at) VALUES (?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET subscribed = excluded.subscribed, at = excluded.at WHERE excluded.at >= at`,
			list, s.ID, subscribed, m.Time.Unix())
		if err != nil {
			return err
		}
	}
	return save(ctx, tx, m, s)
}

// save keeps what an event says of a person, unless something later is known.
func save(ctx context.Context, tx *sql.Tx, m webhook.Meta, s webhook.Subscriber) error {
	result, err := tx.ExecContext(ctx, `INSERT INTO subscribers (id, email, first_name, last_name, at) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET email = excluded.email, first_name = excluded.first_name,
			last_name = excluded.last_name, at = excluded.at WHERE excluded.at >= at`,
		s.ID, s.Email, s.FirstName, s.LastName, m.Time.Unix())
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return err
	}
	// An event has all the fields; those that are empty are left out.
	if _, err := tx.ExecContext(ctx, `DELETE FROM fields WHERE subscriber = ?`, s.ID); err != nil {
		return err
	}
	for field, value := range s.Fields {
		_, err := tx.ExecContext(ctx, `INSERT INTO fields (subscriber, field, value) VALUES (?, ?, ?)`, s.ID, field, value)
		if err != nil {
			return err
		}
	}
	return nil
}

func page(w http.ResponseWriter, r *http.Request, db *sql.DB) {
	var n int
	if err := db.QueryRowContext(r.Context(), `SELECT count(*) FROM memberships WHERE subscribed`).Scan(&n); err != nil {
		http.Error(w, "the database does not answer", http.StatusInternalServerError)
		return
	}
	fmt.Fprintf(w, "%d subscribed\n", n)
}
