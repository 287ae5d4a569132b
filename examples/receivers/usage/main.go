// Command usage records when campaigns start and to how many people they go,
// to bill by, or to see what a customer uses.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/examples/receivers/receive"
)

// The month is the sender's own, as the event has it. A recurring campaign starts
// more than once.
const schema = `
CREATE TABLE IF NOT EXISTS starts (
  campaign TEXT NOT NULL, at INTEGER NOT NULL, name TEXT NOT NULL, month TEXT NOT NULL, recipients INTEGER NOT NULL,
  PRIMARY KEY (campaign, at)
);`

func main() { receive.Main(receive.Receiver{Schema: schema, Apply: apply, Page: page}) }

func apply(ctx context.Context, tx *sql.Tx, e webhook.Event) error {
	sent, ok := e.(webhook.Sent)
	if !ok {
		return nil // the webhook was set to more than this needs
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO starts (campaign, at, name, month, recipients) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING`, sent.Campaign.ID, sent.Time.Unix(), sent.Campaign.Name, sent.Time.Format("2006-01"), sent.Campaign.Recipients)
	return err
}

// page is a line for each month: its campaigns, and how many mails they were.
func page(w http.ResponseWriter, r *http.Request, db *sql.DB) {
	rows, err := db.QueryContext(r.Context(), `SELECT month, count(*), sum(recipients) FROM starts GROUP BY month ORDER BY month`)
	if err != nil {
		http.Error(w, "the database does not answer", http.StatusInternalServerError)
		return
	}
	defer rows.Close()
	for rows.Next() {
		var month string
		var campaigns, mails int
		if rows.Scan(&month, &campaigns, &mails) == nil {
			fmt.Fprintf(w, "%s\t%d\t%d\n", month, campaigns, mails)
		}
	}
	if rows.Err() != nil {
		panic(http.ErrAbortHandler)
	}
}
