package storetest

import (
	"context"
	"encoding/json"
	"math"
	"slices"

	"github.com/listhook/webhook"
)

// atMost returns the first n of list.
func atMost[T any](n int, list []T) []T { return list[:min(n, len(list))] }

// repeated returns how often list names a text.
func repeated(list []string, text string) (n int) {
	for _, other := range list {
		if other == text {
			n++
		}
	}
	return n
}

var limitFaults = []fault{
	{name: "selects 5,000 deliveries at most", fails: "limits_of_queries_may_be_thousands",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) { q.Limit = min(q.Limit, 5000) })},
	{name: "counts to 5,000 at most", fails: "limits_of_queries_may_be_thousands",
		inject: countQuery(func(q *webhook.DeliveryQuery) { q.Limit = min(q.Limit, 5000) })},
	{name: "takes an Each of 1,000 at most", fails: "limits_of_claims_and_prunes_may_be_thousands",
		inject: claimOf(func(c *webhook.Claim) { c.Each = min(c.Each, 1000) })},
	{name: "takes a Room of 1,000 at most", fails: "limits_of_claims_and_prunes_may_be_thousands", inject: func(p *plain) {
		room := p.room
		p.room = func(id string, c webhook.Claim) int {
			if n, ok := c.Room[id]; ok {
				return min(n, 1000)
			}
			return room(id, c)
		}
	}},
	{name: "prunes 2,000 at most", fails: "limits_of_claims_and_prunes_may_be_thousands", inject: func(p *plain) {
		p.prune = func(ctx context.Context, q webhook.Prune) (int, error) {
			q.Limit = min(q.Limit, 2000)
			return p.plainPrune(ctx, q)
		}
	}},
	{name: "reads one more than the Limit", fails: "limits_may_be_any_number",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) {
			if q.Limit == math.MaxInt {
				q.Limit = 1 // none but one, as the sum is negative
			}
		})},
	{name: "finds twice what is named twice", fails: "queries_select_once_what_they_name_twice",
		inject: fromDeliveries(func(*webhook.DeliveryQuery) {}, func(q webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			if len(q.IDs) < 100 {
				return ds
			}
			var found []webhook.Delivery
			for _, d := range ds {
				for range repeated(q.IDs, d.ID) {
					found = append(found, d)
				}
			}
			return found
		})},
	{name: "finds twice the webhooks of a list that is named twice", fails: "queries_select_once_what_they_name_twice",
		inject: fromWebhooks(func(*webhook.WebhookQuery) {}, func(q webhook.WebhookQuery, ws []webhook.Webhook) []webhook.Webhook {
			var found []webhook.Webhook
			for _, w := range ws {
				for range max(1, repeated(q.Lists, w.List)) {
					found = append(found, w)
				}
			}
			return found
		})},
}

// keepBodies changes the bodies of each event before it is enqueued.
func keepBodies(change func(e webhook.OutboxEvent)) func(p *plain) {
	return func(p *plain) {
		p.events = func(ctx context.Context, events []webhook.OutboxEvent) ([]string, error) {
			events = slices.Clone(events)
			for i := range events {
				events[i].Bodies = slices.Clone(events[i].Bodies)
				change(events[i])
			}
			return p.flatEnqueue(ctx, events)
		}
	}
}

var bodyFaults = []fault{
	{name: "keeps JSON as a document", fails: "bodies_come_back_byte_for_byte", inject: keepBodies(func(e webhook.OutboxEvent) {
		for i, body := range e.Bodies {
			var doc any
			if json.Unmarshal(body, &doc) == nil {
				e.Bodies[i], _ = json.Marshal(doc)
			}
		}
	})},
	{name: "keeps 1 MiB of a body", fails: "bodies_may_be_megabytes", inject: keepBodies(func(e webhook.OutboxEvent) {
		for i, body := range e.Bodies {
			e.Bodies[i] = atMost(1<<20, body)
		}
	})},
	{name: "keeps the first bodies of an EventID", fails: "bodies_are_of_their_own_event", inject: func(p *plain) {
		kept := map[string][][]byte{}
		keepBodies(func(e webhook.OutboxEvent) {
			if len(e.Deliveries) > 0 {
				id := e.Deliveries[0].EventID
				if n := len(kept[id]); n < len(e.Bodies) {
					kept[id] = append(kept[id], clone(e.Bodies[n:])...)
				}
				copy(e.Bodies, kept[id])
			}
		})(p)
	}},
	{name: "knows bodies by their first 1,000 bytes", fails: "bodies_are_of_their_own_event", inject: func(p *plain) {
		kept := map[string][]byte{}
		keepBodies(func(e webhook.OutboxEvent) {
			for i, body := range e.Bodies {
				begins := string(atMost(1000, body))
				if kept[begins] == nil {
					kept[begins] = body
				}
				e.Bodies[i] = kept[begins]
			}
		})(p)
	}},
	{name: "drops the body of all who have the same", fails: "bodies_stay_while_one_of_them_goes", inject: func(p *plain) {
		p.apply = func(ctx context.Context, cs []webhook.Change) ([]string, error) {
			p.mu.Lock()
			for _, c := range cs {
				body := p.m.deliveries[c.ID].Body
				for id, d := range p.m.deliveries {
					if c.DropBody && string(d.Body) == string(body) {
						d.Body = nil
						p.m.deliveries[id] = d
					}
				}
			}
			p.mu.Unlock()
			return p.plainApply(ctx, cs)
		}
	}},
	{name: "prunes a body that others have", fails: "bodies_stay_while_one_of_them_goes", inject: func(p *plain) {
		p.prune = func(ctx context.Context, q webhook.Prune) (int, error) {
			n, err := p.plainPrune(ctx, q)
			p.mu.Lock()
			defer p.mu.Unlock()
			for id, d := range p.m.deliveries {
				if n > 0 {
					d.Body = nil
					p.m.deliveries[id] = d
				}
			}
			return n, err
		}
	}},
}

var documentFaults = []fault{
	{name: "keeps the Subjects of an event once", fails: "enqueue_keeps_each_delivery_of_an_event", inject: func(p *plain) {
		p.events = func(ctx context.Context, events []webhook.OutboxEvent) ([]string, error) {
			events = clone(events)
			for _, e := range events {
				for i := range e.Deliveries {
					e.Deliveries[i].Subjects = e.Deliveries[0].Subjects
				}
			}
			return p.flatEnqueue(ctx, events)
		}
	}},
	{name: "keeps no empty values of a Carrier", fails: "carriers_are_kept_whole", inject: keep(func(d *webhook.Delivery) {
		for key, value := range d.Carrier {
			if value == "" {
				delete(d.Carrier, key)
			}
		}
	})},
	{name: "keeps 64 KiB of a Carrier's value", fails: "carriers_are_kept_whole", inject: keep(func(d *webhook.Delivery) {
		for key, value := range d.Carrier {
			d.Carrier[key] = cut(value, 64<<10)
		}
	})},
	{name: "keeps no empty Subject", fails: "subjects_are_kept_as_they_are",
		inject: keep(func(d *webhook.Delivery) {
			d.Subjects = only(d.Subjects, func(subject string) bool { return subject != "" })
		})},
	{name: "finds a delivery once for each of its Subjects", fails: "subjects_are_kept_as_they_are",
		inject: fromDeliveries(func(*webhook.DeliveryQuery) {}, func(q webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			var found []webhook.Delivery
			for _, d := range ds {
				for range max(1, repeated(d.Subjects, q.Subject)) {
					found = append(found, d)
				}
			}
			return found
		})},
	{name: "keeps Attempts in 16 bits", fails: "numbers_are_kept_whole",
		inject: keep(func(d *webhook.Delivery) { d.Attempts = int(int16(d.Attempts)) })},
	{name: "keeps a Lease in 32 bits", fails: "numbers_are_kept_whole",
		inject: keep(func(d *webhook.Delivery) { d.Lease = int64(int32(d.Lease)) })},
	{name: "keeps 500 Members", fails: "attempts_are_kept_whole",
		inject: afterChange(func(_ webhook.Delivery, d *webhook.Delivery, _ webhook.Change) {
			for i := range d.Log {
				d.Log[i].Members = atMost(500, d.Log[i].Members)
			}
		})},
	{name: "moves deliveries with their webhook", fails: "put_leaves_deliveries_alone", inject: func(p *plain) {
		p.putWebhook = func(ctx context.Context, w webhook.Webhook) (int64, error) {
			version, err := p.plainPutWebhook(ctx, w)
			p.mu.Lock()
			defer p.mu.Unlock()
			for id, d := range p.m.deliveries {
				if d.WebhookID == w.ID && err == nil {
					d.Account = w.Account
					p.m.deliveries[id] = d
				}
			}
			return version, err
		}
	}},
	{name: "gives each account of a webhook a turn", fails: "webhooks_take_turns_whatever_the_accounts", inject: func(p *plain) {
		p.claim = func(ctx context.Context, c webhook.Claim) (claimed []webhook.Delivery, err error) {
			plainly := p.claimable
			defer func() { p.claimable = plainly }()
			for _, account := range accounts {
				p.claimable = func(d webhook.Delivery, c webhook.Claim) bool { return plainly(d, c) && d.Account == account }
				ds, err := p.plainClaim(ctx, c)
				if err != nil {
					return nil, err
				}
				claimed = append(claimed, ds...)
				c.Limit -= len(ds)
			}
			return claimed, nil
		}
	}},
}
