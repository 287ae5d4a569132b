package storetest

import (
	"context"
	"strings"
	"time"

	"github.com/listhook/webhook"
)

// beginAlike reports whether two different texts have the same first 64 bytes.
func beginAlike(a, b string) bool { return a != b && len(a) >= 64 && cut(a, 64) == cut(b, 64) }

// distinctBeginnings returns the texts that begin alike with no other one before them.
func distinctBeginnings(texts []string) (list []string) {
	seen := map[string]bool{}
	for _, text := range texts {
		if !seen[cut(text, 64)] {
			seen[cut(text, 64)] = true
			list = append(list, text)
		}
	}
	return list
}

var prefixFaults = []fault{
	{name: "drops a webhook's queue with that of one that begins alike", fails: "ids_are_not_their_beginnings",
		inject: claimable(func(d webhook.Delivery, p *plain) bool {
			for _, other := range p.m.deliveries {
				if other.State != webhook.StatePending && beginAlike(other.WebhookID, d.WebhookID) {
					return false
				}
			}
			return true
		})},
	{name: "drops a line with one whose Key begins alike", fails: "lines_are_not_of_the_beginnings_of_keys",
		inject: claimable(func(d webhook.Delivery, p *plain) bool {
			for _, other := range p.m.deliveries {
				if other.State != webhook.StatePending && beginAlike(other.Key, d.Key) {
					return false
				}
			}
			return true
		})},
	{name: "finds one of the deliveries named whose IDs begin alike", fails: "ids_named_together_are_compared_byte_for_byte",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) { q.IDs = distinctBeginnings(q.IDs) })},
	{name: "finds one of the webhooks named whose IDs begin alike", fails: "ids_named_together_are_compared_byte_for_byte",
		inject: webhookQuery(func(q *webhook.WebhookQuery) { q.IDs = distinctBeginnings(q.IDs) })},
	{name: "finds one of the failures named that begin alike", fails: "ids_named_together_are_compared_byte_for_byte",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) { q.Failures = distinctBeginnings(q.Failures) })},
	{name: "trims the ID behind which a page of webhooks begins", fails: "cursors_are_compared_byte_for_byte",
		inject: webhookQuery(func(q *webhook.WebhookQuery) { q.After = strings.TrimSpace(q.After) })},
	{name: "cuts the ID behind which a page of deliveries begins", fails: "cursors_are_compared_byte_for_byte",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) { q.After.ID = cut(q.After.ID, 64) })},
	{name: "looks at seconds of Since where IDs are named", fails: "deliveries_named_by_id_heed_times",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) {
			if len(q.IDs) > 0 {
				q.Since = q.Since.Truncate(time.Second)
			}
		})},
	{name: "reads the log in two steps", fails: "concurrent_readers_see_whole_events_in_a_long_log", inject: func(p *plain) {
		p.deliveries = func(ctx context.Context, q webhook.DeliveryQuery) ([]webhook.Delivery, error) {
			q.Until = at(-5000)
			early, _ := p.plainDeliveries(ctx, q)
			time.Sleep(time.Millisecond)
			q.Since, q.Until = q.Until, time.Time{}
			late, err := p.plainDeliveries(ctx, q)
			return append(early, late...), err
		}
	}},
	{name: "keeps the Failure before if the new one is alike", fails: "failures_change_to_ones_alike",
		inject: afterChange(func(was webhook.Delivery, d *webhook.Delivery, _ webhook.Change) {
			if strings.EqualFold(strings.TrimSpace(d.Failure), strings.TrimSpace(was.Failure)) {
				d.Failure = was.Failure
			}
		})},
}

var expiryFaults = []fault{
	{name: "looks at 250 leases that ended", fails: "claim_takes_of_hundreds_of_expired_leases", inject: func(p *plain) {
		n := 0
		plainly, lease := p.claimable, p.lease
		p.claimable = func(d webhook.Delivery, c webhook.Claim) bool { return plainly(d, c) && (d.Lease == 0 || n < 250) }
		p.lease = func(d *webhook.Delivery, c webhook.Claim) {
			if d.Lease > 0 {
				n++
			}
			lease(d, c)
		}
	}},
}
