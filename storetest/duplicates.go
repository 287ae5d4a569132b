package storetest

import (
	"fmt"
	"slices"
	"sync"

	"github.com/listhook/webhook"
)

// An app that retries after an error emits what was stored before, and in one
// group with events that are new.
var duplicateRules = []rule{
	{"concurrent_enqueues_with_duplicates_store_the_others",
		"Beside other callers who enqueue, deliveries that were stored before do not keep the others of their call from being stored; only what was stored is returned as stored before.",
		func(c *checker) {
			const callers, size = 6, 3
			rounds := c.of(30, "calls by each caller", 5)
			before := oneEvent("1 before", size)
			c.enqueue(before...)
			events := []string{before[0].EventID}
			for round := range rounds {
				events = append(events, fmt.Sprintf("2 shared %d", round))
				for i := range callers {
					events = append(events, fmt.Sprintf("0 own %d %d", round, i), fmt.Sprintf("3 own %d %d", round, i))
				}
			}
			added := c.enqueueTogether(callers, rounds, func(i, round int) []webhook.Delivery {
				own := slices.Concat(
					oneEvent(fmt.Sprintf("0 own %d %d", round, i), size),
					oneEvent(fmt.Sprintf("3 own %d %d", round, i), size))
				if i%2 == 1 { // these have nothing that was stored before
					return own
				}
				return slices.Concat(own[:size], before, oneEvent(fmt.Sprintf("2 shared %d", round), size), own[size:])
			})
			c.storedWhole(events, size)
			for _, d := range before {
				if added[d.ID] != 0 {
					c.broken("%d callers were told that they added %q, which was stored before", added[d.ID], d.ID)
				}
			}
			for _, event := range events[1:] {
				for _, d := range oneEvent(event, size) {
					if added[d.ID] != 1 {
						c.broken("%d callers were told that they added %q, want 1", added[d.ID], d.ID)
					}
				}
			}
		}},

	{"concurrent_enqueues_with_an_id_twice_store_the_others",
		"Beside other callers who enqueue, an ID that is twice in a call is added once, and all others of the call are stored.",
		func(c *checker) {
			const callers, size = 6, 4
			rounds := c.of(20, "calls by each caller", 5)
			var events []string
			for round := range rounds {
				for i := range callers {
					events = append(events, fmt.Sprintf("%d by %d", round, i))
				}
			}
			added := c.enqueueTogether(callers, rounds, func(i, round int) []webhook.Delivery {
				ds := oneEvent(fmt.Sprintf("%d by %d", round, i), size)
				return slices.Concat(ds[:1], ds, ds[size-1:])
			})
			c.storedWhole(events, size)
			for id, n := range added {
				if n != 1 {
					c.broken("%q was added by %d calls, want 1", id, n)
				}
			}
		}},
}

// enqueueTogether has callers enqueue at once, so many times each, and returns
// how many were told of each ID that they added it.
func (c *checker) enqueueTogether(callers, rounds int, deliveries func(i, round int) []webhook.Delivery) map[string]int {
	c.t.Helper()
	var mu sync.Mutex
	added := map[string]int{}
	c.together(callers, func(i int, s *guard) error {
		for round := range rounds {
			ds := deliveries(i, round)
			had, err := s.Enqueue(c.ctx, Events(ds...))
			if err != nil {
				return fmt.Errorf("Enqueue returned an error: %w", err)
			}
			told := map[string]bool{}
			mu.Lock()
			for _, d := range ds {
				if !told[d.ID] && !slices.Contains(had, d.ID) {
					added[d.ID]++
				}
				told[d.ID] = true
			}
			mu.Unlock()
		}
		return nil
	})
	return added
}

// storedWhole ends the case unless each event is stored with so many
// deliveries, and nothing else is.
func (c *checker) storedWhole(events []string, size int) {
	c.t.Helper()
	stored := map[string]int{}
	for _, d := range c.deliveries(webhook.DeliveryQuery{All: true, Brief: true}) {
		stored[d.EventID]++
	}
	for _, event := range events {
		if stored[event] != size {
			c.broken("of the %d deliveries of the event %q, %d are stored", size, event, stored[event])
		}
		delete(stored, event)
	}
	if len(stored) > 0 {
		c.broken("deliveries of %d events are stored that nobody enqueued", len(stored))
	}
}
