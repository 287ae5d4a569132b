package storetest

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/listhook/webhook"
)

var numberFaults = []fault{
	{name: "numbers puts by the webhook", fails: "put_numbers_ascend",
		inject: numbered(func(_ *plain, w webhook.Webhook) int64 { return w.Version })},
	{name: "takes the caller's Put", fails: "put_numbers_ascend", inject: func(p *plain) {
		p.putWebhook = func(ctx context.Context, w webhook.Webhook) (int64, error) {
			version, err := p.plainPutWebhook(ctx, w)
			if stored := p.m.webhooks[w.ID]; err == nil && w.Put > 0 {
				stored.Put = w.Put
				p.m.webhooks[w.ID] = stored
			}
			return version, err
		}
	}},
	{name: "does not number the put of a deleted webhook", fails: "put_numbers_ascend", inject: func(p *plain) {
		p.putWebhook = func(ctx context.Context, w webhook.Webhook) (int64, error) {
			was := p.m.webhooks[w.ID].Put
			version, err := p.plainPutWebhook(ctx, w)
			if stored := p.m.webhooks[w.ID]; err == nil && w.Deleted {
				stored.Put = was
				p.m.webhooks[w.ID] = stored
			}
			return version, err
		}
	}},
	{name: "numbers puts on from those that are stored", fails: "put_numbers_ascend",
		inject: numbered(func(p *plain, w webhook.Webhook) (last int64) {
			for id, other := range p.m.webhooks {
				if id != w.ID || w.Version > 1 {
					last = max(last, other.Put)
				}
			}
			return last + 1
		})},
	{name: "numbers puts that conflict", fails: "put_numbers_are_of_puts_that_were_made", inject: func(p *plain) {
		p.putWebhook = func(ctx context.Context, w webhook.Webhook) (int64, error) {
			version, err := p.plainPutWebhook(ctx, w)
			if stored, ok := p.m.webhooks[w.ID]; err != nil && ok {
				p.m.puts++
				stored.Put = p.m.puts
				p.m.webhooks[w.ID] = stored
			}
			return version, err
		}
	}},
	{name: "drops Tallies when there are none", fails: "put_keeps_tallies", inject: keepHook(func(w *webhook.Webhook) {
		if w.Tallies == nil {
			w.Tallies = []byte{}
		}
	})},
	{name: "never replaces Tallies", fails: "put_keeps_tallies", inject: func(p *plain) {
		p.keepHook = func(w webhook.Webhook) webhook.Webhook {
			if old := p.m.webhooks[w.ID].Tallies; old != nil {
				w.Tallies = old
			}
			return w
		}
	}},
	{name: "takes empty Tallies for none", fails: "put_keeps_tallies", inject: keepHook(func(w *webhook.Webhook) {
		if len(w.Tallies) == 0 {
			w.Tallies = nil
		}
	})},
	{name: "keeps the Tallies of webhooks that it prunes", fails: "put_keeps_tallies", inject: func(p *plain) {
		tallies := map[string][]byte{}
		p.keepHook = func(w webhook.Webhook) webhook.Webhook {
			if w.Tallies == nil {
				w.Tallies = tallies[w.ID]
			}
			tallies[w.ID] = w.Tallies
			return w
		}
	}},
	{name: "always returns Tallies", fails: "webhooks_tallies_if_asked_for", inject: webhookQuery(func(q *webhook.WebhookQuery) { q.Tallies = true })},
	{name: "never returns Tallies", fails: "webhooks_tallies_if_asked_for", inject: webhookQuery(func(q *webhook.WebhookQuery) { q.Tallies = false })},
	{name: "returns 4 KiB of Tallies", fails: "webhooks_tallies_if_asked_for", inject: keepHook(func(w *webhook.Webhook) {
		w.Tallies = bytes.Clone(w.Tallies[:min(4<<10, len(w.Tallies))])
	})},
	{name: "ignores PutAfter", fails: "webhooks_by_put", inject: webhookQuery(func(q *webhook.WebhookQuery) { q.PutAfter = 0 })},
	{name: "takes PutAfter for from", fails: "webhooks_by_put", inject: webhookQuery(func(q *webhook.WebhookQuery) { q.PutAfter-- })},
	{name: "shows nothing deleted by PutAfter", fails: "webhooks_by_put", inject: webhookQuery(func(q *webhook.WebhookQuery) {
		q.Deleted = q.Deleted && q.PutAfter == 0
	})},
	{name: "ignores Newest", fails: "webhooks_newest_first", inject: webhookQuery(func(q *webhook.WebhookQuery) { q.Newest = false })},
	{name: "looks at After with Newest", fails: "webhooks_newest_first",
		inject: fromWebhooks(func(*webhook.WebhookQuery) {}, func(q webhook.WebhookQuery, ws []webhook.Webhook) []webhook.Webhook {
			return only(ws, func(w webhook.Webhook) bool { return w.ID > q.After })
		})},
	{name: "limits by ID before it sorts by Put", fails: "webhooks_newest_first",
		inject: fromWebhooks(func(q *webhook.WebhookQuery) { q.Limit = 0 }, func(q webhook.WebhookQuery, ws []webhook.Webhook) []webhook.Webhook {
			slices.SortFunc(ws, func(a, b webhook.Webhook) int { return strings.Compare(a.ID, b.ID) })
			if q.Limit > 0 {
				ws = ws[:min(q.Limit, len(ws))]
			}
			if q.Newest {
				slices.SortFunc(ws, func(a, b webhook.Webhook) int { return int(b.Put - a.Put) })
			}
			return ws
		})},
	{name: "numbers a put before it is stored", fails: "concurrent_puts_are_all_seen_by_number", inject: func(p *plain) {
		var mu sync.Mutex
		last, slow := int64(0), int64(0)
		passed := make(chan struct{})
		pass := sync.OnceFunc(func() { close(passed) })
		p.putWebhook = func(ctx context.Context, w webhook.Webhook) (int64, error) {
			mu.Lock()
			last++
			number := last
			if slow == 0 && w.Version == 1 { // the last put of its webhook
				slow = number
			}
			wait := slow == number
			mu.Unlock()
			if wait {
				<-passed
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			version, _ := p.m.put(clone(w))
			stored := p.m.webhooks[w.ID]
			stored.Put = number
			p.m.webhooks[w.ID] = stored
			return version, nil
		}
		p.webhooks = func(ctx context.Context, q webhook.WebhookQuery) ([]webhook.Webhook, error) {
			ws, err := p.plainWebhooks(ctx, q)
			mu.Lock()
			defer mu.Unlock()
			for _, w := range ws {
				if slow > 0 && w.Put > slow {
					pass()
				}
			}
			return ws, err
		}
	}},
}

// numbered has puts numbered in another way.
func numbered(number func(p *plain, stored webhook.Webhook) int64) func(*plain) {
	return func(p *plain) {
		p.putWebhook = func(ctx context.Context, w webhook.Webhook) (int64, error) {
			version, err := p.plainPutWebhook(ctx, w)
			if err == nil {
				stored := p.m.webhooks[w.ID]
				stored.Put = 0
				p.m.webhooks[w.ID] = stored
				stored.Put = number(p, stored)
				p.m.webhooks[w.ID] = stored
			}
			return version, err
		}
	}
}
