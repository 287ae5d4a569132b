package storetest

import (
	"context"
	"slices"
	"time"

	"github.com/listhook/webhook"
)

var largeFaults = []fault{
	{name: "keeps 200 bodies of an event", fails: "enqueue_takes_thousands", inject: func(p *plain) {
		p.events = func(ctx context.Context, events []webhook.OutboxEvent) ([]string, error) {
			events = slices.Clone(events)
			for i := range events {
				events[i].Bodies = slices.Clone(events[i].Bodies)
				for j := 200; j < len(events[i].Bodies); j++ {
					events[i].Bodies[j] = events[i].Bodies[199]
				}
			}
			return p.flatEnqueue(ctx, events)
		}
	}},
	{name: "adds 256 of a call at most", fails: "enqueue_stores_hundreds", inject: func(p *plain) {
		p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
			return p.plainEnqueue(ctx, ds[:min(256, len(ds))])
		}
	}},
	{name: "sorts 5,000 of the log", fails: "enqueue_takes_thousands",
		inject: fromDeliveries(func(*webhook.DeliveryQuery) {}, func(q webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			if len(ds) > 5000 {
				slices.Reverse(ds[5000:])
			}
			return ds
		})},
	{name: "looks at 200 types to leave out", fails: "queries_and_prunes_name_hundreds", inject: func(p *plain) {
		p.prune = func(ctx context.Context, q webhook.Prune) (int, error) {
			q.Except = q.Except[:min(200, len(q.Except))]
			return p.plainPrune(ctx, q)
		}
	}},
	{name: "looks at 200 failures", fails: "queries_and_prunes_name_hundreds",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) { q.Failures = q.Failures[:min(200, len(q.Failures))] })},
	{name: "returns 200 webhooks at most", fails: "webhooks_may_be_a_thousand",
		inject: fromWebhooks(func(*webhook.WebhookQuery) {}, func(_ webhook.WebhookQuery, ws []webhook.Webhook) []webhook.Webhook {
			return ws[:min(200, len(ws))]
		})},
	{name: "returns 1,000 webhooks at most", fails: "webhooks_may_be_a_thousand",
		inject: fromWebhooks(func(*webhook.WebhookQuery) {}, func(_ webhook.WebhookQuery, ws []webhook.Webhook) []webhook.Webhook {
			return ws[:min(1000, len(ws))]
		})},
	{name: "has 999 parameters for IDs of webhooks", fails: "webhooks_may_be_a_thousand",
		inject: webhookQuery(func(q *webhook.WebhookQuery) { q.IDs = q.IDs[:min(999, len(q.IDs))] })},
	{name: "has 999 parameters for lists", fails: "webhooks_may_be_a_thousand",
		inject: webhookQuery(func(q *webhook.WebhookQuery) { q.Lists = q.Lists[:min(999, len(q.Lists))] })},
	{name: "has 999 parameters for IDs of deliveries", fails: "deliveries_named_may_be_a_thousand",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) { q.IDs = q.IDs[:min(999, len(q.IDs))] })},
	{name: "finds 200 of the deliveries named", fails: "deliveries_named_may_be_a_thousand",
		inject: fromDeliveries(func(*webhook.DeliveryQuery) {}, func(q webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			if len(q.IDs) > 0 {
				return ds[:min(200, len(ds))]
			}
			return ds
		})},
	{name: "looks at 200 IDs of webhooks", fails: "webhooks_may_be_a_thousand",
		inject: webhookQuery(func(q *webhook.WebhookQuery) { q.IDs = q.IDs[:min(200, len(q.IDs))] })},
	{name: "looks at 200 lists", fails: "webhooks_may_be_a_thousand",
		inject: webhookQuery(func(q *webhook.WebhookQuery) { q.Lists = q.Lists[:min(200, len(q.Lists))] })},
	{name: "prunes 200 webhooks at most", fails: "webhooks_may_be_a_thousand", inject: func(p *plain) {
		plainly := p.removed
		n := 0
		p.removed = func(w webhook.Webhook, q webhook.Prune) bool {
			if !plainly(w, q) || n == 200 {
				return false
			}
			n++
			return true
		}
	}},
	{name: "claims 256 of a webhook at most", fails: "claim_takes_a_thousand_of_one_webhook", inject: func(p *plain) {
		room := p.room
		p.room = func(id string, c webhook.Claim) int { return min(256, room(id, c)) }
	}},
	{name: "names 100 lost ones at most", fails: "apply_may_lose_all", inject: func(p *plain) {
		p.apply = func(ctx context.Context, cs []webhook.Change) ([]string, error) {
			lost, err := p.plainApply(ctx, cs)
			return lost[:min(100, len(lost))], err
		}
	}},
	{name: "prunes 500 at most", fails: "prune_takes_a_thousand", inject: func(p *plain) {
		p.prune = func(ctx context.Context, q webhook.Prune) (int, error) {
			q.Limit = min(q.Limit, 500)
			return p.plainPrune(ctx, q)
		}
	}},
	{name: "keeps 100 attempts", fails: "apply_appends_hundreds_of_attempts",
		inject: afterChange(func(_ webhook.Delivery, d *webhook.Delivery, _ webhook.Change) {
			d.Log = d.Log[max(0, len(d.Log)-100):]
		})},
	{name: "joins a long line at its middle", fails: "line_may_be_long", inject: func(p *plain) {
		p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
			had, err := p.plainEnqueue(ctx, ds)
			return had, rearrange(p, err, func(line []string) {
				if len(line) > 200 {
					slices.Sort(line[150:])
				}
			})
		}
	}},
}

// rearrange changes the lines, unless there was an error.
func rearrange(p *plain, err error, change func(line []string)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range p.m.lines {
		if err == nil {
			change(line)
		}
	}
	return err
}

var farFaults = []fault{
	{name: "compares Created with Since by the second", fails: "times_are_compared_to_the_millisecond",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) { q.Since = q.Since.Truncate(time.Second) })},
	{name: "takes times from 2262 on for the past", fails: "times_are_compared_to_the_millisecond",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) {
			if !q.DueBy.IsZero() {
				q.DueBy = time.Unix(0, q.DueBy.UnixNano()).UTC()
			}
		})},
	{name: "claims by the second", fails: "claim_compares_times_to_the_millisecond",
		inject: claimOf(func(c *webhook.Claim) { c.Now = c.Now.Truncate(time.Second) })},
	{name: "claims nothing before 1970", fails: "claim_compares_times_to_the_millisecond",
		inject: claimable(func(d webhook.Delivery, _ *plain) bool { return d.Due.IsZero() || d.Due.UnixMilli() >= 0 })},
	{name: "prunes what is from 2038 on too", fails: "prune_compares_times_to_the_millisecond", inject: func(p *plain) {
		p.prunable = func(d webhook.Delivery, q webhook.Prune) bool {
			return q.Selects(&d) || d.State != webhook.StatePending && time.Unix(int64(int32(d.Due.Unix())), 0).Before(q.Before) && d.Due.Year() >= 2038
		}
	}},
	{name: "prunes webhooks by the second", fails: "prune_compares_times_to_the_millisecond", inject: func(p *plain) {
		p.removed = func(w webhook.Webhook, q webhook.Prune) bool {
			return w.Deleted && w.Changed.Truncate(time.Second).Before(q.Deleted.Truncate(time.Second))
		}
	}},
	{name: "takes a Joined of zero for 1970", fails: "line_times_come_back_as_they_went",
		inject: keep(func(d *webhook.Delivery) {
			if d.Joined.IsZero() && d.Key != "" {
				d.Joined = time.UnixMilli(0).UTC()
			}
		})},
	{name: "compares Joined by the second", fails: "line_times_come_back_as_they_went",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) { q.Blocking = q.Blocking.Truncate(time.Second) })},
	{name: "counts Sequences from one", fails: "sequence_goes_on_when_a_store_is_replaced", inject: func(p *plain) {
		var last int64
		p.m.sequences.next = func(lineKey) int64 { last++; return last }
	}},
}

var insideFaults = []fault{
	{name: "loses what it claimed when the context ends", fails: "claim_is_made_whole_or_not_at_all", inject: func(p *plain) {
		p.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
			ds, err := p.plainClaim(ctx, c)
			if ctx.Err() != nil && err == nil {
				return ds[:len(ds)/2], nil
			}
			return ds, err
		}
	}},
	{name: "claims in two steps", fails: "claim_is_made_whole_or_not_at_all", inject: func(p *plain) {
		p.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
			ds, err := p.plainClaim(ctx, c)
			if ctx.Err() == nil || err != nil {
				return ds, err
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			for _, d := range ds { // the second step is to raise Lease
				d.Lease--
				d.Log = p.m.deliveries[d.ID].Log
				p.m.deliveries[d.ID] = d
			}
			return nil, ctx.Err()
		}
	}},
	{name: "puts in two steps", fails: "put_is_made_whole_or_not_at_all", inject: func(p *plain) {
		p.putWebhook = func(ctx context.Context, w webhook.Webhook) (int64, error) {
			version, err := p.plainPutWebhook(ctx, w)
			if ctx.Err() == nil || err != nil {
				return version, err
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			stored := p.m.webhooks[w.ID]
			stored.Tallies = nil
			p.m.webhooks[w.ID] = stored
			return 0, ctx.Err()
		}
	}},
	{name: "prunes logs first, then deliveries", fails: "prune_removes_whole_deliveries", inject: func(p *plain) {
		p.prune = func(ctx context.Context, q webhook.Prune) (int, error) {
			if ctx.Err() != nil {
				return 0, ctx.Err()
			}
			p.mu.Lock()
			for id, d := range p.m.deliveries {
				if q.Selects(&d) {
					d.Subjects, d.Log = nil, nil
					p.m.deliveries[id] = d
				}
			}
			p.mu.Unlock()
			return p.plainPrune(ctx, q)
		}
	}},
	{name: "returns what it has read when the context ends", fails: "reads_are_whole_or_an_error", inject: func(p *plain) {
		p.webhooks = func(ctx context.Context, q webhook.WebhookQuery) ([]webhook.Webhook, error) {
			ws, err := p.plainWebhooks(ctx, q)
			if ctx.Err() != nil && err == nil {
				return ws[:len(ws)/2], nil
			}
			return ws, err
		}
	}},
	{name: "counts what it has read when the context ends", fails: "reads_are_whole_or_an_error", inject: func(p *plain) {
		p.count = func(ctx context.Context, q webhook.DeliveryQuery) (int, error) {
			n, err := p.plainCount(ctx, q)
			if ctx.Err() != nil && err == nil {
				return n / 2, nil
			}
			return n, err
		}
	}},
}

var meanwhileFaults = []fault{
	{name: "changes a delivery in two steps", fails: "concurrent_readers_see_whole_changes", inject: func(p *plain) {
		half := newGlimpse()
		p.apply = func(ctx context.Context, cs []webhook.Change) ([]string, error) {
			p.mu.Lock()
			for _, c := range cs {
				if d, ok := p.m.deliveries[c.ID]; ok && d.Lease == c.Lease {
					d.Attempts = c.Attempts
					p.m.deliveries[c.ID] = d
				}
			}
			half.half = true
			p.mu.Unlock()
			half.wait()
			return p.plainApply(ctx, cs)
		}
		p.deliveries = func(ctx context.Context, q webhook.DeliveryQuery) ([]webhook.Delivery, error) {
			return locked(p, ctx, func() ([]webhook.Delivery, error) {
				half.seen()
				return clone(p.m.selectDeliveries(q)), nil
			})
		}
	}},
	{name: "puts Tallies in a second step", fails: "concurrent_readers_see_whole_webhooks", inject: func(p *plain) {
		half := newGlimpse()
		p.putWebhook = func(ctx context.Context, w webhook.Webhook) (int64, error) {
			if w.Tallies == nil {
				return p.plainPutWebhook(ctx, w)
			}
			tallies := w.Tallies
			w.Tallies = nil
			p.mu.Lock()
			version, _ := p.m.put(clone(w))
			half.half = true
			p.mu.Unlock()
			half.wait()
			p.mu.Lock()
			defer p.mu.Unlock()
			stored := p.m.webhooks[w.ID]
			stored.Tallies = slices.Clone(tallies)
			p.m.webhooks[w.ID] = stored
			return version, nil
		}
		p.webhooks = func(ctx context.Context, q webhook.WebhookQuery) ([]webhook.Webhook, error) {
			return locked(p, ctx, func() ([]webhook.Webhook, error) {
				half.seen()
				return clone(p.m.selectWebhooks(q)), nil
			})
		}
	}},
}

var keyFaults = []fault{
	{name: "does not list what left its line as it ended", fails: "deliveries_by_webhook_and_key",
		inject: afterChange(func(_ webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
			if c.LeaveLine && d.State != webhook.StatePending {
				d.Key, d.PassedOver = "", false
			}
		})},
}
