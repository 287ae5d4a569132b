package storetest

import (
	"context"
	"slices"

	"github.com/listhook/webhook"
)

var memoryFaults = []fault{
	{name: "keeps a webhook that it is given", fails: "shares_no_memory_with_what_it_is_given",
		inject: func(p *plain) {
			p.putWebhook = func(ctx context.Context, w webhook.Webhook) (int64, error) {
				version, err := p.plainPutWebhook(ctx, w)
				if err == nil {
					w.Version = version
					p.m.webhooks[w.ID] = w
				}
				return version, err
			}
		}},
	{name: "keeps a body that it is given", fails: "shares_no_memory_with_what_it_is_given",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
				had, err := p.plainEnqueue(ctx, ds)
				for _, d := range ds {
					stored := p.m.deliveries[d.ID]
					stored.Body = d.Body
					p.m.deliveries[d.ID] = stored
				}
				return had, err
			}
		}},
	{name: "keeps a carrier that it is given", fails: "shares_no_memory_with_what_it_is_given",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
				had, err := p.plainEnqueue(ctx, ds)
				for _, d := range ds {
					stored := p.m.deliveries[d.ID]
					stored.Carrier = d.Carrier
					p.m.deliveries[d.ID] = stored
				}
				return had, err
			}
		}},
	{name: "keeps a response that it is given", fails: "shares_no_memory_with_what_it_is_given",
		inject: func(p *plain) {
			p.apply = func(ctx context.Context, cs []webhook.Change) ([]string, error) {
				lost, err := p.plainApply(ctx, cs)
				for _, c := range cs {
					if d, ok := p.m.deliveries[c.ID]; ok && c.Log != nil && !slices.Contains(lost, c.ID) {
						d.Log[len(d.Log)-1].Response = c.Log.Response
					}
				}
				return lost, err
			}
		}},
	{name: "keeps the responses of a long log that it is given", fails: "shares_no_memory_with_what_it_is_given",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
				had, err := p.plainEnqueue(ctx, ds)
				for _, d := range ds {
					for i := 200; i < len(d.Log); i++ {
						p.m.deliveries[d.ID].Log[i].Response = d.Log[i].Response
					}
				}
				return had, err
			}
		}},
	{name: "keeps a Rewrite that it is given", fails: "shares_no_memory_with_what_it_is_given",
		inject: func(p *plain) {
			p.apply = func(ctx context.Context, cs []webhook.Change) ([]string, error) {
				lost, err := p.plainApply(ctx, cs)
				for _, c := range cs {
					if d, ok := p.m.deliveries[c.ID]; ok && len(c.Rewrite) > 0 && !slices.Contains(lost, c.ID) {
						d.Log = c.Rewrite
						p.m.deliveries[c.ID] = d
					}
				}
				return lost, err
			}
		}},
	{name: "gives out the webhooks that it keeps", fails: "shares_no_memory_with_what_it_gives",
		inject: func(p *plain) {
			p.webhooks = func(_ context.Context, q webhook.WebhookQuery) ([]webhook.Webhook, error) {
				return p.m.selectWebhooks(q), nil
			}
		}},
	{name: "gives out the deliveries that it keeps", fails: "shares_no_memory_with_what_it_gives",
		inject: func(p *plain) {
			p.deliveries = func(_ context.Context, q webhook.DeliveryQuery) ([]webhook.Delivery, error) {
				return p.m.selectDeliveries(q), nil
			}
		}},
	{name: "gives out the bodies that it keeps to claims", fails: "shares_no_memory_with_what_it_gives",
		inject: func(p *plain) {
			p.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
				ds, err := p.plainClaim(ctx, c)
				for i := range ds {
					ds[i].Body = p.m.deliveries[ds[i].ID].Body
				}
				return ds, err
			}
		}},
	{name: "sorts the IDs that it is given", fails: "changes_nothing_that_it_is_given",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) { slices.Sort(q.IDs) })},
	{name: "sorts the deliveries that it is given", fails: "changes_nothing_that_it_is_given",
		inject: func(p *plain) {
			p.events = func(ctx context.Context, events []webhook.OutboxEvent) ([]string, error) {
				for _, e := range events {
					slices.SortStableFunc(e.Deliveries, func(a, b webhook.OutboxDelivery) int { return byCreated(a.Delivery, b.Delivery) })
				}
				return p.flatEnqueue(ctx, events)
			}
		}},
	{name: "uses up the Room that it is given", fails: "changes_nothing_that_it_is_given",
		inject: func(p *plain) {
			p.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
				ds, err := p.plainClaim(ctx, c)
				for _, d := range ds {
					if _, ok := c.Room[d.WebhookID]; ok {
						c.Room[d.WebhookID]--
					}
				}
				return ds, err
			}
		}},
	{name: "raises the leases that it is given", fails: "changes_nothing_that_it_is_given",
		inject: func(p *plain) {
			p.apply = func(ctx context.Context, cs []webhook.Change) ([]string, error) {
				lost, err := p.plainApply(ctx, cs)
				for i := range cs {
					cs[i].Lease++
				}
				return lost, err
			}
		}},
}

var contextFaults = []fault{
	{name: "enqueues in spite of an ended context", fails: "ended_context_stops_Enqueue",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
				return p.plainEnqueue(context.WithoutCancel(ctx), ds)
			}
		}},
	{name: "puts in spite of an ended context", fails: "ended_context_stops_PutWebhook",
		inject: func(p *plain) {
			p.putWebhook = func(ctx context.Context, w webhook.Webhook) (int64, error) {
				return p.plainPutWebhook(context.WithoutCancel(ctx), w)
			}
		}},
	{name: "claims in spite of an ended context", fails: "ended_context_stops_Claim",
		inject: func(p *plain) {
			p.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
				return p.plainClaim(context.WithoutCancel(ctx), c)
			}
		}},
	{name: "claims and returns the error of an ended context", fails: "ended_context_stops_Claim",
		inject: func(p *plain) {
			p.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
				ds, err := p.plainClaim(context.WithoutCancel(ctx), c)
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				return ds, err
			}
		}},
	{name: "claims nothing when the context has ended, without an error", fails: "ended_context_stops_Claim",
		inject: func(p *plain) {
			p.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
				if ctx.Err() != nil {
					return nil, nil
				}
				return p.plainClaim(ctx, c)
			}
		}},
	{name: "applies in spite of an ended context", fails: "ended_context_stops_Apply",
		inject: func(p *plain) {
			p.apply = func(ctx context.Context, cs []webhook.Change) ([]string, error) {
				return p.plainApply(context.WithoutCancel(ctx), cs)
			}
		}},
	{name: "prunes in spite of an ended context", fails: "ended_context_stops_Prune",
		inject: func(p *plain) {
			p.prune = func(ctx context.Context, q webhook.Prune) (int, error) {
				return p.plainPrune(context.WithoutCancel(ctx), q)
			}
		}},
	{name: "finds no webhooks when the context has ended", fails: "ended_context_stops_Webhooks",
		inject: func(p *plain) {
			p.webhooks = func(ctx context.Context, q webhook.WebhookQuery) ([]webhook.Webhook, error) {
				ws, _ := p.plainWebhooks(ctx, q)
				return ws, nil
			}
		}},
	{name: "finds no deliveries when the context has ended", fails: "ended_context_stops_Deliveries",
		inject: func(p *plain) {
			p.deliveries = func(ctx context.Context, q webhook.DeliveryQuery) ([]webhook.Delivery, error) {
				ds, _ := p.plainDeliveries(ctx, q)
				return ds, nil
			}
		}},
	{name: "counts in spite of an ended context", fails: "ended_context_stops_Count",
		inject: func(p *plain) {
			p.count = func(ctx context.Context, q webhook.DeliveryQuery) (int, error) {
				return p.plainCount(context.WithoutCancel(ctx), q)
			}
		}},
}
