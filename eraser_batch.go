package webhook

import (
	"context"
	"maps"
	"slices"
)

// eraseRows is how many deliveries are read, with their bodies, and erased in
// one call of the store.
const eraseRows = 100

// eraseTries is how often an erasure is begun again because somebody else
// changed the same at the same time.
const eraseTries = 10

// Receivers echo what they get. The answer to a batch stands in the log of its first
// delivery, and may be about each of the others too.

// removeBatchAnswers removes the answers to batches that brought deliveries, which are to be
// erased, from the logs of the first deliveries of these batches. It comes before the
// erasure: that empties the logs that name the first deliveries, so an erasure that is
// begun again could not find them. Those that are erased themselves need not be changed.
func removeBatchAnswers(ctx context.Context, store Store, account string, erased map[string]Delivery) error {
	brought := map[string][]Attempt{} // by the first delivery
	for _, d := range erased {
		for _, a := range d.Log {
			if _, too := erased[a.First]; a.First != "" && !too {
				brought[a.First] = append(brought[a.First], a)
			}
		}
	}
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(brought)), eraseRows) {
		if err := removeAnswers(ctx, store, account, ids, brought); err != nil {
			return err
		}
	}
	return nil
}

// removeAnswers removes the answers to attempts from the logs of the deliveries with these IDs. It reads again
// those that somebody else changed since they were read.
func removeAnswers(ctx context.Context, store Store, account string, ids []string, brought map[string][]Attempt) error {
	for tries := 0; len(ids) > 0; tries++ {
		if tries > eraseTries {
			return ErrConflict
		}
		ds, err := store.Deliveries(ctx, DeliveryQuery{Account: account, IDs: ids})
		if err != nil {
			return err
		}
		var changes []Change
		for i := range ds {
			if c, ok := withoutAnswers(&ds[i], brought[ds[i].ID]); ok {
				changes = append(changes, c)
			}
		}
		ids = nil
		for part := range rewriteParts(changes) {
			lost, err := store.Apply(ctx, part)
			if err != nil {
				return err
			}
			ids = append(ids, lost...)
		}
	}
	return nil
}

// withoutAnswers returns the change that removes the answers to these attempts from the log
// of d, which made them with others. ok is false if there is nothing to change.
//
// An attempt that the log does not have yet may be on its way there, with its answer. Then
// the change only raises the lease, so that the outcome is lost: d is attempted again.
func withoutAnswers(d *Delivery, attempts []Attempt) (c Change, ok bool) {
	c = Change{ID: d.ID, Lease: d.Lease, State: d.State, Due: d.Due, Attempts: d.Attempts}
	log := slices.Clone(d.Log)
	for _, a := range attempts {
		i := slices.IndexFunc(log, func(entry Attempt) bool { return entry.Batch == a.Batch && entry.Start.Equal(a.Start) })
		switch {
		case i < 0:
			ok = ok || d.State == StatePending
		case log[i].hasAnswer():
			log[i].dropAnswer()
			c.Rewrite, ok = log, true
		}
	}
	return c, ok
}

// rewriteParts yields the changes in parts that a call of Apply may have.
func rewriteParts(cs []Change) func(yield func([]Change) bool) {
	return func(yield func([]Change) bool) {
		for len(cs) > 0 {
			n, bytes := 0, 0
			for n < len(cs) {
				for i := range cs[n].Rewrite {
					bytes += cs[n].Rewrite[i].size()
				}
				if n > 0 && bytes > groupBytes {
					break
				}
				n++
			}
			if !yield(cs[:n]) {
				return
			}
			cs = cs[n:]
		}
	}
}
