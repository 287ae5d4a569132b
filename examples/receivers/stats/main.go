// Command stats shows how people react to campaigns, while they do: opens,
// clicks, forwards and shares. Its page is at /, and /live sends the figures
// to it, as server-sent events, whenever they change.
package main

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/examples/receivers/receive"
)

const schema = `
CREATE TABLE IF NOT EXISTS reactions (
  campaign TEXT NOT NULL, reaction TEXT NOT NULL, subscriber TEXT NOT NULL, times INTEGER NOT NULL DEFAULT 1,
  PRIMARY KEY (campaign, reaction, subscriber)
);`

func main() { receive.Main(receive.Receiver{Schema: schema, Apply: apply, Page: page}) }

func apply(ctx context.Context, tx *sql.Tx, e webhook.Event) error {
	var campaign webhook.Campaign
	var subscriber webhook.Subscriber
	switch e := e.(type) {
	case webhook.Open:
		campaign, subscriber = e.Campaign, e.Subscriber
	case webhook.Click:
		campaign, subscriber = e.Campaign, e.Subscriber
	case webhook.Forward:
		campaign, subscriber = e.Campaign, e.Subscriber
	case webhook.Share:
		campaign, subscriber = e.Campaign, e.Subscriber
	default:
		return nil // the webhook was set to more than this needs
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO reactions (campaign, reaction, subscriber) VALUES (?, ?, ?)
		ON CONFLICT DO UPDATE SET times = times + 1`, campaign.ID, e.Type(), cmp.Or(subscriber.ID, strings.ToLower(subscriber.Email)))
	return err
}

// A figure is how often people reacted to a campaign, and how many people.
type figure struct {
	Campaign string `json:"campaign"`
	Reaction string `json:"reaction"`
	Times    int    `json:"times"`
	People   int    `json:"people"`
}

func figures(ctx context.Context, db *sql.DB) ([]figure, error) {
	rows, err := db.QueryContext(ctx, `SELECT campaign, reaction, sum(times), count(*) FROM reactions
		GROUP BY campaign, reaction ORDER BY campaign, reaction`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := []figure{}
	for rows.Next() {
		var f figure
		if err := rows.Scan(&f.Campaign, &f.Reaction, &f.Times, &f.People); err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, rows.Err()
}

func page(w http.ResponseWriter, r *http.Request, db *sql.DB) {
	if r.URL.Path != "/live" {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, html)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for last := ""; ; {
		all, err := figures(r.Context(), db)
		if err != nil {
			return // the browser asks again
		}
		if text, _ := json.Marshal(all); string(text) != last {
			last = string(text)
			fmt.Fprintf(w, "data: %s\n\n", last)
			if http.NewResponseController(w).Flush() != nil {
				return
			}
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

const html = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Live reactions</title>
<style>:root { color-scheme: light dark } body { font: 1.1rem system-ui, sans-serif; margin: 2rem } th, td { padding: .3rem 1rem .3rem 0; text-align: left }</style>
<h1>Live reactions</h1>
<table><thead><tr><th>Campaign<th>Reaction<th>Times<th>People</thead><tbody id="figures"></tbody></table>
<script>
new EventSource("/live").onmessage = (event) => {
  document.getElementById("figures").replaceChildren(...JSON.parse(event.data).map((figure) => {
    const row = document.createElement("tr");
    for (const name of ["campaign", "reaction", "times", "people"]) row.insertCell().textContent = figure[name];
    return row;
  }));
};
</script>
`
