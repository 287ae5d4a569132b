package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/listhook/webhook/internal/groupcommit"
	"github.com/listhook/webhook/internal/limiter"
)

// An enqueuer stores deliveries, in groups of several callers, and begins with them
// if the Dispatcher runs.
type enqueuer struct {
	store    Store
	leaser   LineLeaser // the store; nil: it is none
	opts     *Options
	notify   *notifier
	limiter  *limiter.Limiter[*inflight]
	tracker  *tracker
	batcher  *batcher
	retained *retained
	running  func() bool
	wake     func()                     // asks for a claim
	inserts  groupcommit.Group[*insert] // deliveries without a key
	keyed    groupcommit.Group[*insert] // deliveries with a key: callers of the other group do not wait for them
	serial   bool                       // the store has one writer: inserts has all deliveries
	timers   sync.Pool                  // of *time.Timer, for add
}

func newEnqueuer(q *enqueuer) *enqueuer {
	for _, g := range []*groupcommit.Group[*insert]{&q.inserts, &q.keyed} {
		g.Run, g.Size, g.MaxRows, g.MaxBytes = q.flush, (*insert).size, groupRows, groupBytes
		g.StallAfter, g.Abandoned, g.Caller = stallAfter, (*insert).abandoned, (*insert).caller
		g.CallersWait = !q.serial // with one writer, nobody else writes beside a group
		g.Dropped = func(e *insert) { q.retained.returnQuota(e, errDropped) }
	}
	return q
}

// errDropped is the error of an insert for which nobody waited.
var errDropped = errors.New("the store hangs, and nobody waits any more")

// add stores inserts. It returns once all are durable, or with an error once ctx or
// patience ends. refused are counted once all are stored.
func (q *enqueuer) add(ctx context.Context, inserts []*insert, refused []refusal, patience time.Duration) error {
	a := newAck(inserts, refused)
	timer := q.timer(patience)
	defer q.timers.Put(timer)
	defer timer.Stop()
	q.queue(inserts)
	return q.await(ctx, a, timer.C)
}

// await waits until all inserts of a are stored, or ctx or the time ends.
func (q *enqueuer) await(ctx context.Context, a *ack, timeout <-chan time.Time) error {
	select {
	case <-a.done:
		return a.err
	case <-ctx.Done():
		q.abandon(a)
		return &unansweredError{"the store has not answered, and may have stored the events: emit again with the same ID", ctx.Err()}
	case <-timeout:
		q.abandon(a)
		text := fmt.Sprintf("the store has not answered for %s, and may have stored the events: emit again with the same ID", 3*q.opts.StoreTimeout)
		return &unansweredError{text, context.DeadlineExceeded}
	}
}

// abandon notes that the caller no longer waits.
func (q *enqueuer) abandon(a *ack) {
	a.abandoned.Store(true)
	if q.serial {
		q.inserts.Abandon(a.inserts)
		return
	}
	q.inserts.Abandon(a.inserts - a.keyed)
	q.keyed.Abandon(a.keyed)
}

// queue has inserts stored.
func (q *enqueuer) queue(inserts []*insert) {
	if q.serial || !slices.ContainsFunc(inserts, (*insert).ordered) {
		q.inserts.Add(inserts...)
		return
	}
	var rest, keyed []*insert
	for _, e := range inserts {
		if e.ordered() {
			keyed = append(keyed, e)
		} else {
			rest = append(rest, e)
		}
	}
	q.keyed.Add(keyed...)
	if len(rest) > 0 {
		q.inserts.Add(rest...)
	}
}

// timer returns a timer that fires after delay. It is from a pool, since each
// call of add needs one.
func (q *enqueuer) timer(delay time.Duration) *time.Timer {
	if t, ok := q.timers.Get().(*time.Timer); ok {
		t.Reset(delay)
		return t
	}
	return time.NewTimer(delay)
}

// addTx stores inserts in a transaction of the caller's.
func (q *enqueuer) addTx(ctx context.Context, tx Outbox, inserts []*insert) error {
	for rest := inserts; len(rest) > 0; {
		n := groupOf(rest)
		if err := q.enqueueTx(ctx, tx, rest[:n]); err != nil {
			for _, e := range rest {
				q.retained.returnQuota(e, err)
			}
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// acknowledge tells the caller of Emit, and Hooks.Enqueued, how an insert ended.
func (q *enqueuer) acknowledge(e *insert, err error) {
	q.retained.returnQuota(e, err)
	if hook := q.opts.Hooks.Enqueued; err == nil && hook != nil {
		if fresh := e.fresh(); len(fresh) > 0 {
			q.notify.safely("Hooks.Enqueued", func() { hook(hideUrgency(fresh)) })
		}
	}
	if e.ack.report(err) {
		q.retained.noteRefused(e.ack.refused)
	}
}

// reserve makes a delivery pre-leased to this process if it runs, the limiter has
// room, and no older delivery is known to wait for the same webhook. The others are
// claimed in their turn. Of those that stand in a line, the store leases the first one: it
// alone knows which that is.
func (q *enqueuer) reserve(e *insert) {
	if !q.running() {
		return
	}
	for i := range e.rows {
		row, st := &e.rows[i], &e.states[i]
		until := q.opts.leaseEnd()
		switch {
		case st.batch != nil && (st.held || st.failing || row.Key != "" && q.leaser == nil):
			q.batcher.expect(st.batch)
			continue
		case st.held || st.failing || row.Key != "" && q.leaser == nil:
			continue
		case st.batch != nil:
			until = until.Add(st.batch.BatchWait)
			st.seated = q.batcher.reserve(st.batch)
		default:
			st.slot = q.limiter.TryAcquire(row.WebhookID, q.opts.rateShare(st.limit))
		}
		switch {
		case st.slot == nil && !st.seated && row.Key == "":
			q.limiter.ExpectBacklog(row.WebhookID)
		case st.slot == nil && !st.seated:
		case row.Key != "":
			row.LeaseUntil = until
		default:
			row.Lease, row.Due = 1, until
		}
	}
}

// flush stores a group of inserts, tells their callers, and begins with the
// pre-leased deliveries.
func (q *enqueuer) flush(group []*insert) {
	q.limiter.Throttle(len(group))
	for _, e := range group {
		q.reserve(e)
	}
	var failed error // the first call
	errs := groupcommit.Bisect(group, func(part []*insert) error {
		err := q.flushPart(part, failed != nil)
		if failed == nil {
			failed = err
		}
		return err
	}, isRefusal, noteFailed)
	needsClaim := false
	for i, e := range group {
		var err error
		if errs != nil {
			err = errs[i]
		}
		switch {
		case err != nil:
		case e.behind != nil:
			err = e.behind
		case e.uncertain:
			err = failed
		}
		for j := range e.states {
			if q.begin(e, j, err) {
				needsClaim = true
			}
		}
		q.acknowledge(e, err)
	}
	if needsClaim {
		q.wake()
	}
}

// noteFailed notes that inserts failed, before others of their callers are stored.
func noteFailed(group []*insert, err error) {
	for _, e := range group {
		e.ack.noteFailed(e, err)
	}
}

// dropBehind returns the inserts that have to wait for no earlier one of their callers
// that failed.
func dropBehind(part []*insert) []*insert {
	var kept []*insert // nil: all so far
	for i, e := range part {
		if e.behind = e.ack.failedBefore(e); e.behind != nil {
			if e.ack.noteFailed(e, e.behind); kept == nil {
				kept = append(make([]*insert, 0, len(part)), part[:i]...)
			}
		} else if kept != nil {
			kept = append(kept, e)
		}
	}
	if kept == nil {
		return part
	}
	return kept
}

// begin begins with a delivery of an insert, if it is leased, after the store has stored
// the insert or returned an error. Otherwise it reports whether to claim now.
func (q *enqueuer) begin(e *insert, i int, err error) (needsClaim bool) {
	row, st := &e.rows[i], &e.states[i]
	waits := !row.LeaseUntil.IsZero() && row.Sequence == 0
	switch {
	case st.slot == nil && !st.seated, waits && err == nil && !st.dup:
		st.returnPlace(q.batcher)
		return err == nil && !st.held && (q.noteDue(row) || st.failing)
	case err != nil || st.dup:
		st.returnPlace(q.batcher)
	case st.seated:
		q.tracker.hold(&inflight{Delivery: e.delivery(i), seat: st.batch})
	default:
		q.tracker.hold(&inflight{Delivery: e.delivery(i), slot: st.slot})
	}
	return false
}

// noteDue notes that the store has a delivery that is not pre-leased, and reports
// whether to claim now.
func (q *enqueuer) noteDue(row *OutboxDelivery) bool {
	if row.Key != "" {
		return q.limiter.NoteOrdered(row.WebhookID)
	}
	return q.limiter.NoteBacklog(row.WebhookID)
}

// flushPart stores a part of a group in one call, each ID once, without those that have
// to stay behind an insert that failed. After a call
// for the whole group has failed, deliveries that the store has already may be
// from that call, so that a crash of the server may still undo them: inserts
// with such deliveries are uncertain, and not acknowledged.
func (q *enqueuer) flushPart(part []*insert, again bool) error {
	if part = dropBehind(part); len(part) == 0 {
		return nil
	}
	ctx, cancel := q.opts.withStoreTimeout(context.Background())
	defer cancel()
	n := 0
	for _, e := range part {
		n += len(e.rows)
	}
	events := make([]OutboxEvent, 0, len(part))
	at := make(map[string]*rowState, n)
	leasing := false
	for _, e := range part {
		for i := range e.rows {
			id, st := e.rows[i].ID, &e.states[i]
			if st.dup = at[id] != nil; !st.dup {
				at[id] = st
			}
			leasing = leasing || !e.rows[i].LeaseUntil.IsZero()
		}
		events = append(events, e.event())
	}
	had, leased, err := q.enqueue(ctx, events, leasing)
	if err = durable(ctx, err); err != nil {
		return q.opts.timeoutError(err)
	}
	if leasing {
		for _, e := range part {
			e.noteLeased(leased)
		}
	}
	for _, id := range had {
		if st := at[id]; st != nil {
			st.dup = true
		}
	}
	if again && len(had) > 0 {
		for _, e := range part {
			e.uncertain = slices.ContainsFunc(e.rows, func(row OutboxDelivery) bool { return slices.Contains(had, row.ID) })
		}
	}
	return nil
}

// enqueue calls the store, which leases deliveries with a LeaseUntil if there are some.
func (q *enqueuer) enqueue(ctx context.Context, events []OutboxEvent, leasing bool) (had []string, leased map[string]int64, err error) {
	if leasing {
		return q.leaser.EnqueueLeasing(ctx, events)
	}
	had, err = q.store.Enqueue(ctx, events)
	return had, nil, err
}

// groupOf returns how many of inserts are stored in one call: at least one,
// since the deliveries of one event are stored together or not at all.
func groupOf(inserts []*insert) int {
	rows, bytes := 0, 0
	for i, e := range inserts {
		r, b := e.size()
		if rows, bytes = rows+r, bytes+b; i > 0 && (rows > groupRows || bytes > groupBytes) {
			return i
		}
	}
	return len(inserts)
}

// enqueueTx stores a group of inserts in a transaction of the caller's.
func (q *enqueuer) enqueueTx(ctx context.Context, tx Outbox, group []*insert) error {
	events := group[0].oneEvent[:]
	if len(group) > 1 {
		events = make([]OutboxEvent, len(group))
	}
	for i, e := range group {
		events[i] = e.event()
	}
	had, err := tx.Enqueue(ctx, events)
	if err != nil {
		return err
	}
	there := make(map[string]bool, len(had))
	for _, id := range had {
		there[id] = true
	}
	for _, e := range group {
		for i := range e.rows {
			e.states[i].dup = there[e.rows[i].ID]
		}
		q.retained.returnQuota(e, nil)
	}
	return nil
}
