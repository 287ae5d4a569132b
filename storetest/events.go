package storetest

import (
	"bytes"
	"slices"

	"github.com/listhook/webhook"
)

// Events returns deliveries as a Store's Enqueue takes them, in the same order: those
// beside one another that have the same EventID are of one event, and equal bodies of
// an event are one. The result shares memory with ds.
func Events(ds ...webhook.Delivery) []webhook.OutboxEvent {
	var events []webhook.OutboxEvent
	for i, d := range ds {
		if i == 0 || d.EventID != ds[i-1].EventID {
			events = append(events, webhook.OutboxEvent{})
		}
		e := &events[len(events)-1]
		index := slices.IndexFunc(e.Bodies, func(body []byte) bool { return bytes.Equal(body, d.Body) })
		if index < 0 {
			index = len(e.Bodies)
			e.Bodies = append(e.Bodies, d.Body)
		}
		d.Body = nil
		e.Deliveries = append(e.Deliveries, webhook.OutboxDelivery{Delivery: d, BodyIndex: index})
	}
	return events
}
