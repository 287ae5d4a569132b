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
}

// run claims deliveries that are due when it is woken and at every poll, until stop
// is closed. A poll also asks for changed webhooks, so that an idle process wakes its
// store's connection, and the server behind it, once in an interval.
func (c *claimer) run() {
	poll := time.NewTimer(0)
	defer poll.Stop()
	after := ""
	for {
		select {
		case <-c.stop:
			return
		case <-c.woken:
		case <-poll.C:
			poll.Reset(jittered(c.opts.PollInterval))
			c.refresh()
		}
		c.store.beat()
		after = c.claim(after)
	}
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
