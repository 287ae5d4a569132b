package storetest

import (
	"fmt"
	"time"

	"github.com/listhook/webhook"
)

// Rules of deliveries that leave their lines.
var leavingRules = []rule{
	{"line_goes_on_when_its_first_leaves",
		"LeaveLine takes a delivery out of its line, with its Key: it goes on without waiting for others, or having others wait.",
		func(c *checker) {
			c.enqueue(line("a", "b", "c")...)
			c.takes("at first", t0, "a")
			c.applied(webhook.Change{ID: "a", Lease: 1, State: webhook.StatePending, Due: at(5), LeaveLine: true})
			if d := c.delivery("a"); !d.PassedOver || d.Key != "k" || string(d.Body) != "type=open" {
				c.broken("after LeaveLine PassedOver is %v, the Key %q and the Body %q, want true and both as they were", d.PassedOver, d.Key, d.Body)
			}
			c.takes("when the first has left", at(1), "b")
			c.takes("when the one that left is due", at(5), "a")
			c.ends(webhook.StateDelivered, at(6), "a")
			c.takes("when the one that left is delivered", at(6))
			c.reopens("a", at(7))
			c.takes("when the one that left is pending again, behind another", at(7))
			c.ends(webhook.StateDelivered, at(8), "b")
			c.takes("when that is delivered", at(8), "c")
			c.ends(webhook.StateDelivered, at(9), "c")
			c.takes("when all before are delivered", at(9), "a")
		}},

	{"line_of_one_that_was_passed_over",
		"A delivery that left its line keeps its Key and is PassedOver, through claims and changes, until it joins the line again or is erased.",
		func(c *checker) {
			is := func(when, id, key string, passedOver bool) {
				c.t.Helper()
				if d := c.delivery(id); d.Key != key || d.PassedOver != passedOver {
					c.broken("%s the Key of %q is %q and PassedOver is %v, want %q and %v", when, id, d.Key, d.PassedOver, key, passedOver)
				}
			}
			change := func(id string, state webhook.State, due time.Time, also ...func(*webhook.Change)) {
				c.t.Helper()
				change := webhook.Change{ID: id, Lease: c.delivery(id).Lease, State: state, Due: due, Joined: due}
				for _, set := range also {
					set(&change)
				}
				c.applied(change)
			}
			leave := func(c *webhook.Change) { c.LeaveLine = true }
			erase := func(c *webhook.Change) { c.Erase = true }

			ds := append(line("a", "b", "c"), pending("no key", "1", at(900)))
			for i := range ds {
				ds[i].PassedOver = true
			}
			c.enqueue(ds...)
			for _, id := range []string{"a", "b", "c"} {
				is("whatever Enqueue said,", id, "k", false)
			}
			is("whatever Enqueue said,", "no key", "", false)
			change("no key", webhook.StatePending, at(900), leave)
			is("of one without a Key, after LeaveLine", "no key", "", false)
			c.takes("at first", t0, "a")
			change("a", webhook.StatePending, at(5), leave)
			change("b", webhook.StatePending, at(5), leave)
			is("after LeaveLine", "a", "k", true)
			c.takes("with two that left and are not due", at(4), "c")
			for _, d := range c.takes("when those are due", at(5), "a", "b") {
				if d.Key != "k" || !d.PassedOver {
					c.broken("Claim returned %q with the Key %q and PassedOver %v, want \"k\" and true", d.ID, d.Key, d.PassedOver)
				}
			}
			change("a", webhook.StatePending, at(9))
			change("b", webhook.StatePending, at(400))
			is("after a retry", "a", "k", true)
			is("after a retry", "b", "k", true)
			c.takes("when the retry is due", at(9), "a")
			c.set("Deliveries with the Key", ids(c.deliveries(webhook.DeliveryQuery{All: true, Key: "k", States: states[:1]})), []string{"a", "b", "c"})
			c.set("Deliveries that block", ids(c.deliveries(webhook.DeliveryQuery{All: true, Key: "k", Blocking: never})), nil)
			change("a", webhook.StateFailed, at(10))
			is("when it failed", "a", "k", true)
			change("a", webhook.StateCanceled, at(11))
			is("after a change from failed to canceled", "a", "k", true)
			change("a", webhook.StatePending, at(12), leave)
			is("after a change from canceled to pending with LeaveLine", "a", "k", true)
			c.takes("when it is pending again without its line", at(12), "a")
			change("a", webhook.StateDelivered, at(13))
			change("a", webhook.StatePending, at(14))
			is("after it joined its line again", "a", "k", false)
			c.set("Deliveries that block then", ids(c.deliveries(webhook.DeliveryQuery{All: true, Key: "k", Blocking: never})), []string{"c"})
			c.takes("while it waits for another", at(14))
			c.ends(webhook.StateDelivered, at(15), "c")
			c.takes("when that is delivered", at(15), "a")
			change("b", webhook.StatePending, at(401), erase)
			is("after Erase", "b", "", false)
			change("a", webhook.StateDelivered, at(16), leave)
			is("after LeaveLine of one that is delivered", "a", "k", true)
			change("a", webhook.StateDelivered, at(17), erase)
			is("after Erase of one that is delivered", "a", "", false)
			change("a", webhook.StatePending, at(18))
			c.takes("at last", at(401), "a", "b")
		}},

	{"queries_show_once_what_leaves_a_line",
		"A query selects a pending delivery once, also one that a Change takes out of its line before any claim.",
		func(c *checker) {
			for i, leave := range []webhook.Change{{LeaveLine: true}, {Erase: true}} {
				var all []string
				for _, place := range []string{"first", "second", "last"} {
					w := fmt.Sprint("w", i, " ", place)
					var ds []webhook.Delivery
					for _, of := range []string{"first", "second", "last"} {
						ds = append(ds, keyed(w+": "+of, w, "k", t0))
					}
					c.enqueue(ds...)
					leave.ID, leave.State, leave.Due = w+": "+place, webhook.StatePending, at(1)
					c.applied(leave)
					q := webhook.DeliveryQuery{All: true, Webhook: w, States: states[:1], DueBy: at(1)}
					c.set("Deliveries by "+described(q), ids(c.deliveries(q)), ids(ds))
					if n := c.count(q); n != 3 {
						c.broken("Count by %s is %d, want 3", described(q), n)
					}
					all = append(all, leave.ID)
				}
				c.takes("of all lines, and what left them", at(1), append(all,
					fmt.Sprint("w", i, " first: second"), fmt.Sprint("w", i, " second: first"), fmt.Sprint("w", i, " last: first"))...)
			}
		}},
}
