package storetest

import (
	"fmt"
	"time"

	"github.com/listhook/webhook"
)

// never is the latest time that occurs.
var never = time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC)

var claimRules = []rule{
	{"claim_leases_what_is_pending_and_due",
		"Claim asks for deliveries that are pending and due at Now: Due at or before it.",
		func(c *checker) {
			c.enqueue(
				pending("long due", "1", at(-1000)), pending("due now", "1", t0),
				pending("due in a moment", "1", t0.Add(time.Millisecond)), pending("due later", "1", at(60)),
				pending("due never", "1", never), pending("due at the zero time", "1", time.Time{}),
				finished("finished", "1", at(-1000)))
			for _, state := range states[1:] {
				d := finished(string(state), "2", at(-1000))
				d.State = state
				c.enqueue(d)
			}
			c.set("claimed", ids(c.claim(everything(t0))), []string{"long due", "due now", "due at the zero time"})
			c.set("claimed a millisecond later", ids(c.claim(webhook.Claim{Now: t0.Add(time.Millisecond), Until: at(60), Limit: 9, Each: 9})), []string{"due in a moment"})
		}},

	{"claim_raises_the_lease_and_moves_due",
		"Claim raises Lease by one, moves Due to Until, and changes nothing else.",
		func(c *checker) {
			want := whole(1, "d", t0)
			c.enqueue(want)
			for i := range 3 {
				c.claimOne(everything(at(i*60)), "d")
				want.Lease++
				want.Due = at(i*60 + 60)
				c.sameDelivery(fmt.Sprintf("stored after claim %d", i+1), c.delivery("d"), want)
			}
		}},

	{"claim_returns_them_so_without_log",
		"Claim returns the deliveries as they are after it, with the new Lease and Due, whole but for Log.",
		func(c *checker) {
			want := whole(1, "d", t0)
			c.enqueue(want)
			want.Lease++
			want.Due = at(60)
			want.Log = nil
			c.sameDelivery("returned", c.claimOne(everything(t0), "d"), want)
		}},

	{"claim_leases_a_delivery_once",
		"What is claimed is not claimed again before Until.",
		func(c *checker) {
			c.enqueue(pending("a", "1", t0), pending("b", "1", t0), pending("c", "2", t0))
			c.set("the first claim", ids(c.claim(everything(t0))), []string{"a", "b", "c"})
			for _, now := range []time.Time{t0, at(30), at(60).Add(-time.Millisecond)} {
				if ds := c.claim(everything(now)); len(ds) > 0 {
					c.broken("%s after the claim, %s before its Until: %s claimed again", now.Sub(t0), at(60).Sub(now), list(ids(ds)))
				}
			}
		}},

	{"claim_takes_a_delivery_once_in_a_call",
		"A call claims a delivery once, also if Until is not after Now.",
		func(c *checker) {
			c.enqueue(pending("a", "1", t0), pending("b", "2", t0))
			claim := everything(at(60))
			claim.Until = at(30)
			c.set("claimed", ids(c.claim(claim)), []string{"a", "b"})
			c.set("claimed next, the lease having ended", ids(c.claim(everything(at(60)))), []string{"a", "b"})
		}},

	{"claim_takes_again_what_expired",
		"Due is the lease's end: from then on a delivery that nobody applied is claimed again, with the next Lease.",
		func(c *checker) {
			c.enqueue(pending("a", "1", t0))
			for lease := int64(1); lease <= 3; lease++ {
				d := c.claimOne(everything(at(60*int(lease-1))), "a")
				if d.Lease != lease || d.Attempts != 0 {
					c.broken("claim %d returned Lease %d and Attempts %d, want %d and 0", lease, d.Lease, d.Attempts, lease)
				}
			}
		}},

	{"claim_heeds_hold",
		"Claim leaves the deliveries of a webhook that is held at Now: whose HeldUntil is after it.",
		func(c *checker) {
			for id, hold := range map[string]time.Time{
				"not held": {}, "was held": at(-60), "held until now": t0,
				"held a moment": t0.Add(time.Millisecond), "held": at(60), "held for ever": never,
			} {
				w := hook(id)
				w.HeldUntil = hold
				c.put(w)
				c.enqueue(pending("of "+id, id, at(-10)))
			}
			c.set("claimed", ids(c.claim(everything(t0))), []string{"of not held", "of was held", "of held until now"})
			c.set("claimed a minute later, the others' leases having ended too", ids(c.claim(everything(at(60)))),
				[]string{"of not held", "of was held", "of held until now", "of held a moment", "of held"})
		}},

	{"claim_heeds_hold_as_it_is_now",
		"Claim heeds the HeldUntil that is stored, whether it was put before or after the deliveries were enqueued.",
		func(c *checker) {
			c.enqueue(pending("a", "1", t0), pending("b", "1", t0), pending("c", "1", t0))
			w := hook("1")
			claim := webhook.Claim{Now: at(1), Until: at(1000), Limit: 1, Each: 1}
			for i, hold := range []struct {
				until time.Time
				want  int
			}{{time.Time{}, 1}, {at(60), 0}, {at(1), 1}, {never, 0}, {time.Time{}, 1}} {
				w.HeldUntil = hold.until
				w = c.put(w)
				if got := len(c.claim(claim)); got != hold.want {
					c.broken("put %d, with a HeldUntil until %s: %d claimed at %s, want %d", i+1, hold.until, got, claim.Now, hold.want)
				}
			}
		}},

	{"claim_heeds_nothing_but_hold",
		"Claim takes deliveries of webhooks that are deleted, disabled or not stored too: HeldUntil is the only field of a webhook that it looks at.",
		func(c *checker) {
			deleted, disabled := hook("deleted"), hook("disabled")
			deleted.Deleted = true
			disabled.Disabled, disabled.DisabledAt = "its owner disabled it", t0
			c.put(deleted)
			c.put(disabled)
			c.enqueue(pending("a", "deleted", t0), pending("b", "disabled", t0), pending("c", "unknown", t0))
			c.set("claimed", ids(c.claim(everything(t0))), []string{"a", "b", "c"})

			held := hook("held")
			held.Deleted, held.HeldUntil = true, at(100)
			c.put(held)
			c.enqueue(pending("e", "held", t0))
			if ds := c.claim(everything(at(1))); len(ds) > 0 {
				c.broken("%s of a deleted webhook was claimed in spite of its HeldUntil", list(ids(ds)))
			}
		}},

	{"claim_is_for_every_account",
		"Claim is of every account, \"\" too.",
		func(c *checker) {
			for _, account := range []string{"", "acme", "globex"} {
				d := pending("of "+account, "w"+account, t0)
				d.Account = account
				c.enqueue(d)
			}
			c.set("claimed", ids(c.claim(everything(t0))), []string{"of ", "of acme", "of globex"})
		}},

	{"claim_takes_now_from_its_caller",
		"A Store has no clock: what a caller whose clock is ahead has seen due is not due for one whose clock is behind.",
		func(c *checker) {
			c.enqueue(pending("a", "1", t0), pending("b", "1", at(100)), pending("c", "2", at(100)))
			w := hook("3")
			w.HeldUntil = at(100)
			c.put(w)
			c.enqueue(pending("d", "3", t0))
			ahead := webhook.Claim{Now: at(200), Until: at(300), Limit: 1, Each: 1}
			c.claimOne(ahead, "a")
			ahead.Each = 0
			c.claim(ahead)
			if ds := c.claim(everything(at(50))); len(ds) > 0 {
				c.broken("after a claim of another's with a later Now, %s was claimed before its time", list(ids(ds)))
			}
			c.set("claimed when due", ids(c.claim(everything(at(100)))), []string{"b", "c", "d"})
		}},

	{"claim_reaches_far_times",
		"Times up to the year 9999 are kept: a lease and a HeldUntil may last until then.",
		func(c *checker) {
			c.enqueue(pending("a", "1", t0))
			claim := everything(t0)
			claim.Until = never
			if d := c.claimOne(claim, "a"); !d.Due.Equal(never) {
				c.broken("Due is %s, want %s", d.Due, never)
			}
			if ds := c.claim(everything(never.Add(-time.Millisecond))); len(ds) > 0 {
				c.broken("it was claimed before its lease ended")
			}
			c.claimOne(webhook.Claim{Now: never, Until: never, Limit: 1, Each: 1}, "a")
		}},
}
