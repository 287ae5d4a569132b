package storetest

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/listhook/webhook"
)

// leasing skips the case unless the store is a webhook.LineLeaser.
func (c *checker) leasing() {
	c.t.Helper()
	if _, ok := c.store.store.(webhook.LineLeaser); !ok {
		c.t.Skip("the store is no webhook.LineLeaser")
	}
}

// leasable returns events of ds, which may be leased until then.
func leasable(until time.Time, ds ...webhook.Delivery) []webhook.OutboxEvent {
	events := Events(ds...)
	for i := range events {
		for j := range events[i].Deliveries {
			events[i].Deliveries[j].LeaseUntil = until
		}
	}
	return events
}

// enqueueLeasing calls EnqueueLeasing, and ends the case unless it leased only those of
// mayLease, as it says. It returns the IDs of these in order.
func (c *checker) enqueueLeasing(events []webhook.OutboxEvent, mayLease ...string) []string {
	c.t.Helper()
	had, leased, err := c.store.EnqueueLeasing(c.ctx, events)
	c.noError(err, "EnqueueLeasing")
	list := slices.Sorted(maps.Keys(leased))
	for _, e := range events {
		for _, d := range e.Deliveries {
			if slices.Contains(had, d.ID) {
				continue
			}
			want := d.Delivery
			want.Body = e.Bodies[d.BodyIndex]
			if sequence, ok := leased[d.ID]; ok {
				want.Lease, want.Due, want.Sequence = want.Lease+1, d.LeaseUntil, sequence
			}
			c.sameDelivery("after EnqueueLeasing", c.delivery(d.ID), want)
		}
	}
	for _, id := range list {
		if !slices.Contains(mayLease, id) {
			c.broken("EnqueueLeasing leased %q", id)
		}
	}
	return list
}

// without returns the IDs of list that are not in others.
func without(list, others []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(id string) bool { return slices.Contains(others, id) })
}

var leasingRules = []rule{
	{"deliveries_pending_are_found_once",
		"A query selects each pending delivery once, and Count counts it once, while others of the same claim are delivered, wait for a retry, are due again or still leased, and when its Due changes.",
		func(c *checker) {
			want := []string{"again", "key again", "key leased", "key retried", "leased", "moved", "ready", "retried", "waiting"}
			for _, id := range []string{"again", "delivered", "leased", "retried"} {
				c.enqueue(pending(id, "1", t0), keyed("key "+id, "1", id, t0))
			}
			c.claim(everything(t0))
			for _, key := range []string{"", "key "} {
				c.applied(
					webhook.Change{ID: key + "again", Lease: 1, State: webhook.StatePending, Due: t0},
					webhook.Change{ID: key + "delivered", Lease: 1, State: webhook.StateDelivered, Due: at(1)},
					webhook.Change{ID: key + "retried", Lease: 1, State: webhook.StatePending, Due: at(30)})
			}
			c.enqueue(pending("ready", "1", t0), pending("waiting", "1", at(300)), keyed("moved", "1", "of the moved", t0))
			c.ids("claimed without room", ids(c.claim(webhook.Claim{Now: t0, Until: at(60), Limit: 9, Each: 9, Room: map[string]int{"1": 0}})), nil)
			c.applied(webhook.Change{ID: "moved", State: webhook.StatePending, Due: at(300)})
			look := func(when string) {
				for _, q := range []webhook.DeliveryQuery{{All: true}, {Account: account}, {Account: account, Webhook: "1"}} {
					q.States = []webhook.State{webhook.StatePending}
					got := ids(c.deliveries(q))
					slices.Sort(got)
					c.ids(when+", by "+described(q), got, want)
					if n := c.count(q); n != len(want) {
						c.broken("%s, Count by %s is %d, want %d", when, described(q), n, len(want))
					}
				}
			}
			look("when some of a claim have ended")
			c.set("claimed again", ids(c.claim(webhook.Claim{Now: at(1), Until: at(120), Limit: 9, Each: 9})), []string{"again", "key again", "ready"})
			look("when some of them are leased again")
			c.set("claimed later", ids(c.claim(webhook.Claim{Now: at(60), Until: at(180), Limit: 9, Each: 9})), []string{"key leased", "key retried", "leased", "retried"})
			look("when a lease has ended, and the others are leased again")
		}},

	{"leasing_takes_the_first_of_lines",
		"EnqueueLeasing adds all, and of those with a Key and a LeaseUntil leases only the first of their lines: it raises their Lease, moves Due to LeaseUntil and returns their Sequences. Claim takes the others in their turn.",
		func(c *checker) {
			c.leasing()
			events := leasable(at(60),
				keyed("a", "1", "k", t0), keyed("b", "1", "k", t0), keyed("other key", "1", "l", t0), keyed("other webhook", "2", "k", t0), pending("no key", "1", t0))
			plain := Events(keyed("none asked for", "1", "m", t0))
			leased := c.enqueueLeasing(append(events, plain...), "a", "other key", "other webhook")
			c.takes("beside what is leased", at(30), append(without([]string{"a", "other key", "other webhook"}, leased), "no key", "none asked for")...)
			c.ends(webhook.StateDelivered, at(31), "a")
			c.takes("once the first has ended", at(31), "b")
		}},

	{"leasing_waits_for_those_before",
		"EnqueueLeasing leases none that stands behind another of its line: one that is due, leased, waits for a retry, or was leased by EnqueueLeasing.",
		func(c *checker) {
			c.leasing()
			c.enqueue(keyed("a", "1", "k", t0))
			c.enqueueLeasing(leasable(at(60), keyed("b", "1", "k", t0)))
			c.takes("at first", t0, "a")
			c.enqueueLeasing(leasable(at(60), keyed("c", "1", "k", t0)))
			c.applied(webhook.Change{ID: "a", Lease: 1, State: webhook.StatePending, Due: at(1000), Attempts: 1, Log: note(1)})
			c.enqueueLeasing(leasable(at(60), keyed("d", "1", "k", t0)))
			c.ends(webhook.StateCanceled, t0, "a")
			c.enqueueLeasing(leasable(at(60), keyed("e", "1", "k", t0)))
			c.goesOn(t0, "b", "c", "d", "e")

			first := c.enqueueLeasing(leasable(at(60), keyed("f", "1", "k", t0)), "f")
			c.enqueueLeasing(leasable(at(60), keyed("g", "1", "k", t0)))
			c.takes("while the first is leased", at(30), without([]string{"f"}, first)...)
			c.ends(webhook.StateFailed, at(30), "f")
			c.goesOn(at(31), "g")
		}},

	{"leasing_leaves_what_is_stored",
		"EnqueueLeasing leaves a delivery that is stored already as it is, and returns its ID; one behind it waits for it.",
		func(c *checker) {
			c.leasing()
			c.enqueue(keyed("a", "1", "k", t0))
			events := leasable(at(60), keyed("a", "1", "k", t0), keyed("b", "1", "k", t0))
			had, leased, err := c.store.EnqueueLeasing(c.ctx, events)
			c.noError(err, "EnqueueLeasing")
			c.ids("stored already", had, []string{"a"})
			if len(leased) > 0 {
				c.broken("EnqueueLeasing leased %s", list(slices.Sorted(maps.Keys(leased))))
			}
			c.goesOn(t0, "a", "b")

			events = leasable(at(60), keyed("a", "1", "k", t0), keyed("c", "1", "k", t0))
			had, leased, err = c.store.EnqueueLeasing(c.ctx, events)
			c.noError(err, "EnqueueLeasing")
			c.ids("stored already and delivered", had, []string{"a"})
			if leased["c"] == 0 {
				c.goesOn(t0, "c")
			} else {
				c.takes("while it is leased", at(59))
				c.goesOn(at(60), "c")
			}
		}},

	{"leasing_compares_byte_for_byte",
		"EnqueueLeasing compares IDs and Keys byte for byte: what it leases is the very first of a line, and no other delivery.",
		func(c *checker) {
			c.leasing()
			first := c.alike()
			var ds []webhook.Delivery
			var second []string
			for i, text := range first {
				second = append(second, fmt.Sprint("second ", i))
				ds = append(ds, keyed(text, "1", text, t0), keyed(second[i], "1", text, t0))
			}
			for i := range ds {
				ds[i].EventID = "event"
			}
			leased := c.enqueueLeasing(leasable(at(60), ds...), first...)
			c.takes("beside what is leased", at(30), without(first, leased)...)
			c.ends(webhook.StateDelivered, at(31), first...)
			c.takes("once the first have ended", at(31), second...)
		}},

	{"leasing_ends_with_the_lease",
		"A lease by EnqueueLeasing ends at LeaseUntil: Claim then takes the delivery, which is still the first of its line.",
		func(c *checker) {
			c.leasing()
			leased := c.enqueueLeasing(leasable(at(60), keyed("a", "1", "k", t0), keyed("b", "1", "k", t0)), "a")
			c.takes("before the lease ends", at(59), without([]string{"a"}, leased)...)
			c.takes("when the lease ends", at(119), "a")
			c.applied(webhook.Change{ID: "a", Lease: c.delivery("a").Lease, State: webhook.StateDelivered, Due: at(119)})
			c.takes("once it is delivered", at(119), "b")
		}},

	{"leasing_is_not_of_enqueue",
		"Enqueue does not look at LeaseUntil.",
		func(c *checker) {
			_, err := c.store.Enqueue(c.ctx, leasable(at(60), keyed("a", "1", "k", t0)))
			c.noError(err, "Enqueue")
			c.takes("at once", t0, "a")
		}},
}

var concurrentLeasingRules = []rule{
	{"leasing_by_concurrent_callers_keeps_lines",
		"Of a line one delivery at most is leased at a time, by EnqueueLeasing or by Claim, by however many callers and in several processes, and they go on in the order of the calls.",
		func(c *checker) {
			c.leasing()
			const callers, lines, calls = 4, 5, 15
			w := lineWatch{c: c, total: callers * lines * calls, open: map[lineKey]string{}, done: map[lineKey][]webhook.Delivery{}}
			var first sync.WaitGroup // calls: each line then has deliveries of every caller
			first.Add(callers)
			c.together(callers, func(i int, s *guard) error {
				for n := range calls {
					leased, err := w.enqueue(s, i, n, lines)
					if n == 0 {
						first.Done()
						first.Wait()
					}
					if err == nil {
						err = w.ends(s, leased)
					}
					if err != nil {
						return err
					}
				}
				return w.work(s)
			})
			w.inOrder(callers)
		}},
}

// enqueue makes the n-th call of a caller, with a delivery for each line, and notes and
// returns what is leased.
func (w *lineWatch) enqueue(s *guard, caller, n, lines int) (held []webhook.Delivery, err error) {
	var ds []webhook.Delivery
	for line := range lines {
		ds = append(ds, keyed(fmt.Sprintf("%d-%d-%d", line, caller, n), fmt.Sprint("w", line%2), fmt.Sprint("k", line), at(-n)))
	}
	_, leased, err := s.EnqueueLeasing(w.c.ctx, leasable(at(60), ds...))
	if err != nil {
		return nil, fmt.Errorf("EnqueueLeasing returned an error: %w", err)
	}
	for _, d := range ds {
		if sequence, ok := leased[d.ID]; ok {
			d.Lease, d.Sequence = 1, sequence
			held = append(held, d)
		}
	}
	return held, w.claimed(held)
}
