package webhook

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// Emit hands over events for delivery. It returns once they are durable, and
// nil also when no webhook wants them. The first attempt follows at once where
// the Dispatcher was started, else in the process where one was.
//
// An event that cannot be delivered is an *InvalidError, whether or not a
// webhook wants it, and then none of the events is stored. After any other
// error some of them may have been stored: emit again with the same Meta.ID,
// which delivers each at most once to each webhook.
func (d *Dispatcher) Emit(ctx context.Context, events ...Event) error {
	emissions, err := d.plan(ctx, nil, events)
	if err != nil || len(emissions) == 0 {
		return wrap("Emit", err)
	}
	r := &receipt{waiting: len(emissions), done: make(chan struct{})}
	for _, e := range emissions {
		e.receipt = r
		d.reserve(e)
	}
	d.emits.add(emissions...)
	select {
	case <-r.done:
		return wrap("Emit", r.err)
	case <-ctx.Done():
		return fmt.Errorf("webhook: Emit: it is not known whether the events were stored: emit again with the same ID: %w", ctx.Err())
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
	emissions, err := d.plan(ctx, tx, events)
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
	held    []bool  // rows whose webhook is not to be attempted now
	slots   []*slot // of the rows that are born leased; nil: of the others
	dup     []bool  // rows that the store or the group had already
	receipt *receipt
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
		if len(targets) == 0 {
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

// newEmission makes the delivery of an event to each of targets, encoding the
// body once for each format and list.
func newEmission(e Event, m Meta, targets []*target, carrier map[string]string) (*emission, error) {
	created := now()
	if m.ID == "" {
		m.ID = rand.Text()
	}
	if m.Time.IsZero() {
		m.Time = time.Now()
	}
	if m.By == "" {
		m.By = string(m.Source)
	}
	due := created
	if urgent(e.Type()) {
		due = due.Add(-urgency)
	}
	type dialect struct {
		format Format
		list   string
	}
	bodies := map[dialect][]byte{}
	em := &emission{rows: make([]Delivery, len(targets)), held: make([]bool, len(targets))}
	for i, t := range targets {
		k := dialect{t.Format, t.wireList(&m)}
		body, ok := bodies[k]
		if !ok {
			var err error
			if body, err = encode(e, m, k.list, k.format); err != nil {
				return nil, err
			}
			bodies[k] = body
		}
		em.held[i] = t.Hold.After(created)
		em.rows[i] = Delivery{
			ID: deliveryID(t.ID, e.Type(), m.ID), Account: m.Account, WebhookID: t.ID,
			EventID: m.ID, Type: e.Type(), Body: body, Carrier: carrier,
			Created: created, State: StatePending, Due: due,
		}
	}
	return em, nil
}

// deliveryID makes emitting twice harmless, per webhook, and keeps a click
// from colliding with an open of the same ID. It holds no dot, which separates
// the parts of what is signed.
func deliveryID(webhook string, t EventType, event string) string {
	h := sha256.New()
	for _, part := range []string{webhook, string(t), event} {
		h.Write(binary.AppendUvarint(nil, uint64(len(part))))
		h.Write([]byte(part))
	}
	return "msg_" + hex.EncodeToString(h.Sum(nil)[:16])
}

// reserve lets deliveries be born leased to this process where it is running,
// there is room, and nothing older is known to wait for the same webhook. The
// others are claimed in their turn.
func (d *Dispatcher) reserve(e *emission) {
	e.slots, e.dup = make([]*slot, len(e.rows)), make([]bool, len(e.rows))
	if !d.running() {
		return
	}
	for i := range e.rows {
		row := &e.rows[i]
		if e.held[i] {
			continue
		}
		if s := d.lanes.tryTake(row.WebhookID); s != nil {
			e.slots[i] = s
			row.Lease, row.Due = 1, d.leaseEnd()
		} else {
			d.lanes.mark(row.WebhookID)
		}
	}
}

// enqueue stores a group of emissions, tells their callers, and begins with
// those that were born leased.
func (d *Dispatcher) enqueue(group []*emission) {
	errs := halve(group, d.enqueuePart)
	due := false
	for i, e := range group {
		var err error
		if errs != nil {
			err = errs[i]
		}
		for j, s := range e.slots {
			switch {
			case s == nil:
				due = due || err == nil
			case err != nil || e.dup[j]:
				s.release()
			default:
				d.begin(&flight{Delivery: e.rows[j], slot: s})
			}
		}
		if err == nil && d.opts.Hooks.Enqueued != nil {
			d.guard("Hooks.Enqueued", func() { d.opts.Hooks.Enqueued(e.fresh()) })
		}
		e.receipt.report(err)
	}
	if due {
		d.Wake()
	}
}

// enqueuePart stores a part of a group in one call, each ID once.
func (d *Dispatcher) enqueuePart(part []*emission) error {
	ctx, cancel := bounded(context.Background())
	defer cancel()
	var rows []Delivery
	at := map[string]*bool{}
	for _, e := range part {
		for i, row := range e.rows {
			if e.dup[i] = at[row.ID] != nil; !e.dup[i] {
				at[row.ID] = &e.dup[i]
				rows = append(rows, row)
			}
		}
	}
	had, err := d.store.Enqueue(ctx, rows)
	if err != nil {
		return err
	}
	for _, id := range had {
		if dup := at[id]; dup != nil {
			*dup = true
		}
	}
	return nil
}

// fresh returns the deliveries that were not stored before.
func (e *emission) fresh() []Delivery {
	var ds []Delivery
	for i, row := range e.rows {
		if !e.dup[i] {
			ds = append(ds, row)
		}
	}
	return ds
}
