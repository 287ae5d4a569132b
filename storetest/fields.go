package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/listhook/webhook"
)

// Rules of the fields by which deliveries are searched.
var fieldRules = []rule{
	{"failure_is_of_the_last_attempt",
		"The Store sets a delivery's Failure: Attempt.Failure of the last entry of Log, that of Enqueue's Log or of a Change's, \"\" without one.",
		func(c *checker) {
			refused := webhook.Attempt{Start: t0, Reason: "the connection was refused", Code: "refused"}
			fine := webhook.Attempt{Start: t0, Status: 200}
			old := webhook.Attempt{Start: t0, Reason: "as an earlier version stored it"}
			fails := func(when, id, want string) {
				c.t.Helper()
				if got := c.delivery(id).Failure; got != want {
					c.broken("%s Failure is %q, want %q", when, got, want)
				}
			}
			d := pending("d", "1", t0)
			d.Failure = "of the caller's own"
			c.enqueue(d)
			fails("without a Log", "d", "")
			for i, attempt := range []*webhook.Attempt{note(1), nil, &refused, &old, nil, &fine, note(2)} {
				c.applied(webhook.Change{ID: "d", Lease: int64(i), State: webhook.StateFailed, Due: t0, Log: attempt})
				if attempt != nil {
					fails("after a change with a Log", "d", attempt.Failure())
				}
			}
			c.applied(webhook.Change{ID: "d", Lease: 7, State: webhook.StatePending, Due: t0})
			fails("after a change without a Log", "d", "500")
			if got := c.claimOne(everything(t0), "d").Failure; got != "500" {
				c.broken("Claim returned the Failure %q, want that of the last attempt", got)
			}
			for i, attempt := range []webhook.Attempt{refused, fine, old} {
				id := fmt.Sprint("with a log ", i)
				c.enqueue(logged(finished(id, "1", t0), *note(1), attempt))
				fails("of Enqueue's Log", id, attempt.Failure())
			}
			c.applied(webhook.Change{ID: "with a log 0", Lease: 2, State: webhook.StateFailed, Due: t0, Erase: true})
			fails("after Erase", "with a log 0", "")
			c.applied(webhook.Change{ID: "with a log 1", Lease: 2, State: webhook.StateFailed, Due: t0, Erase: true, Log: &refused})
			fails("after Erase and a Log", "with a log 1", "refused")
		}},

	{"deliveries_by_failures",
		"Failures selects the deliveries with one of these as Failure; empty: with any or none.",
		func(c *checker) {
			c.logs(c.aLog(), each(func(failures []string) webhook.DeliveryQuery {
				return webhook.DeliveryQuery{All: true, Failures: failures}
			}, []string{}, []string{"500"}, []string{"503", "refused"}, []string{"500", "503"}, []string{""}, []string{"50"})...)
		}},

	{"deliveries_by_subject",
		"Subject selects the deliveries that have it among their Subjects, compared byte for byte; \"\": all.",
		func(c *checker) {
			m := c.aLog()
			for i, subject := range c.alike() {
				d := pending(fmt.Sprint("alike ", i), "1", at(i))
				d.Subjects = []string{"common", subject, "common too"}
				c.enqueue(d)
				m.enqueue([]webhook.Delivery{d})
			}
			many := pending("many", "1", t0)
			for i := range 8 {
				many.Subjects = append(many.Subjects, strings.Repeat("☃", 84)+fmt.Sprintf("%3d", i))
			}
			c.enqueue(many)
			m.enqueue([]webhook.Delivery{many})
			c.logs(m, each(func(subject string) webhook.DeliveryQuery {
				return webhook.DeliveryQuery{All: true, Subject: subject}
			}, append(alike, "", "s0", "s3", "common", "common too", "comm", many.Subjects[0], many.Subjects[7], "none")...)...)
			c.logs(m, webhook.DeliveryQuery{Account: "globex", Subject: "s3"}, webhook.DeliveryQuery{Account: account, Subject: "s3", Limit: 2})
		}},

	{"deliveries_by_subject_no_more",
		"Subjects that Erase emptied, or that were pruned, find nothing; a delivery enqueued anew has its own.",
		func(c *checker) {
			for _, id := range []string{"erased", "pruned", "stays"} {
				d := finished(id, "1", at(-10))
				d.Subjects, d.Key = []string{"s", "of " + id}, "k"
				c.enqueue(d)
			}
			c.applied(webhook.Change{ID: "erased", Lease: 2, State: webhook.StateDelivered, Due: at(100), Erase: true},
				webhook.Change{ID: "stays", Lease: 2, State: webhook.StateDelivered, Due: at(100), LeaveLine: true})
			c.prune(t0, 100)
			found := func(want ...string) {
				c.t.Helper()
				c.set("with the Subject s", ids(c.deliveries(webhook.DeliveryQuery{All: true, Subject: "s"})), want)
			}
			found("stays")
			for _, id := range []string{"pruned", "erased"} {
				c.ids("with the Subject of "+id, ids(c.deliveries(webhook.DeliveryQuery{All: true, Subject: "of " + id})), []string{})
			}
			c.ids("with the Key, which was erased of one", ids(c.deliveries(webhook.DeliveryQuery{All: true, Key: "k"})), []string{"stays"})
			again := finished("pruned", "2", at(5))
			again.Subjects = []string{"new"}
			c.enqueue(again)
			found("stays")
			c.ids("with the new Subject", ids(c.deliveries(webhook.DeliveryQuery{All: true, Subject: "new"})), []string{"pruned"})
		}},

	{"deliveries_by_key",
		"Key selects the deliveries with this Key, whatever their state; \"\": all.",
		func(c *checker) {
			c.logs(c.aLog(), each(func(key string) webhook.DeliveryQuery {
				return webhook.DeliveryQuery{All: true, Key: key}
			}, "k0", "k1", "k2", "k", "none", "")...)
		}},

	{"deliveries_by_webhook_and_key",
		"Webhook and Key select the deliveries in one line and those that stood in it, each once, whatever happened to them, but for those without a Key since.",
		func(c *checker) {
			m := newModel()
			change := func(cs ...webhook.Change) {
				c.t.Helper()
				c.applied(cs...)
				m.apply(cs)
				for _, webhookID := range []string{"1", "2"} {
					for _, key := range []string{"k", "other"} {
						c.logs(m, webhook.DeliveryQuery{All: true, Webhook: webhookID, Key: key}, webhook.DeliveryQuery{Account: account, Webhook: webhookID, Key: key, Limit: 2},
							webhook.DeliveryQuery{All: true, Webhook: webhookID, Key: key, Since: at(1), Until: at(4)}, webhook.DeliveryQuery{All: true, Webhook: webhookID, Key: key, States: states[1:]})
					}
				}
			}
			var ds []webhook.Delivery
			for i := range 16 {
				d := keyed(fmt.Sprint("d", i), fmt.Sprint(1+i%2), []string{"k", "k", "other", "k"}[i/4], t0)
				d.Created = at(i * 5 % 7)
				ds = append(ds, d)
			}
			c.enqueue(ds...)
			m.enqueue(ds)
			for i, d := range ds {
				change(webhook.Change{ID: d.ID, State: states[i%4], Due: at(9)})
			}
			for i, d := range ds {
				change(webhook.Change{ID: d.ID, Lease: 1, State: states[i/2%4], Due: at(9), Joined: t0, LeaveLine: i%5 == 4, Erase: i%7 == 6})
			}
		}},

	{"deliveries_blocking_are_the_very_ones",
		"Blocking selects the very first of each line: IDs and Keys are compared byte for byte.",
		func(c *checker) {
			first := c.alike()
			for i, text := range first {
				c.enqueue(keyed(text, "1", text, t0))
				if i%2 == 0 {
					c.enqueue(keyed(fmt.Sprint("second ", i), "1", text, t0))
				}
			}
			for i, text := range first {
				var want []string
				if i%2 == 0 {
					want = []string{text}
				}
				for _, q := range []webhook.DeliveryQuery{{All: true, Blocking: at(1), IDs: []string{text}}, {Account: account, Blocking: at(1), Webhook: "1", Key: text}} {
					c.ids("Deliveries by "+described(q), ids(c.deliveries(q)), want)
				}
			}
		}},

	{"deliveries_blocking",
		"Blocking selects the first of a line, leased or not, if another one of the line Joined before it; the zero time: all deliveries.",
		func(c *checker) {
			m := newModel()
			add := func(id, webhookID, key string, joined int) {
				d := keyed(id, webhookID, key, at(joined))
				d.Joined, d.Created = at(joined), at(joined%3)
				c.enqueue(d)
				m.enqueue([]webhook.Delivery{d})
			}
			for i := range 4 {
				add(fmt.Sprint("a", i), "1", "ka", 10*i)
				add(fmt.Sprint("b", i), "1", "kb", -10*i) // by clocks that run apart
				add(fmt.Sprint("c", i), fmt.Sprint(i), "kc", 0)
				add(fmt.Sprint("d", i), "1", "", 0)
			}
			queries := func() {
				c.t.Helper()
				for _, joined := range []time.Time{at(-40), at(-30), at(-29), t0, at(1), at(10), at(10).Add(time.Millisecond), at(11), at(21), never} {
					c.logs(m, webhook.DeliveryQuery{All: true, Blocking: joined}, webhook.DeliveryQuery{Account: account, Blocking: joined, Limit: 1, Brief: true},
						webhook.DeliveryQuery{All: true, Blocking: joined, Webhook: "1", States: states[:1], DueBy: t0})
					q := webhook.DeliveryQuery{All: true, Blocking: joined}
					if got, want := c.count(q), len(m.selectDeliveries(q)); got != want {
						c.broken("Count by %s is %d, want %d", described(q), got, want)
					}
				}
			}
			queries()
			for _, d := range c.claim(everything(t0)) {
				cs := []webhook.Change{{ID: d.ID, Lease: 1, State: webhook.StatePending, Due: at(1), Joined: at(50)}}
				if d.ID == "a0" {
					cs[0].State = webhook.StateFailed
				}
				m.deliveries[d.ID] = d
				c.applied(cs...)
				m.apply(cs)
			}
			queries()
			cs := []webhook.Change{{ID: "a1", State: webhook.StatePending, Due: at(9), LeaveLine: true}, {ID: "b2", State: webhook.StateCanceled, Due: at(9)}}
			c.applied(cs...)
			m.apply(cs)
			queries()
		}},
}
