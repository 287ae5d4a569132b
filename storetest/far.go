package storetest

import (
	"fmt"
	"time"

	"github.com/listhook/webhook"
)

// farTimes are times that storages like to confuse: from the zero time to the latest that
// occurs, by steps of a millisecond where 32 bits, 1970 or seconds are the border.
var farTimes = []time.Time{
	{}, time.Time{}.Add(time.Millisecond), time.Date(1677, 9, 21, 0, 12, 43, 145e6, time.UTC), time.Date(1901, 12, 13, 20, 45, 51, 999e6, time.UTC),
	time.UnixMilli(-1).UTC(), time.UnixMilli(0).UTC(), time.UnixMilli(1).UTC(), time.UnixMilli(999).UTC(), time.UnixMilli(1000).UTC(),
	t0, t0.Add(time.Millisecond), time.Date(2038, 1, 19, 3, 14, 7, 999e6, time.UTC), time.Date(2038, 1, 19, 3, 14, 8, 0, time.UTC),
	time.Date(2106, 2, 7, 6, 28, 16, 0, time.UTC), time.Date(2262, 4, 11, 23, 47, 16, 855e6, time.UTC), time.Date(2262, 4, 11, 23, 47, 16, 856e6, time.UTC),
	never.Add(-time.Millisecond), never,
}

// farLog enqueues deliveries at farTimes, in no order.
func (c *checker) farLog(state webhook.State) *model {
	c.t.Helper()
	m := newModel()
	var ds []webhook.Delivery
	for i := range farTimes {
		i = (i*7 + 3) % len(farTimes)
		d := pending(fmt.Sprintf("d%02d", i), "1", farTimes[i])
		d.State, d.Created, d.Time, d.Joined = state, farTimes[i], farTimes[i], farTimes[i]
		ds = append(ds, d)
	}
	c.enqueue(ds...)
	m.enqueue(ds)
	return m
}

var farRules = []rule{
	{"times_are_compared_to_the_millisecond",
		"Times are compared to the millisecond, from the zero time to the year 9999, by Since, Until, DueBy, After and the order of a query.",
		func(c *checker) {
			m := c.farLog(webhook.StateFailed)
			for _, when := range farTimes {
				c.logs(m, webhook.DeliveryQuery{All: true, Since: when}, webhook.DeliveryQuery{Account: account, Until: when}, webhook.DeliveryQuery{All: true, DueBy: when},
					webhook.DeliveryQuery{All: true, After: webhook.Cursor{Created: when, ID: "d"}}, webhook.DeliveryQuery{All: true, After: webhook.Cursor{Created: when, ID: "e"}, Limit: 3})
			}
		}},

	{"claim_compares_times_to_the_millisecond",
		"Due and HeldUntil are compared with Now to the millisecond, from the zero time to the year 9999.",
		func(c *checker) {
			m := c.farLog(webhook.StatePending)
			for i, when := range farTimes {
				w := hook(fmt.Sprint("held", i))
				w.HeldUntil = when
				c.put(w)
				m.webhooks[w.ID] = w
				d := pending(fmt.Sprint("of ", w.ID), w.ID, time.Time{})
				c.enqueue(d)
				m.enqueue([]webhook.Delivery{d})
			}
			for _, now := range farTimes {
				claim := webhook.Claim{Now: now, Until: never, Limit: 100, Each: 100}
				if now.Equal(never) {
					claim.Until = t0
				}
				if wrong := m.claim(claim, c.claim(claim)); wrong != "" {
					c.broken("Claim at %s: %s", now.Format(time.RFC3339Nano), wrong)
				}
			}
		}},

	{"prune_compares_times_to_the_millisecond",
		"Due and Changed are compared with Before and Deleted to the millisecond, from the zero time to the year 9999.",
		func(c *checker) {
			m := c.farLog(webhook.StateCanceled)
			for i, when := range farTimes {
				w := hook(fmt.Sprint("deleted", i))
				w.Deleted, w.Changed = true, when
				m.webhooks[w.ID] = c.put(w)
			}
			for _, when := range farTimes {
				p := webhook.Prune{Before: when, Deleted: when, Limit: 100}
				if got, want := c.pruned(p), m.prune(p); got != want {
					c.broken("Prune of what finished before %s returned %d, want %d", when.Format(time.RFC3339Nano), got, want)
				}
				c.holds(m)
			}
		}},

	{"line_times_come_back_as_they_went",
		"Joined, Time, and the Joined of a Change, leave a Store as they reached it, and Blocking is compared with Joined to the millisecond.",
		func(c *checker) {
			for i, when := range farTimes {
				key := fmt.Sprint("k", i)
				first, d := keyed("first "+key, "1", key, t0), keyed("second "+key, "1", key, t0)
				d.Joined, d.Time, d.Created = when, when, when
				c.enqueue(first, d)
				c.sameDelivery("a delivery", c.delivery(d.ID), d)
				if !when.IsZero() {
					blocking := func(before time.Time) []string {
						return ids(c.deliveries(webhook.DeliveryQuery{All: true, Webhook: "1", Key: key, Blocking: before}))
					}
					c.ids("with Blocking a millisecond after the other's Joined", blocking(when.Add(time.Millisecond)), []string{first.ID})
					c.ids("with Blocking at the other's Joined", blocking(when), []string{})
				}
				c.applied(webhook.Change{ID: d.ID, State: webhook.StateFailed, Due: t0},
					webhook.Change{ID: d.ID, Lease: 1, State: webhook.StatePending, Due: t0, Joined: farTimes[(i+1)%len(farTimes)]})
				d.Lease, d.Joined = 2, farTimes[(i+1)%len(farTimes)]
				c.sameDelivery("a delivery that joined again", c.delivery(d.ID), d)
			}
		}},

	{"sequence_goes_on_when_a_store_is_replaced",
		"A Sequence is at least 1,024 times Joined in milliseconds since 1970, give or take what clocks differ, so that numbers go on growing in an empty store.",
		func(c *checker) {
			var ds []webhook.Delivery
			for i, joined := range []time.Time{t0, t0.AddDate(20, 0, 0), t0.AddDate(30, 0, 0)} {
				d := keyed(fmt.Sprint("d", i), fmt.Sprint("w", i), "k", t0)
				d.Joined = joined
				ds = append(ds, d)
			}
			c.enqueue(ds...)
			again := keyed("joins later", "w9", "k", t0)
			again.State, again.Joined = webhook.StateFailed, time.Time{}
			c.enqueue(again)
			again.Joined = t0.AddDate(40, 0, 0)
			c.applied(webhook.Change{ID: again.ID, State: webhook.StatePending, Due: t0, Joined: again.Joined})
			joined := map[string]time.Time{again.ID: again.Joined}
			for _, d := range ds {
				joined[d.ID] = d.Joined
			}
			for _, d := range c.claim(everything(t0)) {
				if least := joined[d.ID].Add(-time.Hour).UnixMilli() * 1024; d.Sequence < least {
					c.broken("%q joined its line at %s and has the Sequence %d, want at least %d", d.ID, joined[d.ID].Format(time.RFC3339), d.Sequence, least)
				}
			}
		}},
}
