package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/listhook/webhook"
)

func utf16Of(text string) []uint16 { return utf16.Encode([]rune(text)) }

var enqueueFaults = []fault{
	{name: "drops the carrier", fails: "enqueue_stores_the_whole_delivery",
		inject: keep(func(d *webhook.Delivery) { d.Carrier = nil })},
	{name: "drops the log of what is enqueued", fails: "enqueue_stores_the_whole_delivery",
		inject: keep(func(d *webhook.Delivery) { d.Log = nil })},
	{name: "drops the attempts of what is enqueued", fails: "enqueue_stores_the_whole_delivery",
		inject: keep(func(d *webhook.Delivery) { d.Attempts = 0 })},
	{name: "enqueues as pending whatever the state", fails: "enqueue_adds_finished_ones_too",
		inject: keep(func(d *webhook.Delivery) { d.State = webhook.StatePending })},
	{name: "does not add what is finished", fails: "enqueue_adds_finished_ones_too",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
				return p.plainEnqueue(ctx, only(slices.Clone(ds), func(d webhook.Delivery) bool { return d.State == webhook.StatePending }))
			}
		}},
	{name: "overwrites what was stored", fails: "enqueue_leaves_stored_ones_alone",
		inject: func(p *plain) {
			p.keep = func(d webhook.Delivery) webhook.Delivery { p.m.deliveries[d.ID] = d; return d }
		}},
	{name: "does not say what was stored", fails: "enqueue_leaves_stored_ones_alone",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
				_, err := p.plainEnqueue(ctx, ds)
				return nil, err
			}
		}},
	{name: "says of all that they were stored if one was", fails: "enqueue_leaves_stored_ones_alone",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
				had, err := p.plainEnqueue(ctx, ds)
				if len(had) > 0 {
					had = ids(ds)
				}
				return had, err
			}
		}},
	{name: "returns what it added", fails: "enqueue_leaves_stored_ones_alone",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
				had, err := p.plainEnqueue(ctx, ds)
				return only(ids(ds), func(id string) bool { return !slices.Contains(had, id) }), err
			}
		}},
	{name: "adds nothing if one was stored", fails: "enqueue_leaves_stored_ones_alone",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
				for _, d := range ds {
					if _, ok := p.m.deliveries[d.ID]; ok {
						return []string{d.ID}, nil
					}
				}
				return p.plainEnqueue(ctx, ds)
			}
		}},
	{name: "has an error for what was stored", fails: "enqueue_leaves_stored_ones_alone",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
				had, err := p.plainEnqueue(ctx, ds)
				if len(had) > 0 {
					err = webhook.ErrConflict
				}
				return had, err
			}
		}},
	{name: "takes the second of two with one ID", fails: "enqueue_takes_an_id_once_in_a_call",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
				ds = slices.Clone(ds)
				slices.Reverse(ds)
				return p.plainEnqueue(ctx, ds)
			}
		}},
	{name: "says of the second of two that it was stored", fails: "enqueue_takes_an_id_once_in_a_call",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) (had []string, err error) {
				for _, d := range ds {
					one, err := p.plainEnqueue(ctx, []webhook.Delivery{d})
					if err != nil {
						return nil, err
					}
					had = append(had, one...)
				}
				return had, nil
			}
		}},
	{name: "enqueues with Lease 0", fails: "enqueue_keeps_the_lease_of_the_pre_leased",
		inject: keep(func(d *webhook.Delivery) { d.Lease = 0 })},
	{name: "enqueues as due at once", fails: "enqueue_keeps_the_lease_of_the_pre_leased",
		inject: keep(func(d *webhook.Delivery) { d.Due = d.Created })},
	{name: "adds what it can until the context ends", fails: "enqueue_of_an_event_is_all_or_none_when_canceled",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) (had []string, err error) {
				for _, d := range ds {
					one, err := p.plainEnqueue(ctx, []webhook.Delivery{d})
					if err != nil {
						return nil, err
					}
					had = append(had, one...)
				}
				return had, nil
			}
		}},
	{name: "adds what comes before one that it refuses", fails: "enqueue_of_an_event_is_all_or_none_when_refused",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
				for i, d := range ds {
					if len(d.ID) > 255 || strings.Contains(d.ID, "\x00") {
						p.plainEnqueue(ctx, ds[:i])
						return nil, errNone
					}
				}
				return p.plainEnqueue(ctx, ds)
			}
		}},
	{name: "leaves out what it refuses", fails: "enqueue_of_an_event_is_all_or_none_when_refused",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
				return p.plainEnqueue(ctx, only(slices.Clone(ds), func(d webhook.Delivery) bool { return len(d.ID) <= 255 }))
			}
		}},
	{name: "shows an event while it is added", fails: "concurrent_readers_see_no_part_of_an_event",
		inject: func(p *plain) {
			half := newGlimpse()
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
				p.mu.Lock()
				had := p.m.enqueue(clone(ds[:len(ds)/2]))
				half.half = true
				p.mu.Unlock()
				half.wait()
				more, err := p.plainEnqueue(ctx, ds[len(ds)/2:])
				return append(had, more...), err
			}
			p.count = func(ctx context.Context, q webhook.DeliveryQuery) (int, error) {
				return locked(p, ctx, func() (int, error) {
					half.seen()
					return len(p.m.selectDeliveries(q)), nil
				})
			}
		}},
	{name: "adds a thousand of a call", fails: "enqueue_takes_thousands",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
				return p.plainEnqueue(ctx, ds[:min(1000, len(ds))])
			}
		}},
	{name: "refuses more than 16 MiB", fails: "enqueue_takes_large_bodies_together",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
				size := 0
				for _, d := range ds {
					size += len(d.Body)
				}
				if size > 16<<20 {
					return nil, errors.New("packet too large")
				}
				return p.plainEnqueue(ctx, ds)
			}
		}},
	{name: "has an error for none to add", fails: "enqueue_may_add_none",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
				if len(ds) == 0 {
					return nil, errNone
				}
				return p.plainEnqueue(ctx, ds)
			}
		}},
}

var claimFaults = []fault{
	{name: "claims what is not due yet", fails: "claim_leases_what_is_pending_and_due",
		inject: func(p *plain) {
			p.claimable = func(d webhook.Delivery, _ webhook.Claim) bool { return d.State == webhook.StatePending }
		}},
	{name: "claims by its own clock", fails: "claim_leases_what_is_pending_and_due",
		inject: claimOf(func(c *webhook.Claim) { c.Now = time.Now().UTC() })},
	{name: "claims what was due before only", fails: "claim_leases_what_is_pending_and_due",
		inject: func(p *plain) {
			plainly := p.claimable
			p.claimable = func(d webhook.Delivery, c webhook.Claim) bool { return plainly(d, c) && d.Due.Before(c.Now) }
		}},
	{name: "claims to the second", fails: "claim_leases_what_is_pending_and_due",
		inject: func(p *plain) {
			p.claimable = func(d webhook.Delivery, c webhook.Claim) bool {
				return d.State == webhook.StatePending && d.Due.Unix() <= c.Now.Unix() && !p.m.webhooks[d.WebhookID].HeldUntil.After(c.Now)
			}
		}},
	{name: "claims what has failed", fails: "claim_leases_what_is_pending_and_due",
		inject: func(p *plain) {
			p.claimable = func(d webhook.Delivery, c webhook.Claim) bool {
				return (d.State == webhook.StatePending || d.State == webhook.StateFailed) && !d.Due.After(c.Now) && !p.m.webhooks[d.WebhookID].HeldUntil.After(c.Now)
			}
		}},
	{name: "does not raise the lease", fails: "claim_raises_the_lease_and_moves_due",
		inject: func(p *plain) { p.lease = func(d *webhook.Delivery, c webhook.Claim) { d.Due = c.Until } }},
	{name: "raises the lease by two", fails: "claim_raises_the_lease_and_moves_due",
		inject: func(p *plain) {
			p.lease = func(d *webhook.Delivery, c webhook.Claim) { d.Due = c.Until; d.Lease += 2 }
		}},
	{name: "counts a claim as an attempt", fails: "claim_raises_the_lease_and_moves_due",
		inject: func(p *plain) {
			p.lease = func(d *webhook.Delivery, c webhook.Claim) { d.Due = c.Until; d.Lease++; d.Attempts++ }
		}},
	{name: "forgets the log by a claim", fails: "claim_raises_the_lease_and_moves_due",
		inject: func(p *plain) {
			p.lease = func(d *webhook.Delivery, c webhook.Claim) { d.Due = c.Until; d.Lease++; d.Log = nil }
		}},
	{name: "has a lease of its own length", fails: "claim_raises_the_lease_and_moves_due",
		inject: func(p *plain) {
			p.lease = func(d *webhook.Delivery, c webhook.Claim) { d.Due = c.Now.Add(30 * time.Second); d.Lease++ }
		}},
	{name: "returns the old lease", fails: "claim_returns_them_so_without_log",
		inject: func(p *plain) {
			p.leased = func(was, now webhook.Delivery) webhook.Delivery { now.Lease, now.Log = was.Lease, nil; return now }
		}},
	{name: "returns the old due", fails: "claim_returns_them_so_without_log",
		inject: func(p *plain) {
			p.leased = func(was, now webhook.Delivery) webhook.Delivery { now.Due, now.Log = was.Due, nil; return now }
		}},
	{name: "returns the log with a claim", fails: "claim_returns_them_so_without_log",
		inject: func(p *plain) {
			p.leased = func(_, now webhook.Delivery) webhook.Delivery { return now }
		}},
	{name: "returns no body with a claim", fails: "claim_returns_them_so_without_log",
		inject: func(p *plain) {
			p.leased = func(_, now webhook.Delivery) webhook.Delivery { now.Body, now.Log = nil, nil; return now }
		}},
	{name: "leases nothing", fails: "claim_leases_a_delivery_once",
		inject: func(p *plain) {
			p.lease = func(d *webhook.Delivery, _ webhook.Claim) { d.Lease++ }
			p.leased = func(_, now webhook.Delivery) webhook.Delivery { now.Due, now.Log = at(60), nil; return now }
		}},
	{name: "claims twice in a call", fails: "claim_takes_a_delivery_once_in_a_call",
		inject: func(p *plain) {
			p.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
				ds, err := p.plainClaim(ctx, c)
				if err != nil {
					return nil, err
				}
				more, err := p.plainClaim(ctx, c)
				return append(ds, more...), err
			}
		}},
	{name: "never claims again what it leased", fails: "claim_takes_again_what_expired",
		inject: claimable(func(d webhook.Delivery, _ *plain) bool { return d.Lease == 0 })},
	{name: "claims what ended when its lease would have", fails: "claim_takes_of_expired_leases_what_is_outstanding",
		inject: func(p *plain) {
			plainly := p.claimable
			p.claimable = func(d webhook.Delivery, c webhook.Claim) bool {
				return plainly(d, c) || d.State == webhook.StateDelivered && d.Lease == 2 && d.Key == "" && d.Due.Equal(c.Now)
			}
		}},
	{name: "takes what waits when its lease would have ended", fails: "claim_takes_of_expired_leases_what_is_outstanding",
		inject: func(p *plain) {
			until := map[string]time.Time{}
			plainly, lease := p.claimable, p.lease
			p.lease = func(d *webhook.Delivery, c webhook.Claim) {
				lease(d, c)
				if d.Lease == 1 {
					until[d.ID] = c.Until
				}
			}
			p.claimable = func(d webhook.Delivery, c webhook.Claim) bool {
				end, ok := until[d.ID]
				return plainly(d, c) || ok && d.State == webhook.StatePending && end.Equal(c.Now)
			}
		}},
	{name: "ends two leases in a call", fails: "claim_takes_of_expired_leases_what_is_outstanding",
		inject: func(p *plain) {
			ended := map[time.Time]int{}
			p.claimable = func(d webhook.Delivery, c webhook.Claim) bool {
				if !p.m.claimable(d, c) {
					return false
				}
				if d.Lease > 0 {
					ended[c.Now]++
				}
				return ended[c.Now] <= 2
			}
		}},
	{name: "ignores holds", fails: "claim_heeds_hold",
		inject: func(p *plain) {
			p.claimable = func(d webhook.Delivery, c webhook.Claim) bool {
				return d.State == webhook.StatePending && !d.Due.After(c.Now)
			}
		}},
	{name: "holds until after HeldUntil", fails: "claim_heeds_hold",
		inject: func(p *plain) {
			plainly := p.claimable
			p.claimable = func(d webhook.Delivery, c webhook.Claim) bool {
				return plainly(d, c) && !p.m.webhooks[d.WebhookID].HeldUntil.Equal(c.Now)
			}
		}},
	{name: "holds for ever what has a HeldUntil", fails: "claim_heeds_hold",
		inject: claimable(func(d webhook.Delivery, p *plain) bool { return p.m.webhooks[d.WebhookID].HeldUntil.IsZero() })},
	{name: "heeds the HeldUntil of when a delivery was enqueued", fails: "claim_heeds_hold_as_it_is_now",
		inject: func(p *plain) {
			holds := map[string]time.Time{}
			p.keep = func(d webhook.Delivery) webhook.Delivery { holds[d.ID] = p.m.webhooks[d.WebhookID].HeldUntil; return d }
			p.claimable = func(d webhook.Delivery, c webhook.Claim) bool {
				return d.State == webhook.StatePending && !d.Due.After(c.Now) && !holds[d.ID].After(c.Now)
			}
		}},
	{name: "keeps the first HeldUntil put", fails: "claim_heeds_hold_as_it_is_now",
		inject: func(p *plain) {
			holds := map[string]time.Time{}
			p.keepHook = func(w webhook.Webhook) webhook.Webhook {
				if holds[w.ID].IsZero() {
					holds[w.ID] = w.HeldUntil
				}
				return w
			}
			p.claimable = func(d webhook.Delivery, c webhook.Claim) bool {
				return d.State == webhook.StatePending && !d.Due.After(c.Now) && !holds[d.WebhookID].After(c.Now)
			}
		}},
	{name: "claims nothing of unknown webhooks", fails: "claim_heeds_nothing_but_hold",
		inject: claimable(func(d webhook.Delivery, p *plain) bool { return p.m.webhooks[d.WebhookID].Version > 0 })},
	{name: "claims nothing of deleted webhooks", fails: "claim_heeds_nothing_but_hold",
		inject: claimable(func(d webhook.Delivery, p *plain) bool { return !p.m.webhooks[d.WebhookID].Deleted })},
	{name: "claims nothing of webhooks that are disabled", fails: "claim_heeds_nothing_but_hold",
		inject: claimable(func(d webhook.Delivery, p *plain) bool { return p.m.webhooks[d.WebhookID].Disabled == "" })},
	{name: "ignores the HeldUntil of deleted webhooks", fails: "claim_heeds_nothing_but_hold",
		inject: func(p *plain) {
			p.claimable = func(d webhook.Delivery, c webhook.Claim) bool {
				w := p.m.webhooks[d.WebhookID]
				return d.State == webhook.StatePending && !d.Due.After(c.Now) && (w.Deleted || !w.HeldUntil.After(c.Now))
			}
		}},
	{name: "claims nothing of the empty account", fails: "claim_is_for_every_account",
		inject: claimable(func(d webhook.Delivery, _ *plain) bool { return d.Account != "" })},
	{name: "remembers what time it is", fails: "claim_takes_now_from_its_caller",
		inject: func(p *plain) {
			var latest time.Time
			p.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
				if c.Now.After(latest) {
					latest = c.Now
				}
				c.Now = latest
				return p.plainClaim(ctx, c)
			}
		}},
	{name: "keeps what was ready once ready", fails: "claim_takes_now_from_its_caller",
		inject: func(p *plain) {
			ready := map[string]bool{}
			plainly := p.claimable
			p.claimable = func(d webhook.Delivery, c webhook.Claim) bool {
				ready[d.ID] = d.State == webhook.StatePending && (ready[d.ID] || plainly(d, c))
				return ready[d.ID]
			}
			p.lease = func(d *webhook.Delivery, c webhook.Claim) { d.Lease++; d.Due = c.Until; delete(ready, d.ID) }
		}},
	{name: "keeps times in 32 bits", fails: "claim_reaches_far_times",
		inject: func(p *plain) {
			p.lease = func(d *webhook.Delivery, c webhook.Claim) {
				d.Lease++
				d.Due = c.Until
				if end := time.Unix(1<<31-1, 0).UTC(); d.Due.After(end) {
					d.Due = end
				}
			}
		}},
}
