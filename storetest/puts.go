package storetest

import (
	"errors"
	"fmt"
	"sync"

	"github.com/listhook/webhook"
)

var numberRules = []rule{
	{"put_numbers_ascend",
		"PutWebhook gives the stored webhook a Put, a number greater than that of every earlier put in the store, whatever w.Put is.",
		func(c *checker) {
			last := int64(0)
			put := func(w webhook.Webhook, what string) webhook.Webhook {
				c.t.Helper()
				w = c.put(w)
				stored := c.webhook(w.ID).Put
				if stored <= last {
					c.broken("%s has the Put %d, and a put before it had %d", what, stored, last)
				}
				last = stored
				return w
			}
			var ws []webhook.Webhook
			for i, id := range []string{"z", "a", "m"} {
				w := hook(id)
				w.Account = accounts[i]
				w.Put = int64(1000 - 500*i)
				ws = append(ws, put(w, "a new webhook"))
			}
			put(ws[1], "a webhook that was put before")
			ws[0].Deleted, ws[0].Changed = true, at(-100)
			put(ws[0], "a deleted webhook")
			ws[2].Deleted, ws[2].Changed = true, at(-100)
			put(ws[2], "another deleted webhook, the last put of all")
			c.prune(t0, 0)
			put(hook("m"), "a webhook whose predecessor was pruned")
			put(hook("z"), "another one")
		}},

	{"put_numbers_are_of_puts_that_were_made",
		"A put that conflicts changes nothing, the webhook's Put neither.",
		func(c *checker) {
			one, two := c.put(hook("1")), c.put(hook("2"))
			stale := one
			stale.Version = 7
			if _, err := c.store.PutWebhook(c.ctx, stale); !errors.Is(err, webhook.ErrConflict) {
				c.broken("the error is %v, want ErrConflict", err)
			}
			c.same("the webhook", c.webhook("1"), one)
			c.ids("the webhooks with a greater Put than the last", webhookIDs(c.webhooks(webhook.WebhookQuery{All: true, PutAfter: two.Put})), []string{})
		}},

	{"put_keeps_tallies",
		"PutWebhook replaces all fields, but for Tallies, which it keeps if those of w are nil.",
		func(c *checker) {
			w := hook("1")
			w.Tallies = []byte{0, 255, '{'}
			w = c.put(w)
			c.same("at first", c.webhook("1").Tallies, w.Tallies)
			tallies := w.Tallies
			w.Tallies, w.Name = nil, "changed"
			w = c.put(w)
			c.same("after a put without Tallies", c.webhook("1").Tallies, tallies)
			w.Tallies = []byte("other ones")
			w = c.put(w)
			c.same("after a put with others", c.webhook("1").Tallies, w.Tallies)
			w.Tallies, w.Deleted = nil, true
			w = c.put(w)
			c.same("of a deleted webhook", c.webhook("1").Tallies, []byte("other ones"))
			w.Tallies = []byte{}
			w = c.put(w)
			c.same("after a put with empty ones", c.webhook("1").Tallies, []byte(nil))
			c.put(hook("2"))
			c.same("of another webhook", c.webhook("2").Tallies, []byte(nil))
			w.Changed, w.Tallies = at(-100), []byte("pruned")
			c.put(w)
			c.prune(t0, 0)
			c.put(hook("1"))
			c.same("of a webhook whose predecessor was pruned", c.webhook("1").Tallies, []byte(nil))
		}},

	{"webhooks_tallies_if_asked_for",
		"Webhooks come with Tallies if the query asks for them, otherwise without.",
		func(c *checker) {
			w := hook("1")
			w.Tallies = repeat([]byte("tallies "), 8<<10)
			w = c.put(w)
			c.same("with Tallies", c.webhooks(webhook.WebhookQuery{All: true, Tallies: true}), []webhook.Webhook{w})
			w.Tallies = nil
			c.same("without Tallies", c.webhooks(webhook.WebhookQuery{All: true}), []webhook.Webhook{w})
		}},

	{"webhooks_by_put",
		"PutAfter selects the webhooks with a greater Put, those that were put again and deleted ones too.",
		func(c *checker) {
			m := c.aSetOfWebhooks()
			for _, id := range []string{"9-1", "a-0", "zz", "9-1"} {
				w := m.webhooks[id]
				if w.ID == "" {
					w = hook(id)
				}
				m.webhooks[id] = c.put(w)
			}
			for _, w := range m.webhooks {
				for _, after := range []int64{w.Put - 1, w.Put} {
					c.selects(m, webhook.WebhookQuery{All: true, Deleted: true, PutAfter: after}, webhook.WebhookQuery{Account: w.Account, PutAfter: after, Limit: 3})
				}
			}
		}},

	{"webhooks_newest_first",
		"With Newest webhooks come in descending order of Put; After is not used then.",
		func(c *checker) {
			m := c.aSetOfWebhooks()
			m.webhooks["a-0"] = c.put(m.webhooks["a-0"])
			for _, limit := range []int{0, 1, 7, 100} {
				c.selects(m,
					webhook.WebhookQuery{All: true, Newest: true, Limit: limit},
					webhook.WebhookQuery{All: true, Newest: true, Deleted: true, Limit: limit},
					webhook.WebhookQuery{All: true, Newest: true, After: "é-1", Limit: limit},
					webhook.WebhookQuery{Account: account, Newest: true, PutAfter: m.webhooks["b-1"].Put, Limit: limit})
			}
		}},
}

var concurrentPutRules = []rule{
	{"concurrent_puts_are_all_seen_by_number",
		"Once a caller can read a webhook with some Put, none with a smaller one appears any more: whoever asks for those with a greater Put than the greatest one seen misses none.",
		func(c *checker) {
			const writers = 4
			puts := c.of(25, "webhooks by each writer", 5)
			var mu sync.Mutex
			running := writers
			final, seen := map[string]int64{}, map[string]int64{} // versions
			put := func(s *guard, w webhook.Webhook) error {
				version, err := s.PutWebhook(c.ctx, w)
				if err != nil {
					return fmt.Errorf("PutWebhook returned an error: %w", err)
				}
				mu.Lock()
				defer mu.Unlock()
				final[w.ID] = version
				return nil
			}
			var last int64
			poll := func(s *guard) error {
				ws, err := s.Webhooks(c.ctx, webhook.WebhookQuery{All: true, Deleted: true, PutAfter: last})
				if err != nil {
					return fmt.Errorf("Webhooks returned an error: %w", err)
				}
				for _, w := range ws {
					seen[w.ID] = max(seen[w.ID], w.Version)
					last = max(last, w.Put)
				}
				return nil
			}
			c.together(writers+1, func(i int, s *guard) error {
				if i < writers {
					defer func() { mu.Lock(); running--; mu.Unlock() }()
					for n := range puts {
						w := hook(fmt.Sprintf("%d-%d", i, n))
						if err := put(s, w); err != nil {
							return err
						}
						w.Version = 1
						if n%3 == 0 {
							if err := put(s, w); err != nil {
								return err
							}
						}
					}
					return nil
				}
				for {
					mu.Lock()
					done := running == 0
					mu.Unlock()
					if err := poll(s); err != nil || done {
						return err
					}
				}
			})
			for id, version := range final {
				if seen[id] != version {
					c.broken("who asked for those with a greater Put than seen saw version %d of %q last, and %d is stored (0: none)", seen[id], id, version)
				}
			}
		}},
}
