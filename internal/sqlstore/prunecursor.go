package sqlstore

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/listhook/webhook"
)

// pruneCursors let calls of Prune begin behind deliveries that the calls before have
// passed over, because other calls keep them for longer. Prune reads the log in order of
// creation. Without a cursor each call would read all failures of a year again, to
// remove the successes of a day.
//
// A cursor stands before the first delivery that a later call may remove: one that
// is pending, or that ended too late. Those behind it change only if they are begun
// again, or enqueued late. A full scan finds these.
type pruneCursors struct {
	mu sync.Mutex // guards what follows
	at map[string]pruneCursor
}

// A pruneCursor is for the calls with the same States, Types and Except.
type pruneCursor struct {
	from int64 // created: those before are passed over
	full int64 // Prune.Before of the last full scan
}

const (
	// PruneSlack is how many deliveries a call passes over at most without a cursor. It
	// takes a database some milliseconds.
	PruneSlack = 10_000

	// fullPruneEvery is how much later than in the last full scan Prune.Before is when the
	// next one is due.
	fullPruneEvery = 6 * time.Hour

	// maxPruneCursors is how many are remembered.
	maxPruneCursors = 1000
)

// isPartial reports whether p leaves deliveries that finished before p.Before.
func isPartial(p webhook.Prune) bool { return len(p.States)+len(p.Types)+len(p.Except) > 0 }

func pruneCursorKey(p webhook.Prune) string {
	return fmt.Sprintf("%q %q %q", p.States, p.Types, p.Except)
}

// start returns the creation from which on p reads, and whether that is a full scan.
func (cs *pruneCursors) start(p webhook.Prune) (from int64, full bool) {
	if !isPartial(p) {
		return math.MinInt64, true
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c, ok := cs.at[pruneCursorKey(p)]
	if age := milli(p.Before) - c.full; !ok || age < 0 || age >= fullPruneEvery.Milliseconds() {
		return math.MinInt64, true
	}
	return c.from, false
}

// set moves the cursor of p.
func (cs *pruneCursors) set(p webhook.Prune, from int64, full bool) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.at == nil || len(cs.at) >= maxPruneCursors {
		cs.at = map[string]pruneCursor{}
	}
	key := pruneCursorKey(p)
	c := cs.at[key]
	if c.from = from; full {
		c.full = milli(p.Before)
	}
	cs.at[key] = c
}

// passed moves the cursor of p after a call that has read from a time up to p.Before and
// left nothing to remove. A full scan sets one only if it has passed over many.
func (s *Store) passed(ctx context.Context, p webhook.Prune, from int64, full bool) error {
	if !isPartial(p) {
		return nil
	}
	return s.read(ctx, func(q Querier) error {
		to, err := s.firstKept(ctx, q, p, from)
		if err != nil {
			return err
		}
		if full {
			if many, err := s.manyCreated(ctx, q, to); err != nil || !many {
				return err
			}
		}
		s.prunes.set(p, to, full)
		return nil
	})
}

// firstKept returns when the first delivery from a time on was created that a later call
// than p may remove; p.Before if there is none before.
func (s *Store) firstKept(ctx context.Context, q Querier, p webhook.Prune, from int64) (created int64, err error) {
	created = milli(p.Before)
	b := s.newQuery(`select created from {}deliveries`)
	b.where(`created < @v`, created)
	b.createdFrom(from)
	b.add(` and (state = 'pending' or (1 = 1`)
	b.whereClass(p)
	b.add(`)) order by created limit 1`)
	err = b.query(ctx, q, func(scan Scan) error { return scan(&created) })
	return created, err
}

// manyCreated reports whether at least PruneSlack deliveries were created before a time.
func (s *Store) manyCreated(ctx context.Context, q Querier, before int64) (many bool, err error) {
	b := s.newQuery(`select count(*) from (select created from {}deliveries`)
	b.where(`created < @v`, before)
	b.add(` order by created limit @v) c`, PruneSlack)
	err = b.query(ctx, q, func(scan Scan) error {
		var n int
		err := scan(&n)
		many = n >= PruneSlack
		return err
	})
	return many, err
}

// createdFrom appends the condition that a delivery was created at a time or after.
func (b *queryBuilder) createdFrom(from int64) {
	if from != math.MinInt64 {
		b.where(`created >= @v`, from)
	}
}

// whereClass appends p's conditions on state and type.
func (b *queryBuilder) whereClass(p webhook.Prune) {
	if len(p.States) > 0 {
		whereIn(b, `state`, p.States)
	}
	if len(p.Types) > 0 {
		whereIn(b, `type`, p.Types)
	}
	whereNotIn(b, `type`, p.Except)
}
