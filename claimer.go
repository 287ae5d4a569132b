package webhook

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/listhook/webhook/internal/limiter"
)

// A claimer leases deliveries that are due, as many as the limiter has room for.
type claimer struct {
	store      *heartbeat
	opts       *Options
	notify     *notifier
	cache      *webhookCache
	limiter    *limiter.Limiter[*inflight]
	batcher    *batcher
	outages    *outages
	tracker    *tracker
	background context.Context // of calls of the store
	stop       <-chan struct{}
	woken      <-chan struct{} // asks for a claim

	idleInterval func() time.Duration // between polls that find nothing

	afterBatches string // the webhook that had the last turn among those that gather
}

// idleAfter is how many polls without a delivery make a Dispatcher idle, if the pool
// has so many that they should poll less often.
const idleAfter = 10

// idleRefresh is how often an idle Dispatcher asks for changed webhooks. It also does
// so before it uses what it knows of them.
const idleRefresh = time.Minute

// run claims deliveries that are due when it is woken and at every poll, until stop
// is closed. A poll also asks for changed webhooks, so that a process wakes its
// store's connection, and the server behind it, once in an interval.
func (c *claimer) run() {
	poll := time.NewTimer(0)
	defer poll.Stop()
	after, idle, refreshed := "", false, time.Time{}
	for {
		select {
		case <-c.stop:
			return
		case <-c.woken:
		case <-poll.C:
			if !idle || time.Since(refreshed) >= idleRefresh {
				c.refresh()
				refreshed = time.Now()
			}
			idle = c.idleInterval() > c.opts.PollInterval &&
				!c.tracker.usedSince(time.Now().Add(-idleAfter*c.opts.PollInterval))
			poll.Reset(jittered(c.interval(idle)))
		}
		c.store.beat()
		began := time.Now()
		after = c.claim(after)
		if idle && c.tracker.usedSince(began) { // there may be more
			idle = false
			poll.Reset(jittered(c.interval(idle)))
		}
	}
}

// interval returns the time until the next poll.
func (c *claimer) interval(idle bool) time.Duration {
	if idle {
		return c.idleInterval()
	}
	return c.opts.PollInterval
}

// refresh keeps the remembered webhooks current.
func (c *claimer) refresh() {
	ctx, cancel := c.opts.withStoreTimeout(c.background)
	defer cancel()
	if err := c.cache.poll(ctx); err != nil {
		c.notify.logError("reading webhooks", err)
	}
}

// claim leases what there is room for and begins with it. It returns the
// webhook that had the last turn.
func (c *claimer) claim(after string) string {
	most := c.outages.claimable(groupRows)
	if most == 0 {
		return after
	}
	gathering := c.claimBatches(most)
	r := c.limiter.Reserve(groupRows)
	if r.Limit == 0 {
		return after
	}
	for webhook := range gathering {
		r.Room[webhook] = 0
	}
	c.outages.leaveOut(r.Room)
	ctx, cancel := c.opts.withStoreTimeout(c.background)
	defer cancel()
	until := c.opts.leaseEnd()
	ds, err := c.store.Claim(ctx, Claim{
		Now: now(), Until: until, After: after, Limit: min(r.Limit, most), Each: r.Each, Room: r.Room,
	})
	if err != nil {
		c.limiter.Cancel(r)
		c.notify.logError("claiming deliveries", err)
		return after
	}
	ids := c.prepare(ctx, ds)
	for i, s := range c.limiter.Fill(r, ids) {
		c.tracker.hold(&inflight{Delivery: ds[i], slot: s})
	}
	return lastTurn(after, ids)
}

// maxBatchClaims is how many claims for webhooks that gather follow each other.
const maxBatchClaims = 8

// claimBatches leases what there is room for in batches, under leases that are longer by
// the window, and returns the webhooks that it claimed for.
func (c *claimer) claimBatches(most int) (rooms map[string]int) {
	for range maxBatchClaims {
		if !c.batcher.gathers() {
			return nil
		}
		r := c.limiter.Reserve(groupRows)
		var wait time.Duration
		rooms, wait = c.batcher.rooms(func(webhook string, rate float64) int {
			if room, named := r.Room[webhook]; named {
				return room
			}
			return r.EachAt(rate)
		})
		if len(rooms) == 0 || r.Limit == 0 {
			c.limiter.Cancel(r)
			return rooms
		}
		limit := min(groupRows, most)
		n, ok := c.claimInto(r, c.leaveOut(rooms), limit, wait)
		if !ok || n < limit {
			return rooms
		}
	}
	return rooms
}

// leaveOut returns rooms without what would have to wait.
func (c *claimer) leaveOut(rooms map[string]int) map[string]int {
	some := maps.Clone(rooms)
	c.outages.leaveOut(some)
	for webhook := range some {
		if _, ok := rooms[webhook]; !ok {
			delete(some, webhook)
		}
	}
	return some
}

// claimInto claims for batches of the webhooks of room. ok is false if that failed.
func (c *claimer) claimInto(r limiter.Reservation, room map[string]int, limit int, wait time.Duration) (n int, ok bool) {
	ctx, cancel := c.opts.withStoreTimeout(c.background)
	defer cancel()
	ds, err := c.store.Claim(ctx, Claim{
		Now: now(), Until: c.opts.leaseEnd().Add(wait), After: c.afterBatches, Limit: limit, Room: room,
	})
	if err != nil {
		c.limiter.Cancel(r)
		c.notify.logError("claiming deliveries", err)
		return 0, false
	}
	ids := c.prepare(ctx, ds)
	c.limiter.FillBatches(r, room, ids, len(ds) >= limit)
	for i := range ds {
		c.tracker.hold(&inflight{Delivery: ds[i]})
	}
	c.afterBatches = lastTurn(c.afterBatches, ids)
	return len(ds), true
}

// prepare puts claimed deliveries in the order of their creation, since a Store returns
// them in any, and returns their webhooks' IDs.
func (c *claimer) prepare(ctx context.Context, ds []Delivery) (webhooks []string) {
	if len(ds) > 0 {
		if err := c.cache.refresh(ctx); err != nil { // it may have been idle
			c.notify.logError("reading webhooks", err)
		}
	}
	slices.SortFunc(ds, func(a, b Delivery) int {
		return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID))
	})
	webhooks = make([]string, len(ds))
	for i := range ds {
		webhooks[i] = ds[i].WebhookID
	}
	return webhooks
}

// lastTurn returns which of ids had the last turn: turns go up from after and
// then on from the start. Without ids it is after.
func lastTurn(after string, ids []string) string {
	var up, on string
	for _, id := range ids {
		if id > after {
			up = max(up, id)
		} else {
			on = max(on, id)
		}
	}
	return cmp.Or(on, up, after)
}
