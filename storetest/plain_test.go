package storetest

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/listhook/webhook"
)

// A plain store is a model behind a lock, cut into steps so that a fault can
// replace one of them. Without a fault it keeps every rule.
type plain struct {
	mu sync.Mutex
	m  *model

	// What a fault may replace whole; nil: the plain one.
	webhooks   func(ctx context.Context, q webhook.WebhookQuery) ([]webhook.Webhook, error)
	events     func(ctx context.Context, events []webhook.OutboxEvent) ([]string, error)
	enqueue    func(ctx context.Context, ds []webhook.Delivery) ([]string, error)
	putWebhook func(ctx context.Context, w webhook.Webhook) (int64, error)
	claim      func(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error)
	apply      func(ctx context.Context, cs []webhook.Change) ([]string, error)
	deliveries func(ctx context.Context, q webhook.DeliveryQuery) ([]webhook.Delivery, error)
	count      func(ctx context.Context, q webhook.DeliveryQuery) (int, error)
	prune      func(ctx context.Context, q webhook.Prune) (int, error)

	// Steps of Claim.
	claimable func(d webhook.Delivery, c webhook.Claim) bool
	order     func(a, b webhook.Delivery) int // within a webhook
	turns     func(claimable map[string]int, after string) []string
	room      func(id string, c webhook.Claim) int
	lease     func(d *webhook.Delivery, c webhook.Claim)                  // what it stores
	leased    func(was, now webhook.Delivery) (returned webhook.Delivery) // what it returns

	// Steps of others.
	fenced   func(d webhook.Delivery, c webhook.Change) bool                   // Apply may change d
	change   func(d *webhook.Delivery, c webhook.Change)                       // what Apply stores
	move     func(was webhook.Delivery, d *webhook.Delivery, c webhook.Change) // in its line, and into the storage; nil: the plain one
	prunable func(d webhook.Delivery, q webhook.Prune) bool
	removed  func(w webhook.Webhook, q webhook.Prune) bool   // Prune may remove w
	keep     func(d webhook.Delivery) webhook.Delivery       // what Enqueue stores
	keepHook func(w webhook.Webhook) webhook.Webhook         // what PutWebhook stores
	leases   func(d webhook.OutboxDelivery, isNew bool) bool // whether EnqueueLeasing leases d
}

func newPlain() *plain {
	p := &plain{m: newModel()}
	last := t0.AddDate(100, 0, 0).UnixMilli() * 1024 // later than any Joined of the cases
	p.m.sequences.next = func(lineKey) int64 { last++; return last }
	p.claimable = func(d webhook.Delivery, c webhook.Claim) bool { return p.m.claimable(d, c) }
	p.order = func(a, b webhook.Delivery) int { return a.Due.Compare(b.Due) }
	p.turns = turns
	p.room = func(id string, c webhook.Claim) int {
		if room, ok := c.Room[id]; ok {
			return room
		}
		return c.Each
	}
	p.lease = func(d *webhook.Delivery, c webhook.Claim) {
		d.Lease++
		d.Due = c.Until
	}
	p.leased = func(_, now webhook.Delivery) webhook.Delivery {
		now.Log = nil
		return now
	}
	p.fenced = func(d webhook.Delivery, c webhook.Change) bool { return d.Lease == c.Lease }
	p.change = change
	p.prunable = func(d webhook.Delivery, q webhook.Prune) bool { return q.Selects(&d) }
	p.removed = func(w webhook.Webhook, q webhook.Prune) bool { return w.Deleted && w.Changed.Before(q.Deleted) }
	p.leases = func(d webhook.OutboxDelivery, isNew bool) bool {
		return isNew && !d.LeaseUntil.IsZero() && p.m.stands(d.Delivery) && !p.m.waits(d.Delivery)
	}
	p.keep = func(d webhook.Delivery) webhook.Delivery { return d }
	p.keepHook = func(w webhook.Webhook) webhook.Webhook { return w }
	return p
}

// copy returns a model of the same, which can be changed alone.
func (m *model) copy() *model {
	c := *m
	c.webhooks, c.deliveries, c.lines = clone(m.webhooks), clone(m.deliveries), clone(m.lines)
	return &c
}

// locked runs do under the lock, if the context lives.
func locked[T any](p *plain, ctx context.Context, do func() (T, error)) (T, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := ctx.Err(); err != nil {
		var none T
		return none, err
	}
	return do()
}

func (p *plain) Webhooks(ctx context.Context, q webhook.WebhookQuery) ([]webhook.Webhook, error) {
	if p.webhooks != nil {
		return p.webhooks(ctx, q)
	}
	return p.plainWebhooks(ctx, q)
}

func (p *plain) plainWebhooks(ctx context.Context, q webhook.WebhookQuery) ([]webhook.Webhook, error) {
	return locked(p, ctx, func() ([]webhook.Webhook, error) { return clone(p.m.selectWebhooks(q)), nil })
}

func (p *plain) Enqueue(ctx context.Context, events []webhook.OutboxEvent) ([]string, error) {
	if p.events != nil {
		return p.events(ctx, events)
	}
	return p.flatEnqueue(ctx, events)
}

// flatEnqueue enqueues the deliveries of events.
func (p *plain) flatEnqueue(ctx context.Context, events []webhook.OutboxEvent) ([]string, error) {
	var ds []webhook.Delivery
	for _, e := range events {
		ds = slices.AppendSeq(ds, e.All())
	}
	if p.enqueue != nil {
		return p.enqueue(ctx, ds)
	}
	return p.plainEnqueue(ctx, ds)
}

func (p *plain) plainEnqueue(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
	return locked(p, ctx, func() ([]string, error) {
		kept := clone(ds)
		for i := range kept {
			kept[i] = p.keep(kept[i])
		}
		return p.m.enqueue(kept), nil
	})
}

func (p *plain) EnqueueLeasing(ctx context.Context, events []webhook.OutboxEvent) ([]string, map[string]int64, error) {
	leased := map[string]int64{}
	had, err := locked(p, ctx, func() ([]string, error) {
		var had []string
		added := map[string]bool{}
		for _, e := range events {
			i := 0
			for d := range e.All() {
				before := p.m.enqueue([]webhook.Delivery{d})
				if len(before) == 0 {
					added[d.ID] = true
				} else if !added[d.ID] {
					had = append(had, d.ID)
				}
				if p.leases(e.Deliveries[i], len(before) == 0) {
					d = p.m.deliveries[d.ID]
					leased[d.ID] = d.Sequence
					p.lease(&d, webhook.Claim{Until: e.Deliveries[i].LeaseUntil})
					p.m.deliveries[d.ID] = d
				}
				i++
			}
		}
		return had, nil
	})
	return had, leased, err
}

func (p *plain) PutWebhook(ctx context.Context, w webhook.Webhook) (int64, error) {
	if p.putWebhook != nil {
		return p.putWebhook(ctx, w)
	}
	return p.plainPutWebhook(ctx, w)
}

func (p *plain) plainPutWebhook(ctx context.Context, w webhook.Webhook) (int64, error) {
	return locked(p, ctx, func() (int64, error) {
		version, ok := p.m.put(p.keepHook(clone(w)))
		if !ok {
			return 0, webhook.ErrConflict
		}
		return version, nil
	})
}

func (p *plain) Claim(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
	if p.claim != nil {
		return p.claim(ctx, c)
	}
	return p.plainClaim(ctx, c)
}

func (p *plain) plainClaim(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
	return locked(p, ctx, func() ([]webhook.Delivery, error) {
		queues, sizes := map[string][]webhook.Delivery{}, map[string]int{}
		for _, d := range p.m.deliveries {
			if p.claimable(d, c) {
				queues[d.WebhookID] = append(queues[d.WebhookID], d)
				sizes[d.WebhookID]++
			}
		}
		var claimed []webhook.Delivery
		for _, id := range p.turns(sizes, c.After) {
			slices.SortFunc(queues[id], p.order)
			n := max(0, min(p.room(id, c), len(queues[id]), c.Limit-len(claimed)))
			for _, was := range queues[id][:n] {
				now := was
				p.lease(&now, c)
				p.m.deliveries[now.ID] = now
				claimed = append(claimed, clone(p.leased(was, now)))
			}
			queues[id] = queues[id][n:]
		}
		return claimed, nil
	})
}

func (p *plain) Apply(ctx context.Context, cs []webhook.Change) ([]string, error) {
	if p.apply != nil {
		return p.apply(ctx, cs)
	}
	return p.plainApply(ctx, cs)
}

func (p *plain) plainApply(ctx context.Context, cs []webhook.Change) ([]string, error) {
	return locked(p, ctx, func() (lost []string, err error) {
		for _, c := range clone(cs) {
			d, ok := p.m.deliveries[c.ID]
			if !ok || !p.fenced(d, c) {
				lost = append(lost, c.ID)
				continue
			}
			was := d
			p.change(&d, c)
			move := p.m.move
			if p.move != nil {
				move = p.move
			}
			move(was, &d, c)
		}
		return lost, nil
	})
}

func (p *plain) Deliveries(ctx context.Context, q webhook.DeliveryQuery) ([]webhook.Delivery, error) {
	if p.deliveries != nil {
		return p.deliveries(ctx, q)
	}
	return p.plainDeliveries(ctx, q)
}

func (p *plain) plainDeliveries(ctx context.Context, q webhook.DeliveryQuery) ([]webhook.Delivery, error) {
	return locked(p, ctx, func() ([]webhook.Delivery, error) { return clone(p.m.selectDeliveries(q)), nil })
}

func (p *plain) Count(ctx context.Context, q webhook.DeliveryQuery) (int, error) {
	if p.count != nil {
		return p.count(ctx, q)
	}
	return p.plainCount(ctx, q)
}

func (p *plain) plainCount(ctx context.Context, q webhook.DeliveryQuery) (int, error) {
	return locked(p, ctx, func() (int, error) { return len(p.m.selectDeliveries(q)), nil })
}

func (p *plain) Prune(ctx context.Context, q webhook.Prune) (int, error) {
	if p.prune != nil {
		return p.prune(ctx, q)
	}
	return p.plainPrune(ctx, q)
}

func (p *plain) plainPrune(ctx context.Context, q webhook.Prune) (int, error) {
	return locked(p, ctx, func() (n int, err error) {
		for _, d := range p.m.deliveries {
			if n < q.Limit && p.prunable(d, q) {
				p.m.remove(d)
				n++
			}
		}
		for id, w := range p.m.webhooks {
			if p.removed(w, q) {
				delete(p.m.webhooks, id)
			}
		}
		return n, nil
	})
}

// fold takes texts for the same that differ in case only.
func fold(text string) string { return strings.ToLower(text) }
