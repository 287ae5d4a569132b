package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/listhook/webhook"
)

// pruneRows is how many the dispatcher removes at a time, and pruneRest how long it rests
// after that, in multiples of the time that it took.
const pruneRows, pruneRest = 500, 4

// whilePruning measures the calls while another goroutine prunes the log, and
// while none does, in turns of a second, until nothing is left to prune.
func (m *meter) whilePruning(ctx context.Context) error {
	if err := m.settle(ctx, m.site.full); err != nil {
		return err
	}
	var with, without times
	var prunes []time.Duration
	later := untilDue + 2*dueSpan
	before := m.start.Add(-keeps)
	removed, turns := 0, max(2, int(2*m.pruning/time.Second))
	turn := 2 * m.pruning / time.Duration(turns)
	var finished atomic.Bool
	for n := 0; n < turns && !finished.Load(); n++ {
		ts := &without
		on, off := context.WithCancel(ctx)
		var wg sync.WaitGroup
		var pruning error
		if n%2 == 1 {
			ts = &with
			wg.Go(func() {
				for on.Err() == nil && !finished.Load() {
					began := time.Now()
					// A batch that has begun is finished.
					k, err := m.site.full.Prune(ctx, webhook.Prune{Before: before, Limit: pruneRows, Deleted: before})
					if err != nil {
						pruning = err
						return
					}
					removed += k
					took := time.Since(began)
					prunes = append(prunes, took)
					finished.Store(k < pruneRows)
					if m.pace {
						select {
						case <-on.Done():
						case <-time.After(pruneRest * took):
						}
					}
				}
			})
		}
		var err error
		for end := time.Now().Add(turn); ; {
			err = m.cycle(ctx, m.site.full, later, ts)
			if err != nil || finished.Load() || time.Now().After(end) {
				break
			}
		}
		off()
		wg.Wait()
		if err := errors.Join(err, pruning); err != nil {
			return err
		}
	}
	for i, call := range calls {
		m.costs = append(m.costs, newCost(m.name(), "pruning", call, with[i], without[i]))
	}
	if removed == 0 {
		return errors.New("nothing was pruned")
	}
	m.costs = append(m.costs, newCost(m.name(), "pruning", "Prune", prunes, nil))
	var old webhook.DeliveryQuery
	old.All, old.States, old.Until, old.Limit = true, []webhook.State{webhook.StateDelivered}, before, m.rows
	left, err := m.site.full.Count(ctx, old)
	if err == nil && left+removed < m.rows/4 {
		err = errors.New("more was pruned than was old")
	}
	return err
}
