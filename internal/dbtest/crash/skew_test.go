//go:build unix

package crash

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/listhook/webhook"
)

// skewed returns the store as it looks to a process whose clock is fast by
// some time: what such a process writes is that much later, and what it reads
// seems that much earlier to it. To everybody else there is no difference to a
// process with a wrong clock, since a store has none of its own.
func skewed(s webhook.Store, fast time.Duration) webhook.Store {
	if fast == 0 {
		return s
	}
	return skewedStore{s, fast}
}

type skewedStore struct {
	store webhook.Store
	fast  time.Duration
}

// forever is a HeldUntil without an end, whatever the clock.
const forever = 9999

// shift moves times; a zero one is none.
func shift(by time.Duration, times ...*time.Time) {
	for _, t := range times {
		if !t.IsZero() && t.Year() != forever {
			*t = t.Add(by)
		}
	}
}

func shiftDelivery(by time.Duration, d *webhook.Delivery) {
	shift(by, &d.Created, &d.Due, &d.Time, &d.Joined)
	d.Log = slices.Clone(d.Log)
	for i := range d.Log {
		shift(by, &d.Log[i].Start)
	}
}

func (s skewedStore) out(ds []webhook.Delivery) []webhook.Delivery {
	for i := range ds {
		shiftDelivery(-s.fast, &ds[i])
	}
	return ds
}

func (s skewedStore) Webhooks(ctx context.Context, q webhook.WebhookQuery) ([]webhook.Webhook, error) {
	ws, err := s.store.Webhooks(ctx, q)
	for i := range ws {
		shift(-s.fast, &ws[i].HeldUntil, &ws[i].Changed)
	}
	return ws, err
}

func (s skewedStore) PutWebhook(ctx context.Context, w webhook.Webhook) (int64, error) {
	shift(s.fast, &w.HeldUntil, &w.Changed)
	return s.store.PutWebhook(ctx, w)
}

func (s skewedStore) Enqueue(ctx context.Context, events []webhook.OutboxEvent) ([]string, error) {
	return s.store.Enqueue(ctx, s.in(events))
}

func (s skewedStore) EnqueueLeasing(ctx context.Context, events []webhook.OutboxEvent) ([]string, map[string]int64, error) {
	leaser, ok := s.store.(webhook.LineLeaser)
	if !ok {
		had, err := s.Enqueue(ctx, events)
		return had, nil, err
	}
	return leaser.EnqueueLeasing(ctx, s.in(events))
}

func (s skewedStore) in(events []webhook.OutboxEvent) []webhook.OutboxEvent {
	events = slices.Clone(events)
	for i := range events {
		events[i].Deliveries = slices.Clone(events[i].Deliveries)
		for j := range events[i].Deliveries {
			d := &events[i].Deliveries[j]
			shiftDelivery(s.fast, &d.Delivery)
			shift(s.fast, &d.LeaseUntil)
		}
	}
	return events
}

func (s skewedStore) Claim(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
	shift(s.fast, &c.Now, &c.Until)
	c.Room = maps.Clone(c.Room)
	ds, err := s.store.Claim(ctx, c)
	return s.out(ds), err
}

func (s skewedStore) Apply(ctx context.Context, cs []webhook.Change) ([]string, error) {
	cs = slices.Clone(cs)
	for i := range cs {
		shift(s.fast, &cs[i].Due, &cs[i].Joined)
		if cs[i].Log != nil {
			log := *cs[i].Log
			shift(s.fast, &log.Start)
			cs[i].Log = &log
		}
	}
	return s.store.Apply(ctx, cs)
}

func (s skewedStore) shiftQuery(q *webhook.DeliveryQuery) {
	shift(s.fast, &q.Since, &q.Until, &q.DueBy, &q.Blocking, &q.After.Created)
}

func (s skewedStore) Deliveries(ctx context.Context, q webhook.DeliveryQuery) ([]webhook.Delivery, error) {
	s.shiftQuery(&q)
	ds, err := s.store.Deliveries(ctx, q)
	return s.out(ds), err
}

func (s skewedStore) Count(ctx context.Context, q webhook.DeliveryQuery) (int, error) {
	s.shiftQuery(&q)
	return s.store.Count(ctx, q)
}

func (s skewedStore) Prune(ctx context.Context, p webhook.Prune) (int, error) {
	shift(s.fast, &p.Before, &p.Deleted)
	return s.store.Prune(ctx, p)
}
