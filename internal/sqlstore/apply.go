package sqlstore

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/listhook/webhook"
)

// Apply makes the changes whose deliveries have the leases that the changes name,
// and returns the IDs of the others.
func (s *Store) Apply(ctx context.Context, cs []webhook.Change) (lost []string, err error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	// Several changes of one delivery are made one after another: each needs the
	// Lease that the one before it stored.
	for first, others := firstChanges(cs); len(first) > 0; first, others = firstChanges(others) {
		bs, err := changeBatches(first, &s.clock)
		if err != nil {
			return nil, err
		}
		for i := range bs {
			l, err := s.applyBatch(ctx, &bs[i])
			if err != nil {
				return nil, err
			}
			lost = append(lost, l...)
		}
	}
	return lost, nil
}

// firstChanges returns the changes before the first one of a delivery that has one
// already, and the others.
func firstChanges(cs []webhook.Change) (first, others []webhook.Change) {
	seen := make(map[string]bool, len(cs))
	for i, c := range cs {
		if seen[c.ID] {
			return cs[:i], cs[i:]
		}
		seen[c.ID] = true
	}
	return cs, nil
}

// applyBatch applies changes of different deliveries.
func (s *Store) applyBatch(ctx context.Context, b *batch) (lost []string, err error) {
	s.due.includeRows(b.rows)
	s.ready.includeRows(b.rows)
	full := slices.ContainsFunc(b.rows, func(r row) bool { return r.Erase || r.Leave || r.Rewrite })
	if s.sql.applyUnkeyed != nil && !full && (!s.d.unkeyedFinal || b.all(queueNone)) {
		others, err := s.applyShort(ctx, b)
		if err != nil || len(others) == 0 {
			return nil, err
		}
		b = b.only(others)
	}
	erase := slices.ContainsFunc(b.rows, func(r row) bool { return r.Erase })
	err = s.write(ctx, erase || len(s.sql.apply) > 1 || !s.d.takesLines, func(q Querier) error {
		if erase {
			if _, err := s.runBatch(ctx, q, s.sql.erase, b); err != nil {
				return err
			}
		}
		var events []lineEvent
		if s.d.takesLines {
			lost, err = s.runBatch(ctx, q, s.sql.apply, b)
			return err
		}
		lost, err = s.runBatchEvents(ctx, q, s.sql.apply, b, &events)
		if err != nil {
			return err
		}
		order := make(map[string]int, len(b.rows))
		for i := range b.rows {
			order[b.rows[i].ID] = b.rows[i].Order
		}
		slices.SortFunc(events, func(a, b lineEvent) int { return cmp.Compare(order[a.ID], order[b.ID]) })
		return s.lineEvents(ctx, q, events)
	})
	if err == nil {
		s.leases.remove(b.rows, lost)
	}
	return lost, err
}

// applyShort makes changes by a shorter statement, and returns the IDs of those that it
// does not apply to and of those with another lease. That is applyFinal if it is known
// that some of them are of deliveries with a key, and else applyUnkeyed.
func (s *Store) applyShort(ctx context.Context, b *batch) (others []string, err error) {
	script, keyed := s.sql.applyUnkeyed, s.leases.keyed(b.rows)
	if len(keyed) > 0 && s.sql.applyFinal != nil {
		if others, done, err := s.applyInTurn(ctx, b); done || err != nil {
			return others, err
		}
		script, keyed = s.sql.applyFinal, nil
	}
	if b = b.without(keyed); len(b.rows) == 0 {
		return keyed, nil
	}
	err = s.write(ctx, len(script) > 1, func(q Querier) error {
		others, err = s.runBatch(ctx, q, script, b)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.leases.remove(b.rows, others)
	return append(others, keyed...), nil
}

// applyInTurn is applyShort for a batch of final states with some of deliveries with a
// key, on PostgreSQL. It reports false, and has done nothing, if another process works on
// the lines for long.
func (s *Store) applyInTurn(ctx context.Context, b *batch) (others []string, done bool, err error) {
	if s.sql.applyInTurn == nil {
		return nil, false, nil
	}
	st := s.sql.applyInTurn[0].statement
	var changed map[string]bool
	done, err = s.inTurn(ctx, -1, func() Query {
		changed = make(map[string]bool, len(b.rows))
		return Query{s.text(st), st.args(b.args(false)), func(scan Scan) error {
			r := row{Queue: queueReady}
			err := scan(&r.ID, &r.Webhook, &r.Due)
			if r.ID != "" {
				changed[r.ID] = true
				return err
			}
			s.due.include(r.Due)
			s.ready.includeRows([]row{r})
			return err
		}}
	})
	if err != nil { // it may have been carried out, and made the next of some lines ready
		s.due.reset()
		s.ready.reset()
	}
	if !done || err != nil {
		return nil, done, err
	}
	others = missingIDs(b.rows, changed)
	s.leases.remove(b.rows, others)
	return others, true, nil
}

// changeBatches returns cs as batches, whose rows are in order of ID: transactions
// that lock rows in the same order cannot deadlock.
func changeBatches(cs []webhook.Change, clock *clock) (bs batches, err error) {
	logs, room := newLogEncoder(), 0
	for i := range cs {
		if a := cs[i].Log; a != nil {
			clock.observe(a.Start.Add(a.Duration))
			room += approxLogSize(a)
		}
		for j := range cs[i].Rewrite {
			room += approxLogSize(&cs[i].Rewrite[j])
		}
	}
	for _, i := range inOrderOfID(cs) {
		c := &cs[i]
		if err := checkText("ID", c.ID); err != nil {
			return nil, err
		}
		if err := checkText("State", string(c.State)); err != nil {
			return nil, err
		}
		log, err := logs.encode(c.Rewrite, c.Log)
		if err != nil {
			return nil, err
		}
		b := bs.next(clock.now(), len(cs), room)
		b.changes = true
		r := row{
			ID: c.ID, State: string(c.State), Due: milli(c.Due), Lease: c.Lease,
			Attempts: c.Attempts, Queue: b.queue(c.State, c.Due, false), Erase: c.Erase, Leave: c.LeaveLine,
			DropBody: c.DropBody,
		}
		if r.Queue != queueNone { // it may join a line
			r.Order, r.Joined = i+1, nullMilli(c.Joined)
		}
		if n := len(c.Rewrite); n > 0 {
			r.Rewrite, r.Failure = true, c.Rewrite[n-1].Failure()
		}
		if c.Log != nil {
			r.Failure = c.Log.Failure()
		}
		r.Log, r.LogLen = b.put(log)
		b.rows = append(b.rows, r)
	}
	return bs, nil
}

// inOrderOfID returns the indexes of the changes in order of ID.
func inOrderOfID(cs []webhook.Change) []int {
	list := make([]int, len(cs))
	for i := range list {
		list[i] = i
	}
	slices.SortFunc(list, func(a, b int) int { return strings.Compare(cs[a].ID, cs[b].ID) })
	return list
}
