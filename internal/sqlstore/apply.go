package sqlstore

import (
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

// firstChanges returns the first change of each delivery, in order of ID, and the
// other changes. Transactions that lock rows in the same order cannot deadlock.
func firstChanges(cs []webhook.Change) (first, others []webhook.Change) {
	seen := make(map[string]bool, len(cs))
	first = make([]webhook.Change, 0, len(cs))
	for _, c := range cs {
		if seen[c.ID] {
			others = append(others, c)
			continue
		}
		seen[c.ID] = true
		first = append(first, c)
	}
	slices.SortFunc(first, func(a, b webhook.Change) int { return strings.Compare(a.ID, b.ID) })
	return first, others
}

// applyBatch applies changes of different deliveries.
func (s *Store) applyBatch(ctx context.Context, b *batch) (lost []string, err error) {
	s.due.includeRows(b.rows)
	s.ready.includeRows(b.rows)
	erase := slices.ContainsFunc(b.rows, func(r row) bool { return r.Erase })
	if s.sql.applyFinal != nil && !erase && b.all(queueNone) {
		if lost, err = s.applyFinal(ctx, b); err != nil || len(lost) == 0 {
			return nil, err
		}
		b = b.only(lost)
	}
	err = s.write(ctx, erase || len(s.sql.apply) > 1, func(q Querier) error {
		if erase {
			if _, err := s.runBatch(ctx, q, s.sql.erase, b); err != nil {
				return err
			}
		}
		lost, err = s.runBatch(ctx, q, s.sql.apply, b)
		return err
	})
	if err == nil {
		s.leases.remove(b.rows, lost)
	}
	return lost, err
}

// applyFinal makes changes to final states, and returns the IDs of the deliveries
// that are in a queue or have another lease.
func (s *Store) applyFinal(ctx context.Context, b *batch) (others []string, err error) {
	err = s.write(ctx, false, func(q Querier) error {
		others, err = s.runBatch(ctx, q, s.sql.applyFinal, b)
		return err
	})
	if err == nil {
		s.leases.remove(b.rows, others)
	}
	return others, err
}

// changeBatches returns cs as batches.
func changeBatches(cs []webhook.Change, clock *clock) (bs batches, err error) {
	lines, room := newLogEncoder(), 0
	for i := range cs {
		if a := cs[i].Log; a != nil {
			clock.observe(a.Start.Add(a.Duration))
			room += approxLogSize(a)
		}
	}
	for i := range cs {
		c := &cs[i]
		if err := checkText("ID", c.ID); err != nil {
			return nil, err
		}
		if err := checkText("State", string(c.State)); err != nil {
			return nil, err
		}
		log, err := lines.encodeOne(c.Log)
		if err != nil {
			return nil, err
		}
		b := bs.next(clock.now(), len(cs), room)
		b.changes = true
		r := row{
			ID: c.ID, State: string(c.State), Due: milli(c.Due), Lease: c.Lease,
			Attempts: c.Attempts, Queue: b.queue(c.State, c.Due, false), Erase: c.Erase,
		}
		r.Log, r.LogLen = b.put(log)
		b.rows = append(b.rows, r)
	}
	return bs, nil
}
