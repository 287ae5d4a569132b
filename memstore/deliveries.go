package memstore

import (
	"bytes"
	"context"
	"iter"
	"maps"
	"slices"

	"github.com/listhook/webhook"
)

// Deliveries returns the deliveries that q selects, newest first unless q.Oldest is
// set.
func (s *Store) Deliveries(ctx context.Context, q webhook.DeliveryQuery) ([]webhook.Delivery, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var found []webhook.Delivery
	for d := range s.selected(q) {
		out := d.Delivery
		if q.Brief {
			out.Body, out.Carrier, out.Log = nil, nil, nil
		}
		found = append(found, cloneDelivery(out))
	}
	return found, nil
}

// Count returns the number of deliveries that q selects. A q.Limit above 0 ends the
// count there.
func (s *Store) Count(ctx context.Context, q webhook.DeliveryQuery) (n int, err error) {
	if err := s.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	for range s.selected(q) {
		n++
	}
	return n, nil
}

// selected yields the deliveries that q selects, in the order that it asks for.
func (s *Store) selected(q webhook.DeliveryQuery) iter.Seq[*delivery] {
	return func(yield func(*delivery) bool) {
		n := 0
		for d := range s.candidates(q) {
			if !q.Selects(&d.Delivery) || !q.Blocking.IsZero() && !d.blocks(q.Blocking) {
				continue
			}
			if n++; !yield(d) || n == q.Limit {
				return
			}
		}
	}
}

// candidates yields the deliveries that q may select, in the order that it asks for:
// those with its IDs, the first ones of lines, or the part between its bounds of the log or
// of those with its Term.
func (s *Store) candidates(q webhook.DeliveryQuery) iter.Seq[*delivery] {
	switch term := q.Term(); {
	case len(q.IDs) > 0:
		named := map[string]*delivery{}
		for _, id := range q.IDs {
			if d := s.deliveries[id]; d != nil {
				named[id] = d
			}
		}
		return inOrder(q, maps.Values(named))
	case term != "":
		if set := s.found[term]; set != nil {
			return between(q, set)
		}
		return func(func(*delivery) bool) {}
	case !q.Blocking.IsZero():
		return inOrder(q, s.firstOfLines())
	}
	return between(q, &s.log)
}

// inOrder sorts deliveries as q asks for them.
func inOrder(q webhook.DeliveryQuery, ds iter.Seq[*delivery]) iter.Seq[*delivery] {
	return slices.Values(slices.SortedFunc(ds, func(a, b *delivery) int { return q.Compare(&a.Delivery, &b.Delivery) }))
}

// firstOfLines yields the first one of each line.
func (s *Store) firstOfLines() iter.Seq[*delivery] {
	return func(yield func(*delivery) bool) {
		for _, l := range s.lines {
			if d := l.first(); d != nil && !yield(d) {
				return
			}
		}
	}
}

// between yields the part of a log that lies between the bounds of q.
func between(q webhook.DeliveryQuery, log *sortedSet[*delivery]) iter.Seq[*delivery] {
	since := func(d *delivery) bool { return !d.Created.Before(q.Since) }
	until := func(d *delivery) bool { return q.Until.IsZero() || d.Created.Before(q.Until) }
	after := webhook.DeliveryQuery{All: true, Oldest: q.Oldest, After: q.After}
	if q.Oldest {
		return takeWhile(until, log.ascend(func(d *delivery) bool { return since(d) && after.Selects(&d.Delivery) }))
	}
	return takeWhile(since, log.descend(func(d *delivery) bool { return until(d) && after.Selects(&d.Delivery) }))
}

// takeWhile yields the values of seq up to the first for which ok returns false.
func takeWhile[T any](ok func(T) bool, seq iter.Seq[T]) iter.Seq[T] {
	return func(yield func(T) bool) {
		for v := range seq {
			if !ok(v) || !yield(v) {
				return
			}
		}
	}
}

// cloneDelivery returns a copy that shares no memory with d.
func cloneDelivery(d webhook.Delivery) webhook.Delivery {
	d.Body = bytes.Clone(d.Body)
	d.Carrier = maps.Clone(d.Carrier)
	d.Subjects = slices.Clone(d.Subjects)
	d.Log = cloneLog(d.Log)
	return d
}

// cloneLog returns a copy that shares no memory with log.
func cloneLog(log []webhook.Attempt) []webhook.Attempt {
	log = slices.Clone(log)
	for i := range log {
		log[i] = cloneAttempt(log[i])
	}
	return log
}

// cloneAttempt returns a copy that shares no memory with a.
func cloneAttempt(a webhook.Attempt) webhook.Attempt {
	a.Response = bytes.Clone(a.Response)
	a.Members = slices.Clone(a.Members)
	return a
}

// cloneBodies returns a copy that shares no memory with bodies.
func cloneBodies(bodies [][]byte) [][]byte {
	bodies = slices.Clone(bodies)
	for i := range bodies {
		bodies[i] = bytes.Clone(bodies[i])
	}
	return bodies
}
