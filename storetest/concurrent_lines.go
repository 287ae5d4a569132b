package storetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/listhook/webhook"
)

var concurrentLineRules = []rule{
	{"concurrent_callers_keep_lines_in_order",
		"Only the first of a line is claimed, by however many callers and in several processes: a delivery of a call that returned is through before those of later calls, and their Sequences ascend.",
		func(c *checker) {
			const producers, workers, lines, calls = 2, 4, 5, 12
			w := lineWatch{c: c, total: producers * lines * calls, open: map[lineKey]string{}, done: map[lineKey][]webhook.Delivery{}}
			c.together(producers+workers, func(i int, s *guard) error {
				if i >= producers {
					return w.work(s)
				}
				for n := range calls {
					var ds []webhook.Delivery
					for line := range lines {
						ds = append(ds, keyed(fmt.Sprintf("%d-%d-%d", line, i, n), fmt.Sprint("w", line%2), fmt.Sprint("k", line), at(-n)))
					}
					if _, err := s.Enqueue(c.ctx, Events(ds...)); err != nil {
						return fmt.Errorf("Enqueue returned an error: %w", err)
					}
				}
				return nil
			})
			w.inOrder(producers)
		}},
}

// A lineWatch works off lines, by several callers at once, and notes what it sees.
type lineWatch struct {
	c     *checker
	total int

	mu   sync.Mutex
	n    int
	bad  bool                           // a caller has ended with an error: the others need not wait for its deliveries
	open map[lineKey]string             // claimed, and the change was not asked for yet
	done map[lineKey][]webhook.Delivery // in the order of the claims
}

func (w *lineWatch) work(s *guard) error {
	for !w.over() {
		ds, err := s.Claim(w.c.ctx, webhook.Claim{Now: t0, Until: at(60), Limit: 3, Each: 2})
		if err != nil {
			return fmt.Errorf("Claim returned an error: %w", err)
		}
		if len(ds) == 0 {
			if err := w.c.ctx.Err(); err != nil {
				return fmt.Errorf("not all was claimed in time: %d of %d", w.n, w.total)
			}
			time.Sleep(time.Millisecond)
			continue
		}
		if err := w.delivers(s, ds); err != nil {
			return err
		}
	}
	return nil
}

// delivers notes that deliveries are leased, and ends them.
func (w *lineWatch) delivers(s *guard, ds []webhook.Delivery) error {
	if err := w.claimed(ds); err != nil {
		return err
	}
	return w.ends(s, ds)
}

// ends ends deliveries that are leased.
func (w *lineWatch) ends(s *guard, ds []webhook.Delivery) error {
	var cs []webhook.Change
	for _, d := range ds {
		cs = append(cs, webhook.Change{ID: d.ID, Lease: d.Lease, State: webhook.StateDelivered, Due: at(1)})
	}
	w.applying(ds)
	lost, err := s.Apply(w.c.ctx, cs)
	if err != nil || len(lost) > 0 {
		return fmt.Errorf("Apply of what was just leased returned %q as lost, and the error %v", lost, err)
	}
	return nil
}

// inOrder ends the case unless the deliveries of each producer were leased in the order of
// its calls, line by line, and the Sequences of each line ascend.
func (w *lineWatch) inOrder(producers int) {
	w.c.t.Helper()
	for key, ds := range w.done {
		next := make([]int, producers)
		for _, d := range ds {
			var line, producer, n int
			if _, err := fmt.Sscanf(d.ID, "%d-%d-%d", &line, &producer, &n); err != nil || n != next[producer] {
				w.c.broken("in the line %q, %q was leased out of order: %s", key.key, d.ID, list(ids(ds)))
			}
			next[producer]++
		}
		w.c.ascends(fmt.Sprintf("in the line %q", key.key), ds)
	}
}

func (w *lineWatch) over() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bad || w.n >= w.total
}

// claimed notes deliveries that a call returned as leased.
func (w *lineWatch) claimed(ds []webhook.Delivery) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range ds {
		if other := w.open[keyOf(d)]; other != "" {
			w.bad = true
			return fmt.Errorf("%q was leased while %q of its line was", d.ID, other)
		}
		w.open[keyOf(d)] = d.ID
		w.done[keyOf(d)] = append(w.done[keyOf(d)], d)
		w.n++
	}
	return nil
}

// applying notes that their changes are about to be asked for.
func (w *lineWatch) applying(ds []webhook.Delivery) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range ds {
		delete(w.open, keyOf(d))
	}
}
