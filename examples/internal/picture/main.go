// Command picture makes the pictures of the customers' page in README.md and
// docs/page.md: page.png, page-webhook.png and page-delivery.png. It needs Chromium in
// the path:
//
//	go run ./examples/internal/picture docs
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/tally"
	"github.com/listhook/webhook/manage"
	"github.com/listhook/webhook/memstore"
	"github.com/listhook/webhook/storetest"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: picture folder")
	}
	if err := run(context.Background(), os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

// pictures are the files by the addresses of what they show, and how high it is.
var pictures = []struct {
	file, address string
	height        int
}{
	{"page.png", "", 860},
	{"page-webhook.png", "webhooks/" + failing, 800},
	{"page-delivery.png", "deliveries/" + failing + "-50", 900},
}

func run(ctx context.Context, folder string) error {
	h, err := page(ctx, time.Now())
	if err != nil {
		return err
	}
	server := httptest.NewServer(h)
	defer server.Close()
	for _, p := range pictures {
		if err := take(ctx, filepath.Join(folder, p.file), server.URL+"/webhooks/"+p.address, p.height); err != nil {
			return err
		}
	}
	return nil
}

// take makes a picture of a page.
func take(ctx context.Context, file, address string, height int) error {
	profile, err := os.MkdirTemp("", "picture")
	if err != nil {
		return err
	}
	defer os.RemoveAll(profile)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
		"--user-data-dir="+profile, "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
		fmt.Sprintf("--window-size=1280,%d", height), "--screenshot="+file, address).CombinedOutput()
	if err != nil {
		return fmt.Errorf("chromium: %w\n%s", err, out)
	}
	if _, err := os.Stat(file); err != nil {
		return errors.Join(err, errors.New(string(out)))
	}
	return nil
}

const account = "acme"

// page returns the page of an account with a webhook in each state: enabled, failing
// and held, disabled and keeping its events.
func page(ctx context.Context, now time.Time) (http.Handler, error) {
	store := memstore.New()
	for i, example := range webhooks(now) {
		if err := seed(ctx, store, example, i, now); err != nil {
			return nil, err
		}
	}
	d, err := webhook.New(store, nil, nil) // never started: nothing is sent
	if err != nil {
		return nil, err
	}
	h, err := manage.Handler(d, &manage.Options{
		Session: func(*http.Request) (manage.Access, error) {
			return manage.Access{Account: account, View: true, Manage: true}, nil
		},
		Lists: func(context.Context, string) ([]manage.List, error) {
			return []manage.List{{ID: "12", Name: "Newsletter"}, {ID: "15", Name: "Customers"}}, nil
		},
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/webhooks/", h)
	return mux, nil
}

// An example is a webhook and what was delivered to it in the last day.
type example struct {
	webhook           webhook.Webhook
	delivered, failed int
	pending           int
	reason            string // why the newest one failed; "": it did not
	status            int
}

// The reasons as the library stores them.
const (
	unavailable = "The receiver is not available (503 Service Unavailable): check whether it is overloaded or in maintenance."
	failed      = "The receiver failed (500 Internal Server Error): check its error log."
)

// failing is the ID of the webhook that fails.
const failing = "1763900000000003"

func webhooks(now time.Time) []example {
	members := []webhook.EventType{webhook.TypeSubscribe, webhook.TypeUnsubscribe}
	reactions := []webhook.EventType{webhook.TypeOpen, webhook.TypeClick}
	return []example{
		{webhook: webhook.Webhook{Settings: webhook.Settings{
			Name: "CRM", URL: "https://crm.example.com/hook.php", List: "12",
			Events: members, Sources: webhook.Sources(),
		}}, delivered: 184},
		{webhook: webhook.Webhook{DisabledAt: now.Add(-5 * time.Hour), Settings: webhook.Settings{
			Name: "Data warehouse", URL: "https://data.example.com/in", Disabled: "Moving to a new server",
			Events: webhook.EventTypes(), Sources: webhook.Sources(), KeepEvents: true,
		}}, delivered: 903, pending: 260},
		{webhook: webhook.Webhook{
			HeldUntil: now.Add(9 * time.Minute),
			Health: webhook.Health{
				Failures: 14, Since: now.Add(-3 * time.Hour), Last: now.Add(-7 * time.Minute), Hours: 3,
				Reason: unavailable,
			},
			Settings: webhook.Settings{
				Name: "Shop", URL: "https://shop.example.org/hook", List: "15",
				Events:  []webhook.EventType{webhook.TypeUnsubscribe, webhook.TypeBounce},
				Sources: webhook.Sources(),
			},
		}, delivered: 41, pending: 14, reason: unavailable, status: 503},
		{webhook: webhook.Webhook{Settings: webhook.Settings{
			Name: "Live statistics", URL: "https://stats.example.net/",
			Events: reactions, Sources: []webhook.Source{webhook.SourcePublic},
		}}, delivered: 2210, failed: 3},
	}
}

// count adds what became of a delivery to a webhook's tallies.
func count(figures *tally.Document, d webhook.Delivery, now time.Time) {
	for _, a := range d.Log {
		h := tally.Hour{Start: a.Start.UTC().Truncate(time.Hour)}
		h.Attempts = 1
		h.Took(a.Duration)
		if a.Reason == "" {
			h.Delivered = 1
		}
		if d.State == webhook.StateFailed {
			h.Failed = 1
		}
		figures.Add(h, now)
	}
}

// seed stores a webhook and its deliveries, spread over the last day.
func seed(ctx context.Context, store webhook.Store, e example, i int, now time.Time) error {
	w := e.webhook
	w.ID, w.Account, w.Revision = fmt.Sprintf("17639000000000%02d", i+1), account, 1
	w.Created = now.AddDate(0, 0, 10*i-80)
	w.Changed = w.Created
	var ds []webhook.Delivery
	figures := &tally.Document{}
	total := e.delivered + e.failed + e.pending
	for n := range total {
		created := now.Add(-time.Duration(total-n) * 20 * time.Hour / time.Duration(total)).Truncate(time.Millisecond)
		d := webhook.Delivery{
			ID: fmt.Sprintf("%s-%d", w.ID, n), Account: account, WebhookID: w.ID, EventID: fmt.Sprint(n),
			Type: w.Events[n%len(w.Events)], Body: webhook.SampleBody(w.Events[n%len(w.Events)], webhook.FormatCurrent), Created: created, Due: created,
			State: webhook.StateDelivered, Attempts: 1,
			Log: []webhook.Attempt{{Start: created, Duration: time.Duration(35+n*n%90) * time.Millisecond, Status: 200}},
		}
		switch {
		case n < e.failed:
			d.State = webhook.StateFailed
			d.Log[0].Status, d.Log[0].Reason = 500, failed
		case n >= total-e.pending:
			d.State, d.Due, d.Attempts = webhook.StatePending, now.Add(9*time.Minute), 0
			d.Log = nil
			if e.reason != "" {
				d.Attempts = 2
				for _, after := range []time.Duration{0, 5 * time.Second} {
					d.Log = append(d.Log, webhook.Attempt{
						Start: created.Add(after), Duration: 340 * time.Millisecond, Status: cmp.Or(e.status, 500), Reason: e.reason,
						Response: []byte(`{"error":"maintenance","until":"18:00"}`),
					})
				}
			}
		}
		ds = append(ds, d)
		count(figures, d, now)
	}
	w.Tallies = figures.Bytes()
	if _, err := store.PutWebhook(ctx, w); err != nil {
		return err
	}
	_, err := store.Enqueue(ctx, storetest.Events(ds...))
	return err
}
