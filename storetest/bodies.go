package storetest

import (
	"bytes"
	"fmt"

	"github.com/listhook/webhook"
)

// Rules of bodies, which a store may keep once for several deliveries.
var bodyRules = []rule{
	{"bodies_come_back_byte_for_byte",
		"A body is any bytes, also one that reads as JSON, as a form or as text: white space, the order and repetition of keys, and forms of numbers and of escapes stay.",
		func(c *checker) {
			for i, body := range []string{
				`{"b": 1, "a": 2}`, `{"a":1,"a":2}`, ` {"a":1}`, "{\"a\":1}\n", "[1.0,1e2,-0,12345678901234567890,0.1000]", `{"a":"\u0041\/<&>"}`, "[ ]", "null", `"text"`,
				"b=1&a=2&a=1", "a=%41+%20", "a\r\nb\rc\n", "\ufeffa", "e\u0301", "  ", "a\x00", "\x00",
			} {
				d := pending(fmt.Sprint("d", i), "1", t0)
				d.Body = []byte(body)
				c.enqueue(d)
				c.same("a delivery", c.delivery(d.ID), d)
				c.same("the Body claimed", c.claimOne(everything(t0), d.ID).Body, d.Body)
			}
		}},

	{"bodies_may_be_megabytes",
		"A body is as long as Options.BodyLimit allows, which may be megabytes: 3 MiB here.",
		func(c *checker) {
			d := pending("d", "1", t0)
			d.Body = repeat([]byte("large\x00\xff "), c.of(3<<20, "bytes of a body", 1<<20)+1)
			c.enqueue(d)
			c.same("a delivery", c.delivery("d"), d)
			c.same("the Body claimed", c.claimOne(everything(t0), "d").Body, d.Body)
		}},

	{"bodies_are_of_their_own_event",
		"The Body of a delivery is that of the event that it was enqueued with, whatever the bodies of other events: those with the same EventID, in the same call or another, and those that are as long and begin or end alike.",
		func(c *checker) {
			var want []webhook.Delivery
			add := func(call int, bodies ...[]byte) (events []webhook.OutboxEvent) {
				for event := range 2 { // of one EventID
					e := webhook.OutboxEvent{}
					for i, body := range bodies {
						e.Bodies = append(e.Bodies, append(bytes.Clone(body), byte('0'+event)))
						d := pending(fmt.Sprint("call ", call, " event ", event, " body ", i), "1", t0)
						d.EventID = "event"
						e.Deliveries = append(e.Deliveries, webhook.OutboxDelivery{Delivery: d, BodyIndex: i})
						d.Body = e.Bodies[i]
						want = append(want, d)
					}
					events = append(events, e)
				}
				return events
			}
			long := func(at int) []byte {
				body := repeat([]byte("alike "), 100<<10)
				body[at] = 'X'
				return body
			}
			for call, bodies := range [][][]byte{
				{[]byte("first"), []byte("second")}, {[]byte("second"), []byte("third"), []byte("first")}, {long(0), long(50 << 10), long(100<<10 - 1), long(1000)},
			} {
				had, err := c.store.Enqueue(c.ctx, add(call, bodies...))
				c.noError(err, "Enqueue")
				c.set("had, of deliveries that are new", had, nil)
			}
			claimed := map[string]webhook.Delivery{}
			for _, d := range c.claim(everything(t0)) {
				claimed[d.ID] = d
			}
			for _, d := range want {
				for what, got := range map[string][]byte{"Deliveries": c.delivery(d.ID).Body, "Claim": claimed[d.ID].Body} {
					if !bytes.Equal(got, d.Body) {
						c.brokenFor([]string{d.ID}, "%s returned %q with another Body than it was enqueued with:\n%.60q, want\n%.60q", what, d.ID, got, d.Body)
					}
				}
			}
		}},

	{"bodies_stay_while_one_of_them_goes",
		"A body that DropBody or Erase empties, or that goes with a pruned delivery, stays for the other deliveries that have the same: of the event, of another one, of another account.",
		func(c *checker) {
			body := []byte("the same")
			var all []string
			for _, event := range []string{"one", "two"} {
				var ds []webhook.Delivery
				for _, id := range []string{"dropped", "erased", "pruned", "stays"} {
					d := pending(event+": "+id, id, t0)
					d.EventID, d.Body, d.Account, d.Created = event, body, event, at(-100)
					ds = append(ds, d)
				}
				c.enqueue(ds...)
				all = append(all, ids(ds)...)
			}
			left := func(when string, want ...string) {
				c.t.Helper()
				for _, id := range want {
					if d := c.delivery(id); !bytes.Equal(d.Body, body) {
						c.broken("%s the Body of %q is %q, want %q", when, id, d.Body, body)
					}
				}
			}
			left("at first", all...)
			c.applied(webhook.Change{ID: "one: dropped", State: webhook.StateDelivered, Due: at(100), DropBody: true})
			left("when that of one was dropped", all[1:]...)
			c.applied(webhook.Change{ID: "one: erased", State: webhook.StateDelivered, Due: at(100), Erase: true})
			left("when one was erased", all[2:]...)
			c.ends(webhook.StateDelivered, at(-1), "one: pruned")
			if n := c.prune(t0, 100); n != 1 {
				c.broken("Prune returned %d, want 1", n)
			}
			left("when one was pruned", all[3:]...)
			c.ends(webhook.StateDelivered, at(-1), "one: stays")
			if n := c.prune(t0, 100); n != 1 {
				c.broken("Prune returned %d, want 1", n)
			}
			left("when the event was pruned", all[4:]...)
			again := pending("one: pruned", "1", t0)
			again.EventID, again.Body = "one", []byte("another")
			c.enqueue(again)
			c.same("one enqueued anew", c.delivery(again.ID), again)
			left("when it was enqueued anew", all[4:]...)
		}},
}
