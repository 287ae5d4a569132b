package webhook

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// keeping knows how much the webhooks that are off and keep their events hold,
// so that they hold no more than Options.KeepLimit.
type keeping struct {
	mu     sync.Mutex
	byID   map[string]*kept
	counts shared[struct{}] // by the webhook's ID
}

// kept is what one webhook holds. The store counts it once in a while; in
// between what is emitted here is added.
type kept struct {
	offSince time.Time // of the webhook: what was known of the time before is void
	n        int
	added    int // since the count under way began
	counted  time.Time

	// What transactions may have added since the last count. Whether they were
	// committed only the store knows.
	offered int
	since   time.Time // the first of these
}

const (
	// keptFresh is for how long a count is good. What other processes add
	// meanwhile may go beyond the limit.
	keptFresh = time.Minute

	// maxKept is how many webhooks are remembered.
	maxKept = 10_000

	// offeredMost is how many deliveries transactions may add, beside a tenth of
	// the limit, before they are counted ahead of time.
	offeredMost = 500
)

// A refusal is a number of deliveries that a webhook which is off did not keep.
type refusal struct {
	target *target
	n      int
}

// noteRefused counts what was not kept in Webhook.NotKept.
func (d *Dispatcher) noteRefused(rs []refusal) {
	for _, r := range rs {
		d.see(r.target, sighting{revision: r.target.Revision, unkept: r.n})
	}
}

// hasOff reports whether one of the webhooks is off.
func hasOff(targets []*target) bool {
	return slices.ContainsFunc(targets, func(t *target) bool { return t.Off != "" })
}

// admitAll takes the deliveries out of an emission that webhooks which are off
// have no room for, and adds them to refused. Within a transaction of the
// caller's, unless direct, all are admitted: if it is rolled back nothing may
// have been counted, and if it is committed a later count drops what was too
// much. It waits there for no call of the store, which may have no second
// connection.
func (d *Dispatcher) admitAll(ctx context.Context, e *emission, targets []*target, direct bool, refused []refusal) ([]refusal, error) {
	rows, notes := e.rows, e.notes
	e.rows, e.notes = e.rows[:0], e.notes[:0]
	for _, t := range targets {
		n := 0
		for n < len(rows) && rows[n].WebhookID == t.ID {
			n++
		}
		room := n
		switch {
		case t.Off == "":
		case !direct:
			d.offer(t, n, rows[0].Created)
		default:
			var err error
			if room, err = d.admit(ctx, t, n); err != nil {
				return refused, err
			}
			for i := range notes[:room] {
				notes[i].quota = true
			}
			if room < n {
				refused = append(refused, refusal{t, n - room})
			}
		}
		e.rows, e.notes = append(e.rows, rows[:room]...), append(e.notes, notes[:room]...)
		rows, notes = rows[n:], notes[n:]
	}
	return refused, nil
}

// of returns what is known of a webhook. The caller holds mu.
func (ks *keeping) of(t *target) *kept {
	k := ks.byID[t.ID]
	if k == nil || !k.offSince.Equal(t.OffSince) {
		if len(ks.byID) >= maxKept {
			clear(ks.byID)
		}
		k = &kept{offSince: t.OffSince}
		ks.byID[t.ID] = k
	}
	return k
}

// admit returns how many of n more deliveries t has room for, and takes it. The
// error is that of ctx, if that ends first.
func (d *Dispatcher) admit(ctx context.Context, t *target, n int) (int, error) {
	ks := &d.keeping
	ks.mu.Lock()
	defer ks.mu.Unlock()
	k := ks.of(t)
	if time.Since(k.counted) >= keptFresh {
		ks.mu.Unlock()
		_, err := ks.counts.do(ctx, t.ID, func(ctx context.Context) (struct{}, error) {
			d.countKept(ctx, t, k)
			return struct{}{}, nil
		})
		ks.mu.Lock()
		if err != nil {
			return 0, err
		}
	}
	room := min(n, max(d.opts.KeepLimit-k.n, 0))
	k.n += room
	k.added += room
	return room, nil
}

// offer notes that a transaction may add n deliveries, created then, to what t keeps, and has
// them counted in the background.
func (d *Dispatcher) offer(t *target, n int, created time.Time) {
	ks := &d.keeping
	ks.mu.Lock()
	defer ks.mu.Unlock()
	k := ks.of(t)
	if k.offered == 0 {
		k.since = created
	}
	k.offered += n
	age, early := time.Since(k.counted), k.offered >= offeredMost+d.opts.KeepLimit/10
	if age >= keptFresh || early && age >= time.Second {
		ks.counts.start(t.ID, func(ctx context.Context) (struct{}, error) {
			d.countKept(ctx, t, k)
			return struct{}{}, nil
		})
	}
}

// returnQuota gives back what an emission took of what webhooks may keep: all
// of it if it was not stored, else that of deliveries which were there already.
func (d *Dispatcher) returnQuota(e *emission, err error) {
	for i := range e.notes {
		if n := &e.notes[i]; n.quota && (err != nil || n.dup) {
			n.quota = false
			d.keeping.release(e.rows[i].WebhookID)
		}
	}
}

// release gives the room of one delivery back.
func (ks *keeping) release(webhook string) {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	if k := ks.byID[webhook]; k != nil {
		k.n, k.added = max(k.n-1, 0), max(k.added-1, 0)
	}
}

// forget has the next event of a webhook count what it keeps.
func (ks *keeping) forget(webhook string) {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	delete(ks.byID, webhook)
}

// countKept asks the store how much t keeps, and drops what transactions added
// beyond the limit.
func (d *Dispatcher) countKept(ctx context.Context, t *target, k *kept) {
	ks := &d.keeping
	ks.mu.Lock()
	offered, since := k.offered, k.since
	k.added, k.offered = 0, 0
	ks.mu.Unlock()
	n, err := d.store.Count(ctx, waitingFor(t, d.opts.KeepLimit+min(offered, 1)))
	if err == nil && n > d.opts.KeepLimit {
		n = d.opts.KeepLimit
		err = d.trimKept(ctx, t, since)
	}
	if err != nil {
		d.notify.logError("counting what is kept", err)
	}
	ks.mu.Lock()
	defer ks.mu.Unlock()
	k.counted = time.Now()
	if err == nil {
		k.n = n + k.added
	}
}

// waitingFor selects what waits for t, up to a limit.
func waitingFor(t *target, limit int) DeliveryQuery {
	return DeliveryQuery{Account: t.Account, Webhook: t.ID, States: []State{StatePending}, Limit: limit}
}

// trimKept erases what t keeps beyond the limit: the newest of what was created
// since a time. What several processes trim at once is read before it is
// counted, so that none of them takes a part for too much that another has
// trimmed already.
func (d *Dispatcher) trimKept(ctx context.Context, t *target, since time.Time) error {
	q := waitingFor(t, cancelRows)
	q.Since, q.Brief = since, true
	for {
		w, err := d.find(ctx, t.Account, t.ID)
		if err != nil || w.Off == "" || !w.Keep {
			return ignoreNotFound(err)
		}
		ds, err := d.store.Deliveries(ctx, q)
		if err != nil {
			return err
		}
		n, err := d.store.Count(ctx, waitingFor(t, d.opts.KeepLimit+cancelRows))
		if err != nil {
			return err
		}
		ds = ds[:max(min(len(ds), n-d.opts.KeepLimit), 0)]
		n, err = d.cancelAll(ctx, ds, "Canceled: the webhook keeps no more while it is off.", true)
		if n > 0 {
			d.noteRefused([]refusal{{t, n}})
		}
		if err != nil || n == 0 {
			return err
		}
	}
}

// ignoreNotFound returns err unless it is that there is no such webhook.
func ignoreNotFound(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// expireKept erases what webhooks that are off have kept for longer than the
// retention. It is found along the log from its beginning, where little else
// is left: what finished as long ago was pruned.
func (d *Dispatcher) expireKept() {
	ctx, cancel := d.opts.withStoreTimeout(d.settling)
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
			d.notify.logError("erasing what was kept for too long", err)
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
	d.keeping.forget(webhook)
	if n == 0 && err == nil {
		err = d.confirmed(ctx)
	}
	return n, wrap("DropPending", err)
}

// requeueRetained makes all that waits for a webhook due in the order in which
// it happened, for when the webhook is switched on: retries would be made after
// what came later, and urgent deliveries before what came earlier. A delivery
// that may be under way since before the webhook went off is left alone, so that
// it is not sent twice; it is due again when its lease ends.
func (d *Dispatcher) requeueRetained(ctx context.Context, w Webhook) error {
	leased := w.OffSince.Add(d.opts.PollInterval + 2*d.opts.Timeout)
	q := DeliveryQuery{
		Account: w.Account, Webhook: w.ID, States: []State{StatePending}, Oldest: true, Limit: cancelRows, Brief: true,
	}
	for {
		ds, err := d.store.Deliveries(ctx, q)
		if err != nil {
			return err
		}
		var changes []Change
		for _, del := range ds {
			underWay := del.Lease > 0 && del.Due.After(now()) && !del.Due.After(leased)
			if !underWay && !del.Due.Equal(del.Created) {
				changes = append(changes, Change{
					ID: del.ID, Lease: del.Lease, State: StatePending, Due: del.Created, Attempts: del.Attempts,
				})
			}
		}
		if len(changes) > 0 {
			if _, err := d.store.Apply(ctx, changes); err != nil {
				return err
			}
		}
		if len(ds) < q.Limit {
			return nil
		}
		last := ds[len(ds)-1]
		q.After = Cursor{Created: last.Created, ID: last.ID}
	}
}
