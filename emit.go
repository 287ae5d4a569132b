package webhook

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/listhook/webhook/internal/groupcommit"
	"github.com/listhook/webhook/internal/limiter"
)

// Emit hands over events for delivery. It returns once they are durable, and
// nil also when no webhook wants them. The first attempt follows at once where
// the Dispatcher was started, else in the process where one was.
//
// An event that cannot be delivered is an *InvalidError, whether or not a
// webhook wants it, and then none of the events is stored. After any other
// error some of them may have been stored: emit again with the same Meta.ID,
// which delivers each at most once to each webhook.
//
// While this process holds half of the deliveries that it may hold, or more,
// Emit takes a millisecond longer for each event that is emitted at the same
// time, up to 50 ms: callers who outran the deliveries would only make them
// later.
//
// While the store does not answer, Emit returns with an error that says so,
// after three times Options.StoreTimeout at most.
func (d *Dispatcher) Emit(ctx context.Context, events ...Event) error {
	began := time.Now()
	emissions, refused, err := d.plan(ctx, nil, true, events)
	if err != nil {
		return wrap("Emit", err)
	}
	if len(emissions) == 0 {
		d.noteRefused(refused)
		return nil
	}
	r := &receipt{emissions: len(emissions), waiting: len(emissions), refused: refused, done: make(chan struct{})}
	for _, e := range emissions {
		e.receipt = r
	}
	patience := d.timer(3*d.opts.StoreTimeout - time.Since(began))
	defer d.timers.Put(patience)
	defer patience.Stop()
	d.emits.Add(emissions...)
	select {
	case <-r.done:
		return wrap("Emit", r.err)
	case <-ctx.Done():
		d.abandonEmit(r)
		return fmt.Errorf("webhook: Emit: the store has not answered, and may have stored the events: emit again with the same ID: %w", ctx.Err())
	case <-patience.C:
		d.abandonEmit(r)
		return fmt.Errorf("webhook: Emit: the store has not answered for %s, and may have stored the events: emit again with the same ID: %w",
			3*d.opts.StoreTimeout, context.DeadlineExceeded)
	}
}

// abandonEmit notes that the caller no longer waits.
func (d *Dispatcher) abandonEmit(r *receipt) {
	r.abandoned.Store(true)
	d.emits.Abandon(r.emissions)
}

// timer returns a timer that fires after delay. It is from a pool, since each
// Emit needs one.
func (d *Dispatcher) timer(delay time.Duration) *time.Timer {
	if t, ok := d.timers.Get().(*time.Timer); ok {
		t.Reset(delay)
		return t
	}
	return time.NewTimer(delay)
}

// EmitTx hands over events within a transaction of the caller's, which the
// store's Tx method makes an Outbox: they are delivered if it commits, and
// never if it does not. Call Wake after the commit to skip the poll. Errors
// are those of Emit; whether the transaction can go on after one is the
// database's rule.
func (d *Dispatcher) EmitTx(ctx context.Context, tx Outbox, events ...Event) error {
	if tx == nil {
		return invalid("tx", "is nil")
	}
	direct := d.isStore(tx)
	emissions, refused, err := d.plan(ctx, d.outbox(tx), direct, events)
	if err != nil {
		return wrap("EmitTx", err)
	}
	for rest := emissions; len(rest) > 0; {
		n := groupOf(rest)
		if err := d.enqueueTx(ctx, tx, rest[:n]); err != nil {
			for _, e := range rest {
				d.returnQuota(e, err)
			}
			return wrap("EmitTx", err)
		}
		rest = rest[n:]
	}
	d.noteRefused(refused)
	return nil
}

// groupOf returns how many of emissions are stored in one call: at least one,
// since the deliveries of one event are stored together or not at all.
func groupOf(emissions []*emission) int {
	rows, bytes := 0, 0
	for i, e := range emissions {
		r, b := e.size()
		if rows, bytes = rows+r, bytes+b; i > 0 && (rows > groupRows || bytes > groupBytes) {
			return i
		}
	}
	return len(emissions)
}

// enqueueTx stores a group of emissions in a transaction of the caller's.
func (d *Dispatcher) enqueueTx(ctx context.Context, tx Outbox, group []*emission) error {
	rows := group[0].rows
	for _, e := range group[1:] {
		rows = append(rows[:len(rows):len(rows)], e.rows...)
	}
	had, err := tx.Enqueue(ctx, rows)
	if err != nil {
		return err
	}
	there := make(map[string]bool, len(had))
	for _, id := range had {
		there[id] = true
	}
	for _, e := range group {
		for i := range e.rows {
			e.notes[i].dup = there[e.rows[i].ID]
		}
		d.returnQuota(e, nil)
	}
	return nil
}

// isStore reports whether tx is no transaction, but the Dispatcher's own store.
func (d *Dispatcher) isStore(tx Outbox) bool {
	return reflect.TypeOf(tx).Comparable() && tx == Outbox(d.plainStore())
}

// plainStore returns the store as New got it, which decrypts nothing.
func (d *Dispatcher) plainStore() Store {
	if v, ok := d.store.(*vault); ok {
		return v.Store
	}
	return d.store
}

// Wake asks for what is due now rather than at the next poll. It is cheap,
// never blocks, and does nothing where the Dispatcher was not started.
func (d *Dispatcher) Wake() {
	select {
	case d.woken <- struct{}{}:
	default:
	}
}

// An emission is one event on its way into the store: the deliveries of it.
type emission struct {
	rows    []Delivery
	notes   []note // of each row
	receipt *receipt
	unsure  bool // a call that failed may have stored it

	one     [1]Delivery // where rows are of an event for one webhook, as most are
	oneNote [1]note
}

// A note is what is known of a row beside what is stored.
type note struct {
	held    bool                   // its webhook is on hold
	failing bool                   // its webhook is: it is for whoever makes the next probe
	slot    *limiter.Slot[*flight] // of one that is born leased; nil: it is claimed in its turn
	dup     bool                   // the store or the group had it already
	quota   bool                   // it takes part of what its webhook may keep
}

func (e *emission) size() (rows, bytes int) {
	for _, d := range e.rows {
		bytes += len(d.Body)
	}
	return len(e.rows), bytes
}

// abandoned reports whether nobody waits for e any more.
func (e *emission) abandoned() bool { return e.receipt.abandoned.Load() }

// A receipt tells one caller that all its emissions are stored, or why not.
type receipt struct {
	emissions int
	abandoned atomic.Bool // the caller no longer waits

	mu      sync.Mutex
	waiting int // emissions that are not stored yet
	err     error
	refused []refusal // counted once all is stored
	done    chan struct{}
}

// report notes the outcome of one emission and returns whether all are stored.
func (r *receipt) report(err error) (stored bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
	if r.waiting--; r.waiting > 0 {
		return false
	}
	close(r.done)
	return r.err == nil
}

// emitted tells whom it concerns what became of an emission.
func (d *Dispatcher) emitted(e *emission, err error) {
	d.returnQuota(e, err)
	if hook := d.opts.Hooks.Enqueued; err == nil && hook != nil {
		if fresh := e.fresh(); len(fresh) > 0 {
			d.notify.safely("Hooks.Enqueued", func() { hook(fresh) })
		}
	}
	if e.receipt.report(err) {
		d.noteRefused(e.receipt.refused)
	}
}

// reserve lets deliveries be born leased to this process where it is running,
// there is room, and nothing older is known to wait for the same webhook. The
// others are claimed in their turn.
func (d *Dispatcher) reserve(e *emission) {
	if !d.running() {
		return
	}
	for i := range e.rows {
		row, n := &e.rows[i], &e.notes[i]
		if n.held || n.failing {
			continue
		}
		if n.slot = d.limiter.TryAcquire(row.WebhookID); n.slot != nil {
			row.Lease, row.Due = 1, d.opts.leaseEnd()
		} else {
			d.limiter.ExpectBacklog(row.WebhookID)
		}
	}
}

// enqueue stores a group of emissions, tells their callers, and begins with
// those that were born leased.
func (d *Dispatcher) enqueue(group []*emission) {
	d.limiter.Throttle(len(group))
	for _, e := range group {
		d.reserve(e)
	}
	var failed error // the first call
	errs := groupcommit.Bisect(group, func(part []*emission) error {
		err := d.enqueuePart(part, failed != nil)
		if failed == nil {
			failed = err
		}
		return err
	}, isRefusal)
	hungry := false
	for i, e := range group {
		var err error
		if errs != nil {
			err = errs[i]
		}
		if err == nil && e.unsure {
			err = failed
		}
		for j, n := range e.notes {
			switch {
			case n.slot == nil:
				if err == nil && !n.held && (d.limiter.NoteBacklog(e.rows[j].WebhookID) || n.failing) {
					hungry = true
				}
			case err != nil || n.dup:
				n.slot.Release()
			default:
				d.hold(&flight{Delivery: e.rows[j], slot: n.slot})
			}
		}
		d.emitted(e, err)
	}
	if hungry {
		d.Wake()
	}
}

// enqueuePart stores a part of a group in one call, each ID once. After a call
// for the whole group has failed, deliveries that the store has already may be
// from that call, so that a crash of the server may still undo them: emissions
// with such deliveries are unsure, and not acknowledged.
func (d *Dispatcher) enqueuePart(part []*emission, again bool) error {
	ctx, cancel := d.opts.withStoreTimeout(context.Background())
	defer cancel()
	n := 0
	for _, e := range part {
		n += len(e.rows)
	}
	rows := make([]Delivery, 0, n)
	at := make(map[string]*note, n)
	for _, e := range part {
		for i, row := range e.rows {
			n := &e.notes[i]
			if n.dup = at[row.ID] != nil; !n.dup {
				at[row.ID] = n
				rows = append(rows, row)
			}
		}
	}
	had, err := d.store.Enqueue(ctx, rows)
	if err = durable(ctx, err); err != nil {
		return d.opts.timeoutError(err)
	}
	for _, id := range had {
		if n := at[id]; n != nil {
			n.dup = true
		}
	}
	if again && len(had) > 0 {
		for _, e := range part {
			e.unsure = slices.ContainsFunc(e.rows, func(row Delivery) bool { return slices.Contains(had, row.ID) })
		}
	}
	return nil
}

// fresh returns the deliveries that were not stored before.
func (e *emission) fresh() []Delivery {
	var ds []Delivery
	for i, row := range e.rows {
		if !e.notes[i].dup {
			ds = append(ds, row)
		}
	}
	return ds
}

// outbox returns a transaction of the caller's on the store, as d reads it.
func (d *Dispatcher) outbox(tx Outbox) Outbox {
	if v, ok := d.store.(*vault); ok {
		return sealedOutbox{tx, v}
	}
	return tx
}
