package storetest

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync/atomic"

	"github.com/listhook/webhook"
)

// A guard makes a store's calls return: one that panics, or does not return
// before the case has to end, becomes an error. What hangs is left behind.
type guard struct {
	store webhook.Store
	ctx   context.Context // of the case
	end   context.Context // when a call that has not returned is given up
	hung  *atomic.Bool    // set when a call took all the time there was
	calls *history
}

var _ webhook.Store = (*guard)(nil)

// misconduct is an error that a guard found, not the store.
type misconduct string

func (m misconduct) Error() string { return string(m) }

func guarded[T any](g *guard, method string, call func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		r := result{err: misconduct(method + " ended its goroutine")}
		defer func() {
			if p := recover(); p != nil {
				r.err = misconduct(fmt.Sprintf("%s panicked: %v\n%s", method, p, debug.Stack()))
			}
			done <- r
		}()
		r.value, r.err = call()
	}()
	select {
	case r := <-done:
		if g.ctx.Err() != nil {
			g.hung.Store(true)
		}
		return r.value, r.err
	case <-g.end.Done():
		g.hung.Store(true)
		var none T
		return none, misconduct(method + " did not return in time: it hangs, or takes longer than Suite.Timeout allows")
	}
}

func (g *guard) Webhooks(ctx context.Context, q webhook.WebhookQuery) ([]webhook.Webhook, error) {
	return guarded(g, "Webhooks", func() ([]webhook.Webhook, error) { return g.store.Webhooks(ctx, q) })
}

func (g *guard) Enqueue(ctx context.Context, events []webhook.OutboxEvent) ([]string, error) {
	given := cloneEvents(events)
	had, err := guarded(g, "Enqueue", func() ([]string, error) { return g.store.Enqueue(ctx, events) })
	g.calls.noteEvents(given, had, nil, err)
	return had, err
}

// EnqueueLeasing calls that of the store, which has to be a LineLeaser.
func (g *guard) EnqueueLeasing(ctx context.Context, events []webhook.OutboxEvent) (had []string, leased map[string]int64, err error) {
	type result struct {
		had    []string
		leased map[string]int64
	}
	given := cloneEvents(events)
	r, err := guarded(g, "EnqueueLeasing", func() (r result, err error) {
		r.had, r.leased, err = g.store.(webhook.LineLeaser).EnqueueLeasing(ctx, events)
		return r, err
	})
	g.calls.noteEvents(given, r.had, r.leased, err)
	return r.had, r.leased, err
}

// cloneEvents returns what a store is given, which may be overwritten afterwards.
func cloneEvents(events []webhook.OutboxEvent) []webhook.OutboxEvent {
	given := slices.Clone(events)
	for i := range given {
		given[i].Deliveries = slices.Clone(given[i].Deliveries)
	}
	return given
}

func (g *guard) PutWebhook(ctx context.Context, w webhook.Webhook) (int64, error) {
	version, err := guarded(g, "PutWebhook", func() (int64, error) { return g.store.PutWebhook(ctx, w) })
	g.calls.notePut(w, version, err)
	return version, err
}

func (g *guard) Claim(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
	ds, err := guarded(g, "Claim", func() ([]webhook.Delivery, error) { return g.store.Claim(ctx, c) })
	g.calls.noteClaimed(c, ds)
	return ds, err
}

func (g *guard) Apply(ctx context.Context, cs []webhook.Change) ([]string, error) {
	given := slices.Clone(cs)
	lost, err := guarded(g, "Apply", func() ([]string, error) { return g.store.Apply(ctx, cs) })
	g.calls.noteChanges(given, lost, err)
	return lost, err
}

func (g *guard) Deliveries(ctx context.Context, q webhook.DeliveryQuery) ([]webhook.Delivery, error) {
	return guarded(g, "Deliveries", func() ([]webhook.Delivery, error) { return g.store.Deliveries(ctx, q) })
}

func (g *guard) Count(ctx context.Context, q webhook.DeliveryQuery) (int, error) {
	return guarded(g, "Count", func() (int, error) { return g.store.Count(ctx, q) })
}

func (g *guard) Prune(ctx context.Context, p webhook.Prune) (int, error) {
	return guarded(g, "Prune", func() (int, error) { return g.store.Prune(ctx, p) })
}

// A countdown is a context that ends when it has been looked at so many times:
// in the middle of a call, at a place that does not depend on time.
type countdown struct {
	context.Context
	left  atomic.Int64
	ended context.Context
	end   context.CancelFunc
}

func newCountdown(parent context.Context, looks int) *countdown {
	c := &countdown{Context: parent}
	c.left.Store(int64(looks))
	c.ended, c.end = context.WithCancel(parent)
	return c
}

func (c *countdown) look() {
	if c.left.Add(-1) < 0 {
		c.end()
	}
}

func (c *countdown) Done() <-chan struct{} {
	c.look()
	return c.ended.Done()
}

func (c *countdown) Err() error {
	c.look()
	return c.ended.Err()
}
