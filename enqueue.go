package webhook

import (
	"context"
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
	opts     *Options
	notify   *notifier
	limiter  *limiter.Limiter[*inflight]
	tracker  *tracker
	retained *retained
	running  func() bool
	wake     func() // asks for a claim
	inserts  groupcommit.Group[*insert]
	timers   sync.Pool // of *time.Timer, for add
}

func newEnqueuer(q *enqueuer) *enqueuer {
	q.inserts.Run, q.inserts.Size = q.flush, (*insert).size
	q.inserts.MaxRows, q.inserts.MaxBytes = groupRows, groupBytes
	q.inserts.StallAfter, q.inserts.Abandoned, q.inserts.Caller = stallAfter, (*insert).abandoned, (*insert).caller
	return q
}

// add stores inserts. It returns once all are durable, or with an error once ctx or
// patience ends. refused are counted once all are stored.
func (q *enqueuer) add(ctx context.Context, inserts []*insert, refused []refusal, patience time.Duration) error {
	r := newAck(inserts, refused)
	timer := q.timer(patience)
	defer q.timers.Put(timer)
	defer timer.Stop()
	q.inserts.Add(inserts...)
	return q.await(ctx, r, timer.C)
}

// await waits until all inserts of r are stored, or ctx or the time ends.
func (q *enqueuer) await(ctx context.Context, r *ack, timeout <-chan time.Time) error {
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		q.abandon(r)
		return fmt.Errorf("the store has not answered, and may have stored the events: emit again with the same ID: %w", ctx.Err())
	case <-timeout:
		q.abandon(r)
		return fmt.Errorf("the store has not answered for %s, and may have stored the events: emit again with the same ID: %w",
			3*q.opts.StoreTimeout, context.DeadlineExceeded)
	}
}

// abandon notes that the caller no longer waits.
func (q *enqueuer) abandon(r *ack) {
	r.abandoned.Store(true)
	q.inserts.Abandon(r.inserts)
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
// claimed in their turn, and so are those that stand in a line: only the store knows
// which is the first.
func (q *enqueuer) reserve(e *insert) {
	if !q.running() {
		return
	}
	for i := range e.rows {
		row, n := &e.rows[i], &e.states[i]
		if n.held || n.failing || row.Key != "" {
			continue
		}
		if n.slot = q.limiter.TryAcquire(row.WebhookID); n.slot != nil {
			row.Lease, row.Due = 1, q.opts.leaseEnd()
		} else {
			q.limiter.ExpectBacklog(row.WebhookID)
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
	}, isRefusal)
	needsClaim := false
	for i, e := range group {
		var err error
		if errs != nil {
			err = errs[i]
		}
		if err == nil && e.uncertain {
			err = failed
		}
		for j, n := range e.states {
			switch {
			case n.slot == nil:
				if err == nil && !n.held && (q.noteDue(&e.rows[j]) || n.failing) {
					needsClaim = true
				}
			case err != nil || n.dup:
				n.slot.Release()
			default:
				q.tracker.hold(&inflight{Delivery: e.delivery(j), slot: n.slot})
			}
		}
		q.acknowledge(e, err)
	}
	if needsClaim {
		q.wake()
	}
}

// noteDue notes that the store has a delivery that is not pre-leased, and reports
// whether to claim now.
func (q *enqueuer) noteDue(row *OutboxDelivery) bool {
	if row.Key != "" {
		return q.limiter.NoteOrdered(row.WebhookID)
	}
	return q.limiter.NoteBacklog(row.WebhookID)
}

// flushPart stores a part of a group in one call, each ID once. After a call
// for the whole group has failed, deliveries that the store has already may be
// from that call, so that a crash of the server may still undo them: inserts
// with such deliveries are uncertain, and not acknowledged.
func (q *enqueuer) flushPart(part []*insert, again bool) error {
	ctx, cancel := q.opts.withStoreTimeout(context.Background())
	defer cancel()
	n := 0
	for _, e := range part {
		n += len(e.rows)
	}
	events := make([]OutboxEvent, 0, len(part))
	at := make(map[string]*rowState, n)
	for _, e := range part {
		event := e.event()
		for i := range e.rows {
			id, n := e.rows[i].ID, &e.states[i]
			if n.dup = at[id] != nil; !n.dup {
				at[id] = n
			}
		}
		events = append(events, event)
	}
	had, err := q.store.Enqueue(ctx, events)
	if err = durable(ctx, err); err != nil {
		return q.opts.timeoutError(err)
	}
	for _, id := range had {
		if n := at[id]; n != nil {
			n.dup = true
		}
	}
	if again && len(had) > 0 {
		for _, e := range part {
			e.uncertain = slices.ContainsFunc(e.rows, func(row OutboxDelivery) bool { return slices.Contains(had, row.ID) })
		}
	}
	return nil
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
