package storetest

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/listhook/webhook"
)

// note returns an attempt that is told from others by its number.
func note(n int) *webhook.Attempt {
	return &webhook.Attempt{Start: at(n), Duration: time.Duration(n) * time.Millisecond, Status: 500, Reason: fmt.Sprint("attempt ", n)}
}

var applyRules = []rule{
	{"apply_makes_the_change",
		"Apply makes each change whose delivery has its Lease: Lease is one more, State, Due and Attempts are the change's, Log is appended, and nothing else changes.",
		func(c *checker) {
			want := whole(1, "d", at(60))
			other := pending("other", "1", at(60))
			c.enqueue(want, other)
			attempt := filled[webhook.Attempt](7)
			c.applied(webhook.Change{ID: "d", Lease: want.Lease, State: webhook.StateFailed, Due: at(77), Attempts: 9, Log: &attempt})
			want.Lease++
			want.State, want.Due, want.Attempts = webhook.StateFailed, at(77), 9
			want = logged(want, attempt)
			c.sameDelivery("the delivery", c.delivery("d"), want)
			c.same("another delivery", c.delivery("other"), other)

			c.applied(webhook.Change{ID: "d", Lease: want.Lease, State: webhook.StatePending, Joined: at(78)})
			want.Lease++
			want.Joined = at(78)
			want.State, want.Due, want.Attempts = webhook.StatePending, time.Time{}, 0
			c.sameDelivery("the delivery, after a change to the zero Due, no Attempts and no Log", c.delivery("d"), want)
		}},

	{"apply_changes_only_what_has_its_lease",
		"A change whose delivery has another Lease, or is not stored, is not made, and its ID is returned.",
		func(c *checker) {
			d := pending("d", "1", t0)
			d.Lease, d.Subjects = 5, []string{"jane"}
			ok := pending("ok", "1", t0)
			ok.Lease = 1
			c.enqueue(d, ok)
			change := webhook.Change{ID: "d", State: webhook.StateFailed, Due: at(1), Attempts: 1, Log: note(1), Erase: true}
			for _, lease := range []int64{4, 6, 0, 1, -5} {
				change.Lease = lease
				c.ids(fmt.Sprintf("lost by a change with the Lease %d, when it is 5", lease), c.apply(change), []string{"d"})
				c.same("the delivery after it", c.delivery("d"), d)
				c.ids("those with its Subject after it", ids(c.deliveries(webhook.DeliveryQuery{Account: account, Subject: "jane"})), []string{"d"})
			}
			unknown := webhook.Change{ID: "unknown", Lease: 0, State: webhook.StateFailed}
			fine := webhook.Change{ID: "ok", Lease: 1, State: webhook.StateDelivered, Due: at(2)}
			c.set("lost of a call with one good change", c.apply(change, unknown, fine), []string{"d", "unknown"})
			c.same("the delivery after it", c.delivery("d"), d)
			ok.Lease, ok.State, ok.Due = 2, webhook.StateDelivered, at(2)
			c.same("that of the good change", c.delivery("ok"), ok)
			if n := c.count(webhook.DeliveryQuery{All: true}); n != 2 {
				c.broken("%d deliveries are stored, want 2", n)
			}
		}},

	{"apply_of_a_claim_takes_its_lease",
		"Claim raises Lease: a change with the Lease that Claim returned is made, one with that before it is lost.",
		func(c *checker) {
			c.enqueue(pending("a", "1", t0))
			d := c.claimOne(everything(t0), "a")
			change := webhook.Change{ID: "a", Lease: d.Lease - 1, State: webhook.StateDelivered, Due: at(1)}
			c.ids("lost with the Lease before", c.apply(change), []string{"a"})
			change.Lease = d.Lease
			c.applied(change)
		}},

	{"apply_twice_is_lost",
		"Apply raises Lease: the same change again is lost, and changes nothing.",
		func(c *checker) {
			c.enqueue(pending("a", "1", t0))
			c.claim(everything(t0))
			change := webhook.Change{ID: "a", Lease: 1, State: webhook.StatePending, Due: at(5), Attempts: 1, Log: note(1)}
			c.applied(change)
			want := c.delivery("a")
			c.ids("lost by the second Apply", c.apply(change), []string{"a"})
			c.same("the delivery after the second Apply", c.delivery("a"), want)
		}},

	{"apply_twice_in_a_call_is_made_once",
		"Of two changes with one ID and Lease in a call one is made; the ID is returned for the other.",
		func(c *checker) {
			c.enqueue(pending("a", "1", t0), pending("b", "1", t0))
			one := webhook.Change{ID: "a", State: webhook.StateDelivered, Due: at(1), Attempts: 1, Log: note(1)}
			two := webhook.Change{ID: "a", State: webhook.StateFailed, Due: at(2), Attempts: 2, Log: note(2)}
			c.ids("lost", c.apply(one, webhook.Change{ID: "b", State: webhook.StateDelivered, Due: at(1)}, two), []string{"a"})
			got := c.delivery("a")
			want := pending("a", "1", at(1))
			want.Lease, want.State, want.Attempts = 1, webhook.StateDelivered, 1
			if got.State == webhook.StateFailed {
				want.State, want.Due, want.Attempts = webhook.StateFailed, at(2), 2
				want = logged(want, *note(2))
			} else {
				want = logged(want, *note(1))
			}
			c.same("the delivery", got, want)
		}},

	{"apply_late_is_lost",
		"Who applies after the lease ended is lost once another has claimed the delivery, and does not overwrite what happened since.",
		func(c *checker) {
			c.enqueue(pending("a", "1", t0))
			late := c.claimOne(everything(t0), "a")
			now := c.claimOne(everything(at(60)), "a")
			change := webhook.Change{ID: "a", Lease: late.Lease, State: webhook.StateFailed, Due: at(61), Attempts: 7, Log: note(1)}
			c.ids("lost", c.apply(change), []string{"a"})
			c.same("the delivery", c.delivery("a"), now)
			c.applied(webhook.Change{ID: "a", Lease: now.Lease, State: webhook.StateDelivered, Due: at(62), Attempts: 1})
			c.ids("lost after the other's outcome", c.apply(change), []string{"a"})
		}},

	{"apply_late_but_first_is_made",
		"The Lease alone is looked at: who applies after the lease's end, but before anybody has claimed again, is not lost.",
		func(c *checker) {
			c.enqueue(pending("a", "1", at(-100_000)))
			c.claimOne(everything(at(-90_000)), "a")
			c.applied(webhook.Change{ID: "a", Lease: 1, State: webhook.StateDelivered, Due: never})
		}},

	{"apply_whatever_the_state",
		"Apply makes a change whatever the state: from each to each.",
		func(c *checker) {
			for _, from := range states {
				for _, to := range states {
					want := pending(fmt.Sprintf("from %s to %s", from, to), "1", t0)
					want.State = from
					c.enqueue(want)
					c.applied(webhook.Change{ID: want.ID, Lease: 0, State: to, Due: at(5)})
					want.State, want.Due, want.Lease = to, at(5), 1
					c.same(want.ID, c.delivery(want.ID), want)
				}
			}
			var want []string
			for _, from := range states {
				want = append(want, fmt.Sprintf("from %s to pending", from))
			}
			c.set("claimed afterwards", ids(c.claim(everything(at(5)))), want)
		}},

	{"apply_gives_back",
		"A change to pending and due makes a delivery claimable at once, though its lease has not ended.",
		func(c *checker) {
			c.enqueue(pending("a", "1", t0), pending("b", "1", t0))
			c.claim(everything(t0))
			c.applied(webhook.Change{ID: "a", Lease: 1, State: webhook.StatePending, Due: at(1)})
			if ds := c.claim(everything(t0)); len(ds) > 0 {
				c.broken("%s was claimed before the Due that it was given", list(ids(ds)))
			}
			want := pending("a", "1", at(61))
			want.Lease = 3
			c.same("claimed again", c.claimOne(everything(at(1)), "a"), want)
		}},

	{"apply_ends_the_claims",
		"A delivery that a change has finished is claimed no more, whatever its Due.",
		func(c *checker) {
			for _, state := range states[1:] {
				d := pending(string(state), "1", at(-60))
				d.Created = at(-120)
				c.enqueue(d)
				c.applied(webhook.Change{ID: d.ID, Lease: 0, State: state, Due: at(-60)})
			}
			if ds := c.claim(everything(at(1000))); len(ds) > 0 {
				c.broken("%s claimed", list(ids(ds)))
			}
		}},

	{"apply_appends_to_the_log",
		"Log is appended, oldest first, whatever the attempts' times; a change without one appends nothing.",
		func(c *checker) {
			c.enqueue(pending("a", "1", t0), pending("a1", "1", t0))
			var want []webhook.Attempt
			for i := range 14 {
				attempt := note(100 - i)
				change := webhook.Change{ID: "a", Lease: int64(i), State: webhook.StatePending, Due: t0, Log: attempt}
				if i%5 == 4 {
					change.Log = nil
				} else {
					want = append(want, *attempt)
				}
				c.applied(change)
			}
			c.same("Log", c.delivery("a").Log, want)
			c.same("another's Log", c.delivery("a1").Log, []webhook.Attempt(nil))
		}},

	{"apply_keeps_the_whole_attempt",
		"An Attempt is a document: every field comes back, with the others and alone.",
		func(c *checker) {
			c.enqueue(pending("a", "1", t0))
			var want []webhook.Attempt
			for i := range 3 {
				attempt := filled[webhook.Attempt](i + 1)
				c.applied(webhook.Change{ID: "a", Lease: int64(i), State: webhook.StatePending, Log: &attempt})
				want = append(want, attempt)
			}
			want = append(want, webhook.Attempt{})
			whole := reflect.ValueOf(filled[webhook.Attempt](4))
			for i := range whole.NumField() {
				var alone webhook.Attempt
				reflect.ValueOf(&alone).Elem().Field(i).Set(whole.Field(i))
				want = append(want, alone)
			}
			for i := 3; i < len(want); i++ {
				c.applied(webhook.Change{ID: "a", Lease: int64(i), State: webhook.StatePending, Log: &want[i]})
			}
			c.same("Log", c.delivery("a").Log, want)
		}},

	{"apply_erases",
		"Erase first empties Body, Carrier, Log, Key and Subjects; the change's own Log is then appended. Without it they stay.",
		func(c *checker) {
			for _, id := range []string{"kept", "erased", "erased and logged"} {
				d := whole(1, id, t0)
				d.State, d.Lease = webhook.StateDelivered, 0
				c.enqueue(d)
			}
			want := c.delivery("kept")
			c.applied(
				webhook.Change{ID: "kept", State: webhook.StateCanceled, Due: at(1)},
				webhook.Change{ID: "erased", State: webhook.StateCanceled, Due: at(1), Erase: true},
				webhook.Change{ID: "erased and logged", State: webhook.StateCanceled, Due: at(1), Erase: true, Log: note(1)})
			want.State, want.Due, want.Attempts, want.Lease = webhook.StateCanceled, at(1), 0, 1
			c.same("without Erase", c.delivery("kept"), want)
			want.ID, want.Body, want.Carrier, want.Log, want.Failure, want.Key, want.Subjects = "erased", nil, nil, nil, "", "", nil
			c.same("with Erase", c.delivery("erased"), want)
			want = logged(want, *note(1))
			want.ID = "erased and logged"
			c.same("with Erase and Log", c.delivery("erased and logged"), want)
		}},

	{"apply_drops_the_body",
		"DropBody empties Body, and nothing else. The bodies of other deliveries of the event stay.",
		func(c *checker) {
			ds := []webhook.Delivery{whole(1, "dropped", t0), whole(1, "kept", t0), whole(1, "other's", t0)}
			for i := range ds {
				ds[i].Lease, ds[i].Key, ds[i].EventID = 0, "", "the same"
			}
			c.enqueue(ds...)
			want := c.delivery("dropped")
			c.applied(
				webhook.Change{ID: "dropped", State: webhook.StateDelivered, Due: at(1), Log: note(1), DropBody: true},
				webhook.Change{ID: "kept", State: webhook.StateDelivered, Due: at(1), Log: note(1)})
			want.State, want.Due, want.Attempts, want.Lease, want.Body = webhook.StateDelivered, at(1), 0, 1, nil
			c.same("with DropBody", c.delivery("dropped"), logged(want, *note(1)))
			keyed := ds[0]
			keyed.ID, keyed.EventID, keyed.Key = "keyed", "another", "k"
			c.enqueue(keyed)
			for _, id := range []string{"kept", "other's", "keyed"} {
				if d := c.delivery(id); !bytes.Equal(d.Body, ds[1].Body) {
					c.broken("the body of %q is %q, want %q", id, d.Body, ds[1].Body)
				}
			}
			c.claim(everything(t0))
			for _, id := range []string{"other's", "keyed"} { // which are leased
				c.applied(webhook.Change{ID: id, Lease: 1, State: webhook.StateDelivered, Due: at(1), DropBody: true})
				if d := c.delivery(id); len(d.Body) > 0 {
					c.broken("the body of %q is %q, want none", id, d.Body)
				}
			}
		}},

	{"apply_is_made_whole_or_not_at_all",
		"Each change is made whole or not at all, also when the context ends meanwhile; asking again is harmless.",
		func(c *checker) {
			round := 0
			for looks := 1; looks <= 89; looks += looks/2 + 1 {
				var ds []webhook.Delivery
				var cs []webhook.Change
				for i := range 20 {
					d := pending(fmt.Sprintf("%d-%d", round, i), "1", t0)
					ds = append(ds, d)
					cs = append(cs, webhook.Change{ID: d.ID, State: webhook.StateFailed, Due: at(i), Attempts: 3, Log: note(i)})
				}
				c.enqueue(ds...)
				ctx := newCountdown(c.ctx, looks)
				_, err := c.store.Apply(ctx, cs)
				ctx.end()
				stored := func() []webhook.Delivery {
					return c.deliveries(webhook.DeliveryQuery{All: true, IDs: ids(ds), Oldest: true})
				}
				slices.SortFunc(ds, byCreated)
				slices.SortFunc(cs, func(a, b webhook.Change) int {
					return byCreated(webhook.Delivery{ID: a.ID}, webhook.Delivery{ID: b.ID})
				})
				made := make([]webhook.Delivery, len(ds))
				for i, d := range ds {
					d.Lease, d.State, d.Due, d.Attempts = 1, cs[i].State, cs[i].Due, cs[i].Attempts
					made[i] = logged(d, *cs[i].Log)
				}
				for i, d := range stored() {
					if d.Lease == 0 && err != nil {
						c.same("a change not made, by an Apply that returned an error", d, ds[i])
					} else {
						c.same(fmt.Sprintf("a change made, by an Apply that returned the error %v", err), d, made[i])
					}
				}
				c.apply(cs...)
				c.same("after asking again", stored(), made)
				round++
			}
		}},

	{"claim_takes_of_expired_leases_what_is_outstanding",
		"When leases end, all that is pending and due is claimed: not what ended, though at that very time, not what waits for longer, and not what was leased again.",
		func(c *checker) {
			var want, ended []string
			add := func(key string) {
				c.t.Helper()
				id := func(what string) string { return what + key }
				var ds []webhook.Delivery
				for _, what := range []string{"outstanding", "delivered", "failed", "canceled", "waits", "due then", "leased again"} {
					d := pending(id(what), "1", t0)
					if key != "" {
						d = keyed(d.ID, "1", d.ID, t0)
					}
					ds = append(ds, d)
				}
				c.enqueue(append(ds, finished(id("never leased"), "1", at(60)))...)
				c.set("claimed", ids(c.claim(everything(t0))), ids(ds))
				for i, what := range []string{"delivered", "failed", "canceled"} {
					c.applied(webhook.Change{ID: id(what), Lease: 1, State: states[i+1], Due: at(60)})
					ended = append(ended, id(what))
				}
				c.applied(webhook.Change{ID: id("waits"), Lease: 1, State: webhook.StatePending, Due: at(100)},
					webhook.Change{ID: id("due then"), Lease: 1, State: webhook.StatePending, Due: at(60)},
					webhook.Change{ID: id("leased again"), Lease: 1, State: webhook.StatePending, Due: at(1)})
				again := everything(at(1))
				again.Until = at(100)
				c.claimOne(again, id("leased again"))
				want = append(want, id("outstanding"), id("due then"))
				for i := range 4 { // each has a lease of its own
					d := pending(id(fmt.Sprint("alone ", i)), fmt.Sprint(i), at(2))
					c.enqueue(d)
					c.claimOne(webhook.Claim{Now: at(2), Until: at(60), Limit: 1, Each: 1}, d.ID)
					want = append(want, d.ID)
				}
			}
			add("")
			add(" of a line")
			if ds := c.claim(everything(at(60).Add(-time.Millisecond))); len(ds) > 0 {
				c.broken("%s claimed before the leases ended", list(ids(ds)))
			}
			c.set("claimed when the leases end", ids(c.claim(everything(at(60)))), want)
			for _, id := range ended {
				if d := c.delivery(id); d.State == webhook.StatePending || d.Lease != 2 || !d.Due.Equal(at(60)) {
					c.broken("%q, which has ended, is then %s, with the Lease %d and Due %s", id, d.State, d.Lease, d.Due)
				}
			}
			c.set("claimed later", ids(c.claim(everything(at(100)))), []string{"waits", "leased again", "waits of a line", "leased again of a line"})
		}},

	{"apply_takes_five_hundred",
		"A call of Apply has at most 500 changes; some of them may be lost, and the others are made.",
		func(c *checker) {
			var ds []webhook.Delivery
			var cs []webhook.Change
			var want []string
			for i, id := range names("d", 500) {
				d := pending(id, fmt.Sprint("w", i%10), t0)
				change := webhook.Change{ID: id, State: webhook.StateDelivered, Due: at(i), Attempts: 1, Log: note(i)}
				if i%100 == 42 {
					d.Lease = 1
					want = append(want, id)
				}
				ds, cs = append(ds, d), append(cs, change)
			}
			c.enqueue(ds...)
			c.set("lost", c.apply(cs...), want)
			if n := c.count(webhook.DeliveryQuery{All: true, States: states[1:2]}); n != len(ds)-len(want) {
				c.broken("%d are delivered, want %d", n, len(ds)-len(want))
			}
			last := ds[499]
			last.Lease, last.State, last.Due, last.Attempts = 1, webhook.StateDelivered, at(499), 1
			c.same("the last one", c.delivery(last.ID), logged(last, *note(499)))
			c.same("one that was lost", c.delivery(ds[42].ID), ds[42])
		}},

	{"apply_may_change_none",
		"A call may have no change: Apply of none changes nothing, without an error.",
		func(c *checker) {
			c.enqueue(pending("a", "1", t0))
			if lost := c.apply(); len(lost) > 0 {
				c.broken("it returned %s", list(lost))
			}
			c.same("what is stored", c.delivery("a"), pending("a", "1", t0))
		}},
}
