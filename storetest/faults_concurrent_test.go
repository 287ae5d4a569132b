package storetest

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/listhook/webhook"
)

var concurrentFaults = []fault{
	{name: "reads and leases in two steps", fails: "concurrent_claims_lease_a_delivery_once",
		inject: func(p *plain) {
			read := meetingOf(8) // all callers of the case
			p.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
				apart := newPlain()
				p.mu.Lock()
				apart.m = p.m.copy()
				p.mu.Unlock()
				read.wait()
				ds, err := apart.plainClaim(ctx, c)
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
			looked := meetingOf(2)
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
				looked.wait()
				_, err = p.plainApply(ctx, good)
				return lost, err
			}
		}},
	{name: "reads and puts in two steps", fails: "concurrent_puts_have_one_winner",
		inject: func(p *plain) {
			read := meetingOf(2)
			p.putWebhook = func(_ context.Context, w webhook.Webhook) (int64, error) {
				p.mu.Lock()
				version := p.m.webhooks[w.ID].Version
				p.mu.Unlock()
				if version != w.Version {
					return 0, webhook.ErrConflict
				}
				read.wait()
				p.mu.Lock()
				defer p.mu.Unlock()
				w.Version++
				p.m.webhooks[w.ID] = clone(w)
				return w.Version, nil
			}
		}},
	{name: "has errors when callers meet", fails: "concurrent_puts_have_one_winner",
		inject: func(p *plain) {
			met := make(chan struct{})
			meet := sync.OnceFunc(func() { close(met) })
			p.putWebhook = func(ctx context.Context, w webhook.Webhook) (int64, error) {
				if !p.mu.TryLock() {
					meet()
					return 0, fmt.Errorf("database is locked")
				}
				<-met
				p.mu.Unlock()
				return p.plainPutWebhook(ctx, w)
			}
		}},
	{name: "looks and adds in two steps", fails: "concurrent_enqueues_add_once",
		inject: func(p *plain) {
			looked := meetingOf(2)
			p.enqueue = func(ctx context.Context, ds []webhook.Delivery) (had []string, err error) {
				p.mu.Lock()
				for _, d := range ds {
					if _, ok := p.m.deliveries[d.ID]; ok {
						had = append(had, d.ID)
					}
				}
				p.mu.Unlock()
				looked.wait()
				_, err = p.plainEnqueue(ctx, ds)
				return had, err
			}
		}},
	{name: "orders lines by Due", fails: "concurrent_callers_keep_lines_in_order",
		inject: sortLines(func(a, b webhook.Delivery) int { return a.Due.Compare(b.Due) })},
	{name: "goes on in a line while it claims its first", fails: "concurrent_callers_keep_lines_in_order", timeout: 5 * time.Second,
		inject: func(p *plain) {
			var second string // in the line of the first one that is claimed with another behind it
			ended := make(chan struct{})
			p.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
				ds, err := p.plainClaim(ctx, c)
				p.mu.Lock()
				wait := false
				for _, d := range ds {
					if line := p.m.lines[keyOf(d)]; second == "" && len(line) > 1 {
						second, wait = line[1], true
						p.m.leave(d)
					}
				}
				p.mu.Unlock()
				if wait {
					<-ended
				}
				return ds, err
			}
			p.apply = func(ctx context.Context, cs []webhook.Change) ([]string, error) {
				p.mu.Lock()
				if slices.ContainsFunc(cs, func(c webhook.Change) bool { return c.ID == second }) {
					close(ended)
				}
				p.mu.Unlock()
				return p.plainApply(ctx, cs)
			}
		}},
	{name: "writes back all that it read", fails: "concurrent_callers_work_it_off", timeout: 5 * time.Second,
		inject: func(p *plain) {
			read := meetingOf(2)
			var writing sync.Mutex // else two that write back before either claims do no harm
			p.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
				p.mu.Lock()
				all, some := maps.Clone(p.m.deliveries), false
				for _, d := range all {
					some = some || p.claimable(d, c)
				}
				p.mu.Unlock()
				if some {
					read.wait()
				}
				writing.Lock()
				defer writing.Unlock()
				p.mu.Lock()
				p.m.deliveries = all
				p.mu.Unlock()
				return p.plainClaim(ctx, c)
			}
		}},
	{name: "locks up when two callers meet", fails: "concurrent_applies_have_one_winner", timeout: time.Second,
		inject: func(p *plain) {
			var locks sync.Map
			both := meetingOf(2) // which go through their changes in different orders
			p.apply = func(ctx context.Context, cs []webhook.Change) ([]string, error) {
				for _, c := range cs {
					lock, _ := locks.LoadOrStore(c.ID, new(sync.Mutex))
					lock.(*sync.Mutex).Lock()
					defer lock.(*sync.Mutex).Unlock()
					both.wait()
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
