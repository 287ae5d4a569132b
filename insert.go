package webhook

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/listhook/webhook/internal/ids"
	"github.com/listhook/webhook/internal/limiter"
)

// An insert is one event on its way into the store: the deliveries of it.
type insert struct {
	rows      []OutboxDelivery
	bodies    [][]byte
	states    []rowState // of each row
	ack       *ack
	uncertain bool  // a call that failed may have stored it
	behind    error // of an earlier insert of its caller, with the same key: it is not stored

	// Where rows, bodies and states are of an event for one webhook, as most are, and the
	// event if it is stored alone.
	oneRow   [1]OutboxDelivery
	oneBody  [1][]byte
	oneState [1]rowState
	oneEvent [1]OutboxEvent
}

// A rowState holds what an enqueuer has to know of a row beside its columns.
type rowState struct {
	held    bool                     // its webhook is on hold
	failing bool                     // its webhook is: it is for whoever makes the next probe
	slot    *limiter.Slot[*inflight] // of one that is pre-leased; nil: it is claimed in its turn
	limit   float64                  // its webhook's RateLimit
	batch   *endpoint                // of one that is to go in a batch; nil: it goes alone
	seated  bool                     // the batcher keeps a place for it: it is pre-leased
	dup     bool                     // the store or the group had it already
	quota   bool                     // it takes part of what its webhook may keep
}

// returnPlace returns the slot or the seat, if there is one, of a delivery that this
// process does not hold.
func (st *rowState) returnPlace(bt *batcher) {
	switch {
	case st.seated:
		bt.giveUp(st.batch)
	case st.slot != nil:
		st.slot.Release()
	}
}

func (e *insert) size() (rows, bytes int) {
	for i := range e.rows {
		bytes += len(e.bodies[e.rows[i].BodyIndex])
	}
	return len(e.rows), bytes
}

// event returns the insert for a Store.
func (e *insert) event() OutboxEvent { return OutboxEvent{Bodies: e.bodies, Deliveries: e.rows} }

// delivery returns a row with its body.
func (e *insert) delivery(i int) Delivery {
	d := e.rows[i].Delivery
	d.Body = e.bodies[e.rows[i].BodyIndex]
	return d
}

// noteLeased notes which deliveries of e the store has leased, with their Sequences.
func (e *insert) noteLeased(leased map[string]int64) {
	for i := range e.rows {
		row := &e.rows[i]
		if sequence := leased[row.ID]; sequence > 0 && !e.states[i].dup {
			row.Lease, row.Due, row.Sequence = 1, row.LeaseUntil, sequence
		}
	}
}

// ordered reports whether deliveries of e stand in a line.
func (e *insert) ordered() bool {
	return slices.ContainsFunc(e.rows, func(row OutboxDelivery) bool { return row.Key != "" })
}

// caller returns whose insert e is, if the order of that caller's inserts matters.
func (e *insert) caller() any {
	if e.ack.ordered {
		return e.ack
	}
	return nil
}

// abandoned reports whether nobody waits for e any more.
func (e *insert) abandoned() bool { return e.ack.abandoned.Load() }

// An ack tells one caller that all its inserts are stored, or why not.
type ack struct {
	inserts   int
	keyed     int         // of them, those with a delivery that has a key
	ordered   bool        // its deliveries may wait for each other
	abandoned atomic.Bool // the caller no longer waits

	mu      sync.Mutex // guards all below
	waiting int        // inserts that are not stored yet
	err     error
	failed  map[line]error // of inserts with deliveries that have a key
	refused []refusal      // counted once all is stored
	done    chan struct{}
}

// newAck makes the ack of inserts.
func newAck(inserts []*insert, refused []refusal) *ack {
	a := &ack{inserts: len(inserts), waiting: len(inserts), refused: refused, done: make(chan struct{})}
	for _, e := range inserts {
		e.ack = a
		if e.ordered() {
			a.keyed++
		}
	}
	a.ordered = a.keyed > 1
	return a
}

// report notes the outcome of one insert and returns whether all are stored.
func (a *ack) report(err error) (stored bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err == nil {
		a.err = err
	}
	if a.waiting--; a.waiting > 0 {
		return false
	}
	close(a.done)
	return a.err == nil
}

// A line is that of the deliveries of one webhook with one key.
type line struct{ webhook, key string }

// noteFailed notes that an insert was not stored, or may not have been.
func (a *ack) noteFailed(e *insert, err error) {
	if !a.ordered {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.failed == nil {
		a.failed = map[line]error{}
	}
	for i := range e.rows {
		if row := &e.rows[i]; row.Key != "" {
			a.failed[line{row.WebhookID, row.Key}] = err
		}
	}
}

// failedBefore returns the error of an earlier insert with a delivery that belongs before
// one of e, or nil. To store e would put that delivery behind it: the caller emits both
// again.
func (a *ack) failedBefore(e *insert) error {
	if !a.ordered {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range e.rows {
		if err := a.failed[line{e.rows[i].WebhookID, e.rows[i].Key}]; err != nil {
			return err
		}
	}
	return nil
}

// fresh returns the deliveries that were not stored before.
func (e *insert) fresh() []Delivery {
	var ds []Delivery
	for i := range e.rows {
		if !e.states[i].dup {
			ds = append(ds, e.delivery(i))
		}
	}
	return ds
}

// newInsert makes the deliveries of an event to each of targets, encoding the
// body once for each format and list. The lists of m are distinct.
func newInsert(h *hasher, e Event, m Meta, customer CustomerAccount, targets []*endpoint) (*insert, error) {
	created := now()
	if m.ID == "" {
		m.ID = ids.NewEvent(created)
	}
	if m.By == "" {
		m.By = string(m.Source)
	}
	var happened time.Time // unless it is created
	if m.Time.IsZero() {
		m.Time = time.Now()
	} else if at := storeTime(m.Time); !at.Equal(created) {
		happened = at
	}
	split := splitLists(e.Type(), &m)
	ins := new(insert)
	ins.rows, ins.bodies, ins.states = ins.oneRow[:0], ins.oneBody[:0], ins.oneState[:0]
	if n := countRows(targets, split); n > 1 {
		ins.rows, ins.states = make([]OutboxDelivery, 0, n), make([]rowState, 0, n)
	}
	bodies, subjects := bodyCache{}, h.subjects(e, &m)
	line, lineKnown := "", false // the key of a delivery that stands in a line
	add := func(t *endpoint, id, list string) error {
		index, err := bodies.index(&ins.bodies, customer, e, m, t, id, list)
		if err != nil {
			return err
		}
		state := rowState{held: t.HeldUntil.After(created), failing: t.Health.failing(), limit: t.RateLimit}
		if t.batches() {
			state.batch = t
		}
		ins.states = append(ins.states, state)
		row := OutboxDelivery{BodyIndex: index, Delivery: Delivery{
			ID: id, Account: m.Account, WebhookID: t.ID, EventID: m.ID, Type: e.Type(),
			Created: created, Time: happened, State: StatePending, Subjects: subjects,
		}}
		if t.orders(e.Type()) {
			if !lineKnown {
				line, lineKnown = h.orderKey(&m, e.person()), true
			}
			if row.Key = line; line != "" {
				row.Joined = created
			}
		}
		row.Due = row.dueNow(created)
		if t.Disabled != "" { // retained deliveries go in the order of their creation
			row.Due = created
		}
		ins.rows = append(ins.rows, row)
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
	return ins, nil
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
type bodyCache map[bodyKey]cachedBody

// A cachedBody is a body without an id. Unless it takes one, all deliveries with its
// key share it.
type cachedBody struct {
	plain []byte
	index int // of OutboxEvent.Bodies
}

type bodyKey struct {
	format Format
	list   string
	all    bool // it is for all lists of the event

	disclosure string // see disclosureKey
}

// index returns the index in bodies of the body of one delivery to t, which is for a
// list of the event or, if it is the only one to a webhook of every list, for all of
// them.
func (bs bodyCache) index(bodies *[][]byte, customer CustomerAccount, e Event, m Meta, t *endpoint, id, list string) (int, error) {
	key := bodyKey{t.Format, list, t.List == "" && (len(m.Lists) < 2 || !perList(e.Type())), t.disclosureKey}
	cached, ok := bs[key]
	if !ok {
		if !key.all {
			m.Lists = []string{list}
		}
		body, err := encodeFor(customer, t.disclosed(e), m, t.Format)
		if err != nil {
			return 0, err
		}
		cached = cachedBody{body, len(*bodies)}
		bs[key] = cached
	} else if !isJSON(cached.plain) {
		return cached.index, nil
	}
	*bodies = append(*bodies, withID(cached.plain, id))
	return len(*bodies) - 1, nil
}

// A refusal is a number of deliveries that a webhook which is disabled did not keep.
type refusal struct {
	target *endpoint
	n      int
}
