package main

import (
	"testing"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
	"github.com/listhook/webhook/webhooktest"
)

// The peers are given the very body that the library makes.
func TestBodyIsTheLibrarys(t *testing.T) {
	e := event{number: 123456, target: 37, at: time.Now()}
	store := new(memstore.Store)
	d, err := webhook.New(store, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.AddWebhook(t.Context(), webhook.Webhook{Account: account(37), Settings: webhook.Settings{
		List: list(37), URL: "https://example.com", Events: webhook.EventTypes(), Sources: webhook.Sources(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Emit(t.Context(), e.open()); err != nil {
		t.Fatal(err)
	}
	ds, err := store.Deliveries(t.Context(), webhook.DeliveryQuery{All: true})
	if err != nil || len(ds) != 1 {
		t.Fatal(len(ds), "deliveries, error", err)
	}
	if got, want := string(e.body()), string(ds[0].Body); got != want {
		t.Errorf("body:\n%s\nthe library's:\n%s", got, want)
	}
	if n := len(e.body()); n < 350 || n > 500 {
		t.Errorf("a body has %d bytes, not about 400", n)
	}
	number, at, ok := parseStamp(e.body())
	if number != e.number || at != e.at.UnixNano() || !ok {
		t.Errorf("the stamp is read as %d at %d", number, at)
	}
}

func TestBodyWithoutStampIsRefused(t *testing.T) {
	for _, body := range []string{"", "type=open", string(stampKey), string(stampKey) + "7", string(stampKey) + "7.x&a=b", string(stampKey) + "x.7"} {
		if _, _, ok := parseStamp([]byte(body)); ok {
			t.Errorf("%q has a stamp", body)
		}
	}
}

func TestEachEventOfABatchHasItsStamp(t *testing.T) {
	at := time.Now()
	var events []webhook.Event
	for n := range 5 {
		events = append(events, event{number: n, target: 37, at: at}.open())
	}
	r := webhooktest.NewReceiver(t, nil)
	d, err := webhook.New(new(memstore.Store), r.Client(), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.AddWebhook(t.Context(), webhook.Webhook{Account: account(37), Settings: webhook.Settings{
		URL: r.URL(), Events: webhook.EventTypes(), Sources: webhook.Sources(),
		Format: webhook.FormatJSON, Batch: len(events), BatchWait: time.Minute / 2,
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	defer d.Shutdown(t.Context())
	if err := d.Emit(t.Context(), events...); err != nil {
		t.Fatal(err)
	}
	body := r.Wait(t, 1)[0].Body
	next := 0
	for number, emitted := range parseStamps(body) {
		if number != next || emitted != at.UnixNano() {
			t.Errorf("the stamp of event %d is read as %d at %d", next, number, emitted)
		}
		next++
	}
	if next != len(events) {
		t.Errorf("%d stamps of %d events in %s", next, len(events), body)
	}
}
