package webhook

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/listhook/webhook/internal/ids"
)

// plan checks all events, then makes the deliveries of those that somebody
// wants. In a transaction of the caller's, which may be rolled back, nothing
// counts against what a webhook may keep; direct says that it is none.
func (d *Dispatcher) plan(ctx context.Context, tx Outbox, direct bool, events []Event) (emissions []*emission, refused []refusal, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	for i, e := range events {
		if err := validate(e, d.opts.eventLimit()); err != nil {
			var bad *InvalidError
			if len(events) > 1 && errors.As(err, &bad) {
				return nil, nil, invalid("events["+strconv.Itoa(i)+"]."+bad.Field, bad.Reason)
			}
			return nil, nil, err
		}
	}
	defer func() {
		if err != nil {
			for _, em := range emissions {
				d.returnQuota(em, err)
			}
		}
	}()
	var carrier map[string]string
	asked := d.opts.Hooks.Carrier == nil
	for _, e := range events {
		m := e.meta()
		m.Lists = distinct(m.Lists)
		targets, err := d.registry.wanting(ctx, tx, e.Type(), &m)
		if err != nil {
			if ctx.Err() == nil {
				err = d.opts.timeoutError(err)
			}
			return emissions, nil, err
		}
		if len(targets) == 0 {
			continue
		}
		var customer CustomerAccount
		if slices.ContainsFunc(targets, (*target).current) {
			if customer = d.customerAccount(ctx, m.Account); ctx.Err() != nil {
				return emissions, nil, ctx.Err()
			}
		}
		em, err := newEmission(e, m, customer, targets)
		if err != nil {
			return emissions, nil, err
		}
		if hasOff(targets) {
			emissions = append(emissions, em)
			if refused, err = d.admitAll(ctx, em, targets, direct, refused); err != nil {
				return emissions, nil, err
			}
			emissions = emissions[:len(emissions)-1]
		}
		if len(em.rows) == 0 {
			continue
		}
		if !asked {
			asked = true
			d.notify.safely("Hooks.Carrier", func() { carrier = d.opts.Hooks.Carrier(ctx) })
		}
		for i := range em.rows {
			em.rows[i].Carrier = carrier
		}
		emissions = append(emissions, em)
	}
	return emissions, refused, nil
}

// newEmission makes the deliveries of an event to each of targets, encoding the
// body once for each format and list. The lists of m are distinct.
func newEmission(e Event, m Meta, customer CustomerAccount, targets []*target) (*emission, error) {
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
	split := splitLists(e.Type(), &m)
	bodies := dialects{}
	em := new(emission)
	em.rows, em.notes = em.one[:0], em.oneNote[:0]
	if n := countRows(targets, split); n > 1 {
		em.rows, em.notes = make([]Delivery, 0, n), make([]note, 0, n)
	}
	add := func(t *target, id, list string) error {
		body, err := bodies.body(customer, e, m, t.Format, list)
		if err != nil {
			return err
		}
		em.notes = append(em.notes, note{held: t.Hold.After(created), failing: t.Health.failing()})
		row := Delivery{
			ID: id, Account: m.Account, WebhookID: t.ID, EventID: m.ID, Type: e.Type(), Body: body,
			Created: created, State: StatePending, Due: first,
		}
		if t.Off != "" { // what is kept goes in the order in which it was created
			row.Due = created
		}
		em.rows = append(em.rows, row)
		return nil
	}
	for _, t := range targets {
		if t.List != "" || split == nil {
			if err := add(t, ids.Delivery(t.ID, string(e.Type()), m.ID), t.wireList(&m)); err != nil {
				return nil, err
			}
			continue
		}
		for _, list := range split {
			if err := add(t, ids.Delivery(t.ID, string(e.Type()), m.ID, list), list); err != nil {
				return nil, err
			}
		}
	}
	return em, nil
}

// countRows returns how many deliveries an event is that is split into lists.
func countRows(targets []*target, split []string) int {
	if split == nil {
		return len(targets)
	}
	n := 0
	for _, t := range targets {
		if t.List == "" {
			n += len(split)
		} else {
			n++
		}
	}
	return n
}

// dialects are the bodies of an event that were made already: one for each
// format and list.
type dialects map[dialect][]byte

type dialect struct {
	format Format
	list   string
}

func (ds dialects) body(customer CustomerAccount, e Event, m Meta, f Format, list string) ([]byte, error) {
	key := dialect{f, list}
	if body, ok := ds[key]; ok {
		return body, nil
	}
	body, err := encodeFor(customer, e, m, list, f)
	ds[key] = body
	return body, err
}
