package storetest

import (
	"context"
	"strings"

	"github.com/listhook/webhook"
)

// leasesAlso leases what the plain store does, and more.
func leasesAlso(more func(p *plain, d webhook.OutboxDelivery, isNew bool) bool) func(p *plain) {
	return func(p *plain) {
		plainly := p.leases
		p.leases = func(d webhook.OutboxDelivery, isNew bool) bool { return plainly(d, isNew) || more(p, d, isNew) }
	}
}

var leasingFaults = []fault{
	{name: "shows twice what was leased before", fails: "deliveries_pending_are_found_once",
		inject: fromDeliveries(func(*webhook.DeliveryQuery) {}, func(q webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			if len(q.States) != 1 || q.States[0] != webhook.StatePending {
				return ds
			}
			return append(ds, only(ds, func(d webhook.Delivery) bool { return d.Lease > 1 })...)
		})},
	{name: "leases all that may be", fails: "leasing_takes_the_first_of_lines",
		inject: leasesAlso(func(_ *plain, d webhook.OutboxDelivery, isNew bool) bool { return isNew && !d.LeaseUntil.IsZero() })},
	{name: "leases the first of lines whatever LeaseUntil says", fails: "leasing_takes_the_first_of_lines",
		inject: leasesAlso(func(p *plain, d webhook.OutboxDelivery, isNew bool) bool {
			return isNew && p.m.stands(d.Delivery) && !p.m.waits(d.Delivery)
		})},
	{name: "leases behind one that is leased", fails: "leasing_waits_for_those_before",
		inject: leasesAlso(func(p *plain, d webhook.OutboxDelivery, isNew bool) bool {
			return isNew && p.m.waits(d.Delivery) && p.m.deliveries[p.m.lines[keyOf(d.Delivery)][0]].Lease > 0
		})},
	{name: "leases behind one that waits for a retry", fails: "leasing_waits_for_those_before",
		inject: leasesAlso(func(p *plain, d webhook.OutboxDelivery, isNew bool) bool {
			return isNew && p.m.waits(d.Delivery) && p.m.deliveries[p.m.lines[keyOf(d.Delivery)][0]].Attempts > 0
		})},
	{name: "leases what is stored", fails: "leasing_leaves_what_is_stored",
		inject: leasesAlso(func(p *plain, d webhook.OutboxDelivery, isNew bool) bool {
			return !isNew && p.m.stands(p.m.deliveries[d.ID])
		})},
	{name: "leases those with Keys alike", fails: "leasing_compares_byte_for_byte",
		inject: leasesAlso(func(p *plain, d webhook.OutboxDelivery, isNew bool) bool {
			return isNew && d.Key != fold(d.Key) && p.m.waits(d.Delivery)
		})},
	{name: "leases for ever", fails: "leasing_ends_with_the_lease", inject: func(p *plain) {
		plainly := p.claimable
		p.claimable = func(d webhook.Delivery, c webhook.Claim) bool {
			return plainly(d, c) && (d.Key == "" || d.Lease != 1 || !d.Due.After(t0))
		}
	}},
	{name: "leases by Enqueue", fails: "leasing_is_not_of_enqueue", inject: func(p *plain) {
		p.events = func(ctx context.Context, events []webhook.OutboxEvent) ([]string, error) {
			had, _, err := p.EnqueueLeasing(ctx, events)
			return had, err
		}
	}},
	{name: "leases behind those of other callers", fails: "leasing_by_concurrent_callers_keeps_lines",
		inject: leasesAlso(func(p *plain, d webhook.OutboxDelivery, isNew bool) bool {
			caller := func(id string) string { return strings.Join(strings.Split(id, "-")[1:], "") }
			return isNew && p.m.waits(d.Delivery) && caller(p.m.lines[keyOf(d.Delivery)][0]) != caller(d.ID)
		})},
}
