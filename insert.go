package webhook

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/listhook/webhook/internal/ids"
	"github.com/listhook/webhook/internal/limiter"
)

// An insert is one event on its way into the store: the deliveries of it.
type insert struct {
	rows      []Delivery
	states    []rowState // of each row
	ack       *ack
	uncertain bool // a call that failed may have stored it

	one      [1]Delivery // where rows are of an event for one webhook, as most are
	oneState [1]rowState
}

// A rowState holds what an enqueuer has to know of a row beside its columns.
type rowState struct {
	held    bool                     // its webhook is on hold
	failing bool                     // its webhook is: it is for whoever makes the next probe
	slot    *limiter.Slot[*inflight] // of one that is pre-leased; nil: it is claimed in its turn
	dup     bool                     // the store or the group had it already
	quota   bool                     // it takes part of what its webhook may keep
}

func (e *insert) size() (rows, bytes int) {
	for _, d := range e.rows {
		bytes += len(d.Body)
	}
	return len(e.rows), bytes
}

// abandoned reports whether nobody waits for e any more.
func (e *insert) abandoned() bool { return e.ack.abandoned.Load() }

// An ack tells one caller that all its inserts are stored, or why not.
type ack struct {
	inserts   int
	abandoned atomic.Bool // the caller no longer waits

	mu      sync.Mutex // guards all below
	waiting int        // inserts that are not stored yet
	err     error
	refused []refusal // counted once all is stored
	done    chan struct{}
}

// newAck makes the ack of inserts.
func newAck(inserts []*insert, refused []refusal) *ack {
	r := &ack{inserts: len(inserts), waiting: len(inserts), refused: refused, done: make(chan struct{})}
	for _, e := range inserts {
		e.ack = r
	}
	return r
}

// report notes the outcome of one insert and returns whether all are stored.
func (r *ack) report(err error) (stored bool) {
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

// fresh returns the deliveries that were not stored before.
func (e *insert) fresh() []Delivery {
	var ds []Delivery
	for i, row := range e.rows {
		if !e.states[i].dup {
			ds = append(ds, row)
		}
	}
	return ds
}

// newInsert makes the deliveries of an event to each of targets, encoding the
// body once for each format and list. The lists of m are distinct.
func newInsert(e Event, m Meta, customer CustomerAccount, targets []*endpoint) (*insert, error) {
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
	bodies := bodyCache{}
	em := new(insert)
	em.rows, em.states = em.one[:0], em.oneState[:0]
	if n := countRows(targets, split); n > 1 {
		em.rows, em.states = make([]Delivery, 0, n), make([]rowState, 0, n)
	}
	add := func(t *endpoint, id, list string) error {
		body, err := bodies.body(customer, e, m, t, id, list)
		if err != nil {
			return err
		}
		em.states = append(em.states, rowState{held: t.HeldUntil.After(created), failing: t.Health.failing()})
		row := Delivery{
			ID: id, Account: m.Account, WebhookID: t.ID, EventID: m.ID, Type: e.Type(), Body: body,
			Created: created, State: StatePending, Due: first,
		}
		if t.Disabled != "" { // retained deliveries go in the order of their creation
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

// countRows returns how many deliveries an event has.
func countRows(targets []*endpoint, split []string) int {
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

// A bodyCache holds the bodies of an event, without the ids of deliveries, one for
// each format, what is disclosed and the lists that it names.
type bodyCache map[bodyKey][]byte

type bodyKey struct {
	format Format
	list   string
	all    bool // it is for all lists of the event

	disclosure string // see disclosureKey
}

// body returns the body of one delivery to t, which is for a list of the event or,
// if it is the only one to a webhook of every list, for all of them.
func (bs bodyCache) body(customer CustomerAccount, e Event, m Meta, t *endpoint, id, list string) ([]byte, error) {
	key := bodyKey{t.Format, list, t.List == "" && (len(m.Lists) < 2 || !perList(e.Type())), t.disclosureKey}
	body, ok := bs[key]
	if !ok {
		if !key.all {
			m.Lists = []string{list}
		}
		var err error
		if body, err = encodeFor(customer, t.disclosed(e), m, t.Format); err != nil {
			return nil, err
		}
		bs[key] = body
	}
	return withID(body, id), nil
}

// A refusal is a number of deliveries that a webhook which is disabled did not keep.
type refusal struct {
	target *endpoint
	n      int
}
