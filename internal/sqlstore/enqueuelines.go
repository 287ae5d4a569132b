package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"math"

	"github.com/listhook/webhook"
)

// EnqueueLeasing is Enqueue. It also leases the new deliveries that have a LeaseUntil and
// are the first of their line, and returns their Sequences by ID.
func (s *Store) EnqueueLeasing(ctx context.Context, events []webhook.OutboxEvent) (had []string, leased map[string]int64, err error) {
	if s.d.oneWriter {
		return s.enqueueInTx(ctx, events, true)
	}
	if s.sql.enqueueInTurn != nil {
		var done bool
		if had, leased, done, err = s.enqueueInTurn(ctx, events); done || err != nil {
			return had, leased, err
		}
	}
	had, err = s.Enqueue(ctx, events)
	return had, nil, err
}

// enqueueInTurn is EnqueueLeasing for a few deliveries, on PostgreSQL. It reports false,
// and has done nothing, if they are many, or another process works on the lines for long.
func (s *Store) enqueueInTurn(ctx context.Context, events []webhook.OutboxEvent) (had []string, leased map[string]int64, done bool, err error) {
	bs, err := s.deliveryBatches(events, true)
	if err != nil || len(bs) != 1 || len(bs[0].rows) > maxLineEvents {
		return nil, nil, false, err
	}
	b := &bs[0]
	for i := range b.rows { // they may enter any queue
		r := &b.rows[i]
		s.due.include(r.Due)
		if r.Until.Valid {
			s.due.include(r.Until.Int64)
		}
		s.ready.includeRows([]row{{Webhook: r.Webhook, Due: r.Due, Queue: queueReady}})
	}
	var added map[string]bool
	done, err = s.inTurn(ctx, b.leastStep(), func() Query {
		added, leased = make(map[string]bool, len(b.rows)), map[string]int64{}
		return s.addInTurn(b, added, leased)
	})
	if !done || err != nil {
		return nil, nil, done, err
	}
	had = missingIDs(b.rows, added)
	for i := range b.rows {
		if r := &b.rows[i]; leased[r.ID] > 0 {
			r.Queue, r.Due, r.Lease = queueLeased, r.Until.Int64, r.Lease+1
		}
	}
	s.leases.add(b.leases(had))
	return had, leased, true, nil
}

// addInTurn returns the query that stores a batch. It notes the IDs of the deliveries that
// were not stored before, and the Sequences of those that it leased.
func (s *Store) addInTurn(b *batch, added map[string]bool, leased map[string]int64) Query {
	a := b.args(false)
	a["wake"], a["bits"] = Channel(s.prefix), stepBits
	st := s.sql.enqueueInTurn[0].statement
	return Query{s.text(st), st.args(a), func(scan Scan) error {
		var id string
		var sequence int64
		err := scan(&id, &sequence)
		if added[id] = true; sequence > 0 {
			leased[id] = sequence
		}
		return err
	}}
}

// leastStep returns the least number of a step in which the rows join their lines.
func (b *batch) leastStep() int64 {
	least := leastStep(b.clock)
	for i := range b.rows {
		if r := &b.rows[i]; r.Joined.Valid {
			least = max(least, leastStep(r.Joined.Int64))
		}
	}
	return least
}

// addToLines stores a batch with deliveries that have a key, where a transaction excludes
// other writers, and returns the IDs of those that were stored before. Each joins its line
// and, if it is the first one, a queue: that of leased deliveries, if it has an Until.
func (s *Store) addToLines(ctx context.Context, q Querier, b *batch) (had []string, err error) {
	st := sequencing{s: s, q: q, now: b.clock, least: b.leastStep()}
	if err := st.lock(ctx); err != nil {
		return nil, err
	}
	places, err := s.place(ctx, q, b, st.step)
	if err != nil {
		return nil, err
	}
	s.due.includeRows(b.rows)
	if had, err = s.runBatch(ctx, q, s.sql.enqueueInLines, b); err != nil {
		return nil, err
	}
	stored := stringSet(had)
	joined := places[:0]
	for _, p := range places {
		if !stored[p.ID] {
			joined = append(joined, p)
		}
	}
	if err := st.exec(ctx, s.sql.joinLines, joined); err != nil {
		return nil, err
	}
	b.inLines = true
	if len(joined) == len(places) {
		return had, nil
	}
	return had, st.enterFirst(ctx, joined) // those behind one that was stored before
}

// place gives the parked rows of a batch their places, and the first ones of lines their
// queue and their Sequence.
func (s *Store) place(ctx context.Context, q Querier, b *batch, step int64) (places []placed, err error) {
	type lineName struct{ webhook, key string }
	first := map[lineName]bool{}
	at := map[string]int{}
	var candidates []placed
	for i := range b.rows {
		r := &b.rows[i]
		if r.Queue != queueParked {
			continue
		}
		p := placed{Webhook: r.Webhook, Key: r.Key, Place: step<<stepBits + int64(len(places)), ID: r.ID, Joined: zeroMilli}
		if r.Joined.Valid {
			p.Joined = r.Joined.Int64
		}
		places = append(places, p)
		if name := (lineName{r.Webhook, r.Key}); !first[name] {
			first[name], at[r.ID] = true, i
			candidates = append(candidates, p)
		}
	}
	data, err := json.Marshal(candidates)
	if err != nil {
		return nil, err
	}
	err = s.query(ctx, q, s.sql.openLines, args{"rows": string(data)}, func(scan Scan) error {
		var id string
		err := scan(&id)
		delete(at, id)
		return err
	})
	for _, p := range candidates {
		if i, ok := at[p.ID]; ok {
			b.rows[i].enterFirst(p.Place, b.clock)
		}
	}
	return places, err
}

// enterFirst gives the first row of a line its Sequence and its queue.
func (r *row) enterFirst(place, clock int64) {
	r.Sequence = sql.NullInt64{Int64: place, Valid: true}
	switch {
	case r.Until.Valid:
		r.Queue, r.Due, r.Lease = queueLeased, r.Until.Int64, r.Lease+1
	case r.Due <= clock:
		r.Queue = queueReady
	default:
		r.Queue = queueWaiting
	}
}

// joinsAtOnce reports whether the rows join their lines as they are stored.
func (s *Store) joinsAtOnce(b *batch) bool {
	if s.sql.enqueueInLines == nil || len(b.rows) > maxLineEvents || b.clock == math.MaxInt64 {
		return false
	}
	for i := range b.rows {
		if b.rows[i].Queue == queueParked {
			return true
		}
	}
	return false
}
