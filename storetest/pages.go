package storetest

import (
	"fmt"
	"strings"

	"github.com/listhook/webhook"
)

// Rules of what readers see of a log that they read page by page.
var pageRules = []rule{
	{"concurrent_readers_see_whole_events_in_a_long_log",
		"Nobody sees a part of the deliveries of one event, however long the log is that has them at its beginning and its end, and nobody sees a delivery without an ID while others are pruned.",
		func(c *checker) {
			var ds []webhook.Delivery
			for i, id := range names("d", c.of(2400, "deliveries in the log", 100)) {
				ds = append(ds, finished(id, "1", at(i-9000)))
			}
			c.enqueue(ds...)
			events := c.of(30, "events", 10)
			done := make(chan struct{})
			c.together(3, func(i int, s *guard) error {
				if i > 0 {
					q := webhook.DeliveryQuery{All: true, Oldest: i == 1, Brief: true}
					return untilClosed(done, func() error { return wholeEvents(c, s, q) })
				}
				defer close(done)
				for n := range events {
					first, last := pending(fmt.Sprint("event ", n, " first"), "2", t0), pending(fmt.Sprint("event ", n, " last"), "2", t0)
					first.Created, last.Created = at(n-10_000), at(n)
					first.EventID, last.EventID = "event", "event"
					if _, err := s.Enqueue(c.ctx, Events(first, last)); err != nil {
						return fmt.Errorf("Enqueue returned an error: %w", err)
					}
					if n, err := s.Prune(c.ctx, webhook.Prune{Before: t0, Limit: 5}); err != nil || n != 5 {
						return fmt.Errorf("Prune with the Limit 5 returned %d and the error %v", n, err)
					}
				}
				return nil
			})
		}},
}

// wholeEvents reads a log to which events of two deliveries are added, and returns an error
// if it has one without the other.
func wholeEvents(c *checker, s *guard, q webhook.DeliveryQuery) error {
	ds, err := s.Deliveries(c.ctx, q)
	if err != nil {
		return fmt.Errorf("Deliveries returned an error: %w", err)
	}
	parts := map[string]int{}
	for _, d := range ds {
		if d.ID == "" {
			return fmt.Errorf("Deliveries by %s returned a delivery without an ID, while others were pruned", described(q))
		}
		if strings.HasPrefix(d.ID, "event ") {
			parts[strings.Fields(d.ID)[1]]++
		}
	}
	for n, found := range parts {
		if found != 2 {
			return fmt.Errorf("Deliveries by %s returned %d of the two deliveries of event %s", described(q), found, n)
		}
	}
	return nil
}
