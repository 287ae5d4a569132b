package sqlstore

import (
	"context"
	"encoding/json"
	"math/rand/v2"
)

// Sequencing steps of a claim lease at once what they would make ready, on PostgreSQL, if
// there is room for it, and if nothing is ready before it. That saves the entry in the
// ready queue and its removal, and two statements. Such a step is as durable as a claim.

// firstOfLine is where a line's first delivery may be a new one.
type firstOfLine struct {
	Webhook string `json:"w"`
	Key     string `json:"k"`
	Place   int64  `json:"p"`           // the first one is new if it is behind this place
	ID      string `json:"i,omitempty"` // of the first that joined in this step
	Joined  int64  `json:"f,omitempty"` // its place
	Room    int    `json:"n,omitempty"` // how many of its webhook may be leased
}

// leases reports whether the step may lease all the first deliveries, as far as their
// webhooks have room, which it sets.
func (st *sequencing) leases(rows []firstOfLine) bool {
	if st.claim == nil || !st.claim.leasing || len(rows) > st.claim.left() {
		return false
	}
	for i := range rows {
		rows[i].Room = max(0, st.claim.room(rows[i].Webhook))
	}
	return true
}

// leaseFirst is enterFirst for a claim: it leases what is due.
func (st *sequencing) leaseFirst(ctx context.Context, a args) error {
	st.token = rand.Int64()
	a["until"], a["token"] = milli(st.claim.c.Until), st.token
	_, err := st.s.run(ctx, st.q, st.s.sql.leaseFirst, a, 0, func(scan Scan) error {
		d, err := scanDelivery(scan, true, false)
		if d.ID == "" { // it was made ready
			st.ready = append(st.ready, row{Webhook: d.WebhookID, Due: milli(d.Due), Queue: queueReady})
			return err
		}
		st.leased = append(st.leased, d)
		return err
	})
	st.entered = len(st.ready) > 0
	return err
}

// firstRows returns where lines may have a new first delivery: every entry before it was
// removed, or it joined in this step.
func (st *sequencing) firstRows(joined []placed) (rows []firstOfLine) {
	type lineName struct{ webhook, key string }
	at := map[lineName]int{} // in rows
	note := func(webhook, key string, place int64) *firstOfLine {
		name := lineName{webhook, key}
		i, ok := at[name]
		if !ok {
			i, at[name] = len(rows), len(rows)
			rows = append(rows, firstOfLine{Webhook: webhook, Key: key, Place: place})
		}
		rows[i].Place = min(rows[i].Place, place)
		return &rows[i]
	}
	for _, p := range joined {
		if r := note(p.Webhook, p.Key, st.step<<stepBits-1); r.ID == "" {
			r.ID, r.Joined = p.ID, p.Place
		}
	}
	for _, p := range st.removed {
		note(p.Webhook, p.Key, p.Place)
	}
	for _, e := range st.events {
		if e.Kind == movedInLine {
			note(e.Webhook, e.Key, 0)
		}
	}
	return rows
}

// enterFirst enters the first deliveries of lines into the ready or the waiting queue,
// where they are new, or leases them.
func (st *sequencing) enterFirst(ctx context.Context, joined []placed) error {
	rows := st.firstRows(joined)
	if len(rows) == 0 {
		return nil
	}
	leases := st.leases(rows)
	data, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	entries, err := json.Marshal(append([]placed{}, joined...)) // [] if there are none
	if err != nil {
		return err
	}
	a := args{"rows": string(data), "joined": string(entries), "now": st.now}
	if leases {
		return st.leaseFirst(ctx, a)
	}
	st.entered = true
	_, err = st.s.run(ctx, st.q, st.s.sql.enterFirst, a, 0, func(scan Scan) error {
		r := row{Queue: queueReady}
		err := scan(&r.Webhook, &r.Due)
		st.ready = append(st.ready, r)
		return err
	})
	return err
}
