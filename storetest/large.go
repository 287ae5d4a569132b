package storetest

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/listhook/webhook"
)

// Rules of calls and answers that are large, which storages like to cut or to refuse.
var largeRules = []rule{
	{"enqueue_takes_thousands",
		"An event may have tens of thousands of deliveries, of hundreds of bodies: 10,000 in one Enqueue.",
		func(c *checker) {
			all := names("d", c.of(max(10_000, min(c.suite.Blocked, 50_000)), "deliveries", 1000))
			n := len(all)
			c.enqueue(pending(all[500], "w", t0), pending(all[n-1], "w", t0))
			var ds []webhook.Delivery
			for i, id := range all {
				d := pending(id, fmt.Sprint("w", i%10), at(i))
				d.EventID, d.Body = "event", fmt.Append(nil, "for list ", i%300)
				ds = append(ds, d)
			}
			want := ds[n*3/4]
			newRandom(4).Shuffle(n, func(i, j int) { ds[i], ds[j] = ds[j], ds[i] })
			c.set("had", c.enqueue(ds...), []string{all[500], all[n-1]})
			if got := c.count(webhook.DeliveryQuery{All: true}); got != n {
				c.broken("Count after Enqueue is %d, want %d", got, n)
			}
			c.set("had, of the same once more", c.enqueue(ds...), all)
			c.ids("the oldest first", ids(c.deliveries(webhook.DeliveryQuery{All: true, Brief: true, Oldest: true})), all)
			c.same("one of them", c.delivery(want.ID), want)
			slices.Reverse(all)
			got := c.deliveries(webhook.DeliveryQuery{All: true})
			c.ids("the newest first", ids(got), all)
			slices.SortFunc(ds, byCreated)
			for i, d := range ds {
				if stored := got[n-1-i].Body; d.ID != all[n-1-500] && d.ID != all[0] && !bytes.Equal(stored, d.Body) {
					c.broken("the body of %q is %q, want %q", d.ID, stored, d.Body)
				}
			}
		}},

	{"webhooks_may_be_a_thousand",
		"A query selects webhooks, and Prune removes them, however many there are: 1,100. A query may name 1,000 IDs, and 1,000 lists.",
		func(c *checker) {
			all := names("w", c.of(1100, "webhooks", 66))
			var deleted, left, newest []string
			for i, id := range all {
				w := hook(id)
				w.List = "list of " + id
				if w.Deleted = i%3 > 0; w.Deleted {
					w.Changed = at(-100)
					deleted = append(deleted, id)
				} else {
					left = append(left, id)
				}
				_, err := c.store.PutWebhook(c.ctx, w)
				c.noError(err, "PutWebhook")
				newest = append([]string{id}, newest...)
			}
			most := all[:len(all)*10/11]
			var lists []string
			for _, id := range most {
				lists = append(lists, "list of "+id)
			}
			for _, ask := range []struct {
				q    webhook.WebhookQuery
				want []string
			}{
				{webhook.WebhookQuery{All: true, Deleted: true}, all},
				{webhook.WebhookQuery{Account: account, Deleted: true, Limit: len(most)}, most},
				{webhook.WebhookQuery{All: true, Deleted: true, Newest: true}, newest},
				{webhook.WebhookQuery{All: true, Deleted: true, IDs: most}, most},
				{webhook.WebhookQuery{All: true, Deleted: true, Lists: lists}, most},
				{webhook.WebhookQuery{All: true}, left},
			} {
				c.ids("Webhooks by "+described(ask.q), webhookIDs(c.webhooks(ask.q)), ask.want)
			}
			c.pruned(webhook.Prune{Deleted: t0})
			c.ids(fmt.Sprintf("left of %d when Prune has removed %d", len(all), len(deleted)), webhookIDs(c.webhooks(webhook.WebhookQuery{All: true, Deleted: true})), left)
		}},

	{"queries_and_prunes_name_hundreds",
		"A query or a Prune may name hundreds of types, and a query hundreds of failures: each of them counts.",
		func(c *checker) {
			var types []webhook.EventType
			for _, name := range names("type", 300) {
				types = append(types, webhook.EventType(name))
			}
			failures := append(names("failure", 299), "503")
			for id, eventType := range map[string]webhook.EventType{"first": types[0], "last": types[299], "other": "other"} {
				d := finished(id, "1", at(-10))
				d.Type, d.State = eventType, webhook.StateFailed
				if id == "last" {
					d.Log = []webhook.Attempt{{Start: t0, Status: 503, Reason: "the server is busy"}}
				}
				c.enqueue(d)
			}
			c.set("deliveries of 300 types", ids(c.deliveries(webhook.DeliveryQuery{All: true, Types: types})), []string{"first", "last"})
			c.set("deliveries with 300 failures", ids(c.deliveries(webhook.DeliveryQuery{Account: account, Failures: failures})), []string{"last"})
			c.pruned(webhook.Prune{Before: t0, Except: types, Limit: 9})
			c.set("left when those of other types were pruned", ids(c.deliveries(webhook.DeliveryQuery{All: true})), []string{"first", "last"})
			c.pruned(webhook.Prune{Before: t0, Types: types, Limit: 9})
			c.set("left when these were pruned", ids(c.deliveries(webhook.DeliveryQuery{All: true})), nil)
		}},

	{"deliveries_named_may_be_a_thousand",
		"A query that names IDs selects all of them that are stored: 1,000, in either order, and Count counts them.",
		func(c *checker) {
			all := names("d", c.of(1000, "deliveries named", 60))
			var ds []webhook.Delivery
			for i, id := range all {
				d := pending(id, "1", t0)
				d.Created = at(i)
				ds = append(ds, d)
			}
			c.enqueue(ds...)
			q := webhook.DeliveryQuery{Account: account, IDs: all, Oldest: true}
			c.ids("the oldest first of those named", ids(c.deliveries(q)), all)
			if n := c.count(q); n != len(all) {
				c.broken("Count of those named is %d, want %d", n, len(all))
			}
			q.Oldest, q.IDs = false, slices.Clone(all)
			slices.Reverse(all)
			c.ids("the newest first of those named", ids(c.deliveries(q)), all)
		}},

	{"enqueue_takes_large_bodies_together",
		"An event has a delivery of its body for each webhook, all or none: 18 MiB in one Enqueue.",
		func(c *checker) {
			ds := oneEvent("large", c.of(72, "bodies of 256 KiB", 12))
			for i := range ds {
				ds[i].Body = repeat([]byte(ds[i].ID), 256<<10)
			}
			c.enqueue(ds...)
			if n := c.count(webhook.DeliveryQuery{All: true}); n != len(ds) {
				c.broken("%d of %d are stored", n, len(ds))
			}
			c.same("one of them", c.delivery(ds[len(ds)-2].ID), ds[len(ds)-2])
		}},

	{"claim_takes_thousands",
		"A claim may be of thousands: 5,000 deliveries, with room for 5,000 webhooks.",
		func(c *checker) {
			var ds []webhook.Delivery
			claim := everything(t0)
			claim.Each, claim.Room = 0, map[string]int{}
			all := names("d", c.of(5000, "webhooks", 500))
			for i, id := range all {
				w := fmt.Sprint("w", i)
				ds = append(ds, pending(id, w, t0), pending("full "+id, "full "+w, t0))
				claim.Room[w] = 1
			}
			c.enqueue(ds...)
			c.set("claimed", ids(c.claim(claim)), all)
		}},

	{"claim_takes_the_longest_due_of_thousands",
		"Claim takes of a webhook those first that have been due longest, also of more than 10,000 that came due since the last claim.",
		func(c *checker) {
			all := names("d", c.of(10_100, "deliveries", 1000))
			var ds []webhook.Delivery
			for i, id := range all {
				d := pending(id, "1", at(3600).Add(time.Duration(i)*time.Millisecond))
				ds = append(ds, d)
			}
			newRandom(5).Shuffle(len(ds), func(i, j int) { ds[i], ds[j] = ds[j], ds[i] })
			c.enqueue(ds...)
			c.ids("claimed before any was due", ids(c.claim(everything(t0))), nil)
			claim := webhook.Claim{Now: at(7200), Until: at(7260), Limit: 50, Each: 50}
			for _, want := range [][]string{all[:50], all[50:100]} {
				c.set("claimed when all are due", ids(c.claim(claim)), want)
			}
		}},

	{"claim_gets_past_a_backlog",
		"The cost of a claim does not grow with what it leaves: many full webhooks with large backlogs, and one that has room.",
		func(c *checker) {
			room := map[string]int{}
			var ds []webhook.Delivery
			for i, id := range names("d", c.of(10_000, "deliveries", 1000)) {
				w := fmt.Sprintf("full%d", i%200)
				room[w] = 0
				ds = append(ds, pending(id, w, at(-i)))
			}
			c.enqueue(ds...)
			c.enqueue(pending("waits", "room", t0))
			claim := webhook.Claim{Now: t0, Until: at(60), Limit: 100, Each: 10, Room: room}
			for range c.of(50, "claims", 10) {
				c.claimOne(claim, "waits")
				claim.Now, claim.Until = claim.Until, claim.Until.Add(time.Minute)
			}
		}},

	{"claim_gets_past_long_lines",
		"How Claim's cost grows must not depend on how many deliveries stand behind the first ones: many, and longer due than what may be claimed.",
		func(c *checker) {
			var ds []webhook.Delivery
			for i, id := range names("d", c.of(c.suite.Blocked, "blocked deliveries", 1000)+20) {
				ds = append(ds, keyed(id, "1", fmt.Sprint("k", i%20), at(-i-1)))
			}
			c.enqueue(ds...)
			c.enqueue(pending("waits", "1", t0), keyed("in a line", "1", "k", t0))
			claim := webhook.Claim{Now: t0, Until: never, Limit: 100, Each: 20}
			c.set("the first of each line", ids(c.claim(claim)), names("d", 20))
			claim.Until = at(60)
			for range c.of(50, "claims", 10) {
				c.set("what stands in no long line", ids(c.claim(claim)), []string{"waits", "in a line"})
				claim.Now, claim.Until = claim.Until, claim.Until.Add(time.Minute)
			}
		}},

	{"claim_takes_a_thousand_of_one_webhook",
		"A turn is of as many deliveries of a webhook as it has room for: a thousand in one Claim, the longest due first.",
		func(c *checker) {
			const n = 1100
			var ds []webhook.Delivery
			all := names("d", n)
			for i, id := range all {
				ds = append(ds, pending(id, "1", at(i*613%n-n)))
			}
			c.enqueue(ds...)
			claim := webhook.Claim{Now: t0, Until: at(60), Limit: 1000, Each: 1000}
			first := c.claim(claim)
			if len(first) != 1000 {
				c.broken("with Limit and Each 1,000 it claimed %d of %d", len(first), n)
			}
			for _, d := range first {
				var i int
				if _, err := fmt.Sscanf(d.ID, "d%d", &i); err != nil || i*613%n >= 1000 {
					c.broken("%q was claimed before others that are due for longer", d.ID)
				}
			}
			c.set("claimed by both claims", append(ids(first), ids(c.claim(claim))...), all)
			c.set("pending", ids(c.deliveries(webhook.DeliveryQuery{Account: account, States: states[:1], Brief: true})), all)
		}},

	{"apply_may_lose_all",
		"Apply returns the IDs of all changes that it did not make: 500 of 500.",
		func(c *checker) {
			all := names("d", 500)
			var ds []webhook.Delivery
			var cs []webhook.Change
			for i, id := range all {
				if i%2 == 0 { // the others are not stored
					ds = append(ds, pending(id, "1", t0))
				}
				cs = append(cs, webhook.Change{ID: id, Lease: 1, State: webhook.StateDelivered, Due: at(i)})
			}
			c.enqueue(ds...)
			c.set("lost", c.apply(cs...), all)
			if n := c.count(webhook.DeliveryQuery{All: true, States: states[:1]}); n != len(ds) {
				c.broken("afterwards %d are pending, want %d", n, len(ds))
			}
		}},

	{"prune_takes_a_thousand",
		"Prune removes up to Limit deliveries, however many: a thousand in one call.",
		func(c *checker) {
			var ds []webhook.Delivery
			for i, id := range names("d", 1100) {
				d := finished(id, fmt.Sprint("w", i%3), at(-1-i))
				d.Created = at(-2000 - i*613%1100) // the log is in another order
				ds = append(ds, d)
			}
			c.enqueue(ds...)
			for _, want := range []int{1000, 100, 0} {
				if n := c.prune(t0, 1000); n != want {
					c.broken("Prune with the Limit 1,000 returned %d, want %d", n, want)
				}
			}
			if n := c.count(webhook.DeliveryQuery{All: true}); n != 0 {
				c.broken("afterwards %d are stored, want none", n)
			}
		}},

	{"apply_appends_hundreds_of_attempts",
		"Log is as long as its attempts are many, and whole: nothing is dropped from its beginning or its end.",
		func(c *checker) {
			d := pending("d", "1", t0)
			for i := range 260 {
				d = logged(d, *note(i))
			}
			c.enqueue(d)
			appended := c.of(60, "changes", 15)
			for i := range appended {
				c.applied(webhook.Change{ID: "d", Lease: int64(i), State: webhook.StatePending, Due: t0, Log: note(260 + i)})
				d = logged(d, *note(260 + i))
			}
			d.Lease = int64(appended)
			c.same("the delivery", c.delivery("d"), d)
		}},

	{"line_may_be_long",
		"A line keeps its order, however long: of hundreds of deliveries, in calls of several events.",
		func(c *checker) {
			var want []string
			each := c.of(60, "deliveries of each call", 10)
			for call := range 4 {
				var ds []webhook.Delivery
				for i := range each {
					d := keyed(fmt.Sprintf("d%03d", (call*each+i)*7%(4*each)), "1", "k", at(-i))
					d.EventID = fmt.Sprint("event", call, i/9)
					ds = append(ds, d)
				}
				c.enqueue(ds...)
				want = append(want, ids(ds)...)
			}
			c.set("with the Key", ids(c.deliveries(webhook.DeliveryQuery{All: true, Webhook: "1", Key: "k"})), want)
			c.ends(webhook.StateCanceled, t0, want[2*each:2*each+5]...)
			c.goesOn(t0, slices.Concat(want[:2*each], want[2*each+5:])...)
		}},
}
