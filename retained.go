package webhook

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// retained limits what webhooks that are disabled and keep their events hold: no more
// than Options.KeepLimit, and for no longer than Options.Retention.
type retained struct {
	store      Store
	opts       *Options
	notify     *notifier
	cache      *webhookCache
	editor     *editor
	recorder   *healthRecorder
	background context.Context // of calls that no caller waits for
	stopped    func() bool
	counts     sharedCalls[struct{}] // by the webhook's ID

	mu   sync.Mutex // guards byID and what it holds
	byID map[string]*quota
}

func newRetained(re *retained) *retained {
	re.byID = map[string]*quota{}
	re.counts.timeout = re.opts.StoreTimeout
	return re
}

// A quota knows how many deliveries one webhook holds. The store counts them once in
// a while. In between, admit adds the deliveries that this process emits.
type quota struct {
	disabledAt time.Time // of the webhook: with another one, the quota is void
	n          int
	added      int // since the count under way began
	counted    time.Time

	// offered is how many deliveries transactions may have added since the last
	// count. Only the store knows whether these were committed.
	offered int
	since   time.Time // the first of these
}

const (
	// countFresh is for how long a count is good. What other processes add
	// meanwhile may go beyond the limit.
	countFresh = time.Minute

	// maxQuotas is how many webhooks are remembered.
	maxQuotas = 10_000

	// offeredMost is how many deliveries transactions may add, beside a tenth of
	// the limit, before they are counted ahead of time.
	offeredMost = 500
)

// noteRefused counts refused deliveries in Webhook.Discarded.
func (re *retained) noteRefused(rs []refusal) {
	for _, r := range rs {
		re.recorder.observe(r.target, observation{revision: r.target.Revision, unkept: r.n})
	}
}

// hasDisabled reports whether one of the webhooks is disabled.
func hasDisabled(targets []*endpoint) bool {
	return slices.ContainsFunc(targets, func(t *endpoint) bool { return t.Disabled != "" })
}

// admitAll removes from an insert the deliveries that disabled webhooks have no room
// for, and adds them to refused. In a transaction of the caller's (direct is false)
// it admits all: nothing may have been counted if that is rolled back, and if it is
// committed a later count erases the excess. There it waits for no call of the store,
// which may have no second connection.
func (re *retained) admitAll(ctx context.Context, e *insert, targets []*endpoint, direct bool, refused []refusal) ([]refusal, error) {
	rows, states := e.rows, e.states
	e.rows, e.states = e.rows[:0], e.states[:0]
	for _, t := range targets {
		n := 0
		for n < len(rows) && rows[n].WebhookID == t.ID {
			n++
		}
		room := n
		switch {
		case t.Disabled == "":
		case !direct:
			re.offer(t, n, rows[0].Created)
		default:
			var err error
			if room, err = re.admit(ctx, t, n); err != nil {
				return refused, err
			}
			for i := range states[:room] {
				states[i].quota = true
			}
			if room < n {
				refused = append(refused, refusal{t, n - room})
			}
		}
		e.rows, e.states = append(e.rows, rows[:room]...), append(e.states, states[:room]...)
		rows, states = rows[n:], states[n:]
	}
	return refused, nil
}

// of returns the quota of a webhook. The caller holds mu.
func (re *retained) of(t *endpoint) *quota {
	q := re.byID[t.ID]
	if q == nil || !q.disabledAt.Equal(t.DisabledAt) {
		if len(re.byID) >= maxQuotas {
			clear(re.byID)
		}
		q = &quota{disabledAt: t.DisabledAt}
		re.byID[t.ID] = q
	}
	return q
}

// admit returns how many of n more deliveries t has room for, and takes it. The
// error is that of ctx, if that ends first.
func (re *retained) admit(ctx context.Context, t *endpoint, n int) (int, error) {
	re.mu.Lock()
	defer re.mu.Unlock()
	q := re.of(t)
	if time.Since(q.counted) >= countFresh {
		re.mu.Unlock()
		_, err := re.counts.do(ctx, t.ID, func(ctx context.Context) (struct{}, error) {
			re.countKept(ctx, t, q)
			return struct{}{}, nil
		})
		re.mu.Lock()
		if err != nil {
			return 0, err
		}
	}
	room := min(n, max(re.opts.KeepLimit-q.n, 0))
	q.n += room
	q.added += room
	return room, nil
}

// offer notes that a transaction may add n deliveries of t, created at a time, and has
// the store count them in the background.
func (re *retained) offer(t *endpoint, n int, created time.Time) {
	re.mu.Lock()
	defer re.mu.Unlock()
	q := re.of(t)
	if q.offered == 0 {
		q.since = created
	}
	q.offered += n
	age, early := time.Since(q.counted), q.offered >= offeredMost+re.opts.KeepLimit/10
	if age >= countFresh || early && age >= time.Second {
		re.counts.start(t.ID, func(ctx context.Context) (struct{}, error) {
			re.countKept(ctx, t, q)
			return struct{}{}, nil
		})
	}
}

// returnQuota gives back the quota that an insert took: all of it if the insert was
// not stored, else the part of deliveries that the store had already.
func (re *retained) returnQuota(e *insert, err error) {
	for i := range e.states {
		if st := &e.states[i]; st.quota && (err != nil || st.dup) {
			st.quota = false
			re.release(e.rows[i].WebhookID)
		}
	}
}

// release gives the room of one delivery back.
func (re *retained) release(webhook string) {
	re.mu.Lock()
	defer re.mu.Unlock()
	if q := re.byID[webhook]; q != nil {
		q.n, q.added = max(q.n-1, 0), max(q.added-1, 0)
	}
}

// forget has the next event of a webhook count what it keeps.
func (re *retained) forget(webhook string) {
	re.mu.Lock()
	defer re.mu.Unlock()
	delete(re.byID, webhook)
}

// countKept asks the store how many deliveries t holds, and erases those that
// transactions added beyond the limit.
func (re *retained) countKept(ctx context.Context, t *endpoint, q *quota) {
	re.mu.Lock()
	offered, since := q.offered, q.since
	q.added, q.offered = 0, 0
	re.mu.Unlock()
	n, err := re.store.Count(ctx, re.waitingFor(t, min(offered, 1)))
	if err == nil && n > re.opts.KeepLimit {
		n = re.opts.KeepLimit
		err = re.trimKept(ctx, t, since)
	}
	if err != nil {
		re.notify.logError("counting what is kept", err)
	}
	re.mu.Lock()
	defer re.mu.Unlock()
	q.counted = time.Now()
	if err == nil {
		q.n = n + q.added
	}
}

// waitingFor selects the pending deliveries of t: up to Options.KeepLimit, and some more.
func (re *retained) waitingFor(t *endpoint, more int) DeliveryQuery {
	limit := max(re.opts.KeepLimit, re.opts.KeepLimit+more) // the greatest int has no next
	return DeliveryQuery{Account: t.Account, Webhook: t.ID, States: []State{StatePending}, Limit: limit}
}

// trimKept erases deliveries of t beyond the limit: the newest of those created since
// a time. Several processes may trim at once, so it reads deliveries before it counts:
// then none of them counts a delivery as excess that another has erased already.
func (re *retained) trimKept(ctx context.Context, t *endpoint, since time.Time) error {
	q := re.waitingFor(t, 0)
	q.Since, q.Limit, q.Brief = since, cancelRows, true
	for {
		w, err := re.editor.find(ctx, t.Account, t.ID)
		if err != nil || w.Disabled == "" || !w.KeepEvents {
			return ignoreNotFound(err)
		}
		ds, err := re.store.Deliveries(ctx, q)
		if err != nil {
			return err
		}
		n, err := re.store.Count(ctx, re.waitingFor(t, cancelRows))
		if err != nil {
			return err
		}
		ds = ds[:max(min(len(ds), n-re.opts.KeepLimit), 0)]
		n, err = re.editor.cancelAll(ctx, ds, "Canceled: the webhook keeps no more while it is off.", true)
		if n > 0 {
			re.noteRefused([]refusal{{t, n}})
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

// expireKept erases deliveries that disabled webhooks have kept for longer than the
// retention. It reads the pending ones from the oldest on.
func (re *retained) expireKept() {
	if re.stopped() {
		return
	}
	ctx, cancel := re.opts.withStoreTimeout(re.background)
	defer cancel()
	q := DeliveryQuery{
		All: true, States: []State{StatePending}, Until: now().Add(-re.opts.Retention), Oldest: true, Limit: cancelRows, Brief: true,
	}
	for ds, err := range deliveryPages(ctx, re.store, q) {
		if err == nil {
			err = re.expire(ctx, ds)
		}
		if err != nil {
			re.notify.logError("erasing what was kept for too long", err)
		}
		if err != nil || re.stopped() {
			return
		}
	}
}

// expire erases the deliveries of ds whose webhook is disabled and keeps them.
func (re *retained) expire(ctx context.Context, ds []Delivery) error {
	targets := map[string]*endpoint{}
	old := map[string][]Delivery{}
	for _, del := range ds {
		if del.State != StatePending {
			continue
		}
		t, ok := targets[del.WebhookID]
		if !ok {
			var err error
			if t, err = re.cache.get(ctx, del.Account, del.WebhookID); err != nil {
				return err
			}
			targets[del.WebhookID] = t
		}
		if t != nil && t.Disabled != "" && t.KeepEvents {
			old[del.WebhookID] = append(old[del.WebhookID], del)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(old)) {
		n, err := re.editor.cancelAll(ctx, old[id], "Canceled: it was kept for as long as anything is.", true)
		if n > 0 {
			re.recorder.observe(targets[id], observation{revision: targets[id].Revision, unkept: n})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// requeue makes all pending deliveries of a webhook due in the order of their
// creation, when the webhook is enabled. Otherwise retries would follow later
// events, and urgent deliveries would precede earlier ones. requeue skips a delivery
// that may be under way since before the webhook was disabled, so that it is not
// sent twice: it is due again when its lease ends.
func (re *retained) requeue(ctx context.Context, w Webhook) error {
	leased := w.DisabledAt.Add(re.opts.PollInterval + re.opts.longestLease(&w))
	q := DeliveryQuery{
		Account: w.Account, Webhook: w.ID, States: []State{StatePending}, Oldest: true, Limit: cancelRows, Brief: true,
	}
	for ds, err := range deliveryPages(ctx, re.store, q) {
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
			if _, err := re.store.Apply(ctx, changes); err != nil {
				return err
			}
		}
	}
	return nil
}
