package webhook

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/listhook/webhook/internal/groupcommit"
	"github.com/listhook/webhook/internal/ids"
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
func (d *Dispatcher) Emit(ctx context.Context, events ...Event) error {
	emissions, err := d.plan(ctx, nil, events)
	if err != nil || len(emissions) == 0 {
		return wrap("Emit", err)
	}
	r := &receipt{waiting: len(emissions), done: make(chan struct{})}
	for _, e := range emissions {
		e.receipt = r
	}
	d.emits.Add(emissions...)
	select {
	case <-r.done:
		return wrap("Emit", r.err)
	case <-ctx.Done():
		return fmt.Errorf("webhook: Emit: the store has not answered, and may have stored the events: emit again with the same ID: %w", ctx.Err())
	}
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
	emissions, err := d.plan(ctx, d.outbox(tx), events)
	if err != nil {
		return wrap("EmitTx", err)
	}
	var rows []Delivery
	for _, e := range emissions {
		rows = append(rows, e.rows...)
	}
	for len(rows) > 0 {
		n := min(groupRows, len(rows))
		if _, err := tx.Enqueue(ctx, rows[:n]); err != nil {
			return wrap("EmitTx", err)
		}
		rows = rows[n:]
	}
	return nil
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

	one     [1]Delivery // where rows are of an event for one webhook, as most are
	oneNote [1]note
}

// A note is what is known of a row beside what is stored.
type note struct {
	held    bool                   // its webhook is on hold
	failing bool                   // its webhook is: it is for whoever makes the next probe
	slot    *limiter.Slot[*flight] // of one that is born leased; nil: it is claimed in its turn
	dup     bool                   // the store or the group had it already
}

func (e *emission) size() (rows, bytes int) {
	for _, d := range e.rows {
		bytes += len(d.Body)
	}
	return len(e.rows), bytes
}

// A receipt tells one caller that all its emissions are stored, or why not.
type receipt struct {
	mu      sync.Mutex
	waiting int
	err     error
	done    chan struct{}
}

func (r *receipt) report(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
	if r.waiting--; r.waiting == 0 {
		close(r.done)
	}
}

// plan checks all events, then makes the deliveries of those that somebody
// wants.
func (d *Dispatcher) plan(ctx context.Context, tx Outbox, events []Event) ([]*emission, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for i, e := range events {
		if err := validate(e, d.opts.BodyLimit); err != nil {
			var bad *InvalidError
			if len(events) > 1 && errors.As(err, &bad) {
				return nil, invalid("events["+strconv.Itoa(i)+"]."+bad.Field, bad.Reason)
			}
			return nil, err
		}
	}
	var carrier map[string]string
	var emissions []*emission
	for _, e := range events {
		m := e.meta()
		targets, err := d.registry.wanting(ctx, tx, e.Type(), &m)
		if err != nil {
			return nil, err
		}
		if targets = d.keepable(ctx, targets, tx == nil); len(targets) == 0 {
			continue
		}
		if d.opts.Hooks.Carrier != nil && carrier == nil {
			d.guard("Hooks.Carrier", func() { carrier = d.opts.Hooks.Carrier(ctx) })
		}
		em, err := newEmission(e, m, targets, carrier)
		if err != nil {
			return nil, err
		}
		emissions = append(emissions, em)
	}
	return emissions, nil
}

// urgent are the types that must not wait behind others of their webhook.
func urgent(t EventType) bool {
	return t == TypeUnsubscribe || t == TypeBounce || t == TypeSubscribe
}

// urgency is how much earlier an urgent delivery is due: first in its lane,
// without a further column in every store.
const urgency = 365 * 24 * time.Hour

// due is when a delivery is due that is to be attempted at once.
func due(t EventType, at time.Time) time.Time {
	if urgent(t) {
		return at.Add(-urgency)
	}
	return at
}

// newEmission makes the delivery of an event to each of targets, encoding the
// body once for each format and list.
func newEmission(e Event, m Meta, targets []*target, carrier map[string]string) (*emission, error) {
	created := now()
	if m.ID == "" {
		m.ID = ids.NewEvent(created)
	}
	if m.Time.IsZero() {
		m.Time = time.Now()
	}
	if m.By == "" {
		m.By = string(m.Source)
	}
	first := due(e.Type(), created)
	bodies := dialects{event: e, meta: m}
	em := new(emission)
	if em.rows, em.notes = em.one[:], em.oneNote[:]; len(targets) > 1 {
		em.rows, em.notes = make([]Delivery, len(targets)), make([]note, len(targets))
	}
	for i, t := range targets {
		body, err := bodies.body(t.Format, t.wireList(&m))
		if err != nil {
			return nil, err
		}
		em.notes[i].held, em.notes[i].failing = t.Hold.After(created), t.Health.failing()
		em.rows[i] = Delivery{
			ID: ids.Delivery(t.ID, string(e.Type()), m.ID), Account: m.Account, WebhookID: t.ID,
			EventID: m.ID, Type: e.Type(), Body: body, Carrier: carrier,
			Created: created, State: StatePending, Due: first,
		}
		if t.Off != "" { // what is kept goes in the order in which it happened
			em.rows[i].Due = created
		}
	}
	return em, nil
}

// dialects are the bodies of an event: one for each format and list.
type dialects struct {
	event Event
	meta  Meta
	known []dialect
}

type dialect struct {
	format Format
	list   string
	body   []byte
}

func (ds *dialects) body(f Format, list string) ([]byte, error) {
	for i := range ds.known {
		if k := &ds.known[i]; k.format == f && k.list == list {
			return k.body, nil
		}
	}
	body, err := encode(ds.event, ds.meta, list, f)
	ds.known = append(ds.known, dialect{f, list, body})
	return body, err
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
			row.Lease, row.Due = 1, d.leaseEnd()
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
	errs := groupcommit.Bisect(group, d.enqueuePart)
	hungry := false
	for i, e := range group {
		var err error
		if errs != nil {
			err = errs[i]
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
		if err == nil && d.opts.Hooks.Enqueued != nil {
			d.guard("Hooks.Enqueued", func() { d.opts.Hooks.Enqueued(e.fresh()) })
		}
		e.receipt.report(err)
	}
	if hungry {
		d.Wake()
	}
}

// enqueuePart stores a part of a group in one call, each ID once.
func (d *Dispatcher) enqueuePart(part []*emission) error {
	ctx, cancel := bounded(context.Background())
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
	if err != nil {
		return unanswered(err)
	}
	for _, id := range had {
		if n := at[id]; n != nil {
			n.dup = true
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
