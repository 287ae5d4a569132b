package storetest

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/listhook/webhook"
)

var joiningFaults = []fault{
	{name: "applies changes in order of ID", fails: "line_is_in_the_order_of_the_changes", inject: func(p *plain) {
		p.apply = func(ctx context.Context, cs []webhook.Change) ([]string, error) {
			cs = slices.Clone(cs)
			slices.SortStableFunc(cs, func(a, b webhook.Change) int { return strings.Compare(a.ID, b.ID) })
			return p.plainApply(ctx, cs)
		}
	}},
	{name: "keeps webhook and Key in one text", fails: "line_is_of_a_webhook_and_a_key", inject: func(p *plain) {
		p.m.keyOf = func(d webhook.Delivery) lineKey { return lineKey{"", d.WebhookID + ":" + d.Key} }
	}},
	{name: "parts webhook and Key by a character that a Key may have", fails: "line_is_of_a_webhook_and_a_key", inject: func(p *plain) {
		p.m.keyOf = func(d webhook.Delivery) lineKey { return lineKey{"", d.WebhookID + "\x1f" + d.Key} }
	}},
	{name: "looks at Joined when a line is new only", fails: "sequence_heeds_each_joined", inject: func(p *plain) {
		last := map[lineKey]int64{}
		p.m.sequences.next = func(key lineKey) int64 {
			last[key] = max(last[key], t0.UnixMilli()*1024) + 1
			return last[key]
		}
	}},
	{name: "looks for 1,000 lines that block", fails: "deliveries_blocking_in_many_and_long_lines",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) {
			if !q.Blocking.IsZero() && q.Limit == 0 {
				q.Limit = 1000
			}
		})},
	{name: "looks at the second of a line only", fails: "deliveries_blocking_in_many_and_long_lines",
		inject: fromDeliveries(func(*webhook.DeliveryQuery) {}, func(q webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			return only(ds, func(d webhook.Delivery) bool { return q.Blocking.IsZero() || d.Key != "long" })
		})},
	{name: "forgets Subject when it looks for what blocks", fails: "deliveries_by_each_three_fields",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) {
			if !q.Blocking.IsZero() {
				q.Subject = ""
			}
		})},
	{name: "limits before it looks at Failures", fails: "deliveries_by_each_three_fields",
		inject: fromDeliveries(func(q *webhook.DeliveryQuery) {
			if len(q.Failures) > 1 {
				q.Failures = nil
			}
		}, func(q webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			return only(ds, func(d webhook.Delivery) bool { return len(q.Failures) == 0 || slices.Contains(q.Failures, d.Failure) })
		})},
	{name: "goes on behind the delivery with the cursor's ID", fails: "deliveries_after_a_place_of_another_time", inject: func(p *plain) {
		p.deliveries = func(ctx context.Context, q webhook.DeliveryQuery) ([]webhook.Delivery, error) {
			p.mu.Lock()
			if d, ok := p.m.deliveries[q.After.ID]; ok {
				q.After.Created = d.Created
			}
			p.mu.Unlock()
			return p.plainDeliveries(ctx, q)
		}
	}},
	{name: "prunes in every state when asked for pending ones", fails: "prune_never_removes_pending", inject: func(p *plain) {
		p.prune = func(ctx context.Context, q webhook.Prune) (int, error) {
			q.States = only(slices.Clone(q.States), func(s webhook.State) bool { return s != webhook.StatePending })
			return p.plainPrune(ctx, q)
		}
	}},
	{name: "counts what Except names to the Limit", fails: "prune_limit_is_of_what_it_selects", inject: func(p *plain) {
		p.prune = func(ctx context.Context, q webhook.Prune) (int, error) {
			p.mu.Lock()
			var ds []webhook.Delivery
			for _, d := range p.m.deliveries {
				if d.State != webhook.StatePending {
					ds = append(ds, d)
				}
			}
			p.mu.Unlock()
			slices.SortFunc(ds, func(a, b webhook.Delivery) int { return a.Due.Compare(b.Due) })
			if len(q.Except) > 0 && !slices.ContainsFunc(atMost(q.Limit, ds), func(d webhook.Delivery) bool { return q.Selects(&d) }) {
				q.Limit = 0
			}
			return p.plainPrune(ctx, q)
		}
	}},
	{name: "keeps 255 attempts", fails: "apply_appends_hundreds_of_attempts",
		inject: afterChange(func(_ webhook.Delivery, d *webhook.Delivery, _ webhook.Change) {
			d.Log = d.Log[max(0, len(d.Log)-255):]
		})},
	{name: "returns 1,000 webhooks at most", fails: "webhooks_may_be_many",
		inject: webhookQuery(func(q *webhook.WebhookQuery) {
			if q.Limit == 0 {
				q.Limit = 1000
			}
		})},
	{name: "keeps a RateLimit in 32 bits", fails: "put_keeps_numbers_and_long_values",
		inject: keepHook(func(w *webhook.Webhook) { w.RateLimit = float64(float32(w.RateLimit)) })},
	{name: "keeps an event type once", fails: "put_keeps_numbers_and_long_values",
		inject: keepHook(func(w *webhook.Webhook) { w.Events = slices.Compact(w.Events) })},
	{name: "keeps 64 KiB of Sealed", fails: "put_keeps_numbers_and_long_values",
		inject: keepHook(func(w *webhook.Webhook) { w.Sealed = atMost(64<<10, w.Sealed) })},
	{name: "returns at once when there is nothing to do", fails: "ended_context_stops_calls_with_nothing_to_do", inject: func(p *plain) {
		p.apply = func(ctx context.Context, cs []webhook.Change) ([]string, error) {
			if len(cs) == 0 {
				return nil, nil
			}
			return p.plainApply(ctx, cs)
		}
	}},
}

var leaseUntilFaults = []fault{
	{name: "leases until Due if that is later", fails: "leasing_is_until_each_ones_own_time", inject: func(p *plain) {
		plainly := p.lease
		p.lease = func(d *webhook.Delivery, c webhook.Claim) {
			if c.Limit == 0 && d.Due.After(c.Until) { // EnqueueLeasing names no Limit
				c.Until = d.Due
			}
			plainly(d, c)
		}
	}},
	{name: "leases what has ended", fails: "leasing_is_until_each_ones_own_time",
		inject: leasesAlso(func(_ *plain, d webhook.OutboxDelivery, isNew bool) bool {
			return isNew && d.Key != "" && d.State != webhook.StatePending && !d.LeaseUntil.IsZero()
		})},
	{name: "leases the second of two with one ID", fails: "leasing_is_until_each_ones_own_time",
		inject: leasesAlso(func(p *plain, d webhook.OutboxDelivery, isNew bool) bool {
			return !isNew && p.m.deliveries[d.ID].Lease == 0 && d.WebhookID == "2"
		})},
	{name: "leases more than it says", fails: "leasing_tells_of_hundreds", inject: func(p *plain) {
		n := 0
		plainly := p.lease
		p.lease = func(d *webhook.Delivery, c webhook.Claim) { plainly(d, c); n++ }
		p.leases = func(d webhook.OutboxDelivery, isNew bool) bool {
			first := isNew && !d.LeaseUntil.IsZero() && p.m.stands(d.Delivery) && !p.m.waits(d.Delivery)
			if first && n >= 100 { // it is leased, and not returned
				stored := p.m.deliveries[d.ID]
				plainly(&stored, webhook.Claim{Until: d.LeaseUntil})
				p.m.deliveries[d.ID] = stored
				return false
			}
			return first
		}
	}},
}

var glanceFaults = []fault{
	{name: "reads one delivery after another", fails: "concurrent_readers_see_whole_events_however_they_ask", inject: func(p *plain) {
		p.deliveries = func(ctx context.Context, q webhook.DeliveryQuery) (found []webhook.Delivery, err error) {
			if len(q.IDs) == 0 {
				return p.plainDeliveries(ctx, q)
			}
			one := q
			for _, id := range q.IDs {
				one.IDs = []string{id}
				ds, err := p.plainDeliveries(ctx, one)
				if err != nil {
					return nil, err
				}
				found = append(found, ds...)
			}
			return found, nil
		}
		p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
			defer time.Sleep(time.Millisecond) // readers have a moment
			return p.plainEnqueue(ctx, ds)
		}
	}},
	{name: "reads webhooks page by page", fails: "concurrent_puts_are_seen_together", inject: func(p *plain) {
		p.webhooks = func(ctx context.Context, q webhook.WebhookQuery) (found []webhook.Webhook, err error) {
			if q.Newest || q.Limit > 0 || len(q.IDs) > 0 {
				return p.plainWebhooks(ctx, q)
			}
			for q.Limit = 50; ; {
				ws, err := p.plainWebhooks(ctx, q)
				if err != nil {
					return nil, err
				}
				if found = append(found, ws...); len(ws) < q.Limit {
					return found, nil
				}
				q.After = ws[len(ws)-1].ID
			}
		}
		p.putWebhook = func(ctx context.Context, w webhook.Webhook) (int64, error) {
			defer time.Sleep(time.Millisecond) // readers have a moment
			return p.plainPutWebhook(ctx, w)
		}
	}},
}
