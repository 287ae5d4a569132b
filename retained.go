package webhook

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// retained limits what webhooks that are off and keep their events hold: no more
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

// A quota is what one webhook holds. The store counts it once in a while; in
// between what is emitted here is added.
type quota struct {
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
	// countFresh is for how long a count is good. What other processes add
	// meanwhile may go beyond the limit.
	countFresh = time.Minute

	// maxQuotas is how many webhooks are remembered.
	maxQuotas = 10_000

	// offeredMost is how many deliveries transactions may add, beside a tenth of
	// the limit, before they are counted ahead of time.
	offeredMost = 500
)

// noteRefused counts what was not kept in Webhook.NotKept.
func (re *retained) noteRefused(rs []refusal) {
	for _, r := range rs {
		re.recorder.observe(r.target, observation{revision: r.target.Revision, unkept: r.n})
	}
}

// hasOff reports whether one of the webhooks is off.
func hasOff(targets []*endpoint) bool {
	return slices.ContainsFunc(targets, func(t *endpoint) bool { return t.Off != "" })
}

// admitAll takes the deliveries out of an insert that webhooks which are off
// have no room for, and adds them to refused. Within a transaction of the
// caller's, unless direct, all are admitted: if it is rolled back nothing may
// have been counted, and if it is committed a later count drops what was too
// much. It waits there for no call of the store, which may have no second
// connection.
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
		case t.Off == "":
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

// of returns what is known of a webhook. The caller holds mu.
func (re *retained) of(t *endpoint) *quota {
	k := re.byID[t.ID]
	if k == nil || !k.offSince.Equal(t.OffSince) {
		if len(re.byID) >= maxQuotas {
			clear(re.byID)
		}
		k = &quota{offSince: t.OffSince}
		re.byID[t.ID] = k
	}
	return k
}

// admit returns how many of n more deliveries t has room for, and takes it. The
// error is that of ctx, if that ends first.
func (re *retained) admit(ctx context.Context, t *endpoint, n int) (int, error) {
	re.mu.Lock()
	defer re.mu.Unlock()
	k := re.of(t)
	if time.Since(k.counted) >= countFresh {
		re.mu.Unlock()
		_, err := re.counts.do(ctx, t.ID, func(ctx context.Context) (struct{}, error) {
			re.countKept(ctx, t, k)
			return struct{}{}, nil
		})
		re.mu.Lock()
		if err != nil {
			return 0, err
		}
	}
	room := min(n, max(re.opts.KeepLimit-k.n, 0))
	k.n += room
	k.added += room
	return room, nil
}

// offer notes that a transaction may add n deliveries, created then, to what t keeps, and has
// them counted in the background.
func (re *retained) offer(t *endpoint, n int, created time.Time) {
	re.mu.Lock()
	defer re.mu.Unlock()
	k := re.of(t)
	if k.offered == 0 {
		k.since = created
	}
	k.offered += n
	age, early := time.Since(k.counted), k.offered >= offeredMost+re.opts.KeepLimit/10
	if age >= countFresh || early && age >= time.Second {
		re.counts.start(t.ID, func(ctx context.Context) (struct{}, error) {
			re.countKept(ctx, t, k)
			return struct{}{}, nil
		})
	}
}

// returnQuota gives back what an insert took of what webhooks may keep: all
// of it if it was not stored, else that of deliveries which were there already.
func (re *retained) returnQuota(e *insert, err error) {
	for i := range e.states {
		if n := &e.states[i]; n.quota && (err != nil || n.dup) {
			n.quota = false
			re.release(e.rows[i].WebhookID)
		}
	}
}

// release gives the room of one delivery back.
func (re *retained) release(webhook string) {
	re.mu.Lock()
	defer re.mu.Unlock()
	if k := re.byID[webhook]; k != nil {
		k.n, k.added = max(k.n-1, 0), max(k.added-1, 0)
	}
}

// forget has the next event of a webhook count what it keeps.
func (re *retained) forget(webhook string) {
	re.mu.Lock()
	defer re.mu.Unlock()
	delete(re.byID, webhook)
}

// countKept asks the store how much t keeps, and drops what transactions added
// beyond the limit.
func (re *retained) countKept(ctx context.Context, t *endpoint, k *quota) {
	re.mu.Lock()
	offered, since := k.offered, k.since
	k.added, k.offered = 0, 0
	re.mu.Unlock()
	n, err := re.store.Count(ctx, waitingFor(t, re.opts.KeepLimit+min(offered, 1)))
	if err == nil && n > re.opts.KeepLimit {
		n = re.opts.KeepLimit
		err = re.trimKept(ctx, t, since)
	}
	if err != nil {
		re.notify.logError("counting what is kept", err)
	}
	re.mu.Lock()
	defer re.mu.Unlock()
	k.counted = time.Now()
	if err == nil {
		k.n = n + k.added
	}
}

// waitingFor selects what waits for t, up to a limit.
func waitingFor(t *endpoint, limit int) DeliveryQuery {
	return DeliveryQuery{Account: t.Account, Webhook: t.ID, States: []State{StatePending}, Limit: limit}
}

// trimKept erases what t keeps beyond the limit: the newest of what was created
// since a time. What several processes trim at once is read before it is
// counted, so that none of them takes a part for too much that another has
// trimmed already.
func (re *retained) trimKept(ctx context.Context, t *endpoint, since time.Time) error {
	q := waitingFor(t, cancelRows)
	q.Since, q.Brief = since, true
	for {
		w, err := re.editor.find(ctx, t.Account, t.ID)
		if err != nil || w.Off == "" || !w.Keep {
			return ignoreNotFound(err)
		}
		ds, err := re.store.Deliveries(ctx, q)
		if err != nil {
			return err
		}
		n, err := re.store.Count(ctx, waitingFor(t, re.opts.KeepLimit+cancelRows))
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

// expireKept erases what webhooks that are off have kept for longer than the
// retention. It is found along the log from its beginning, where little else
// is left: what finished as long ago was pruned.
func (re *retained) expireKept() {
	ctx, cancel := re.opts.withStoreTimeout(re.background)
	defer cancel()
	q := DeliveryQuery{
		All: true, Until: now().Add(-re.opts.Retention), Oldest: true, Limit: cancelRows, Brief: true,
	}
	for !re.stopped() {
		ds, err := re.store.Deliveries(ctx, q)
		if err == nil {
			err = re.expire(ctx, ds)
		}
		if err != nil {
			re.notify.logError("erasing what was kept for too long", err)
		}
		if err != nil || len(ds) < q.Limit {
			return
		}
		last := ds[len(ds)-1]
		q.After = Cursor{Created: last.Created, ID: last.ID}
	}
}

// expire erases those of ds that a webhook which is off keeps.
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
		if t != nil && t.Off != "" && t.Keep {
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

// requeue makes all that waits for a webhook due in the order in which
// it happened, for when the webhook is switched on: retries would be made after
// what came later, and urgent deliveries before what came earlier. A delivery
// that may be under way since before the webhook went off is left alone, so that
// it is not sent twice; it is due again when its lease ends.
func (re *retained) requeue(ctx context.Context, w Webhook) error {
	leased := w.OffSince.Add(re.opts.PollInterval + 2*re.opts.Timeout)
	q := DeliveryQuery{
		Account: w.Account, Webhook: w.ID, States: []State{StatePending}, Oldest: true, Limit: cancelRows, Brief: true,
	}
	for {
		ds, err := re.store.Deliveries(ctx, q)
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
		if len(ds) < q.Limit {
			return nil
		}
		last := ds[len(ds)-1]
		q.After = Cursor{Created: last.Created, ID: last.ID}
	}
}
