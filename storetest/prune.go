package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/listhook/webhook"
)

var pruneRules = []rule{
	{"prune_removes_what_finished_before",
		"Prune removes deliveries that finished before the given time, by Due, of every account.",
		func(c *checker) {
			for _, state := range states[1:] {
				for id, due := range map[string]time.Time{"long before": at(-9999), "before": t0.Add(-time.Millisecond), "then": t0, "after": at(1)} {
					d := finished(string(state)+" "+id, string(state), due)
					d.State, d.Account = state, string(state)
					d.Created = at(-20_000)
					c.enqueue(d)
				}
			}
			if n := c.prune(t0, 100); n != 6 {
				c.broken("it returned %d, want 6", n)
			}
			c.set("left", ids(c.deliveries(webhook.DeliveryQuery{All: true})), []string{
				"delivered then", "failed then", "canceled then", "delivered after", "failed after", "canceled after"})
			if n := c.prune(t0, 100); n != 0 {
				c.broken("the second time it returned %d, want 0", n)
			}
		}},

	{"prune_never_removes_pending",
		"Prune never removes a pending delivery, however old, nor what was claimed.",
		func(c *checker) {
			claimed := pending("claimed", "1", at(-50_000))
			old := pending("waits", "1", at(-100_000))
			old.Created, old.Attempts, old.Lease = at(-200_000), 9, 9
			c.enqueue(claimed, old)
			c.claim(webhook.Claim{Now: at(-50_000), Until: at(-40_000), Limit: 9, Each: 9})
			again := finished("was finished", "1", at(-100))
			c.enqueue(again)
			c.applied(webhook.Change{ID: again.ID, Lease: again.Lease, State: webhook.StatePending, Due: at(-90)})
			if n := c.prune(t0, 100); n != 0 {
				c.broken("it returned %d, want 0", n)
			}
			c.enqueue(finished("done", "1", at(-100)))
			if n := c.pruned(webhook.Prune{Before: never, States: states[:1], Limit: 100}); n != 0 {
				c.broken("with StatePending as its only state it returned %d, want 0", n)
			}
			c.set("left", ids(c.deliveries(webhook.DeliveryQuery{All: true})), []string{"claimed", "waits", "was finished", "done"})
			if n := c.pruned(webhook.Prune{Before: never, States: states[:2], Limit: 100}); n != 1 {
				c.broken("with StatePending and StateDelivered it returned %d, want 1", n)
			}
			c.set("left of pending and delivered ones", ids(c.deliveries(webhook.DeliveryQuery{All: true})), []string{"claimed", "waits", "was finished"})
		}},

	{"prune_stops_at_the_limit",
		"Prune removes up to limit deliveries, all that it may if there are fewer, and returns how many; of the rest nothing changes.",
		func(c *checker) {
			for i := range 10 {
				c.enqueue(finished(fmt.Sprint("d", i), "1", at(-i-1)))
			}
			left := 10
			for _, limit := range []int{0, 1, 4, 3, 100, 100} {
				want := min(limit, left)
				n := c.prune(t0, limit)
				left -= want
				if stored := c.count(webhook.DeliveryQuery{All: true}); n != want || stored != left {
					c.broken("limit %d returned %d and left %d, want %d and %d", limit, n, stored, want, left)
				}
			}
		}},

	{"prune_by_states",
		"States limits Prune to deliveries in one of these states; empty: in any final one.",
		func(c *checker) {
			c.prunesOnly(func(d webhook.Delivery) string { return string(d.State) },
				webhook.Prune{States: states[2:3]}, "failed", webhook.Prune{States: []webhook.State{"canceled", "delivered"}}, "canceled delivered",
				webhook.Prune{States: []webhook.State{}}, "canceled delivered failed")
		}},

	{"prune_by_types",
		"Types limits Prune to deliveries of one of these types; empty: of any.",
		func(c *checker) {
			c.prunesOnly(func(d webhook.Delivery) string { return string(d.Type) },
				webhook.Prune{Types: []webhook.EventType{"open"}}, "open", webhook.Prune{Types: []webhook.EventType{"bounce", "click"}}, "bounce click",
				webhook.Prune{Types: []webhook.EventType{}}, "bounce click open")
		}},

	{"prune_except_types",
		"Except leaves out deliveries of these types; empty: of none.",
		func(c *checker) {
			c.prunesOnly(func(d webhook.Delivery) string { return string(d.State) + "-" + string(d.Type) },
				webhook.Prune{States: states[2:3], Except: []webhook.EventType{"open", "click"}}, "failed-bounce",
				webhook.Prune{Except: []webhook.EventType{"bounce"}}, "delivered-click delivered-open failed-click failed-open canceled-click canceled-open",
				webhook.Prune{States: states[1:2], Except: []webhook.EventType{}}, "delivered-bounce delivered-click delivered-open",
				webhook.Prune{Types: []webhook.EventType{"open", "click"}, Except: []webhook.EventType{"click"}}, "delivered-open failed-open canceled-open")
		}},

	{"prune_by_states_and_types",
		"States and Types together limit Prune to deliveries of both.",
		func(c *checker) {
			c.prunesOnly(func(d webhook.Delivery) string { return string(d.State) + "-" + string(d.Type) },
				webhook.Prune{States: states[1:3], Types: []webhook.EventType{"open", "click"}}, "delivered-click delivered-open failed-click failed-open")
		}},

	{"prune_limit_is_of_what_it_selects",
		"Prune returning fewer than Limit means that none is left, of those that it selects: others do not count, however old.",
		func(c *checker) {
			for i := range 40 {
				d := finished(fmt.Sprint("d", i), "1", at(-i-1))
				if i >= 20 { // the older half
					d.Type = webhook.TypeBounce
				} else if i%2 == 0 {
					d.State = webhook.StateFailed
				}
				c.enqueue(d)
			}
			p := webhook.Prune{Before: t0, States: states[2:3], Types: []webhook.EventType{webhook.TypeOpen}, Limit: 4}
			for i, want := range []int{4, 4, 2, 0} {
				if n := c.pruned(p); n != want {
					c.broken("call %d of Prune with the Limit 4 returned %d, want %d of the 10", i+1, n, want)
				}
			}
			if n := c.count(webhook.DeliveryQuery{All: true}); n != 30 {
				c.broken("%d are left, want 30", n)
			}
			p = webhook.Prune{Before: t0, Except: []webhook.EventType{webhook.TypeBounce}, Limit: 4}
			for i, want := range []int{4, 4, 2, 0} {
				if n := c.pruned(p); n != want {
					c.broken("call %d of Prune with the Limit 4, except those that are older, returned %d, want %d of the 10", i+1, n, want)
				}
			}
			if n := c.count(webhook.DeliveryQuery{All: true, Types: p.Except}); n != 20 {
				c.broken("%d that Except names are left, want 20", n)
			}
		}},

	{"prune_removes_the_logs_too",
		"Prune removes deliveries with their logs: one enqueued later with the same ID has none.",
		func(c *checker) {
			d := finished("d", "1", t0)
			c.enqueue(d)
			c.applied(webhook.Change{ID: "d", Lease: d.Lease, State: webhook.StateFailed, Due: at(1), Log: note(1)})
			c.enqueue(pending("d2", "1", t0))
			c.applied(webhook.Change{ID: "d2", State: webhook.StateFailed, Due: at(100), Log: note(2)})
			if n := c.prune(at(2), 100); n != 1 {
				c.broken("it returned %d, want 1", n)
			}
			fresh := pending("d", "2", at(50))
			if had := c.enqueue(fresh); len(had) > 0 {
				c.broken("Enqueue after it returned %s as stored before", list(had))
			}
			c.same("enqueued anew", c.delivery("d"), fresh)
			c.same("the log of another", c.delivery("d2").Log, []webhook.Attempt{*note(2)})
		}},

	{"prune_removes_deleted_webhooks",
		"Prune removes webhooks that were deleted before p.Deleted, by Changed, whether or not they have deliveries left, and no others.",
		func(c *checker) {
			for id, w := range map[string]struct {
				deleted bool
				changed time.Time
			}{
				"live": {false, at(-100)}, "deleted": {true, t0.Add(-time.Millisecond)}, "deleted then": {true, t0},
				"deleted later": {true, at(100)}, "deleted, delivery pending": {true, at(-100)}, "deleted, delivery finished": {true, at(-100)},
			} {
				stored := hook(id)
				stored.Deleted, stored.Changed, stored.HeldUntil = w.deleted, w.changed, never
				c.put(stored)
			}
			c.enqueue(pending("a", "deleted, delivery pending", at(-100)), finished("b", "deleted, delivery finished", at(1)), finished("c", "live", at(-50)))
			left := func(want ...string) {
				c.t.Helper()
				c.set("webhooks left", webhookIDs(c.webhooks(webhook.WebhookQuery{All: true, Deleted: true})), want)
			}
			if n := c.pruned(webhook.Prune{Before: t0, Limit: 100}); n != 1 {
				c.broken("Prune returned %d, want 1", n)
			}
			left("live", "deleted", "deleted then", "deleted later", "deleted, delivery pending", "deleted, delivery finished")
			if n := c.pruned(webhook.Prune{Deleted: t0}); n != 0 {
				c.broken("with the Limit 0 Prune returned %d, want 0", n)
			}
			left("live", "deleted then", "deleted later")
			c.set("deliveries left", ids(c.deliveries(webhook.DeliveryQuery{All: true})), []string{"a", "b"})
			if w := c.put(hook("deleted")); w.Version != 1 {
				c.broken("a webhook put with the ID of a removed one has the version %d, want 1", w.Version)
			}
			c.ids("claimed, of a webhook whose HeldUntil was removed with it", ids(c.claim(everything(t0))), []string{"a"})
		}},
}

// prunesOnly ends the case unless each Prune, of deliveries of three states and types in
// a store of their own, removes those of the classes that stand behind it.
func (c *checker) prunesOnly(class func(webhook.Delivery) string, prunes ...any) {
	c.t.Helper()
	for i := 0; i < len(prunes); i += 2 {
		p, want := prunes[i].(webhook.Prune), strings.Fields(prunes[i+1].(string))
		var ds []webhook.Delivery
		for _, state := range states {
			for _, eventType := range []webhook.EventType{webhook.TypeOpen, webhook.TypeClick, webhook.TypeBounce} {
				for _, due := range []int{-9, 9} {
					d := finished(fmt.Sprint(i, state, eventType, due), "1", at(due))
					d.State, d.Type, d.Created = state, eventType, at(-50)
					ds = append(ds, d)
				}
			}
		}
		c.enqueue(ds...)
		var left []string
		for _, d := range ds {
			if d.State == webhook.StatePending || !d.Due.Before(t0) || !slices.Contains(want, class(d)) {
				left = append(left, d.ID)
			}
		}
		p.Before, p.Limit = t0, 100
		if n := c.pruned(p); n != len(ds)-len(left) {
			c.broken("Prune by %s returned %d, want %d", described(p), n, len(ds)-len(left))
		}
		c.set("left by Prune by "+described(p), ids(c.deliveries(webhook.DeliveryQuery{All: true})), left)
		for _, id := range left {
			c.ends(webhook.StateFailed, at(-100), id)
		}
		c.prune(t0, 100)
	}
}
