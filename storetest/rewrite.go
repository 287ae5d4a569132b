package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/listhook/webhook"
)

// Rules of changes that replace a log, and of what a call of Apply returns.
var rewriteRules = []rule{
	{"apply_rewrites_the_log",
		"Rewrite replaces Log, and nothing else; the change's own Log is then appended. An empty one replaces nothing.",
		func(c *checker) {
			d := whole(1, "d", at(60))
			d.Key = ""
			d = logged(d, *note(1), filled[webhook.Attempt](2), *note(3))
			for _, id := range []string{"empty", "rewritten", "rewritten and logged", "shorter", "erased", "other"} {
				d.ID = id
				c.enqueue(d)
			}
			change := func(id string) webhook.Change {
				return webhook.Change{ID: id, Lease: d.Lease, State: d.State, Due: d.Due, Attempts: d.Attempts}
			}
			empty, rewritten, both, shorter, erased := change("empty"), change("rewritten"), change("rewritten and logged"), change("shorter"), change("erased")
			empty.Rewrite = []webhook.Attempt{}
			without := slices.Clone(d.Log)
			without[len(without)-2].Response = nil
			rewritten.Rewrite, both.Rewrite, erased.Rewrite = without, without, without
			both.Log, shorter.Rewrite, erased.Erase = note(4), []webhook.Attempt{filled[webhook.Attempt](5)}, true
			c.applied(empty, rewritten, both, shorter, erased)

			want := d
			want.Lease++
			expect := func(id string, log ...webhook.Attempt) {
				c.t.Helper()
				want.ID, want.Log = id, nil
				want = logged(want, log...)
				c.sameDelivery("the one with the change "+id, c.delivery(id), want)
			}
			expect("empty", d.Log...)
			expect("rewritten", without...)
			expect("rewritten and logged", append(slices.Clone(without), *note(4))...)
			expect("shorter", shorter.Rewrite...)
			want.Body, want.Carrier, want.Subjects = nil, nil, nil
			expect("erased", without...)
			d.ID = "other"
			c.sameDelivery("another delivery", c.delivery("other"), d)
		}},

	{"apply_rewrites_what_has_its_lease",
		"A change with a Rewrite is made if the delivery has its Lease, whatever its state, leased or in a line, and raises it: who read the log before is lost.",
		func(c *checker) {
			for i, state := range states {
				for _, key := range []string{"", "k"} {
					d := pending(fmt.Sprint(state, " ", key), fmt.Sprint("w", i), t0)
					d.State, d.Key, d.Joined = state, key, t0
					if key == "" {
						d.Joined = time.Time{}
					}
					d = logged(d, *note(1), *note(2))
					c.enqueue(d)
					if state == webhook.StatePending {
						d = logged(c.claimOne(everything(t0), d.ID), *note(1), *note(2))
					}
					change := webhook.Change{ID: d.ID, Lease: d.Lease, State: state, Due: d.Due, Rewrite: []webhook.Attempt{*note(3)}}
					c.applied(change)
					d.Lease, d.Log = d.Lease+1, nil
					d = logged(d, *note(3))
					c.sameDelivery(d.ID, c.delivery(d.ID), d)
					change.Rewrite = []webhook.Attempt{*note(4)}
					c.ids("lost with the Lease before", c.apply(change), []string{d.ID})
					c.ids("lost with the Lease before, by an attempt's outcome", c.apply(webhook.Change{
						ID: d.ID, Lease: change.Lease, State: webhook.StateDelivered, Due: at(1), Log: note(5),
					}), []string{d.ID})
					c.sameDelivery(d.ID+", after changes that are lost", c.delivery(d.ID), d)
				}
			}
			if ds := c.claim(everything(at(59))); len(ds) > 0 {
				c.broken("%s was claimed before the end of the lease that it kept", list(ids(ds)))
			}
			c.set("claimed when their leases have ended", ids(c.claim(everything(at(60)))), []string{"pending ", "pending k"})
		}},

	{"apply_loses_some_while_a_line_goes_on",
		"Apply returns the IDs of the changes that it did not make, also of a call that ends the first of a line, so that the next one is queued.",
		func(c *checker) {
			c.enqueue(keyed("a", "1", "k", t0), keyed("b", "1", "k", t0), keyed("c", "1", "another", t0))
			c.set("claimed", ids(c.claim(everything(t0))), []string{"a", "c"})
			ended := webhook.Change{ID: "a", Lease: 1, State: webhook.StateDelivered, Due: at(1)}
			late := webhook.Change{ID: "c", Lease: 0, State: webhook.StateDelivered, Due: at(1)}
			c.ids("lost", c.apply(ended, late), []string{"c"})
			c.set("pending", ids(c.deliveries(webhook.DeliveryQuery{All: true, States: states[:1]})), []string{"b", "c"})
		}},

	{"apply_rewrites_a_long_log",
		"A call of Apply with a single change may have more than 1 MiB of logs: 250 attempts with answers of 6 KiB.",
		func(c *checker) {
			d := finished("d", "1", t0)
			for i := range c.of(250, "attempts with an answer of 6 KiB", 20) {
				attempt := *note(i)
				attempt.Response = repeat(fmt.Append(nil, i, "\x00\xff"), 6<<10)
				d = logged(d, attempt)
			}
			c.enqueue(d)
			change := webhook.Change{ID: "d", Lease: d.Lease, State: d.State, Due: d.Due, Attempts: d.Attempts, Rewrite: slices.Clone(d.Log)}
			change.Rewrite[7].Response = nil
			c.applied(change)
			want := d
			want.Lease, want.Log = d.Lease+1, nil
			want = logged(want, change.Rewrite...)
			c.same("the delivery", c.delivery("d"), want)
		}},
}
