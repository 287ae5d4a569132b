package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/listhook/webhook"
)

// Rules of which line a delivery joins, where, and with which Sequence.
var joiningRules = []rule{
	{"line_is_in_the_order_of_the_changes",
		"Apply goes through the changes in the order of the slice: deliveries that join their line again by one call stand in it in that order.",
		func(c *checker) {
			want := []string{"d", "b", "e", "a", "c"}
			for i, id := range []string{"a", "b", "c", "d", "e"} {
				d := keyed(id, "1", "k", at(-i))
				d.State, d.Created = webhook.StateFailed, at(-100+i)
				c.enqueue(d)
			}
			var cs []webhook.Change
			for _, id := range want {
				cs = append(cs, webhook.Change{ID: id, State: webhook.StatePending, Due: t0, Joined: at(1)})
			}
			c.applied(cs...)
			c.goesOn(at(1), want...)
		}},

	{"line_is_of_a_webhook_and_a_key",
		"A line is of one webhook and one Key, each compared whole, whatever stands between the two where they are kept together.",
		func(c *checker) {
			var first []string
			for i, sep := range []string{
				":", "::", "/", "|", "-", ".", ",", ";", "_", "#", " ", "\t", "\n", "=", "&", "+", "@", `\`, `"`, "'", "\x01", "\x02", "\x1e", "\x1f", "\x7f", "\u241f", "0",
			} {
				for j, d := range []webhook.Delivery{{WebhookID: "a" + sep + "b", Key: "c"}, {WebhookID: "a", Key: "b" + sep + "c"}} {
					for _, place := range []string{"first", "second"} {
						added := keyed(fmt.Sprint(place, " ", i, " ", j), d.WebhookID, d.Key, t0)
						c.enqueue(added)
						if place == "first" {
							first = append(first, added.ID)
						}
					}
					q := webhook.DeliveryQuery{All: true, Webhook: d.WebhookID, Key: d.Key, Oldest: true, Limit: 1}
					c.ids("Deliveries by "+described(q), ids(c.deliveries(q)), first[len(first)-1:])
					q.Blocking = never
					c.ids("Deliveries by "+described(q), ids(c.deliveries(q)), first[len(first)-1:])
				}
			}
			c.takes("of all lines", t0, first...)
		}},

	{"sequence_heeds_each_joined",
		"A Sequence is at least 1,024 times Joined in milliseconds since 1970, also in a line that has given smaller ones, and goes on growing when Joined goes back.",
		func(c *checker) {
			joined := map[string]time.Time{}
			for i, years := range []int{0, 20, 1, 40, 0, 39} {
				for _, key := range []string{"stands", "empties"} {
					d := keyed(fmt.Sprint(key, i), "1", key, t0)
					d.Joined = t0.AddDate(years, 0, 0)
					joined[d.ID] = d.Joined
					c.enqueue(d)
					if key == "empties" {
						c.ends(webhook.StateCanceled, t0, d.ID)
						c.reopens(d.ID, t0)
						c.ends(webhook.StateCanceled, t0, d.ID)
					}
				}
			}
			lines := c.worksOff(at(1))
			for i := range 6 {
				id := fmt.Sprint("empties", i)
				c.reopens(id, at(2))
				lines[lineKey{"1", "empties"}] = append(lines[lineKey{"1", "empties"}], c.worksOff(at(2))[lineKey{"1", "empties"}]...)
			}
			for key, ds := range lines {
				c.ascends(fmt.Sprintf("in the line %q", key.key), ds)
				for _, d := range ds {
					if least := joined[d.ID].Add(-time.Hour).UnixMilli() * 1024; d.Sequence < least {
						c.broken("%q joined its line at %s and has the Sequence %d, want at least %d", d.ID, joined[d.ID].Format(time.RFC3339), d.Sequence, least)
					}
				}
			}
		}},

	{"deliveries_blocking_in_many_and_long_lines",
		"Blocking selects the first of each line of however many, and looks at all deliveries of a line, however long: a thousand.",
		func(c *checker) {
			n := c.of(1100, "lines, and deliveries of a line", 100)
			long := names("long ", n)
			var ds []webhook.Delivery
			for _, id := range long {
				d := keyed(id, "1", "long", t0)
				d.Joined, d.EventID = at(100), "event"
				ds = append(ds, d)
			}
			ds[n-1].Joined = at(10)
			c.enqueue(ds...)
			for _, q := range []webhook.DeliveryQuery{{All: true, Blocking: at(11)}, {Account: account, Webhook: "1", Key: "long", Blocking: at(11)}, {All: true, IDs: long[:1], Blocking: at(11)}} {
				c.ids("Deliveries by "+described(q)+", before which the last of a line joined", ids(c.deliveries(q)), long[:1])
			}
			first := names("d", n)
			ds = nil
			for _, id := range first {
				for _, place := range []string{"", " second"} {
					d := keyed(id+place, "2", id, t0)
					d.EventID = "another"
					ds = append(ds, d)
				}
			}
			c.enqueue(ds...)
			q := webhook.DeliveryQuery{All: true, Blocking: at(1), Oldest: true}
			c.ids("Deliveries by "+described(q), ids(c.deliveries(q)), first)
			if got := c.count(q); got != n {
				c.broken("Count by %s is %d, want %d", described(q), got, n)
			}
			q.After, q.Limit = webhook.Cursor{Created: t0, ID: first[n/2]}, n/2
			c.ids("Deliveries by "+described(q), ids(c.deliveries(q)), first[n/2+1:])
		}},

	{"deliveries_by_each_three_fields",
		"The fields of a query together select what each of them selects: each three of them, with any Limit.",
		func(c *checker) {
			m := c.aLog()
			var half []string
			for i, d := range m.selectDeliveries(webhook.DeliveryQuery{All: true}) {
				if i%4 > 0 {
					half = append(half, d.ID)
				}
			}
			fields := []func(q *webhook.DeliveryQuery){
				func(q *webhook.DeliveryQuery) { q.All, q.Account = false, account },
				func(q *webhook.DeliveryQuery) { q.Webhook = "w1" },
				func(q *webhook.DeliveryQuery) { q.IDs = half },
				func(q *webhook.DeliveryQuery) { q.States = states[:2] },
				func(q *webhook.DeliveryQuery) { q.Types = webhook.EventTypes()[:5] },
				func(q *webhook.DeliveryQuery) { q.Failures = []string{"503", "none"} },
				func(q *webhook.DeliveryQuery) { q.Subject = "s3" },
				func(q *webhook.DeliveryQuery) { q.Key = "k1" },
				func(q *webhook.DeliveryQuery) { q.Blocking = at(45) },
				func(q *webhook.DeliveryQuery) { q.Since = at(4) },
				func(q *webhook.DeliveryQuery) { q.Until = at(11) },
				func(q *webhook.DeliveryQuery) { q.DueBy = at(55) },
				func(q *webhook.DeliveryQuery) { q.After = webhook.Cursor{Created: at(7), ID: "d5"} },
			}
			asked := 0
			for i := range fields {
				for j := range i {
					for k := range j {
						q := webhook.DeliveryQuery{All: true, Limit: asked % 3, Brief: asked%2 == 0}
						if asked++; c.suite.Light && asked%6 > 0 {
							continue
						}
						for _, set := range []int{i, j, k} {
							fields[set](&q)
						}
						c.logs(m, q)
						if got, want := c.count(q), len(m.selectDeliveries(q)); got != want {
							c.broken("Count by %s is %d, want %d", described(q), got, want)
						}
					}
				}
			}
		}},

	{"deliveries_after_a_place_of_another_time",
		"After is a place in the log, its Created and its ID, also if the delivery with that ID was created at another time, or is no longer stored.",
		func(c *checker) {
			m := c.aLog()
			for _, id := range []string{"d37", "d74", "d0", "none"} {
				for _, when := range []time.Time{{}, at(-9), at(3), at(7), at(14), never} {
					c.logs(m, webhook.DeliveryQuery{All: true, After: webhook.Cursor{Created: when, ID: id}, Limit: 9})
				}
			}
			var named []string
			for _, d := range m.selectDeliveries(webhook.DeliveryQuery{All: true}) {
				named = append(named, d.ID)
			}
			slices.Sort(named)
			c.logs(m, webhook.DeliveryQuery{All: true, IDs: named, After: webhook.Cursor{Created: at(7), ID: "d37"}}, webhook.DeliveryQuery{All: true, Failures: []string{"503", "500"}, Limit: 2})
		}},
}
