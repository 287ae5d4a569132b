package storetest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/listhook/webhook"
)

// Rules of what a delivery holds, which storages like to keep in a narrower form.
var documentRules = []rule{
	{"enqueue_keeps_each_delivery_of_an_event",
		"Enqueue adds deliveries as they are: those of one event may differ in every field, and each keeps its own.",
		func(c *checker) {
			var e webhook.OutboxEvent
			var want []webhook.Delivery
			for i := range 4 {
				d := whole(i+1, fmt.Sprint("d", i), at(i))
				if i == 2 {
					d.Carrier, d.Subjects, d.Log, d.Time, d.Failure = nil, nil, nil, time.Time{}, ""
				}
				e.Bodies = append(e.Bodies, d.Body)
				want = append(want, d)
				d.Body = nil
				e.Deliveries = append(e.Deliveries, webhook.OutboxDelivery{Delivery: d, BodyIndex: i})
			}
			had, err := c.store.Enqueue(c.ctx, []webhook.OutboxEvent{e})
			c.noError(err, "Enqueue")
			c.set("had, of deliveries that are new", had, nil)
			for _, d := range want {
				c.sameDelivery("a delivery of an event", c.delivery(d.ID), d)
			}
		}},

	{"carriers_are_kept_whole",
		"A Carrier is a document: any texts, empty ones too, however many and long, are its keys and values.",
		func(c *checker) {
			many := map[string]string{}
			for i, name := range names("key", 100) {
				many[name] = fmt.Sprint("value ", i)
			}
			alike := map[string]string{}
			for i, text := range c.alike() {
				alike[text] = fmt.Sprint(i)
			}
			for i, carrier := range []map[string]string{
				{"traceparent": ""}, {"": "of no name"}, {"": ""}, {"a.b": "1", "a": "2", "$set": "3", "a=b": "c=d;e", "a b": " "}, {"baggage": strings.Repeat("long ", 20_000)}, many, alike,
			} {
				d := pending(fmt.Sprint("d", i), "1", t0)
				d.Carrier = carrier
				c.enqueue(d)
				c.same("a delivery", c.delivery(d.ID), d)
				c.same("the Carrier claimed", c.claimOne(everything(t0), d.ID).Carrier, carrier)
			}
		}},

	{"subjects_are_kept_as_they_are",
		"Subjects come back in their order, also one that is named twice or empty; a query by one selects the delivery once.",
		func(c *checker) {
			var want []string
			for i, subjects := range [][]string{{"s", "s"}, {"s", "", "a"}, {"z", "s", "a", "s", "z", "s"}, {""}, {"s a", "s,a", "s"}} {
				d := pending(fmt.Sprint("d", i), "1", t0)
				d.Subjects, d.Created = subjects, at(i)
				c.enqueue(d)
				c.same("a delivery", c.delivery(d.ID), d)
				if slices.Contains(subjects, "s") {
					want = append(want, d.ID)
				}
			}
			for _, q := range []webhook.DeliveryQuery{{All: true, Subject: "s"}, {Account: account, Subject: "s", Limit: 4}, {Account: account, Subject: "s", Webhook: "1", Brief: true}} {
				q.Oldest = true
				c.ids("Deliveries by "+described(q), ids(c.deliveries(q)), want)
				if n := c.count(q); n != len(want) {
					c.broken("Count by %s is %d, want %d", described(q), n, len(want))
				}
			}
			c.applied(webhook.Change{ID: "d0", State: webhook.StateFailed, Due: at(1), Erase: true})
			c.ids("when the oldest was erased", ids(c.deliveries(webhook.DeliveryQuery{All: true, Subject: "s", Oldest: true})), want[1:])
		}},

	{"numbers_are_kept_whole",
		"Integers are kept whole: a Lease has 64 bits, and Attempts at least 31.",
		func(c *checker) {
			for i, n := range []int64{127, 128, 255, 256, math.MaxInt16 + 1, math.MaxUint16 + 1, 1<<24 + 1, math.MaxInt32, math.MaxInt32 + 1, 1<<53 + 1, math.MaxInt64 - 5} {
				d := pending(fmt.Sprint("d", i), "1", t0)
				d.Lease, d.Attempts = n, int(min(n, math.MaxInt32))
				c.enqueue(d)
				c.same("a delivery", c.delivery(d.ID), d)
				d.Lease++
				d.Due = at(60)
				c.same("claimed", c.claimOne(everything(t0), d.ID), d)
				d.State, d.Lease, d.Due = webhook.StateDelivered, d.Lease+1, at(1)
				if d.Attempts--; i%2 == 0 {
					d.Attempts = int(min(n, math.MaxInt32))
				}
				c.applied(webhook.Change{ID: d.ID, Lease: d.Lease - 1, State: d.State, Due: d.Due, Attempts: d.Attempts})
				c.same("after a change", c.delivery(d.ID), d)
			}
		}},

	{"attempts_are_kept_whole",
		"An Attempt is a document: Members of 500 deliveries come back in their order, one that is named twice too, and equal attempts are as many as there were.",
		func(c *checker) {
			attempt := *note(1)
			attempt.Members = names("d", 500)
			slices.Reverse(attempt.Members)
			attempt.Members = append(attempt.Members, attempt.Members[0], "")
			c.enqueue(pending("d", "1", t0))
			c.applied(
				webhook.Change{ID: "d", State: webhook.StatePending, Due: t0, Log: &attempt},
				webhook.Change{ID: "d", Lease: 1, State: webhook.StatePending, Due: t0, Log: &attempt})
			c.same("Log", c.delivery("d").Log, []webhook.Attempt{attempt, attempt})
			c.applied(webhook.Change{ID: "d", Lease: 2, State: webhook.StatePending, Due: t0, Rewrite: []webhook.Attempt{attempt, *note(2), attempt}, Log: note(2)})
			c.same("Log after a Rewrite", c.delivery("d").Log, []webhook.Attempt{attempt, *note(2), attempt, *note(2)})
		}},

	{"put_leaves_deliveries_alone",
		"A delivery changes by Claim and Apply only: it keeps its Account when its webhook is put to another one, and is there when the webhook is deleted or pruned.",
		func(c *checker) {
			w := c.put(hook("1"))
			ds := []webhook.Delivery{keyed("a", "1", "k", t0), pending("b", "1", t0), finished("c", "1", t0)}
			ds[1].Subjects = []string{"s"}
			c.enqueue(ds...)
			stay := func(when string) {
				c.t.Helper()
				for _, d := range ds {
					c.sameDelivery("a delivery "+when, c.delivery(d.ID), d)
				}
				for _, q := range []webhook.DeliveryQuery{{Account: account}, {Account: account, Webhook: "1", Oldest: true}, {All: true}} {
					want := ids(ds)
					if !q.Oldest {
						slices.Reverse(want)
					}
					c.ids("Deliveries by "+described(q)+" "+when, ids(c.deliveries(q)), want)
				}
				c.ids("by Subject "+when, ids(c.deliveries(webhook.DeliveryQuery{Account: account, Subject: "s"})), []string{"b"})
				if n := c.count(webhook.DeliveryQuery{Account: "another"}); n != 0 {
					c.broken("%s the account that it was put to has %d deliveries, want 0", when, n)
				}
			}
			w.Account = "another"
			w = c.put(w)
			stay("of a webhook that was put to another account")
			w.Deleted, w.Changed = true, at(-100)
			c.put(w)
			stay("of a webhook that was deleted")
			c.pruned(webhook.Prune{Deleted: t0})
			stay("of a webhook that was pruned")
			c.set("claimed", ids(c.claim(everything(t0))), []string{"a", "b"})
		}},

	{"webhooks_take_turns_whatever_the_accounts",
		"Turns and lines are of webhooks, whatever the Accounts of their deliveries: Each bounds what is claimed of a webhook in all, and a line goes on through accounts.",
		func(c *checker) {
			var ds []webhook.Delivery
			for i := range 6 {
				plain, inLine := pending(fmt.Sprint("plain ", i), "2", at(i-6)), keyed(fmt.Sprint("line ", i), "1", "k", t0)
				plain.Account, inLine.Account = accounts[i%3], accounts[i%3]
				ds = append(ds, plain, inLine)
			}
			c.enqueue(ds...)
			claim := webhook.Claim{Now: t0, Until: at(60), Limit: 9, Each: 2}
			for i := range 3 {
				want := []string{fmt.Sprint("plain ", 2*i), fmt.Sprint("plain ", 2*i+1)}
				if i == 0 {
					want = append(want, "line 0")
				}
				c.set("claimed with Each 2", ids(c.claim(claim)), want)
			}
			c.ends(webhook.StateDelivered, at(1), "line 0")
			c.goesOn(at(1), "line 1", "line 2", "line 3", "line 4", "line 5")
		}},
}
