package main

import (
	"testing"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
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
