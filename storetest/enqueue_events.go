package storetest

import (
	"fmt"
	"strings"

	"github.com/listhook/webhook"
)

var eventRules = []rule{
	{"enqueue_takes_bodies_by_index",
		"The Body of an OutboxDelivery is that of its event's Bodies which BodyIndex names.",
		func(c *checker) {
			event := func(id string, bodies [][]byte, indexes ...int) (e webhook.OutboxEvent, ds []webhook.Delivery) {
				e.Bodies = bodies
				for i, index := range indexes {
					d := pending(fmt.Sprintf("%s-%d", id, i), fmt.Sprint("w", i), t0)
					d.EventID, d.Body = id, nil
					e.Deliveries = append(e.Deliveries, webhook.OutboxDelivery{Delivery: d, BodyIndex: index})
					d.Body = bodies[index]
					ds = append(ds, d)
				}
				return e, ds
			}
			large := repeat([]byte("large "), 100<<10)
			one, want := event("one", [][]byte{[]byte("first"), large, nil, {0, 255}, []byte("of nobody")}, 3, 1, 0, 1, 2, 3)
			two, more := event("two", [][]byte{[]byte("two's first"), []byte("two's second")}, 1, 0)
			if had, err := c.store.Enqueue(c.ctx, []webhook.OutboxEvent{one, two}); err != nil || len(had) > 0 {
				c.broken("Enqueue returned %s as stored already, and the error %v", list(had), err)
			}
			claimed := map[string]webhook.Delivery{}
			want = append(want, more...)
			for _, d := range want {
				c.same("stored, "+d.ID, c.delivery(d.ID), d)
			}
			for _, d := range c.claim(everything(t0)) {
				claimed[d.ID] = d
			}
			for _, d := range want {
				c.same("the Body claimed, "+d.ID, claimed[d.ID].Body, d.Body)
			}
		}},

	{"enqueue_takes_an_id_once_in_several_events",
		"Of two deliveries with one ID in the events of a call the first is added, with the body of its event, and the others of both events are added.",
		func(c *checker) {
			var ds []webhook.Delivery
			for _, event := range []string{"one", "two", "three"} {
				for _, id := range []string{"shared", "own of " + event} {
					d := pending(id, "1", t0)
					d.EventID, d.Body = event, []byte("body of "+event)
					ds = append(ds, d)
				}
			}
			c.enqueue(pending("own of two", "1", at(5)))
			c.ids("had", c.enqueue(ds...), []string{"own of two"})
			c.same("the one that was there", c.delivery("own of two"), pending("own of two", "1", at(5)))
			for _, i := range []int{0, 1, 5} {
				c.same("added", c.delivery(ds[i].ID), ds[i])
			}
			if n := c.count(webhook.DeliveryQuery{All: true}); n != 4 {
				c.broken("%d are stored, want 4", n)
			}
		}},

	{"enqueue_takes_events_without_deliveries",
		"A call may have an event without deliveries: nothing is added of it, and the others are.",
		func(c *checker) {
			events := Events(pending("a", "1", t0), pending("b", "1", t0))
			events = []webhook.OutboxEvent{{}, events[0], {Bodies: [][]byte{[]byte("of nobody")}}, events[1]}
			if had, err := c.store.Enqueue(c.ctx, events); err != nil || len(had) > 0 {
				c.broken("Enqueue returned %s as stored already, and the error %v", list(had), err)
			}
			c.set("stored", ids(c.deliveries(webhook.DeliveryQuery{All: true})), []string{"a", "b"})
		}},

	{"enqueue_of_several_events_is_whole_or_in_whole_events",
		"After an error a call may have been carried out in whole parts: of events beside one that the storage refuses all deliveries are stored or none.",
		func(c *checker) {
			for i, spoil := range []func(d *webhook.Delivery){
				func(d *webhook.Delivery) { d.ID += strings.Repeat("x", 300) },
				func(d *webhook.Delivery) { d.Key = "\x00" },
				func(d *webhook.Delivery) { d.Account = "\xff" },
			} {
				var ds []webhook.Delivery
				for event := range 5 {
					ds = append(ds, oneEvent(fmt.Sprintf("%d-%d", i, event), 4)...)
				}
				spoil(&ds[2*4+1])
				_, err := c.store.Enqueue(c.ctx, Events(ds...))
				c.allOrNone(ds, err)
			}
		}},
}
