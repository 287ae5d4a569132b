package dbtest

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/storetest"
)

// enqueueLeasing stores deliveries, and works off those that are leased at once.
func (l *load) enqueueLeasing(ctx context.Context, i int, ds []webhook.Delivery, r *rand.Rand) {
	events := storetest.Events(ds...)
	for _, e := range events {
		for j := range e.Deliveries {
			e.Deliveries[j].LeaseUntil = l.at().Add(loadLease * time.Millisecond)
		}
	}
	var leased map[string]int64
	l.again(ctx, func() (err error) {
		leaser, ok := l.store(i).store.(webhook.LineLeaser)
		if !ok {
			_, err = l.store(i).Enqueue(ctx, events)
			return err
		}
		_, leased, err = leaser.EnqueueLeasing(ctx, events)
		return err
	})
	var held []webhook.Delivery
	for _, d := range ds {
		if sequence, ok := leased[d.ID]; ok {
			d.Lease, d.Sequence = 1, sequence
			held = append(held, d)
		}
	}
	l.leased.Add(int64(len(held)))
	l.claimed(held)
	l.conclude(ctx, i, held, r)
}
