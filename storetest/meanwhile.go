package storetest

import (
	"fmt"
	"time"

	"github.com/listhook/webhook"
)

// Rules of what readers see while others write.
var meanwhileRules = []rule{
	{"concurrent_readers_see_whole_changes",
		"Each change and each claim is made whole: readers see all of it or nothing.",
		func(c *checker) {
			rounds := c.of(60, "claims and changes", 10)
			c.enqueue(pending("d", "1", t0))
			done := make(chan struct{})
			c.together(3, func(i int, s *guard) error {
				if i > 0 {
					return untilClosed(done, func() error { return wholeChange(c, s, i == 1) })
				}
				defer close(done)
				for n := range rounds {
					ds, err := s.Claim(c.ctx, webhook.Claim{Now: at(2 * n), Until: at(2*n + 1), Limit: 1, Each: 1})
					if err != nil || len(ds) != 1 {
						return fmt.Errorf("Claim returned %d deliveries and the error %v, want the one that is due", len(ds), err)
					}
					lost, err := s.Apply(c.ctx, []webhook.Change{{
						ID: "d", Lease: ds[0].Lease, State: webhook.StatePending, Due: at(2*n + 2), Attempts: n + 1, Log: note(n + 1),
					}})
					if err != nil || len(lost) > 0 {
						return fmt.Errorf("Apply of what was just claimed returned %q as lost, and the error %v", lost, err)
					}
				}
				return nil
			})
		}},

	{"concurrent_readers_see_whole_webhooks",
		"A put replaces all fields at once: readers see those of one put.",
		func(c *checker) {
			puts := int64(c.of(60, "puts", 10))
			c.put(hook("1"))
			done := make(chan struct{})
			c.together(3, func(i int, s *guard) error {
				if i > 0 {
					return untilClosed(done, func() error {
						ws, err := s.Webhooks(c.ctx, webhook.WebhookQuery{Account: account, Lists: []string{"", "even", "odd"}, Tallies: true})
						if err != nil || len(ws) != 1 {
							return fmt.Errorf("Webhooks returned %d and the error %v, want the one that is stored", len(ws), err)
						}
						w := ws[0]
						if n := w.Version - 1; n > 0 && (w.Name != fmt.Sprint(n) || string(w.Tallies) != fmt.Sprint(n) || w.List != parity(n)) {
							return fmt.Errorf("the webhook has the Version %d with the Name %q, the List %q and the Tallies %q of other puts", w.Version, w.Name, w.List, w.Tallies)
						}
						return nil
					})
				}
				defer close(done)
				for n := int64(1); n <= puts; n++ {
					w := hook("1")
					w.Version, w.Name, w.Tallies, w.List = n, fmt.Sprint(n), []byte(fmt.Sprint(n)), parity(n)
					if _, err := s.PutWebhook(c.ctx, w); err != nil {
						return fmt.Errorf("PutWebhook returned an error: %w", err)
					}
				}
				return nil
			})
		}},
}

func parity(n int64) string { return []string{"even", "odd"}[n%2] }

// untilClosed calls read until done is closed, or it returns an error.
func untilClosed(done chan struct{}, read func() error) error {
	for {
		if err := read(); err != nil {
			return err
		}
		select {
		case <-done:
			return nil
		default:
		}
	}
}

// wholeChange reads the delivery that concurrent_readers_see_whole_changes claims and
// changes in turns, alone or among all, and returns an error unless its fields agree.
func wholeChange(c *checker, s *guard, alone bool) error {
	q := webhook.DeliveryQuery{All: true}
	if alone {
		q = webhook.DeliveryQuery{Account: account, IDs: []string{"d"}, States: states[:1]}
	}
	ds, err := s.Deliveries(c.ctx, q)
	if err != nil || len(ds) != 1 {
		return fmt.Errorf("Deliveries by %s returned %d and the error %v, want the one that is pending", described(q), len(ds), err)
	}
	d := ds[0]
	n := int(d.Lease) / 2
	if !d.Due.Equal(t0.Add(time.Duration(d.Lease)*time.Second)) || d.Attempts != n || len(d.Log) != n {
		return fmt.Errorf("with the Lease %d, %q has the Due %s, %d Attempts and %d in its Log: parts of two changes", d.Lease, d.ID, clock(d.Due), d.Attempts, len(d.Log))
	}
	return nil
}
