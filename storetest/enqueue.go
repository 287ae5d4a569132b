package storetest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/listhook/webhook"
)

// What Enqueue adds, by itself.
var enqueueRules = []rule{
	{"enqueue_stores_the_whole_delivery",
		"Enqueue adds deliveries as they are: every field comes back, whatever the state.",
		func(c *checker) {
			for i, state := range states {
				want := whole(i+1, fmt.Sprint("d", i), t0)
				want.State = state
				c.enqueue(want)
				c.sameDelivery("a delivery with every field set, "+string(state), c.delivery(want.ID), want)
			}
			bare := webhook.Delivery{ID: "bare", WebhookID: "1", Created: t0, State: webhook.StatePending}
			c.enqueue(bare)
			c.same("a delivery with hardly a field set", c.delivery("bare"), bare)
		}},

	{"enqueue_stores_hundreds",
		"Enqueue adds all deliveries of a call, whatever their order, and Deliveries returns them all.",
		func(c *checker) {
			const n = 1200
			ids := names("d", n)
			var ds []webhook.Delivery
			for i := range n {
				d := pending(ids[i*683%n], fmt.Sprint("w", i%3), at(i))
				d.Created = at(i * 451 % n / 4)
				ds = append(ds, d)
			}
			if had := c.enqueue(ds...); len(had) > 0 {
				c.broken("Enqueue into an empty store returned %s as stored before", list(had))
			}
			m := newModel()
			m.enqueue(ds)
			c.logs(m, webhook.DeliveryQuery{All: true}, webhook.DeliveryQuery{Account: account, Since: at(100), Until: at(200), Limit: 300})
			if got := c.count(webhook.DeliveryQuery{All: true}); got != n {
				c.broken("Count is %d, want %d", got, n)
			}
		}},

	{"enqueue_may_add_none",
		"A call may have no event: Enqueue of none changes nothing, without an error.",
		func(c *checker) {
			if had := c.enqueue(); len(had) > 0 {
				c.broken("it returned %s", list(had))
			}
			if had, err := c.store.Enqueue(c.ctx, []webhook.OutboxEvent{}); err != nil || len(had) > 0 {
				c.broken("it returned %s and the error %v", list(had), err)
			}
			if n := c.count(webhook.DeliveryQuery{All: true}); n > 0 {
				c.broken("%d deliveries are stored afterwards", n)
			}
		}},
}

// What becomes of it.
var addedRules = []rule{
	{"enqueue_leaves_stored_ones_alone",
		"A delivery whose ID was stored before is left alone, and its ID is returned; the others of the call are added.",
		func(c *checker) {
			if had := c.enqueue(pending("a", "1", t0), pending("b", "1", at(60))); len(had) > 0 {
				c.broken("Enqueue into an empty store returned %s as stored before", list(had))
			}
			c.claimOne(everything(t0), "a")
			want := []webhook.Delivery{c.delivery("a"), c.delivery("b")}

			again := whole(1, "a", t0)
			again.State = webhook.StateFailed
			c.set("had", c.enqueue(pending("new", "1", t0), again, pending("b", "2", at(9))), []string{"a", "b"})
			c.same("a, stored before", c.delivery("a"), want[0])
			c.same("b, stored before", c.delivery("b"), want[1])
			c.same("the new one of the call", c.delivery("new"), pending("new", "1", t0))
		}},

	{"enqueue_takes_an_id_once_in_a_call",
		"Of two deliveries with one ID in a call the first is added; the ID is not returned as stored before.",
		func(c *checker) {
			second := pending("a", "2", at(5))
			second.Body = []byte("the second")
			if had := c.enqueue(pending("a", "1", t0), second, pending("b", "1", t0)); len(had) > 0 {
				c.broken("Enqueue returned %s as stored before", list(had))
			}
			c.same("the first of the two", c.delivery("a"), pending("a", "1", t0))
			c.set("all", ids(c.deliveries(webhook.DeliveryQuery{All: true})), []string{"a", "b"})
			c.set("claimed", ids(c.claim(everything(at(60)))), []string{"a", "b"})
		}},

	{"enqueue_keeps_the_lease_of_the_pre_leased",
		"Enqueue adds deliveries as they are: with Lease 1 and Due at the lease's end, one is claimed already.",
		func(c *checker) {
			preLeased := pending("pre-leased", "1", at(30))
			preLeased.Lease = 1
			c.enqueue(preLeased)
			if ds := c.claim(everything(at(29))); len(ds) > 0 {
				c.broken("it was claimed before its lease ended")
			}
			if lost := c.apply(webhook.Change{ID: "pre-leased", Lease: 0, State: webhook.StateFailed}); len(lost) != 1 {
				c.broken("Apply with Lease 0 was not lost")
			}
			c.applied(webhook.Change{ID: "pre-leased", Lease: 1, State: webhook.StatePending, Due: at(40), Attempts: 1})
			if d := c.claimOne(everything(at(40)), "pre-leased"); d.Lease != 3 {
				c.broken("after Enqueue with Lease 1, Apply and Claim its Lease is %d, want 3", d.Lease)
			}
		}},

	{"enqueue_adds_finished_ones_too",
		"Enqueue adds deliveries as they are: those that are not pending are never claimed.",
		func(c *checker) {
			for _, state := range states[1:] {
				d := pending(string(state), "1", t0)
				d.State = state
				c.enqueue(d)
			}
			if ds := c.claim(everything(at(60))); len(ds) > 0 {
				c.broken("Claim returned %s", list(ids(ds)))
			}
			c.set("stored", ids(c.deliveries(webhook.DeliveryQuery{All: true})), []string{"delivered", "failed", "canceled"})
		}},

	{"enqueue_of_an_event_is_all_or_none_when_canceled",
		"Enqueue adds the deliveries of one event all or none, also when the context ends meanwhile.",
		func(c *checker) {
			enqueue := func(round int, ctx context.Context) {
				var ds []webhook.Delivery
				for event := range 3 {
					ds = append(ds, oneEvent(fmt.Sprintf("%d-%d", round, event), 20)...)
				}
				_, err := c.store.Enqueue(ctx, Events(ds...))
				c.allOrNone(ds, err)
			}
			round := 0
			for looks := 1; looks <= 89; looks += looks/2 + 1 {
				ctx := newCountdown(c.ctx, looks)
				enqueue(round, ctx)
				ctx.end()
				round++
			}
			for wait := 50 * time.Microsecond; wait < 10*time.Millisecond; wait *= 3 {
				ctx, cancel := context.WithTimeout(c.ctx, wait)
				enqueue(round, ctx)
				cancel()
				round++
			}
		}},

	{"enqueue_of_an_event_is_all_or_none_when_refused",
		"Enqueue adds the deliveries of one event all or none, also when the storage refuses one of them.",
		func(c *checker) {
			for i, spoil := range []func(d *webhook.Delivery){
				func(d *webhook.Delivery) { d.ID += strings.Repeat("x", 300) },
				func(d *webhook.Delivery) { d.ID += "\x00" },
				func(d *webhook.Delivery) { d.Account = "\xff" },
			} {
				ds := oneEvent(fmt.Sprint("spoiled ", i), 5)
				spoil(&ds[2])
				_, err := c.store.Enqueue(c.ctx, Events(ds...))
				c.allOrNone(ds, err)
			}
		}},
}

// states are the four, StatePending first.
var states = []webhook.State{webhook.StatePending, webhook.StateDelivered, webhook.StateFailed, webhook.StateCanceled}

// oneEvent returns the deliveries of one event to n webhooks.
func oneEvent(event string, n int) []webhook.Delivery {
	var ds []webhook.Delivery
	for i := range n {
		d := pending(fmt.Sprintf("%s-%d", event, i), fmt.Sprint("w", i), t0)
		d.EventID = event
		ds = append(ds, d)
	}
	return ds
}

// allOrNone ends the case unless each event of ds, whose Enqueue returned err,
// is stored whole or not at all.
func (c *checker) allOrNone(ds []webhook.Delivery, err error) {
	c.t.Helper()
	stored := map[string]int{}
	for _, d := range c.deliveries(webhook.DeliveryQuery{All: true, Brief: true}) {
		stored[d.EventID]++
	}
	want := map[string]int{}
	for _, d := range ds {
		want[d.EventID]++
	}
	for event, n := range want {
		if stored[event] != n && (stored[event] > 0 || err == nil) {
			c.broken("Enqueue returned the error %v, and %d of the %d deliveries of an event are stored", err, stored[event], n)
		}
	}
}
