package storetest

import (
	"context"
	"fmt"
	"slices"

	"github.com/listhook/webhook"
)

// Rules of calls that have nothing to do.
var idleRules = []rule{
	{"ended_context_stops_calls_with_nothing_to_do",
		"A call whose context had ended before it began returns an error, also one that has nothing to do or to find.",
		func(c *checker) {
			canceled, cancel := context.WithCancel(c.ctx)
			cancel()
			for name, call := range map[string]func() error{
				"Enqueue of no event":             func() error { _, err := c.store.Enqueue(canceled, nil); return err },
				"Enqueue of an event without any": func() error { _, err := c.store.Enqueue(canceled, make([]webhook.OutboxEvent, 1)); return err },
				"Apply of no change":              func() error { _, err := c.store.Apply(canceled, nil); return err },
				"Claim with the Limit 0":          func() error { _, err := c.store.Claim(canceled, webhook.Claim{Now: t0, Until: at(60)}); return err },
				"Claim with the Each 0": func() error {
					_, err := c.store.Claim(canceled, webhook.Claim{Now: t0, Until: at(60), Limit: 9})
					return err
				},
				"Prune with the Limit 0": func() error { _, err := c.store.Prune(canceled, webhook.Prune{Before: t0}); return err },
				"Webhooks of an empty store": func() error {
					_, err := c.store.Webhooks(canceled, webhook.WebhookQuery{IDs: []string{"1"}})
					return err
				},
				"Deliveries of no span of time": func() error {
					_, err := c.store.Deliveries(canceled, webhook.DeliveryQuery{Since: at(1), Until: t0})
					return err
				},
				"Count of an empty store":           func() error { _, err := c.store.Count(canceled, webhook.DeliveryQuery{IDs: []string{"1"}}); return err },
				"PutWebhook with another's Version": func() error { _, err := c.store.PutWebhook(canceled, webhook.Webhook{ID: "1", Version: 7}); return err },
			} {
				if call() == nil {
					c.broken("%s returned no error, the context being ended", name)
				}
			}
			if _, ok := c.store.store.(webhook.LineLeaser); ok {
				if _, _, err := c.store.EnqueueLeasing(canceled, nil); err == nil {
					c.broken("EnqueueLeasing of no event returned no error, the context being ended")
				}
			}
		}},
}

// Rules of what one answer shows while others write.
var glanceRules = []rule{
	{"concurrent_readers_see_whole_events_however_they_ask",
		"Nobody sees a part of the deliveries of one event, by whichever query: by IDs, Subject, Key, Webhook, or States and DueBy; nor does Count.",
		func(c *checker) {
			const size = 30
			events := c.of(40, "events", 10)
			event := func(n int) []webhook.Delivery {
				ds := oneEvent(fmt.Sprint("event ", n), size)
				for i := range ds {
					ds[i].WebhookID, ds[i].Key, ds[i].Subjects = "w", "k", []string{"s"}
				}
				return ds
			}
			var named []string
			for _, i := range []int{0, 1, size - 1} { // those of an event far apart
				for n := range events {
					named = append(named, event(n)[i].ID)
				}
			}
			queries := []webhook.DeliveryQuery{
				{All: true, IDs: named}, {Account: account, Subject: "s"}, {All: true, Key: "k", Oldest: true}, {All: true, Webhook: "w", Key: "k"}, {All: true, Webhook: "w", States: states[:1], DueBy: t0},
			}
			done := make(chan struct{})
			c.together(4, func(i int, s *guard) error {
				if i == 0 {
					defer close(done)
					for n := range events {
						if _, err := s.Enqueue(c.ctx, Events(event(n)...)); err != nil {
							return fmt.Errorf("Enqueue returned an error: %w", err)
						}
					}
					return nil
				}
				asked := i
				return untilClosed(done, func() error {
					asked++
					q := queries[asked%len(queries)]
					of := size
					if len(q.IDs) > 0 {
						of = 3
					}
					if i == 3 {
						n, err := s.Count(c.ctx, q)
						if err == nil && n%of > 0 {
							err = fmt.Errorf("Count by %s is %d, in which an event has %d", described(q), n, of)
						}
						return err
					}
					q.Brief = true
					ds, err := s.Deliveries(c.ctx, q)
					if err == nil && len(ds)%of > 0 {
						err = fmt.Errorf("Deliveries by %s returned %d, in which an event has %d", described(q), len(ds), of)
					}
					return err
				})
			})
		}},

	{"concurrent_puts_are_seen_together",
		"Once a caller can read a webhook with some Put, none with a smaller one appears any more: an answer that has a put has those before it.",
		func(c *checker) {
			first := hook("a")
			last := hook("z")
			for _, id := range names("m", c.of(300, "webhooks", 60)) {
				_, err := c.store.PutWebhook(c.ctx, hook(id))
				c.noError(err, "PutWebhook")
			}
			first, last = c.put(first), c.put(last)
			before := first.Put - 1
			rounds := c.of(60, "puts", 20)
			done := make(chan struct{})
			c.together(3, func(i int, s *guard) error {
				if i == 0 {
					defer close(done)
					for range rounds {
						for _, w := range []*webhook.Webhook{&first, &last} { // always in this order
							version, err := s.PutWebhook(c.ctx, *w)
							if err != nil {
								return fmt.Errorf("PutWebhook returned an error: %w", err)
							}
							w.Version = version
						}
					}
					return nil
				}
				q := webhook.WebhookQuery{All: true}
				if i == 2 {
					q.PutAfter = before - 200
				}
				return untilClosed(done, func() error {
					ws, err := s.Webhooks(c.ctx, q)
					if err != nil {
						return fmt.Errorf("Webhooks returned an error: %w", err)
					}
					a := slices.IndexFunc(ws, func(w webhook.Webhook) bool { return w.ID == "a" })
					z := slices.IndexFunc(ws, func(w webhook.Webhook) bool { return w.ID == "z" })
					if a < 0 || z < 0 {
						return fmt.Errorf("Webhooks by %s returned %s, without \"a\" or \"z\"", described(q), list(webhookIDs(ws)))
					}
					if ws[z].Version > ws[a].Version {
						return fmt.Errorf("Webhooks by %s returned \"z\" with the Version %d and the Put %d, and \"a\", which was put before it to this version, with %d", described(q), ws[z].Version, ws[z].Put, ws[a].Version)
					}
					return nil
				})
			})
		}},
}
