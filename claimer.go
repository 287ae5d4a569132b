package webhook

import (
	"cmp"
	"context"
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
	outages    *outages
	tracker    *tracker
	background context.Context // of calls of the store
	stop       <-chan struct{}
	woken      <-chan struct{} // asks for a claim

	idleInterval func() time.Duration // between polls that find nothing
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
	r := c.limiter.Reserve(groupRows)
	if r.Limit == 0 {
		return after
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
	if len(ds) > 0 {
		if err := c.cache.refresh(ctx); err != nil { // it may have been idle
			c.notify.logError("reading webhooks", err)
		}
	}
	slices.SortFunc(ds, func(a, b Delivery) int { // a Store returns them in any order
		return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID))
	})
	ids := make([]string, len(ds))
	for i := range ds {
		ids[i] = ds[i].WebhookID
	}
	for i, s := range c.limiter.Fill(r, ids) {
		c.tracker.hold(&inflight{Delivery: ds[i], slot: s})
	}
	return lastTurn(after, ids)
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
