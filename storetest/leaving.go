package storetest

import (
	"fmt"

	"github.com/listhook/webhook"
)

// Rules of queries of deliveries that are taken out of their lines.
var leavingRules = []rule{
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
