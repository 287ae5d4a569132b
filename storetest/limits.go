package storetest

import (
	"fmt"
	"math"
	"slices"

	"github.com/listhook/webhook"
)

// Rules of limits that storages like to lower, and of queries that they split.
var limitRules = []rule{
	{"limits_of_queries_may_be_thousands",
		"A query with a Limit of thousands selects as many: Deliveries and Count do not lower the Limit.",
		func(c *checker) {
			n := c.of(10_100, "deliveries", 1000)
			all := names("d", n)
			var ds []webhook.Delivery
			for i, id := range all {
				d := pending(id, fmt.Sprint("w", i%3), t0)
				d.Created, d.EventID = at(i), "event"
				ds = append(ds, d)
			}
			c.enqueue(ds...)
			q := webhook.DeliveryQuery{Account: account, Brief: true, Limit: n - 99}
			if got := c.count(q); got != q.Limit {
				c.broken("Count by %s is %d of %d, want %d", described(q), got, n, q.Limit)
			}
			q.Oldest, q.States = true, states[:1]
			c.ids("Deliveries by "+described(q), ids(c.deliveries(q)), all[:q.Limit])
		}},

	{"limits_of_claims_and_prunes_may_be_thousands",
		"Claim takes of a webhook as many as Each or Room says, and Prune removes as many as Limit says: thousands.",
		func(c *checker) {
			n := c.of(2600, "deliveries of each webhook", 300)
			for _, w := range []string{"each", "room", "finished"} {
				var ds []webhook.Delivery
				for _, id := range names(w, n) {
					d := pending(id, w, t0)
					if w == "finished" {
						d = finished(id, w, at(-1))
					}
					d.EventID = w
					ds = append(ds, d)
				}
				c.enqueue(ds...)
			}
			most := n - 50
			for _, want := range []int{most, 50} {
				ds := c.claim(webhook.Claim{Now: t0, Until: at(60), Limit: 3 * n, Each: most, Room: map[string]int{"room": most}})
				got := map[string]int{}
				for _, d := range ds {
					got[d.WebhookID]++
				}
				if got["each"] != want || got["room"] != want {
					c.broken("with Each %d Claim took %d, and with a Room of %d it took %d, want %d", most, got["each"], most, got["room"], want)
				}
			}
			for _, want := range []int{most, 50, 0} {
				if n := c.prune(t0, most); n != want {
					c.broken("Prune with the Limit %d returned %d, want %d", most, n, want)
				}
			}
		}},

	{"limits_may_be_any_number",
		"A Limit may be far more than there is: that of a query or a Prune any int, and those of a Claim any of 32 bits.",
		func(c *checker) {
			for i := range 5 {
				c.put(hook(fmt.Sprint("w", i)))
				c.enqueue(pending(fmt.Sprint("d", i), fmt.Sprint("w", i%2), t0), finished(fmt.Sprint("f", i), "w0", at(-1)))
			}
			for _, most := range []int{math.MaxInt32, math.MaxInt - 1, math.MaxInt} {
				if n := len(c.webhooks(webhook.WebhookQuery{All: true, Limit: most})); n != 5 {
					c.broken("Webhooks with the Limit %d returned %d, want 5", most, n)
				}
				if n := len(c.webhooks(webhook.WebhookQuery{All: true, Newest: true, Limit: most})); n != 5 {
					c.broken("Webhooks, the newest first, with the Limit %d returned %d, want 5", most, n)
				}
				for _, q := range []webhook.DeliveryQuery{{All: true, Limit: most}, {Account: account, Oldest: true, Limit: most}, {All: true, States: states[:2], Limit: most}} {
					if n := len(c.deliveries(q)); n != 10 {
						c.broken("Deliveries by %s returned %d, want 10", described(q), n)
					}
					if n := c.count(q); n != 10 {
						c.broken("Count by %s is %d, want 10", described(q), n)
					}
				}
			}
			for i, claim := range []webhook.Claim{
				{Limit: math.MaxInt32, Each: math.MaxInt32}, {Limit: math.MaxInt32 - 1, Room: map[string]int{"w0": math.MaxInt32, "w1": math.MaxInt32 - 1}},
			} {
				claim.Now, claim.Until = at(60*i), at(60*i+60)
				if n := len(c.claim(claim)); n != 5 {
					c.broken("Claim by %s returned %d, want 5", described(claim), n)
				}
			}
			if n := c.prune(t0, math.MaxInt); n != 5 {
				c.broken("Prune with the Limit %d returned %d, want 5", math.MaxInt, n)
			}
		}},

	{"queries_select_once_what_they_name_twice",
		"A query selects once what has one of its IDs, Lists, States, Types or Failures, also if it names that twice, among hundreds.",
		func(c *checker) {
			all := names("n", c.of(450, "webhooks and deliveries", 60))
			var ds []webhook.Delivery
			var types []webhook.EventType
			for i, name := range all {
				w := hook(name)
				w.List = name
				_, err := c.store.PutWebhook(c.ctx, w)
				c.noError(err, "PutWebhook")
				d := logged(pending(name, name, t0), webhook.Attempt{Start: t0, Reason: "it failed", Code: name})
				d.Type, d.Created = webhook.EventType(name), at(i)
				ds, types = append(ds, d), append(types, d.Type)
			}
			c.enqueue(ds...)
			twice := slices.Concat(all, all)
			for _, q := range []webhook.WebhookQuery{{All: true, IDs: twice}, {Account: account, Lists: twice}, {All: true, IDs: twice, Lists: twice, Limit: len(all)}} {
				c.ids("Webhooks by "+described(q), webhookIDs(c.webhooks(q)), all)
			}
			for _, q := range []webhook.DeliveryQuery{
				{All: true, IDs: twice}, {Account: account, IDs: twice, Limit: len(all)}, {All: true, Types: slices.Concat(types, types)}, {All: true, Failures: twice},
				{Account: account, States: slices.Concat(states, states)}, {Account: account, States: slices.Concat(states[:1], states[:1])},
			} {
				if n := c.count(q); n != len(all) {
					c.broken("Count by %s is %d, want %d", described(q), n, len(all))
				}
				q.Oldest = true
				c.ids("Deliveries by "+described(q), ids(c.deliveries(q)), all)
			}
		}},
}
