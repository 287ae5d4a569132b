package storetest

import (
	"fmt"

	"github.com/listhook/webhook"
)

// Rules of what EnqueueLeasing leases until when, and of what it says.
var leaseUntilRules = []rule{
	{"leasing_is_until_each_ones_own_time",
		"EnqueueLeasing moves Due to the delivery's own LeaseUntil, though it be earlier than Due, and leases none that is not pending, whose LeaseUntil is zero, or that stands a second time in the call.",
		func(c *checker) {
			c.leasing()
			ended := keyed("ended", "1", "ended", t0)
			ended.State = webhook.StateFailed
			e := leasable(at(60), keyed("a", "1", "ka", t0), keyed("b", "1", "kb", at(1000)), keyed("c", "1", "kc", at(-9)), ended, keyed("d", "1", "kd", t0))
			for i := range e {
				if i < 3 {
					e[i].Deliveries[0].LeaseUntil = at(60 + 10*i)
				}
			}
			leased := c.enqueueLeasing(e, "a", "b", "c", "d")
			c.takes("before the first lease ends", at(59), without([]string{"a", "c", "d"}, leased)...)

			// Of two with one ID the first is added, with its LeaseUntil.
			twice := leasable(at(100), keyed("x", "2", "kx", t0), keyed("y", "2", "ky", t0), keyed("x", "2", "kx", t0), keyed("y", "2", "ky", t0))
			twice[0].Deliveries[0].LeaseUntil = at(80)
			twice[1].Deliveries[0].LeaseUntil = ended.Time
			had, told, err := c.store.EnqueueLeasing(c.ctx, twice)
			c.noError(err, "EnqueueLeasing")
			c.set("had, of deliveries that are new", had, nil)
			for id, until := range map[string]int{"x": 80, "y": 0} {
				d := c.delivery(id)
				if _, ok := told[id]; ok != (d.Lease == 1) || ok && id == "y" {
					c.broken("EnqueueLeasing says that it leased %q: %t; its Lease is %d", id, ok, d.Lease)
				}
				if want := at(until); d.Lease == 1 && !d.Due.Equal(want) {
					c.broken("%q is leased until %s, want %s, the LeaseUntil of the first of two with this ID", id, clock(d.Due), clock(want))
				}
			}
		}},

	{"leasing_tells_of_hundreds",
		"EnqueueLeasing returns all that it leased, of however many lines: hundreds.",
		func(c *checker) {
			c.leasing()
			var ds []webhook.Delivery
			all := names("d", c.of(500, "lines", 60))
			for i, id := range all {
				ds = append(ds, keyed(id, fmt.Sprint("w", i%7), id, t0))
			}
			_, leased, err := c.store.EnqueueLeasing(c.ctx, leasable(at(60), ds...))
			c.noError(err, "EnqueueLeasing")
			for _, d := range c.deliveries(webhook.DeliveryQuery{All: true}) {
				if _, ok := leased[d.ID]; ok != (d.Lease == 1) {
					c.broken("EnqueueLeasing says that it leased %q: %t; its Lease is %d", d.ID, ok, d.Lease)
				}
			}
		}},
}
