package storetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/listhook/webhook"
)

// Rules of contexts that end inside a call. Those of Enqueue and Apply are with the
// others of these methods.
var insideRules = []rule{
	{"claim_is_made_whole_or_not_at_all",
		"Each delivery is claimed whole or not at all, also when the context ends meanwhile; without an error it is in the answer.",
		func(c *checker) {
			round := 0
			c.endingInside(func(ctx context.Context) {
				w := fmt.Sprint("w", round)
				var ds []webhook.Delivery
				for i := range 12 {
					d := pending(fmt.Sprint(w, "-", i), w, at(round))
					if i%3 == 0 {
						d.Key, d.Joined = fmt.Sprint("k", i), t0
					}
					ds = append(ds, d)
				}
				c.enqueue(ds...)
				claim := webhook.Claim{Now: at(round), Until: never, Limit: 100, Each: 10}
				claimed, err := c.store.Claim(ctx, claim)
				given := map[string]bool{}
				for _, d := range claimed {
					given[d.ID] = true
				}
				leased := 0
				for _, d := range c.deliveries(webhook.DeliveryQuery{All: true, Webhook: w}) {
					is := d.Lease == 1 && d.Due.Equal(claim.Until)
					switch {
					case !is && (d.Lease != 0 || !d.Due.Equal(at(round))):
						c.broken("after Claim returned the error %v, %q has the Lease %d and is due at %s: a part of a claim", err, d.ID, d.Lease, clock(d.Due))
					case is != given[d.ID] && err == nil:
						c.broken("Claim returned no error: %q is leased: %t, and was returned: %t", d.ID, is, given[d.ID])
					case is:
						leased++
					}
				}
				if err == nil && leased != 10 {
					c.broken("Claim returned no error, and %d are leased, want 10", leased)
				}
				c.applied(c.canceling(webhook.DeliveryQuery{All: true, Webhook: w}, at(round))...)
				round++
			})
		}},

	{"put_is_made_whole_or_not_at_all",
		"A put is made whole or not at all, also when the context ends meanwhile; without an error it is made.",
		func(c *checker) {
			round := 0
			c.endingInside(func(ctx context.Context) {
				id := fmt.Sprint("w", round)
				old := filled[webhook.Webhook](2*round + 1)
				old.ID, old.Version, old.Deleted = id, 0, false
				old = c.put(old)
				changed := filled[webhook.Webhook](2*round + 2)
				changed.ID, changed.Version, changed.Deleted = id, old.Version, false
				version, err := c.store.PutWebhook(ctx, changed)
				if errors.Is(err, webhook.ErrConflict) {
					c.broken("PutWebhook with the Version that is stored returned ErrConflict")
				}
				stored := c.webhook(id)
				if stored.Version == old.Version && err != nil {
					c.same("a webhook whose put returned an error", stored, old)
				} else {
					if changed.Version++; err == nil && version != changed.Version {
						c.broken("PutWebhook returned the version %d, want %d", version, changed.Version)
					}
					if stored.Put <= old.Put {
						c.broken("the put has the number %d, and the one before it %d", stored.Put, old.Put)
					}
					changed.Put = stored.Put
					c.same(fmt.Sprintf("a webhook whose put returned the error %v", err), stored, changed)
				}
				round++
			})
		}},

	{"prune_removes_whole_deliveries",
		"Prune removes a delivery whole or not at all, also when the context ends meanwhile: with its log, its Subjects and its Key.",
		func(c *checker) {
			round := 0
			c.endingInside(func(ctx context.Context) {
				subject := fmt.Sprint("subject ", round)
				var ds []webhook.Delivery
				for i := range 12 {
					d := logged(finished(fmt.Sprint(round, "-", i), "w", at(-i-1)), *note(i))
					d.Key, d.Joined, d.Subjects = subject, t0, []string{subject, "common"}
					ds = append(ds, d)
				}
				c.enqueue(ds...)
				n, err := c.store.Prune(ctx, webhook.Prune{Before: t0, Limit: 100})
				left := ids(c.deliveries(webhook.DeliveryQuery{All: true}))
				if err == nil && (n != len(ds) || len(left) > 0) {
					c.broken("Prune returned %d and no error, and left %d of %d", n, len(left), len(ds))
				}
				for _, q := range []webhook.DeliveryQuery{
					{All: true, Subject: subject}, {All: true, Subject: "common"}, {All: true, Key: subject}, {All: true, Webhook: "w", Key: subject}, {Account: account}, {All: true, Oldest: true, Until: t0.AddDate(1, 0, 0)},
				} {
					c.set("Deliveries by "+described(q)+fmt.Sprintf(", after Prune returned the error %v", err), ids(c.deliveries(q)), left)
				}
				if had := c.enqueue(ds...); len(had) != len(left) {
					c.broken("enqueued again, %d were stored before, want the %d that were left", len(had), len(left))
				}
				c.prune(t0, 100)
				round++
			})
		}},

	{"reads_are_whole_or_an_error",
		"When the context ends meanwhile, Webhooks, Deliveries and Count return all that the query selects, or an error.",
		func(c *checker) {
			var ds []webhook.Delivery
			for i := range 40 {
				ds = append(ds, logged(pending(fmt.Sprint("d", i), "1", at(i)), *note(i)))
				c.put(hook(fmt.Sprint("w", i)))
			}
			c.enqueue(ds...)
			c.endingInside(func(ctx context.Context) {
				if ws, err := c.store.Webhooks(ctx, webhook.WebhookQuery{Account: account}); err == nil && len(ws) != len(ds) {
					c.broken("Webhooks returned %d of %d, and no error", len(ws), len(ds))
				}
			})
			c.endingInside(func(ctx context.Context) {
				if got, err := c.store.Deliveries(ctx, webhook.DeliveryQuery{Account: account}); err == nil && len(got) != len(ds) {
					c.broken("Deliveries returned %d of %d, and no error", len(got), len(ds))
				}
			})
			c.endingInside(func(ctx context.Context) {
				if n, err := c.store.Count(ctx, webhook.DeliveryQuery{Account: account}); err == nil && n != len(ds) {
					c.broken("Count returned %d of %d, and no error", n, len(ds))
				}
			})
		}},
}

// endingInside calls call with contexts that end when the store has looked at them once,
// twice, and so on.
func (c *checker) endingInside(call func(ctx context.Context)) {
	for looks := 1; looks <= 89; looks += looks/2 + 1 {
		ctx := newCountdown(c.ctx, looks)
		call(ctx)
		ctx.end()
	}
}

// canceling returns changes that cancel what q selects.
func (c *checker) canceling(q webhook.DeliveryQuery, when time.Time) (cs []webhook.Change) {
	c.t.Helper()
	for _, d := range c.deliveries(q) {
		cs = append(cs, webhook.Change{ID: d.ID, Lease: d.Lease, State: webhook.StateCanceled, Due: when})
	}
	return cs
}
