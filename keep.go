package webhook

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// keeping knows how much the webhooks that are off and keep their events hold,
// so that they hold no more than Options.KeepLimit.
type keeping struct {
	mu   sync.Mutex
	byID map[string]*kept
}

// kept is what one webhook holds. The store counts it once in a while; in
// between what is emitted here is added.
type kept struct {
	n        int
	added    int // since the count under way began
	counting bool
	counted  time.Time
}

// keptFresh is for how long a count is good. What other processes add
// meanwhile may go beyond the limit.
const keptFresh = time.Minute

// maxKept is how many webhooks are remembered.
const maxKept = 10_000

// keepable returns those of targets that get an event: all but the ones that
// are off and full. Of these it notes that they did not keep it. Within a
// transaction of the caller's it does not wait for the store, which may have
// no second connection.
func (d *Dispatcher) keepable(ctx context.Context, targets []*target, waits bool) []*target {
	if !slices.ContainsFunc(targets, func(t *target) bool { return t.Off != "" }) {
		return targets
	}
	return slices.DeleteFunc(slices.Clone(targets), func(t *target) bool {
		if t.Off == "" || d.keeps(ctx, t, waits) {
			return false
		}
		d.see(t, sighting{revision: t.Revision, unkept: 1})
		return true
	})
}

// keeps reports whether t has room for one more, and takes it.
func (d *Dispatcher) keeps(ctx context.Context, t *target, waits bool) bool {
	ks := &d.keeping
	ks.mu.Lock()
	defer ks.mu.Unlock()
	k := ks.byID[t.ID]
	if k == nil {
		if len(ks.byID) >= maxKept {
			clear(ks.byID)
		}
		k = &kept{}
		ks.byID[t.ID] = k
	}
	if !k.counting && time.Since(k.counted) >= keptFresh {
		k.counting, k.added = true, 0
		if waits {
			ks.mu.Unlock()
			d.countKept(ctx, t, k)
			ks.mu.Lock()
		} else {
			go d.countKept(context.Background(), t, k)
		}
	}
	if k.n >= d.opts.KeepLimit {
		return false
	}
	k.n++
	k.added++
	return true
}

// countKept asks the store how much t keeps.
func (d *Dispatcher) countKept(ctx context.Context, t *target, k *kept) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	n, err := d.store.Count(ctx, DeliveryQuery{
		Account: t.Account, Webhook: t.ID, States: []State{StatePending}, Limit: d.opts.KeepLimit,
	})
	if err != nil {
		d.complain("counting what is kept", err)
	}
	d.keeping.mu.Lock()
	defer d.keeping.mu.Unlock()
	k.counting, k.counted = false, time.Now()
	if err == nil {
		k.n = n + k.added
	}
}

// expireKept erases what webhooks that are off have kept for longer than the
// retention. It is found along the log from its beginning, where little else
// is left: what finished as long ago was pruned.
func (d *Dispatcher) expireKept() {
	ctx, cancel := bounded(d.settling)
	defer cancel()
	q := DeliveryQuery{
		All: true, Until: now().Add(-d.opts.Retention), Oldest: true, Limit: cancelRows, Brief: true,
	}
	for !d.stopped() {
		ds, err := d.store.Deliveries(ctx, q)
		if err == nil {
			err = d.expire(ctx, ds)
		}
		if err != nil {
			d.complain("erasing what was kept for too long", err)
		}
		if err != nil || len(ds) < q.Limit {
			return
		}
		last := ds[len(ds)-1]
		q.After = Cursor{Created: last.Created, ID: last.ID}
	}
}

// expire erases those of ds that a webhook which is off keeps.
func (d *Dispatcher) expire(ctx context.Context, ds []Delivery) error {
	targets := map[string]*target{}
	old := map[string][]Delivery{}
	for _, del := range ds {
		if del.State != StatePending {
			continue
		}
		t, ok := targets[del.WebhookID]
		if !ok {
			var err error
			if t, err = d.registry.get(ctx, del.Account, del.WebhookID); err != nil {
				return err
			}
			targets[del.WebhookID] = t
		}
		if t != nil && t.Off != "" && t.Keep {
			old[del.WebhookID] = append(old[del.WebhookID], del)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(old)) {
		n, err := d.cancelAll(ctx, old[id], "Canceled: it was kept for as long as anything is.", true)
		if n > 0 {
			d.see(targets[id], sighting{revision: targets[id].Revision, unkept: n})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// DropPending cancels what waits for a webhook, and returns how much that was:
// what it kept while it was off, for an owner who does not want it delivered
// when it is switched on, or a backlog. Replay can send it again as long as it
// is in the log. An attempt that is under way goes on, but its outcome is not
// noted. It returns ErrNotFound if there is no such webhook in the account.
func (d *Dispatcher) DropPending(ctx context.Context, account, webhook string) (n int, err error) {
	w, err := d.find(ctx, account, webhook)
	if err != nil {
		return 0, wrap("DropPending", err)
	}
	n, err = d.cancelWaiting(ctx, w, "Canceled: what waited for the webhook was dropped.")
	d.keeping.mu.Lock()
	delete(d.keeping.byID, webhook)
	d.keeping.mu.Unlock()
	return n, wrap("DropPending", err)
}
