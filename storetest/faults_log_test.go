package storetest

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/listhook/webhook"
)

var applyFaults = []fault{
	{name: "does not store Attempts", fails: "apply_makes_the_change",
		inject: afterChange(func(was webhook.Delivery, d *webhook.Delivery, _ webhook.Change) { d.Attempts = was.Attempts })},
	{name: "counts the attempts itself", fails: "apply_makes_the_change",
		inject: afterChange(func(was webhook.Delivery, d *webhook.Delivery, _ webhook.Change) { d.Attempts = was.Attempts + 1 })},
	{name: "leaves Due when the change's is zero", fails: "apply_makes_the_change",
		inject: afterChange(func(was webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
			if c.Due.IsZero() {
				d.Due = was.Due
			}
		})},
	{name: "sets Lease to 1", fails: "apply_makes_the_change",
		inject: afterChange(func(_ webhook.Delivery, d *webhook.Delivery, _ webhook.Change) { d.Lease = 1 })},
	{name: "does not fence", fails: "apply_changes_only_what_has_its_lease",
		inject: func(p *plain) { p.fenced = func(webhook.Delivery, webhook.Change) bool { return true } }},
	{name: "takes an older lease", fails: "apply_changes_only_what_has_its_lease",
		inject: func(p *plain) {
			p.fenced = func(d webhook.Delivery, c webhook.Change) bool { return c.Lease <= d.Lease }
		}},
	{name: "takes a newer lease", fails: "apply_changes_only_what_has_its_lease",
		inject: func(p *plain) {
			p.fenced = func(d webhook.Delivery, c webhook.Change) bool { return c.Lease >= d.Lease }
		}},
	{name: "does not say what is lost", fails: "apply_changes_only_what_has_its_lease",
		inject: func(p *plain) {
			p.apply = func(ctx context.Context, cs []webhook.Change) ([]string, error) {
				_, err := p.plainApply(ctx, cs)
				return nil, err
			}
		}},
	{name: "does not say that an ID is unknown", fails: "apply_changes_only_what_has_its_lease",
		inject: func(p *plain) {
			p.apply = func(ctx context.Context, cs []webhook.Change) ([]string, error) {
				lost, err := p.plainApply(ctx, cs)
				return only(lost, func(id string) bool { _, ok := p.m.deliveries[id]; return ok }), err
			}
		}},
	{name: "has an error for what is lost", fails: "apply_changes_only_what_has_its_lease",
		inject: func(p *plain) {
			p.apply = func(ctx context.Context, cs []webhook.Change) ([]string, error) {
				lost, err := p.plainApply(ctx, cs)
				if len(lost) > 0 {
					err = webhook.ErrConflict
				}
				return lost, err
			}
		}},
	{name: "makes none of a call if one is lost", fails: "apply_changes_only_what_has_its_lease",
		inject: func(p *plain) {
			p.apply = func(ctx context.Context, cs []webhook.Change) ([]string, error) {
				for _, c := range cs {
					if d, ok := p.m.deliveries[c.ID]; !ok || d.Lease != c.Lease {
						return ids(p.m.selectDeliveries(webhook.DeliveryQuery{All: true})), nil
					}
				}
				return p.plainApply(ctx, cs)
			}
		}},
	{name: "erases though the change is lost", fails: "apply_changes_only_what_has_its_lease",
		inject: func(p *plain) {
			p.fenced = func(d webhook.Delivery, c webhook.Change) bool {
				if c.Erase {
					d.Body = nil
					p.m.deliveries[d.ID] = d
				}
				return d.Lease == c.Lease
			}
		}},
	{name: "takes the lease before the claim", fails: "apply_of_a_claim_takes_its_lease",
		inject: func(p *plain) {
			p.fenced = func(d webhook.Delivery, c webhook.Change) bool { return c.Lease == d.Lease || c.Lease == d.Lease-1 }
		}},
	{name: "does not raise the lease of what it changes", fails: "apply_twice_is_lost",
		inject: afterChange(func(was webhook.Delivery, d *webhook.Delivery, _ webhook.Change) { d.Lease = was.Lease })},
	{name: "appends to the log though the change is lost", fails: "apply_twice_is_lost",
		inject: func(p *plain) {
			p.fenced = func(d webhook.Delivery, c webhook.Change) bool {
				if d.Lease != c.Lease && c.Log != nil {
					d.Log = append(d.Log, *c.Log)
					p.m.deliveries[d.ID] = d
				}
				return d.Lease == c.Lease
			}
		}},
	{name: "looks at leases once for a call", fails: "apply_twice_in_a_call_is_made_once",
		inject: func(p *plain) {
			p.apply = func(ctx context.Context, cs []webhook.Change) (lost []string, err error) {
				before := clone(p.m.deliveries)
				for _, c := range cs {
					if d, ok := before[c.ID]; ok && d.Lease == c.Lease {
						c.Lease = p.m.deliveries[c.ID].Lease
					}
					one, err := p.plainApply(ctx, []webhook.Change{c})
					if err != nil {
						return nil, err
					}
					lost = append(lost, one...)
				}
				return lost, nil
			}
		}},
	{name: "does not say that the second of two is lost", fails: "apply_twice_in_a_call_is_made_once",
		inject: func(p *plain) {
			p.apply = func(ctx context.Context, cs []webhook.Change) ([]string, error) {
				seen := map[string]bool{}
				return p.plainApply(ctx, only(slices.Clone(cs), func(c webhook.Change) bool {
					had := seen[c.ID]
					seen[c.ID] = true
					return !had
				}))
			}
		}},
	{name: "fences by state", fails: "apply_late_is_lost",
		inject: func(p *plain) {
			p.fenced = func(d webhook.Delivery, _ webhook.Change) bool { return d.State == webhook.StatePending }
		}},
	{name: "refuses what comes after the lease's end", fails: "apply_late_but_first_is_made",
		inject: func(p *plain) {
			p.fenced = func(d webhook.Delivery, c webhook.Change) bool { return d.Lease == c.Lease && d.Due.After(time.Now()) }
		}},
	{name: "changes pending ones only", fails: "apply_whatever_the_state",
		inject: func(p *plain) {
			p.fenced = func(d webhook.Delivery, c webhook.Change) bool {
				return d.Lease == c.Lease && d.State == webhook.StatePending
			}
		}},
	{name: "never reopens what was delivered", fails: "apply_whatever_the_state",
		inject: afterChange(func(was webhook.Delivery, d *webhook.Delivery, _ webhook.Change) {
			if was.State == webhook.StateDelivered {
				d.State = was.State
			}
		})},
	{name: "keeps a lease until its end", fails: "apply_gives_back",
		inject: afterChange(func(was webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
			if was.Due.After(d.Due) && c.State == webhook.StatePending {
				d.Due = was.Due
			}
		})},
	{name: "claims whatever the state", fails: "apply_ends_the_claims",
		inject: func(p *plain) {
			p.claimable = func(d webhook.Delivery, c webhook.Claim) bool { return !d.Due.After(c.Now) }
		}},
	{name: "keeps the last attempt only", fails: "apply_appends_to_the_log",
		inject: afterChange(func(_ webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
			if c.Log != nil {
				d.Log = []webhook.Attempt{*c.Log}
			}
		})},
	{name: "puts the latest attempt first", fails: "apply_appends_to_the_log",
		inject: afterChange(func(was webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
			if c.Log != nil {
				d.Log = append([]webhook.Attempt{*c.Log}, was.Log...)
			}
		})},
	{name: "orders the log by Start", fails: "apply_appends_to_the_log",
		inject: afterChange(func(_ webhook.Delivery, d *webhook.Delivery, _ webhook.Change) {
			slices.SortFunc(d.Log, func(a, b webhook.Attempt) int { return a.Start.Compare(b.Start) })
		})},
	{name: "logs a change without a Log", fails: "apply_appends_to_the_log",
		inject: afterChange(func(_ webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
			if c.Log == nil {
				d.Log = append(d.Log, webhook.Attempt{})
			}
		})},
	{name: "forgets the log of a change without a Log", fails: "apply_appends_to_the_log",
		inject: afterChange(func(_ webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
			if c.Log == nil {
				d.Log = nil
			}
		})},
	{name: "keeps ten attempts", fails: "apply_appends_to_the_log",
		inject: afterChange(func(_ webhook.Delivery, d *webhook.Delivery, _ webhook.Change) { d.Log = d.Log[:min(10, len(d.Log))] })},
	{name: "drops a field of an attempt", fails: "apply_keeps_the_whole_attempt",
		inject: afterChange(func(_ webhook.Delivery, d *webhook.Delivery, _ webhook.Change) {
			for i := range d.Log {
				d.Log[i].Detail = ""
			}
		})},
	{name: "keeps durations in milliseconds", fails: "apply_keeps_the_whole_attempt",
		inject: afterChange(func(_ webhook.Delivery, d *webhook.Delivery, _ webhook.Change) {
			for i := range d.Log {
				d.Log[i].Duration = d.Log[i].Duration.Truncate(time.Millisecond)
			}
		})},
	{name: "does not erase the log", fails: "apply_erases",
		inject: afterChange(func(was webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
			if c.Erase {
				d.Log = append(slices.Clone(was.Log), d.Log...)
			}
		})},
	{name: "does not erase the carrier", fails: "apply_erases",
		inject: afterChange(func(was webhook.Delivery, d *webhook.Delivery, _ webhook.Change) { d.Carrier = was.Carrier })},
	{name: "erases the change's own log", fails: "apply_erases",
		inject: afterChange(func(_ webhook.Delivery, d *webhook.Delivery, c webhook.Change) {
			if c.Erase {
				d.Log = nil
			}
		})},
	{name: "does not erase at all", fails: "apply_erases",
		inject: func(p *plain) {
			plainly := p.change
			p.change = func(d *webhook.Delivery, c webhook.Change) { c.Erase = false; plainly(d, c) }
		}},
	{name: "erases whatever was asked", fails: "apply_erases",
		inject: func(p *plain) {
			plainly := p.change
			p.change = func(d *webhook.Delivery, c webhook.Change) { c.Erase = true; plainly(d, c) }
		}},
	{name: "stores the state and the log one after the other", fails: "apply_is_made_whole_or_not_at_all",
		inject: func(p *plain) {
			p.apply = func(ctx context.Context, cs []webhook.Change) (lost []string, err error) {
				for _, c := range cs {
					bare := c
					bare.Log = nil
					one, err := p.plainApply(ctx, []webhook.Change{bare})
					if err != nil || len(one) > 0 {
						lost = append(lost, one...)
						continue
					}
					if ctx.Err() != nil {
						return nil, ctx.Err()
					}
					d := p.m.deliveries[c.ID]
					d.Log = append(d.Log, clone(*c.Log))
					p.m.deliveries[c.ID] = d
				}
				return lost, ctx.Err()
			}
		}},
	{name: "makes a hundred changes of a call", fails: "apply_takes_five_hundred",
		inject: func(p *plain) {
			p.apply = func(ctx context.Context, cs []webhook.Change) ([]string, error) {
				return p.plainApply(ctx, cs[:min(100, len(cs))])
			}
		}},
	{name: "has an error for none to change", fails: "apply_may_change_none",
		inject: func(p *plain) {
			p.apply = func(ctx context.Context, cs []webhook.Change) ([]string, error) {
				if len(cs) == 0 {
					return nil, errNone
				}
				return p.plainApply(ctx, cs)
			}
		}},
}

var logFaults = []fault{
	{name: "takes cursors for the same by 64 bytes of the ID", fails: "deliveries_go_by_the_whole_id",
		inject: fromDeliveries(func(*webhook.DeliveryQuery) {}, func(q webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			return only(ds, func(d webhook.Delivery) bool { return q.After.ID == "" || cut(d.ID, 64) != cut(q.After.ID, 64) })
		})},
	{name: "ignores the account of deliveries", fails: "deliveries_of_the_account_only",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) { q.All = true })},
	{name: "ignores the account of deliveries asked for by ID", fails: "deliveries_of_the_account_only",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) { q.All = q.All || len(q.IDs) > 0 })},
	{name: "ignores the account of deliveries to a webhook", fails: "deliveries_of_the_account_only",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) { q.All = q.All || q.Webhook != "" })},
	{name: "takes the empty account for all deliveries", fails: "deliveries_of_the_account_only",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) { q.All = q.All || q.Account == "" })},
	{name: "takes newest for oldest", fails: "deliveries_newest_first",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) { q.Oldest = !q.Oldest })},
	{name: "ignores Oldest", fails: "deliveries_newest_first",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) { q.Oldest = false })},
	{name: "orders by Created only", fails: "deliveries_newest_first",
		inject: fromDeliveries(func(*webhook.DeliveryQuery) {}, func(_ webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			slices.SortFunc(ds, byCreated)
			slices.SortStableFunc(ds, func(a, b webhook.Delivery) int { return b.Created.Compare(a.Created) })
			return ds
		})},
	{name: "orders deliveries by the alphabet", fails: "deliveries_newest_first",
		inject: fromDeliveries(func(*webhook.DeliveryQuery) {}, func(q webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			slices.SortFunc(ds, func(a, b webhook.Delivery) int {
				if c := a.Created.Compare(b.Created); c != 0 {
					return c
				}
				return strings.Compare(fold(a.ID), fold(b.ID))
			})
			if !q.Oldest {
				slices.Reverse(ds)
			}
			return ds
		})},
	{name: "orders deliveries by Due", fails: "deliveries_newest_first",
		inject: fromDeliveries(func(*webhook.DeliveryQuery) {}, func(_ webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			slices.SortStableFunc(ds, func(a, b webhook.Delivery) int { return b.Due.Compare(a.Due) })
			return ds
		})},
	{name: "ignores Webhook", fails: "deliveries_by_webhook",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) { q.Webhook = "" })},
	{name: "looks for webhooks by their beginning", fails: "deliveries_by_webhook",
		inject: fromDeliveries(func(q *webhook.DeliveryQuery) { q.Webhook = "" }, func(q webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			return only(ds, func(d webhook.Delivery) bool { return strings.HasPrefix(d.WebhookID, q.Webhook) })
		})},
	{name: "looks at the first ID of deliveries only", fails: "deliveries_by_ids",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) { q.IDs = q.IDs[:min(1, len(q.IDs))] })},
	{name: "returns deliveries in the order of IDs", fails: "deliveries_by_ids",
		inject: fromDeliveries(func(*webhook.DeliveryQuery) {}, func(q webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			if len(q.IDs) > 0 {
				slices.SortFunc(ds, func(a, b webhook.Delivery) int { return slices.Index(q.IDs, a.ID) - slices.Index(q.IDs, b.ID) })
			}
			return ds
		})},
	{name: "looks at five hundred IDs of deliveries", fails: "deliveries_by_a_thousand_ids",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) { q.IDs = q.IDs[:min(500, len(q.IDs))] })},
	{name: "looks at the first state only", fails: "deliveries_by_states",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) { q.States = q.States[:min(1, len(q.States))] })},
	{name: "ignores Types", fails: "deliveries_by_types",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) { q.Types = nil })},
	{name: "takes Since for after", fails: "deliveries_since_and_until",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) {
			if !q.Since.IsZero() {
				q.Since = q.Since.Add(time.Millisecond)
			}
		})},
	{name: "takes Until for up to", fails: "deliveries_since_and_until",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) {
			if !q.Until.IsZero() && q.Until.Before(never) {
				q.Until = q.Until.Add(time.Millisecond)
			}
		})},
	{name: "looks at Due instead of Created", fails: "deliveries_since_and_until",
		inject: fromDeliveries(func(q *webhook.DeliveryQuery) { q.Since = time.Time{} }, func(q webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			return only(ds, func(d webhook.Delivery) bool { return q.Since.IsZero() || !d.Due.Before(q.Since) })
		})},
	{name: "takes DueBy for before", fails: "deliveries_due_by",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) {
			if !q.DueBy.IsZero() {
				q.DueBy = q.DueBy.Add(-time.Millisecond)
			}
		})},
	{name: "takes only pending ones for due", fails: "deliveries_due_by",
		inject: fromDeliveries(func(*webhook.DeliveryQuery) {}, func(q webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			return only(ds, func(d webhook.Delivery) bool { return q.DueBy.IsZero() || d.State == webhook.StatePending })
		})},
	{name: "begins a page with the one before", fails: "deliveries_after_a_cursor",
		inject: fromDeliveries(func(q *webhook.DeliveryQuery) { q.After, q.Limit = webhook.Cursor{}, 0 }, func(q webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			return page(q, only(ds, func(d webhook.Delivery) bool {
				return beyond(q, d) || d.ID == q.After.ID && d.Created.Equal(q.After.Created)
			}))
		})},
	{name: "begins a page only where a delivery is", fails: "deliveries_after_a_cursor",
		inject: fromDeliveries(func(*webhook.DeliveryQuery) {}, func(q webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			if q.After != (webhook.Cursor{}) && !strings.HasPrefix(q.After.ID, "d") {
				return nil
			}
			return ds
		})},
	{name: "goes on in the same direction whatever the order", fails: "deliveries_after_a_cursor",
		inject: fromDeliveries(func(q *webhook.DeliveryQuery) { q.After, q.Limit = webhook.Cursor{}, 0 }, func(q webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			down := q
			down.Oldest = false
			return page(q, only(ds, func(d webhook.Delivery) bool { return beyond(down, d) }))
		})},
	{name: "pages by Created only", fails: "deliveries_paging_neither_skips_nor_repeats",
		inject: fromDeliveries(func(q *webhook.DeliveryQuery) { q.After, q.Limit = webhook.Cursor{}, 0 }, func(q webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			return page(q, only(ds, func(d webhook.Delivery) bool { return beyond(q, d) && !d.Created.Equal(q.After.Created) }))
		})},
	{name: "pages by Created and repeats", fails: "deliveries_paging_neither_skips_nor_repeats",
		inject: fromDeliveries(func(q *webhook.DeliveryQuery) { q.After, q.Limit = webhook.Cursor{}, 0 }, func(q webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			return page(q, only(ds, func(d webhook.Delivery) bool {
				return beyond(q, d) || d.Created.Equal(q.After.Created) && d.ID != q.After.ID
			}))
		})},
	{name: "pages by Due", fails: "deliveries_paging_neither_skips_nor_repeats",
		inject: func(p *plain) {
			p.deliveries = func(ctx context.Context, q webhook.DeliveryQuery) ([]webhook.Delivery, error) {
				after, limit := q.After, q.Limit
				q.After, q.Limit = webhook.Cursor{}, 0
				ds, err := p.plainDeliveries(ctx, q)
				if err != nil || q.Limit == limit && after == (webhook.Cursor{}) {
					return ds, err
				}
				slices.SortStableFunc(ds, func(a, b webhook.Delivery) int { return b.Due.Compare(a.Due) })
				if i := slices.IndexFunc(ds, func(d webhook.Delivery) bool { return d.ID == after.ID }); i >= 0 {
					ds = ds[i+1:]
				}
				return ds[:min(limit, len(ds))], nil
			}
		}},
	{name: "ignores the limit of deliveries", fails: "deliveries_limit",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) { q.Limit = 0 })},
	{name: "returns fifty at most", fails: "deliveries_limit",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) {
			if q.Limit == 0 {
				q.Limit = 50
			}
		})},
	{name: "returns a thousand deliveries at most", fails: "enqueue_takes_thousands",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) {
			if q.Limit == 0 {
				q.Limit = 1000
			}
		})},
	{name: "limits before it filters", fails: "deliveries_by_fields_together",
		inject: fromDeliveries(func(q *webhook.DeliveryQuery) { q.States, q.Types = nil, nil }, func(q webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			return only(ds, func(d webhook.Delivery) bool {
				return (len(q.States) == 0 || slices.Contains(q.States, d.State)) && (len(q.Types) == 0 || slices.Contains(q.Types, d.Type))
			})
		})},
	{name: "looks at either IDs or the rest", fails: "deliveries_by_fields_together",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) {
			if len(q.IDs) > 0 {
				*q = webhook.DeliveryQuery{Account: q.Account, All: q.All, IDs: q.IDs, Oldest: q.Oldest, Brief: q.Brief, Limit: q.Limit, After: q.After}
			}
		})},
	{name: "ignores Brief", fails: "deliveries_brief",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) { q.Brief = false })},
	{name: "is always brief", fails: "deliveries_brief",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) { q.Brief = true })},
	{name: "leaves out more when brief", fails: "deliveries_brief",
		inject: fromDeliveries(func(*webhook.DeliveryQuery) {}, func(q webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			for i := range ds {
				if q.Brief {
					ds[i].Attempts = 0
				}
			}
			return ds
		})},
	{name: "has an error for no deliveries", fails: "deliveries_may_be_none",
		inject: func(p *plain) {
			p.deliveries = func(ctx context.Context, q webhook.DeliveryQuery) ([]webhook.Delivery, error) {
				ds, err := p.plainDeliveries(ctx, q)
				if err == nil && len(ds) == 0 {
					err = webhook.ErrNotFound
				}
				return ds, err
			}
		}},
	{name: "counts whatever the state", fails: "count_is_of_what_the_query_selects",
		inject: countQuery(func(q *webhook.DeliveryQuery) { q.States = nil })},
	{name: "counts all accounts", fails: "count_is_of_what_the_query_selects",
		inject: countQuery(func(q *webhook.DeliveryQuery) { q.All = true })},
	{name: "counts from the start whatever After", fails: "count_is_of_what_the_query_selects",
		inject: countQuery(func(q *webhook.DeliveryQuery) { q.After = webhook.Cursor{} })},
	{name: "counts whenever due", fails: "count_is_of_what_the_query_selects",
		inject: countQuery(func(q *webhook.DeliveryQuery) { q.DueBy = time.Time{} })},
	{name: "counts beyond the limit", fails: "count_stops_at_the_limit",
		inject: countQuery(func(q *webhook.DeliveryQuery) { q.Limit = 0 })},
}

// page applies q.Limit.
func page(q webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
	if q.Limit > 0 {
		ds = ds[:min(q.Limit, len(ds))]
	}
	return ds
}

var pruneFaults = []fault{
	{name: "prunes by Created", fails: "prune_removes_what_finished_before",
		inject: func(p *plain) {
			p.prunable = func(d webhook.Delivery, q webhook.Prune) bool {
				return d.State != webhook.StatePending && d.Created.Before(q.Before)
			}
		}},
	{name: "prunes what finished then", fails: "prune_removes_what_finished_before",
		inject: func(p *plain) {
			p.prunable = func(d webhook.Delivery, q webhook.Prune) bool {
				return d.State != webhook.StatePending && !d.Due.After(q.Before)
			}
		}},
	{name: "prunes what was delivered only", fails: "prune_removes_what_finished_before",
		inject: func(p *plain) {
			p.prunable = func(d webhook.Delivery, q webhook.Prune) bool {
				return d.State == webhook.StateDelivered && d.Due.Before(q.Before)
			}
		}},
	{name: "does not say how many it pruned", fails: "prune_removes_what_finished_before",
		inject: func(p *plain) {
			p.prune = func(ctx context.Context, q webhook.Prune) (int, error) {
				_, err := p.plainPrune(ctx, q)
				return 0, err
			}
		}},
	{name: "prunes what is pending", fails: "prune_never_removes_pending",
		inject: func(p *plain) {
			p.prunable = func(d webhook.Delivery, q webhook.Prune) bool { return d.Due.Before(q.Before) }
		}},
	{name: "ignores the limit of pruning", fails: "prune_stops_at_the_limit",
		inject: func(p *plain) {
			p.prune = func(ctx context.Context, q webhook.Prune) (int, error) {
				q.Limit = 1000
				return p.plainPrune(ctx, q)
			}
		}},
	{name: "takes limit 0 for no limit", fails: "prune_stops_at_the_limit",
		inject: func(p *plain) {
			p.prune = func(ctx context.Context, q webhook.Prune) (int, error) {
				if q.Limit == 0 {
					q.Limit = 1000
				}
				return p.plainPrune(ctx, q)
			}
		}},
	{name: "prunes one a call", fails: "prune_stops_at_the_limit",
		inject: func(p *plain) {
			p.prune = func(ctx context.Context, q webhook.Prune) (int, error) {
				q.Limit = min(1, q.Limit)
				return p.plainPrune(ctx, q)
			}
		}},
	{name: "keeps the logs of what it prunes", fails: "prune_removes_the_logs_too",
		inject: func(p *plain) {
			logs := map[string][]webhook.Attempt{}
			plainly := p.prunable
			p.prunable = func(d webhook.Delivery, q webhook.Prune) bool {
				logs[d.ID] = d.Log
				return plainly(d, q)
			}
			p.keep = func(d webhook.Delivery) webhook.Delivery { d.Log = append(logs[d.ID], d.Log...); return d }
		}},
	{name: "remembers the IDs of what it pruned", fails: "prune_removes_the_logs_too",
		inject: func(p *plain) {
			pruned := map[string]bool{}
			plainly := p.prunable
			p.prunable = func(d webhook.Delivery, q webhook.Prune) bool {
				pruned[d.ID] = plainly(d, q)
				return pruned[d.ID]
			}
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) (had []string, err error) {
				for _, d := range ds {
					if pruned[d.ID] {
						had = append(had, d.ID)
					}
				}
				more, err := p.plainEnqueue(ctx, only(slices.Clone(ds), func(d webhook.Delivery) bool { return !pruned[d.ID] }))
				return append(had, more...), err
			}
		}},
	{name: "keeps deleted webhooks for ever", fails: "prune_removes_deleted_webhooks",
		inject: func(p *plain) { p.removed = func(webhook.Webhook, webhook.Prune) bool { return false } }},
	{name: "keeps the holds of webhooks that it prunes", fails: "prune_removes_deleted_webhooks",
		inject: func(p *plain) {
			holds := map[string]time.Time{}
			p.keepHook = func(w webhook.Webhook) webhook.Webhook { holds[w.ID] = w.HeldUntil; return w }
			p.claimable = func(d webhook.Delivery, c webhook.Claim) bool {
				return d.State == webhook.StatePending && !d.Due.After(c.Now) && !holds[d.WebhookID].After(c.Now)
			}
		}},
	{name: "prunes webhooks that live", fails: "prune_removes_deleted_webhooks",
		inject: func(p *plain) {
			p.removed = func(w webhook.Webhook, q webhook.Prune) bool { return w.Changed.Before(q.Deleted) }
		}},
	{name: "prunes webhooks deleted lately", fails: "prune_removes_deleted_webhooks",
		inject: func(p *plain) { p.removed = func(w webhook.Webhook, _ webhook.Prune) bool { return w.Deleted } }},
	{name: "keeps deleted webhooks that have deliveries", fails: "prune_removes_deleted_webhooks",
		inject: func(p *plain) {
			plainly := p.removed
			p.removed = func(w webhook.Webhook, q webhook.Prune) bool {
				return plainly(w, q) && len(p.m.selectDeliveries(webhook.DeliveryQuery{All: true, Webhook: w.ID})) == 0
			}
		}},
}
