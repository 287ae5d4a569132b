package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/listhook/webhook"
)

var concurrentRules = []rule{
	{"concurrent_claims_lease_a_delivery_once",
		"No delivery is leased to two callers at once, of however many, in several processes too.",
		func(c *checker) {
			const webhooks, each, callers = 8, 40, 8
			c.enqueueForEach(webhooks, each)
			var mu sync.Mutex
			claimed := map[string]int{}
			note := func(ds []webhook.Delivery) (again bool) {
				mu.Lock()
				defer mu.Unlock()
				for _, d := range ds {
					claimed[d.ID]++
					again = again || claimed[d.ID] > 1
				}
				return again
			}
			c.together(callers, func(i int, s *guard) error {
				after := fmt.Sprintf("w%d", i)
				for empty := 0; empty < 3; {
					ds, err := s.Claim(c.ctx, webhook.Claim{Now: t0, Until: at(60), After: after, Limit: 5, Each: 2})
					if err != nil {
						return fmt.Errorf("Claim returned an error: %w", err)
					}
					if len(ds) > 5 {
						return fmt.Errorf("Claim returned %d with the Limit 5", len(ds))
					}
					if note(ds) {
						return nil // told below
					}
					if len(ds) == 0 {
						empty++ // what others are claiming just now may be passed over
						continue
					}
					after = ds[len(ds)-1].WebhookID
				}
				return nil
			})
			note(c.claim(everything(t0)))
			for id, n := range claimed {
				if n > 1 {
					c.broken("%q was claimed by %d callers", id, n)
				}
			}
			if len(claimed) != webhooks*each {
				c.broken("%d of %d were claimed", len(claimed), webhooks*each)
			}
			for _, d := range c.deliveries(webhook.DeliveryQuery{All: true, Brief: true}) {
				if d.Lease != 1 || !d.Due.Equal(at(60)) {
					c.broken("%q has the Lease %d and is due %s after the claim, want 1 and a minute", d.ID, d.Lease, d.Due.Sub(t0))
				}
			}
		}},

	{"concurrent_applies_have_one_winner",
		"Of several callers who apply a change with the same Lease at once, one is not lost.",
		func(c *checker) {
			var ds []webhook.Delivery
			for _, id := range names("d", 30) {
				ds = append(ds, pending(id, "1", t0))
			}
			c.enqueue(ds...)
			var mu sync.Mutex
			winners := map[string][]int{}
			c.together(6, func(i int, s *guard) error {
				var cs []webhook.Change
				for _, d := range ds {
					cs = append(cs, webhook.Change{ID: d.ID, State: webhook.StateFailed, Due: at(i), Attempts: i, Log: note(i)})
				}
				if i%2 == 1 {
					slices.Reverse(cs) // the other way round: what locks must not lock up
				}
				lost, err := s.Apply(c.ctx, cs)
				if err != nil {
					return fmt.Errorf("Apply returned an error: %w", err)
				}
				mu.Lock()
				defer mu.Unlock()
				for _, d := range ds {
					if !slices.Contains(lost, d.ID) {
						winners[d.ID] = append(winners[d.ID], i)
					}
				}
				return nil
			})
			for _, d := range ds {
				if len(winners[d.ID]) != 1 {
					c.broken("of 6 callers, %d were told that their change of %q was made", len(winners[d.ID]), d.ID)
				}
				i := winners[d.ID][0]
				d.Lease, d.State, d.Due, d.Attempts = 1, webhook.StateFailed, at(i), i
				c.same("the delivery, by the change of the one that was not lost", c.delivery(d.ID), logged(d, *note(i)))
			}
		}},

	{"concurrent_puts_have_one_winner",
		"Of several callers who put a webhook with the same Version at once, one succeeds and the others get ErrConflict.",
		func(c *checker) {
			const callers = 6
			for round := range 8 {
				var mu sync.Mutex
				var winners []int
				c.together(callers, func(i int, s *guard) error {
					w := hook("1")
					w.Version, w.Name = int64(round), fmt.Sprint(i)
					version, err := s.PutWebhook(c.ctx, w)
					switch {
					case errors.Is(err, webhook.ErrConflict):
						return nil
					case err != nil:
						return fmt.Errorf("PutWebhook returned an error other than ErrConflict: %w", err)
					case version != int64(round)+1:
						return fmt.Errorf("PutWebhook returned the version %d, want %d", version, round+1)
					}
					mu.Lock()
					defer mu.Unlock()
					winners = append(winners, i)
					return nil
				})
				if len(winners) != 1 {
					c.broken("version %d: %d of %d callers succeeded", round, len(winners), callers)
				}
				if w := c.webhook("1"); w.Version != int64(round)+1 || w.Name != fmt.Sprint(winners[0]) {
					c.broken("version %d: stored is the version %d by the caller %s, and the winner was %d", round, w.Version, w.Name, winners[0])
				}
			}
		}},

	{"concurrent_enqueues_add_once",
		"Of several callers who enqueue the same deliveries at once one adds each, and the others are told that it was stored.",
		func(c *checker) {
			ids := names("d", 40)
			var mu sync.Mutex
			added := map[string]int{}
			c.together(6, func(i int, s *guard) error {
				var ds []webhook.Delivery
				for _, id := range ids {
					ds = append(ds, pending(id, "1", at(i)))
				}
				if i%2 == 1 {
					slices.Reverse(ds) // the other way round: what locks must not lock up
				}
				had, err := s.Enqueue(c.ctx, Events(ds...))
				if err != nil {
					return fmt.Errorf("Enqueue returned an error: %w", err)
				}
				mu.Lock()
				defer mu.Unlock()
				for _, id := range ids {
					if !slices.Contains(had, id) {
						added[id]++
					}
				}
				return nil
			})
			for _, id := range ids {
				if added[id] != 1 {
					c.broken("%d of 6 callers were told that they added %q", added[id], id)
				}
			}
			if n := c.count(webhook.DeliveryQuery{All: true}); n != len(ids) {
				c.broken("%d are stored, want %d", n, len(ids))
			}
		}},

	{"concurrent_readers_see_no_part_of_an_event",
		"Nobody sees a part of the deliveries of one event.",
		func(c *checker) {
			const size = 40
			events := c.of(25, "events", 5)
			done := make(chan struct{})
			c.together(2, func(i int, s *guard) error {
				if i == 0 {
					defer close(done)
					for event := range events {
						if _, err := s.Enqueue(c.ctx, Events(oneEvent(fmt.Sprint(event), size)...)); err != nil {
							return fmt.Errorf("Enqueue returned an error: %w", err)
						}
					}
					return nil
				}
				for {
					n, err := s.Count(c.ctx, webhook.DeliveryQuery{All: true})
					if err != nil {
						return fmt.Errorf("Count returned an error: %w", err)
					}
					if n%size != 0 {
						return fmt.Errorf("Count saw %d deliveries of events that have %d each", n, size)
					}
					select {
					case <-done:
						return nil
					default:
					}
				}
			})
		}},

	{"concurrent_callers_work_it_off",
		"A Store is safe for concurrent use: callers that enqueue, claim, apply, put, read and prune at once work everything off.",
		func(c *checker) {
			const producers, events = 2, 30
			var mu sync.Mutex
			delivered := map[string]int{}
			c.together(6, func(i int, s *guard) error {
				if i < producers {
					for n := range events {
						if _, err := s.Enqueue(c.ctx, Events(oneEvent(fmt.Sprintf("%d-%d", i, n), 3)...)); err != nil {
							return fmt.Errorf("Enqueue returned an error: %w", err)
						}
					}
					return nil
				}
				if i == producers {
					for n := range events {
						w := hook("w0")
						w.Version = int64(n)
						if _, err := s.PutWebhook(c.ctx, w); err != nil {
							return fmt.Errorf("PutWebhook returned an error: %w", err)
						}
						if _, err := s.Prune(c.ctx, webhook.Prune{Before: at(-1000), Limit: 10, Deleted: at(-1000)}); err != nil {
							return fmt.Errorf("Prune returned an error: %w", err)
						}
						if _, err := s.Deliveries(c.ctx, webhook.DeliveryQuery{All: true, Limit: 20}); err != nil {
							return fmt.Errorf("Deliveries returned an error: %w", err)
						}
					}
					return nil
				}
				for {
					mu.Lock()
					n := len(delivered)
					mu.Unlock()
					if n == producers*events*3 {
						return nil
					}
					ds, err := s.Claim(c.ctx, webhook.Claim{Now: t0, Until: at(60), Limit: 10, Each: 4})
					if err != nil {
						return fmt.Errorf("Claim returned an error: %w", err)
					}
					var cs []webhook.Change
					for _, d := range ds {
						cs = append(cs, webhook.Change{ID: d.ID, Lease: d.Lease, State: webhook.StateDelivered, Due: at(1), Attempts: 1, Log: note(i)})
					}
					lost, err := s.Apply(c.ctx, cs)
					if err != nil || len(lost) > 0 {
						return fmt.Errorf("Apply of what was just claimed returned %q as lost, and the error %v", lost, err)
					}
					mu.Lock()
					for _, d := range ds {
						delivered[d.ID]++
					}
					mu.Unlock()
					if err := c.ctx.Err(); err != nil {
						return fmt.Errorf("not all was claimed in time: %d of %d", n, producers*events*3)
					}
					if len(ds) == 0 {
						time.Sleep(time.Millisecond)
					}
				}
			})
			for id, n := range delivered {
				if n != 1 {
					c.broken("%q was claimed and applied %d times", id, n)
				}
			}
			for _, d := range c.deliveries(webhook.DeliveryQuery{All: true}) {
				if d.Lease != 2 || d.State != webhook.StateDelivered || len(d.Log) != 1 {
					c.broken("%q ended %s with the Lease %d and %d in its log, want delivered, 2 and 1", d.ID, d.State, d.Lease, len(d.Log))
				}
			}
		}},
}

var storageRules = []rule{
	{"storage_is_shared_by_its_handles",
		"A Store is safe for use by several processes: what one has done, another sees and heeds.",
		func(c *checker) {
			if c.suite.Second == nil {
				c.t.Skip("Suite.Second is not set")
			}
			stores := c.stores()
			on := func(s *guard) *checker { other := *c; other.store = s; return &other }
			a, b := on(stores[0]), on(stores[1])

			w := a.put(hook("1"))
			a.same("a webhook put by the other handle", b.webhook("1"), w)
			b.enqueue(pending("d", "1", t0))
			a.same("a delivery enqueued by the other handle", a.delivery("d"), pending("d", "1", t0))
			a.ids("had of what the other enqueued", a.enqueue(pending("d", "1", t0)), []string{"d"})

			w.HeldUntil = at(10)
			w = b.put(w)
			if ds := a.claim(everything(t0)); len(ds) > 0 {
				a.broken("claimed in spite of a HeldUntil that the other handle put")
			}
			w.Version--
			if _, err := a.store.PutWebhook(a.ctx, w); !errors.Is(err, webhook.ErrConflict) {
				a.broken("a put with the Version before the other handle's put: the error is %v, want ErrConflict", err)
			}
			a.claimOne(everything(at(10)), "d")
			if ds := b.claim(everything(at(10))); len(ds) > 0 {
				b.broken("claimed by both handles")
			}
			b.claimOne(everything(at(70)), "d")
			change := webhook.Change{ID: "d", Lease: 1, State: webhook.StateFailed, Due: at(71), Log: note(1)}
			a.ids("lost, the other handle having claimed since", a.apply(change), []string{"d"})
			change.Lease = 2
			b.applied(change)
			if d := a.delivery("d"); d.State != webhook.StateFailed || len(d.Log) != 1 {
				a.broken("a change applied by the other handle is not seen")
			}
			if n := b.prune(at(100), 1); n != 1 || a.count(webhook.DeliveryQuery{All: true}) != 0 {
				a.broken("what the other handle pruned is still seen")
			}
		}},

	{"storage_has_its_lines_in_common",
		"Lines and the numbers of puts are of the storage: what one process has enqueued, claimed, ended or put, another heeds.",
		func(c *checker) {
			if c.suite.Second == nil {
				c.t.Skip("Suite.Second is not set")
			}
			stores := c.stores()
			on := func(s *guard) *checker { other := *c; other.store = s; return &other }
			a, b := on(stores[0]), on(stores[1])

			var ds []webhook.Delivery
			for i, by := range []*checker{a, b, b, a, b} {
				by.enqueue(keyed(fmt.Sprint("d", i), "1", "k", at(-i)))
			}
			for i, by := range []*checker{b, a, a, b, a} {
				other := map[*checker]*checker{a: b, b: a}[by]
				ds = append(ds, by.takes("by a handle", at(i), fmt.Sprint("d", i))...)
				other.takes("by the other handle, while the first is leased", at(i))
				by.takes("by the same handle, while the first is leased", at(i))
				other.ends(webhook.StateDelivered, at(i), fmt.Sprint("d", i))
			}
			a.ascends("given by both handles", ds)

			last := int64(0)
			for i, by := range []*checker{a, b, b, a, b} {
				w := by.put(hook(fmt.Sprint("w", i)))
				if w.Put <= last {
					a.broken("a put by one handle has the number %d, and one by the other handle before it %d", w.Put, last)
				}
				last = w.Put
			}
		}},

	{"storage_outlives_the_store",
		"What a Store acknowledged is there when its storage is opened again.",
		func(c *checker) {
			if c.suite.Reopen == nil {
				c.t.Skip("Suite.Reopen is not set")
			}
			m := newModel()
			random := newRandom(4)
			for range 3 {
				calls := *c
				calls.rule = randomRules[0] // until it is opened again
				for range c.of(60, "random calls before each reopening", 20) {
					random.call(&calls, m)
				}
				calls.holds(m)
				c.store = c.open("Reopen", func(t *testing.T) webhook.Store { return c.suite.Reopen(t, c.store.store) })
				c.holds(m)
			}
		}},
}
