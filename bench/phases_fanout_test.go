package main

import (
	"testing"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

func TestFanOutComparesMediansOfADelivery(t *testing.T) {
	narrow := []fanCost{
		{deliveries: 10, own: 300 * time.Microsecond, server: 100 * time.Microsecond, bytes: 8000},
		{deliveries: 10, own: time.Minute, server: time.Minute, bytes: 1 << 30}, // something else was at work
		{deliveries: 10, own: 300 * time.Microsecond, server: 100 * time.Microsecond, bytes: 8000},
	}
	wide := []fanCost{{deliveries: 100, own: 900 * time.Microsecond, server: 100 * time.Microsecond, bytes: 20_000}}
	m := fanMeasures(narrow, wide)
	for name, want := range map[string]float64{
		"cpu_us_narrow": 40, "cpu_us_wide": 10, "cpu_us_ratio": 0.25,
		"bytes_narrow": 800, "bytes_wide": 200, "bytes_ratio": 0.25,
	} {
		if m[name] != want {
			t.Errorf("%s is %v, want %v", name, m[name], want)
		}
	}
}

func TestAWideEventIsForAHundredWebhooks(t *testing.T) {
	store := new(memstore.Store)
	j := (&config{}).job(stage{phase: "fanoutjson", callers: 1}, findSubject("memory"), 0)
	j.Port = 9 // where nothing is sent
	o, err := openOurs(t.Context(), j, store, func() {})
	if err != nil {
		t.Fatal(err)
	}
	defer o.close()
	if err := o.addFanWebhooks(t.Context(), j.format()); err != nil {
		t.Fatal(err)
	}
	b := &bench{job: j, subject: o}
	stored := 0
	for _, wide := range []bool{false, true} {
		emitted, err := b.emitFan(t.Context(), wide, 2*fanOut)
		if err != nil {
			t.Fatal(err)
		}
		n, err := store.Count(t.Context(), webhook.DeliveryQuery{All: true})
		if err != nil {
			t.Fatal(err)
		}
		if emitted != 2*fanOut || n-stored != 2*fanOut {
			t.Errorf("wide %t: %d deliveries, and the store has %d more, want %d", wide, emitted, n-stored, 2*fanOut)
		}
		stored = n
	}
}
