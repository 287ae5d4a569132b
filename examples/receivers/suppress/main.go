// Command suppress keeps a list of the addresses that must not be written to,
// for whatever else sends mail: who has unsubscribed and whose mail bounced.
package main

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"strings"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/examples/receivers/receive"
)

// Somebody may come back. Only the latest moment of each counts, so that the
// order in which events arrive makes no difference; of one moment, it is that of
// leaving. The list '0' stands for every list.
const schema = `
CREATE TABLE IF NOT EXISTS people (
  email TEXT NOT NULL COLLATE NOCASE, list TEXT NOT NULL,
  joined INTEGER NOT NULL DEFAULT 0, gone INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (email, list)
);
CREATE TABLE IF NOT EXISTS bounced (
  email TEXT PRIMARY KEY COLLATE NOCASE, code TEXT NOT NULL, description TEXT NOT NULL
);
CREATE VIEW IF NOT EXISTS unsubscribed AS
  SELECT p.email, p.list, p.joined, max(p.gone, coalesce(every.gone, 0)) AS gone
  FROM people p LEFT JOIN people every ON every.list = '0' AND every.email = p.email;
CREATE VIEW IF NOT EXISTS suppressed AS
  SELECT email, 'list ' || list AS scope, 'unsubscribed' AS why FROM unsubscribed
  WHERE list <> '0' AND gone > 0 AND gone >= joined
  UNION ALL SELECT email, 'every list', 'unsubscribed' FROM people every
  WHERE list = '0' AND gone > 0 AND gone >= (SELECT max(joined) FROM people p WHERE p.email = every.email)
  UNION ALL SELECT email, 'every list', code || ' ' || description FROM bounced;`

func main() { receive.Main(receive.Receiver{Schema: schema, Apply: apply, Page: page}) }

func apply(ctx context.Context, tx *sql.Tx, e webhook.Event) error {
	switch e := e.(type) {
	case webhook.Subscribe:
		return note(ctx, tx, "joined", e.Meta, e.Subscriber)
	case webhook.Unsubscribe:
		return note(ctx, tx, "gone", e.Meta, e.Subscriber)
	case webhook.Bounce:
		if e.Details.Type != webhook.BounceHard || e.Subscriber.Email == "" {
			return nil // a full mailbox, say: the address is still good
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO bounced (email, code, description) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`,
			e.Subscriber.Email, e.Details.Code, e.Details.Description)
		return err
	}
	return nil
}

// note notes when somebody joined the event's list or was gone from it: the
// column. Who leaves without a list leaves every list.
func note(ctx context.Context, tx *sql.Tx, column string, m webhook.Meta, s webhook.Subscriber) error {
	if s.Email == "" {
		return nil
	}
	at, err := receive.Moment(ctx, tx, cmp.Or(s.ID, strings.ToLower(s.Email)), m)
	if err != nil {
		return err
	}
	list := "0"
	if len(m.Lists) > 0 {
		list = m.Lists[0] // a delivery names one
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO people (email, list, `+column+`) VALUES (?, ?, ?)
		ON CONFLICT DO UPDATE SET `+column+` = max(`+column+`, excluded.`+column+`)`, s.Email, list, at)
	return err
}

// page is the list, a line for each address, for other programs to read.
func page(w http.ResponseWriter, r *http.Request, db *sql.DB) {
	rows, err := db.QueryContext(r.Context(), `SELECT email, scope, why FROM suppressed ORDER BY email, scope`)
	if err != nil {
		http.Error(w, "the database does not answer", http.StatusInternalServerError)
		return
	}
	defer rows.Close()
	for rows.Next() {
		var email, scope, why string
		if rows.Scan(&email, &scope, &why) == nil {
			fmt.Fprintf(w, "%s\t%s\t%s\n", email, scope, why)
		}
	}
	if rows.Err() != nil {
		panic(http.ErrAbortHandler) // half a list must not look like a whole one
	}
}
