package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"net/http"
	"strconv"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage"
	"github.com/listhook/webhook/sqlitestore"
)

// This file is all that webhooks added to the app, but for one emit in each transaction
// that changes something, and the line that mounts the page. It keeps webhooks in the
// app's database, sends them, shows their page, and maps the app's records to events.

// webhooks sends the app's events to the customers' webhooks.
type webhooks struct {
	*webhook.Dispatcher
	store *sqlitestore.Store
}

// newWebhooks keeps webhooks in db and begins to send. Customers' URLs reach
// the internet and, on this machine, nothing but receiver, a host with its
// port.
func newWebhooks(ctx context.Context, db *sql.DB, receiver string) (*webhooks, error) {
	store := sqlitestore.New(db, nil)
	if err := store.Migrate(ctx); err != nil {
		return nil, err
	}
	client := webhook.NewClient(&webhook.ClientOptions{AllowHosts: []string{receiver}})
	d, err := webhook.New(store, client, &webhook.Options{Catalogue: catalogue()})
	if err != nil {
		return nil, err
	}
	return &webhooks{d, store}, d.Start()
}

// typeFinished is an event type of the app's own.
const typeFinished webhook.EventType = "campaign_finished"

// catalogue says which events the app emits and who causes them. Webhooks, their page
// and the APIs offer no others.
func catalogue() []webhook.EventInfo {
	recipient := []webhook.Source{webhook.SourcePublic}
	admin := []webhook.Source{webhook.SourceAdmin}
	system := []webhook.Source{webhook.SourceSystem}
	return []webhook.EventInfo{
		{Type: webhook.TypeSubscribe, Sources: []webhook.Source{webhook.SourcePublic, webhook.SourceAdmin, webhook.SourceAPI}},
		{Type: webhook.TypeUnsubscribe, Sources: []webhook.Source{webhook.SourcePublic, webhook.SourceAdmin}},
		{Type: webhook.TypeUpdate, Sources: []webhook.Source{webhook.SourcePublic, webhook.SourceAdmin}},
		{Type: webhook.TypeSent, Sources: admin},
		{Type: webhook.TypeOpen, Sources: recipient},
		{Type: webhook.TypeClick, Sources: recipient},
		{Type: webhook.TypeForward, Sources: recipient},
		{Type: webhook.TypeShare, Sources: recipient},
		{Type: webhook.TypeBounce, Sources: system},
		{Type: typeFinished, Label: "Campaign Finished", Sources: system, Sample: finished(campaign{
			ID: 34, ListID: 12, Name: "Spring newsletter", Subject: "Spring is here", Recipients: 1250, Opens: 900, Clicks: 321, Bounces: 4,
		})},
	}
}

// finished is the event that all of a campaign's mails were opened or came back.
func finished(c campaign) webhook.Custom {
	of := mailing(c)
	of.Status = webhook.CampaignCompleted
	return webhook.Custom{
		Meta: once(about(webhook.SourceSystem, c.ListID), "finished-"+id(c.ID)), Name: typeFinished, Campaign: &of,
		Data: map[string]any{
			"opens": c.Opens, "clicks": c.Clicks, "forwards": c.Forwards, "shares": c.Shares,
			"unsubscribed": c.Unsubscribed, "bounces": c.Bounces,
		},
	}
}

// emit hands over an event within a transaction: it is sent if that commits,
// and never if it does not.
func (w *webhooks) emit(ctx context.Context, tx *sql.Tx, e webhook.Event) error {
	return w.EmitTx(ctx, w.store.Tx(tx), e)
}

// webhooksPage is the page and the APIs. This app has one account and no
// login: who reaches its pages may do everything.
func (a *app) webhooksPage() (http.Handler, error) {
	hash := sha256.Sum256([]byte(a.apiKey))
	return manage.Handler(a.Dispatcher, &manage.Options{
		Session: func(*http.Request) (manage.Access, error) {
			return manage.Access{Manage: true, Location: time.Local}, nil
		},
		Key: func(_ context.Context, key string) (manage.Access, error) {
			sum := sha256.Sum256([]byte(key))
			return manage.Access{Manage: subtle.ConstantTimeCompare(sum[:], hash[:]) == 1, Location: time.Local}, nil
		},
		Lists: func(ctx context.Context, _ string) ([]manage.List, error) {
			lists, err := a.lists(ctx)
			named := make([]manage.List, len(lists))
			for i, l := range lists {
				named[i] = manage.List{ID: id(l.ID), Name: l.Name}
			}
			return named, err
		},
		Home:  "/integration",
		Style: ":root { --accent: light-dark(#0f6b5c, #6fd6c0); --on-accent: light-dark(#fff, #06231e); }",
	})
}

func id(n int64) string { return strconv.FormatInt(n, 10) }

// about returns the Meta of an event.
func about(source webhook.Source, lists ...int64) webhook.Meta {
	m := webhook.Meta{Source: source}
	for _, l := range lists {
		m.Lists = append(m.Lists, id(l))
	}
	return m
}

// once gives an event an ID of the app's, so that it is delivered once however
// often it is emitted.
func once(m webhook.Meta, eventID string) webhook.Meta {
	m.ID = eventID
	return m
}

// person maps a subscriber to that of events. City is custom field 7.
func person(s subscriber) webhook.Subscriber {
	return webhook.Subscriber{
		ID: id(s.ID), Email: s.Email, FirstName: s.FirstName, LastName: s.LastName, IP: s.IP,
		Fields: map[string]string{"7": s.City},
	}
}

// mailing maps a campaign to that of events.
func mailing(c campaign) webhook.Campaign {
	return webhook.Campaign{
		ID: id(c.ID), Name: c.Name, Type: webhook.CampaignSingle, Status: webhook.CampaignSending, Recipients: c.Recipients,
		Message: webhook.Message{ID: id(c.ID), Subject: c.Subject},
	}
}
