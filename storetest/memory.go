package storetest

import (
	"fmt"
	"time"

	"github.com/listhook/webhook"
)

// longLogged returns d with hundreds of attempts more, each with every field set.
func longLogged(d webhook.Delivery) webhook.Delivery {
	for i := range 250 {
		d = logged(d, filled[webhook.Attempt](10+i))
	}
	return d
}

var memoryRules = []rule{
	{"shares_no_memory_with_what_it_is_given",
		"A Store shares no memory with its callers: it keeps no slice or map that it is given.",
		func(c *checker) {
			w := filled[webhook.Webhook](1)
			w.ID, w.Version, w.Deleted = "1", 0, false
			want := clone(w)
			stored := c.put(w)
			want.Version, want.Put = stored.Version, stored.Put
			scribble(&w)
			c.same("a webhook, what was put being overwritten", c.webhook("1"), want)

			d := longLogged(whole(1, "d", t0))
			d.Lease, d.Key = 0, ""
			kept := clone(d)
			events := Events(d)
			_, err := c.store.Enqueue(c.ctx, events)
			c.noError(err, "Enqueue")
			scribble(events)
			c.same("a delivery, what was enqueued being overwritten", c.delivery("d"), kept)

			attempt := filled[webhook.Attempt](2)
			cs := []webhook.Change{{ID: "d", State: webhook.StatePending, Due: t0, Log: &attempt}}
			kept = logged(kept, clone(attempt))
			kept.Lease, kept.Due, kept.Attempts = 1, t0, 0
			c.applied(cs...)
			scribble(&attempt)
			scribble(cs)
			c.same("a delivery, the change that was applied being overwritten", c.delivery("d"), kept)

			cs = []webhook.Change{{ID: "d", Lease: 1, State: webhook.StatePending, Due: t0, Rewrite: []webhook.Attempt{filled[webhook.Attempt](3)}}}
			kept.Log = nil
			kept = logged(kept, clone(cs[0].Rewrite)...)
			kept.Lease = 2
			c.applied(cs...)
			scribble(cs)
			c.same("a delivery, the change that rewrote its log being overwritten", c.delivery("d"), kept)
		}},

	{"shares_no_memory_with_what_it_gives",
		"A Store shares no memory with its callers: it gives out no slice or map that it keeps.",
		func(c *checker) {
			w := filled[webhook.Webhook](1)
			w.ID, w.Version, w.Deleted = "1", 0, false
			w = c.put(w)
			for range 2 {
				ws := c.webhooks(webhook.WebhookQuery{All: true, Tallies: true})
				c.same("webhooks, what was returned before being overwritten", ws, []webhook.Webhook{w})
				scribble(ws)
			}

			d := longLogged(whole(1, "d", t0))
			d.Key = ""
			c.enqueue(d)
			for range 2 {
				ds := c.deliveries(webhook.DeliveryQuery{All: true})
				c.same("deliveries, what was returned before being overwritten", ds, []webhook.Delivery{d})
				scribble(ds)
			}
			for i := range 2 {
				scribble(c.claim(everything(at(i * 60))))
				d.Lease++
				d.Due = at(i*60 + 60)
				c.same("a delivery, what Claim returned being overwritten", c.delivery("d"), d)
			}
		}},

	{"changes_nothing_that_it_is_given",
		"A Store does not change what it is given.",
		func(c *checker) {
			unchanged := func(method string, given any, call func()) {
				c.t.Helper()
				want := clone(given)
				call()
				c.same("what "+method+" was given", given, want)
			}
			w := filled[webhook.Webhook](1)
			w.Version = 0
			unchanged("PutWebhook", &w, func() { c.put(w) })

			ds := []webhook.Delivery{pending("c", "1", t0), pending("a", "1", t0), pending("b", "2", t0), pending("a", "1", t0)}
			for i := range ds {
				ds[i].Log = []webhook.Attempt{*note(3), *note(1)}
				ds[i].Subjects = []string{"z", "a"}
				ds[i].EventID = fmt.Sprint("event", i/2)
			}
			events := Events(ds...)
			for range 2 {
				unchanged("Enqueue", events, func() {
					_, err := c.store.Enqueue(c.ctx, events)
					c.noError(err, "Enqueue")
				})
			}

			claim := webhook.Claim{Now: t0, Until: at(60), Limit: 2, Each: 1, Room: map[string]int{"1": 1, "2": 5, "3": 0}}
			unchanged("Claim", claim, func() { c.claim(claim) })

			cs := []webhook.Change{{ID: "z"}, {ID: "c", Lease: 1, State: webhook.StateFailed, Due: t0, Log: note(1)}, {ID: "a", Lease: 1, State: webhook.StatePending},
				{ID: "b", State: webhook.StatePending, Rewrite: []webhook.Attempt{*note(3), *note(1)}, Log: note(2)}}
			unchanged("Apply", cs, func() { c.apply(cs...) })

			wq := webhook.WebhookQuery{All: true, IDs: []string{"z", "1", "a"}, Lists: []string{"7", "", "1"}, Deleted: true}
			unchanged("Webhooks", wq, func() { c.webhooks(wq) })

			q := webhook.DeliveryQuery{
				All: true, IDs: []string{"z", "c", "a"}, States: []webhook.State{"pending", "failed", "delivered"},
				Types: []webhook.EventType{"update", "open", "bounce"}, Failures: []string{"500", "", "refused"}, Since: at(-9), Until: at(9), DueBy: never,
				After: webhook.Cursor{Created: time.Unix(0, 0).UTC()}, Oldest: true,
			}
			unchanged("Deliveries", q, func() { c.deliveries(q) })
			unchanged("Count", q, func() { c.count(q) })

			p := webhook.Prune{Before: at(-50), Limit: 9, States: []webhook.State{"failed", "canceled"}, Types: []webhook.EventType{"update", "bounce"}, Except: []webhook.EventType{"open", "click"}}
			unchanged("Prune", p, func() { c.pruned(p) })
		}},
}
