package storetest

import (
	"github.com/listhook/webhook"
)

// Rules of many leases that end.
var expiryRules = []rule{
	{"claim_takes_of_hundreds_of_expired_leases",
		"When leases end, all that is pending and due is claimed, of however many leases: of hundreds that ended at as many times, most of them with nothing left.",
		func(c *checker) {
			n := c.of(900, "leases", 60)
			var ds []webhook.Delivery
			var cs []webhook.Change
			var left []string
			for i, id := range names("d", n) {
				d := pending(id, "1", at(2*i+1)) // a lease of its own
				d.Lease = 1
				ds = append(ds, d)
				if i%3 == 0 || i >= n-9 {
					left = append(left, id)
				} else {
					cs = append(cs, webhook.Change{ID: id, Lease: 1, State: webhook.StateDelivered, Due: t0})
				}
			}
			c.enqueue(ds...)
			c.applied(cs...)
			c.takes("before the first lease ends", t0)
			var claimed []string
			for got := c.claim(everything(at(2 * n))); len(got) > 0; got = c.claim(everything(at(2 * n))) {
				claimed = append(claimed, ids(got)...)
			}
			c.set("claimed when all leases have ended", claimed, left)
			c.takes("while these are leased again", at(2*n+30))
			c.takes("when the new leases end", at(2*n+60), left...)
		}},
}
