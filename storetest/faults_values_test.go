package storetest

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/listhook/webhook"
)

var valueFaults = []fault{
	{name: "takes IDs for the same by case", fails: "ids_are_compared_byte_for_byte",
		inject: sameIDs(fold)},
	{name: "takes IDs for the same by trailing space", fails: "ids_are_compared_byte_for_byte",
		inject: sameIDs(func(id string) string { return strings.TrimRight(id, " ") })},
	{name: "takes IDs for numbers", fails: "ids_are_compared_byte_for_byte",
		inject: sameIDs(func(id string) string { return strings.TrimLeft(id, "0") })},
	{name: "finds deliveries by ID whatever the case", fails: "ids_are_compared_byte_for_byte",
		inject: fromDeliveries(func(q *webhook.DeliveryQuery) { q.IDs = nil }, func(q webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			return only(ds, func(d webhook.Delivery) bool {
				return len(q.IDs) == 0 || slices.ContainsFunc(q.IDs, func(id string) bool { return strings.EqualFold(id, d.ID) })
			})
		})},
	{name: "takes a webhook's ID for a pattern", fails: "ids_are_compared_byte_for_byte",
		inject: deliveryQuery(func(q *webhook.DeliveryQuery) {
			if q.Webhook == "%" {
				q.Webhook = ""
			}
		})},
	{name: "finds the HeldUntil of a webhook whatever the case", fails: "holds_are_of_the_very_webhook",
		inject: claimable(func(d webhook.Delivery, p *plain) bool {
			for id, w := range p.m.webhooks {
				if strings.EqualFold(id, d.WebhookID) && w.HeldUntil.Equal(never) {
					return false
				}
			}
			return true
		})},
	{name: "takes accounts for the same by case", fails: "accounts_and_lists_are_compared_byte_for_byte",
		inject: fromWebhooks(func(q *webhook.WebhookQuery) { q.All = true }, func(q webhook.WebhookQuery, ws []webhook.Webhook) []webhook.Webhook {
			return only(ws, func(w webhook.Webhook) bool { return q.All || strings.EqualFold(q.Account, w.Account) })
		})},
	{name: "takes lists for the same by trailing space", fails: "accounts_and_lists_are_compared_byte_for_byte",
		inject: fromWebhooks(func(q *webhook.WebhookQuery) { q.Lists = nil }, func(q webhook.WebhookQuery, ws []webhook.Webhook) []webhook.Webhook {
			return only(ws, func(w webhook.Webhook) bool {
				return len(q.Lists) == 0 || slices.ContainsFunc(q.Lists, func(list string) bool {
					return strings.TrimRight(list, " ") == strings.TrimRight(w.List, " ")
				})
			})
		})},
	{name: "takes accounts of deliveries for the same by case", fails: "accounts_and_lists_are_compared_byte_for_byte",
		inject: fromDeliveries(func(q *webhook.DeliveryQuery) { q.All = true }, func(q webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			return only(ds, func(d webhook.Delivery) bool { return q.All || strings.EqualFold(q.Account, d.Account) })
		})},
	{name: "cuts IDs to 191 bytes", fails: "ids_of_255_bytes",
		inject: sameIDs(func(id string) string { return cut(id, 191) })},
	{name: "keeps times in seconds", fails: "times_come_back_as_they_went",
		inject: keep(func(d *webhook.Delivery) { d.Due = d.Due.Truncate(time.Second) })},
	{name: "returns local times", fails: "times_come_back_as_they_went",
		inject: fromDeliveries(func(*webhook.DeliveryQuery) {}, func(_ webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery {
			for i := range ds {
				ds[i].Due = ds[i].Due.Local()
			}
			return ds
		})},
	{name: "returns local times in claims", fails: "times_come_back_as_they_went",
		inject: func(p *plain) {
			p.leased = func(_, now webhook.Delivery) webhook.Delivery {
				now.Created, now.Log = now.Created.Local(), nil
				return now
			}
		}},
	{name: "returns times of another zone in webhooks", fails: "times_come_back_as_they_went",
		inject: fromWebhooks(func(*webhook.WebhookQuery) {}, func(_ webhook.WebhookQuery, ws []webhook.Webhook) []webhook.Webhook {
			for i := range ws {
				ws[i].Health.Since = ws[i].Health.Since.In(time.FixedZone("", 3600))
			}
			return ws
		})},
	{name: "takes the zero time for 1970", fails: "times_come_back_as_they_went",
		inject: keep(func(d *webhook.Delivery) {
			if d.Due.IsZero() {
				d.Due = time.Unix(0, 0).UTC()
			}
		})},
	{name: "takes 1970 for the zero time", fails: "times_come_back_as_they_went",
		inject: keep(func(d *webhook.Delivery) {
			if d.Due.Unix() == 0 {
				d.Due = time.Time{}
			}
		})},
	{name: "keeps bodies as text", fails: "bodies_are_any_bytes",
		inject: keep(func(d *webhook.Delivery) { d.Body = []byte(strings.ToValidUTF8(string(d.Body), "\ufffd")) })},
	{name: "keeps responses as text", fails: "bodies_are_any_bytes",
		inject: afterChange(func(_ webhook.Delivery, d *webhook.Delivery, _ webhook.Change) {
			for i := range d.Log {
				d.Log[i].Response = []byte(strings.ToValidUTF8(string(d.Log[i].Response), "\ufffd"))
			}
		})},
	{name: "ends bodies at NUL", fails: "bodies_are_any_bytes",
		inject: keep(func(d *webhook.Delivery) {
			before, _, _ := strings.Cut(string(d.Body), "\x00")
			d.Body = []byte(before)
		})},
	{name: "cuts bodies to 64 KiB", fails: "bodies_are_any_bytes",
		inject: keep(func(d *webhook.Delivery) { d.Body = d.Body[:min(len(d.Body), 1<<16-1)] })},
	{name: "cuts reasons to 255 bytes", fails: "texts_are_kept_whole",
		inject: afterChange(func(_ webhook.Delivery, d *webhook.Delivery, _ webhook.Change) {
			for i := range d.Log {
				d.Log[i].Reason = cut(d.Log[i].Reason, 255)
			}
		})},
	{name: "loses what is beyond the basic plane", fails: "texts_are_kept_whole",
		inject: keepHook(func(w *webhook.Webhook) {
			w.Name = strings.Map(func(r rune) rune { return min(r, 0xffff) }, w.Name)
		})},
	{name: "trims names", fails: "texts_are_kept_whole",
		inject: keepHook(func(w *webhook.Webhook) { w.Name = strings.TrimSpace(w.Name) })},
}

// sameIDs takes IDs of webhooks and deliveries for the same by key, and keeps
// the first one stored.
func sameIDs(key func(string) string) func(*plain) {
	return func(p *plain) {
		names := map[string]string{}
		name := func(id string) string {
			if names[key(id)] == "" {
				names[key(id)] = id
			}
			return names[key(id)]
		}
		p.keep = func(d webhook.Delivery) webhook.Delivery { d.ID, d.WebhookID = name(d.ID), name(d.WebhookID); return d }
		p.keepHook = func(w webhook.Webhook) webhook.Webhook {
			w.ID = name(w.ID)
			w.Version = p.m.webhooks[w.ID].Version
			return w
		}
	}
}

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

// pause makes room for others between two steps of a call, on a busy machine
// too.
func pause() { time.Sleep(10 * time.Millisecond) }

var concurrentFaults = []fault{
	{name: "reads and leases in two steps", fails: "concurrent_claims_lease_a_delivery_once",
		inject: func(p *plain) {
			p.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
				read := newPlain()
				p.mu.Lock()
				read.m = p.m.copy()
				p.mu.Unlock()
				pause()
				ds, err := read.plainClaim(ctx, c)
				p.mu.Lock()
				defer p.mu.Unlock()
				for _, d := range ds {
					p.m.deliveries[d.ID] = d
				}
				return ds, err
			}
		}},
	{name: "looks at leases and changes in two steps", fails: "concurrent_applies_have_one_winner",
		inject: func(p *plain) {
			p.apply = func(ctx context.Context, cs []webhook.Change) (lost []string, err error) {
				var good []webhook.Change
				p.mu.Lock()
				for _, c := range cs {
					if d, ok := p.m.deliveries[c.ID]; ok && d.Lease == c.Lease {
						good = append(good, c)
					} else {
						lost = append(lost, c.ID)
					}
				}
				p.mu.Unlock()
				pause()
				_, err = p.plainApply(ctx, good)
				return lost, err
			}
		}},
	{name: "reads and puts in two steps", fails: "concurrent_puts_have_one_winner",
		inject: func(p *plain) {
			p.putWebhook = func(_ context.Context, w webhook.Webhook) (int64, error) {
				p.mu.Lock()
				version := p.m.webhooks[w.ID].Version
				p.mu.Unlock()
				if version != w.Version {
					return 0, webhook.ErrConflict
				}
				pause()
				p.mu.Lock()
				defer p.mu.Unlock()
				w.Version++
				p.m.webhooks[w.ID] = clone(w)
				return w.Version, nil
			}
		}},
	{name: "has errors when callers meet", fails: "concurrent_puts_have_one_winner",
		inject: func(p *plain) {
			p.putWebhook = func(ctx context.Context, w webhook.Webhook) (int64, error) {
				if !p.mu.TryLock() {
					return 0, fmt.Errorf("database is locked")
				}
				pause()
				p.mu.Unlock()
				return p.plainPutWebhook(ctx, w)
			}
		}},
	{name: "looks and adds in two steps", fails: "concurrent_enqueues_add_once",
		inject: func(p *plain) {
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) (had []string, err error) {
				p.mu.Lock()
				for _, d := range ds {
					if _, ok := p.m.deliveries[d.ID]; ok {
						had = append(had, d.ID)
					}
				}
				p.mu.Unlock()
				pause()
				_, err = p.plainEnqueue(ctx, ds)
				return had, err
			}
		}},
	{name: "orders lines by Due", fails: "concurrent_callers_keep_lines_in_order",
		inject: sortLines(func(a, b webhook.Delivery) int { return a.Due.Compare(b.Due) })},
	{name: "goes on in a line a moment before its first ends", fails: "concurrent_callers_keep_lines_in_order", timeout: 5 * time.Second,
		inject: func(p *plain) {
			p.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
				ds, err := p.plainClaim(ctx, c)
				p.mu.Lock()
				for _, d := range ds {
					p.m.leave(d)
				}
				p.mu.Unlock()
				pause()
				return ds, err
			}
		}},
	{name: "writes back all that it read", fails: "concurrent_callers_work_it_off", timeout: 5 * time.Second,
		inject: func(p *plain) {
			p.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
				p.mu.Lock()
				read := maps.Clone(p.m.deliveries)
				p.mu.Unlock()
				pause()
				p.mu.Lock()
				p.m.deliveries = read
				p.mu.Unlock()
				return p.plainClaim(ctx, c)
			}
		}},
	{name: "locks up when two callers meet", fails: "concurrent_applies_have_one_winner", timeout: time.Second,
		inject: func(p *plain) {
			var locks sync.Map
			p.apply = func(ctx context.Context, cs []webhook.Change) ([]string, error) {
				for _, c := range cs {
					lock, _ := locks.LoadOrStore(c.ID, new(sync.Mutex))
					lock.(*sync.Mutex).Lock()
					defer lock.(*sync.Mutex).Unlock()
					pause()
				}
				return p.plainApply(ctx, cs)
			}
		}},
}

var otherFaults = []fault{
	{name: "shares nothing between its handles", fails: "storage_is_shared_by_its_handles",
		suite: func(s *Suite) {
			s.Second = func(*testing.T, webhook.Store) webhook.Store { return newPlain() }
		}},
	{name: "caches holds in each handle", fails: "storage_is_shared_by_its_handles",
		suite: func(s *Suite) {
			s.Second = func(_ *testing.T, first webhook.Store) webhook.Store {
				second := newPlain()
				second.m = first.(*plain).m
				holds := first.(*plain).m.webhooks
				first.(*plain).claimable = func(d webhook.Delivery, c webhook.Claim) bool {
					return d.State == webhook.StatePending && !d.Due.After(c.Now) && !holds[d.WebhookID].HeldUntil.After(c.Now)
				}
				apart := *second.m
				apart.webhooks = maps.Clone(holds)
				second.m = &apart
				return second
			}
		}},
	{name: "has lines of its own in each handle", fails: "storage_has_its_lines_in_common",
		suite: func(s *Suite) {
			s.Second = func(_ *testing.T, first webhook.Store) webhook.Store {
				second, apart := newPlain(), *first.(*plain).m
				apart.lines = map[lineKey][]string{}
				second.m = &apart
				return second
			}
		}},
	{name: "numbers puts in each handle", fails: "storage_has_its_lines_in_common",
		suite: func(s *Suite) {
			s.Second = func(_ *testing.T, first webhook.Store) webhook.Store {
				second := newPlain()
				second.m = first.(*plain).m
				last := int64(0)
				second.putWebhook = func(ctx context.Context, w webhook.Webhook) (int64, error) {
					version, err := second.plainPutWebhook(ctx, w)
					last++
					w = second.m.webhooks[w.ID]
					w.Put = last
					second.m.webhooks[w.ID] = w
					return version, err
				}
				return second
			}
		}},
	{name: "forgets when it is opened again", fails: "storage_outlives_the_store",
		suite: func(s *Suite) {
			s.Reopen = func(*testing.T, webhook.Store) webhook.Store { return newPlain() }
		}},
	{name: "forgets logs when it is opened again", fails: "storage_outlives_the_store",
		suite: func(s *Suite) {
			s.Reopen = func(_ *testing.T, before webhook.Store) webhook.Store {
				again := newPlain()
				again.m = before.(*plain).m
				for id, d := range again.m.deliveries {
					d.Log = nil
					again.m.deliveries[id] = d
				}
				return again
			}
		}},
	{name: "lifts holds when it prunes", fails: "random_calls_agree_with_a_model",
		inject: func(p *plain) {
			p.prune = func(ctx context.Context, q webhook.Prune) (int, error) {
				for id, w := range p.m.webhooks {
					w.HeldUntil = time.Time{}
					p.m.webhooks[id] = w
				}
				return p.plainPrune(ctx, q)
			}
		}},
	{name: "claims a third of a webhook's turn late", fails: "random_calls_agree_with_a_model",
		inject: func(p *plain) {
			plainly := p.room
			p.room = func(id string, c webhook.Claim) int {
				if id > c.After || len(c.Room) == 0 {
					return plainly(id, c)
				}
				return min(1, plainly(id, c))
			}
		}},
}

// TestFilledLeavesNoFieldEmpty makes sure that fields yet to come are covered.
func TestFilledLeavesNoFieldEmpty(t *testing.T) {
	var empty func(path string, v reflect.Value)
	empty = func(path string, v reflect.Value) {
		if v.IsZero() {
			t.Errorf("%s is empty", path)
		}
		if v.Kind() == reflect.Struct && v.Type() != timeType {
			for i := range v.NumField() {
				empty(path+"."+v.Type().Field(i).Name, v.Field(i))
			}
		}
	}
	empty("Webhook", reflect.ValueOf(filled[webhook.Webhook](1)))
	empty("Delivery", reflect.ValueOf(filled[webhook.Delivery](1)))
	empty("Attempt", reflect.ValueOf(filled[webhook.Attempt](1)))
}
