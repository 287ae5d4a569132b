package storetest

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/listhook/webhook"
)

var faults = slices.Concat(putFaults, numberFaults, webhookFaults, enqueueFaults, eventFaults, claimFaults, turnFaults,
	lineFaults, leavingFaults, sequenceFaults, leasingFaults, fieldFaults, pruneFieldFaults, dropFaults,
	largeFaults, limitFaults, bodyFaults, documentFaults, joiningFaults, leaseUntilFaults, glanceFaults, expiryFaults, prefixFaults, keyFaults, farFaults, insideFaults, meanwhileFaults,
	applyFaults, rewriteFaults, logFaults, pruneFaults, valueFaults, memoryFaults, contextFaults, duplicateFaults, concurrentFaults, otherFaults)

// disasters are faults that fail everything; fails is what the failures say.
var disasters = []fault{
	{name: "hangs", fails: "did not return in time", timeout: 400 * time.Millisecond, inject: func(p *plain) {
		p.always(func() { select {} })
	}},
	{name: "hangs until its context ends", fails: "returned an error: context deadline exceeded", timeout: 400 * time.Millisecond, inject: func(p *plain) {
		p.enqueue = func(ctx context.Context, _ []webhook.Delivery) ([]string, error) { <-ctx.Done(); return nil, ctx.Err() }
		p.putWebhook = func(ctx context.Context, _ webhook.Webhook) (int64, error) { <-ctx.Done(); return 0, ctx.Err() }
	}},
	{name: "panics", fails: "panicked: out of order", inject: func(p *plain) {
		p.always(func() { panic("out of order") })
	}},
	{name: "ends its goroutine", fails: "ended its goroutine", inject: func(p *plain) {
		p.always(runtime.Goexit)
	}},
	{name: "cannot be opened", fails: "Open returned no store", suite: func(s *Suite) {
		s.Open = func(*testing.T) webhook.Store { return nil }
	}},
	{name: "panics when opened", fails: "Open panicked: no such file", suite: func(s *Suite) {
		s.Open = func(*testing.T) webhook.Store { panic("no such file") }
	}},
	{name: "hangs when opened", fails: "Open did not return in time", timeout: 400 * time.Millisecond, suite: func(s *Suite) {
		s.Open = func(*testing.T) webhook.Store { select {} }
	}},
	{name: "fails when opened", fails: "the database is not there", suite: func(s *Suite) {
		s.Open = func(t *testing.T) webhook.Store { t.Fatal("the database is not there"); return nil }
	}},
	{name: "returns nothing ever", fails: "broken: ", inject: func(p *plain) {
		p.webhooks = func(context.Context, webhook.WebhookQuery) ([]webhook.Webhook, error) { return nil, nil }
		p.claim = func(context.Context, webhook.Claim) ([]webhook.Delivery, error) { return nil, nil }
		p.deliveries = func(context.Context, webhook.DeliveryQuery) ([]webhook.Delivery, error) { return nil, nil }
		p.count = func(context.Context, webhook.DeliveryQuery) (int, error) { return 0, nil }
		p.prune = func(context.Context, webhook.Prune) (int, error) { return 0, nil }
		p.apply = func(context.Context, []webhook.Change) ([]string, error) { return nil, nil }
		p.enqueue = func(context.Context, []webhook.Delivery) ([]string, error) { return nil, nil }
		p.putWebhook = func(context.Context, webhook.Webhook) (int64, error) { return 0, nil }
	}, timeout: 2 * time.Second},
}

// lightSuite is no fault.
var lightSuite = fault{name: "nothing is wrong, and the suite is light", suite: func(s *Suite) { s.Light = true }}

// always runs do in place of every call.
func (p *plain) always(do func()) {
	p.webhooks = func(context.Context, webhook.WebhookQuery) ([]webhook.Webhook, error) { do(); return nil, nil }
	p.enqueue = func(context.Context, []webhook.Delivery) ([]string, error) { do(); return nil, nil }
	p.putWebhook = func(context.Context, webhook.Webhook) (int64, error) { do(); return 0, nil }
	p.claim = func(context.Context, webhook.Claim) ([]webhook.Delivery, error) { do(); return nil, nil }
	p.apply = func(context.Context, []webhook.Change) ([]string, error) { do(); return nil, nil }
	p.deliveries = func(context.Context, webhook.DeliveryQuery) ([]webhook.Delivery, error) { do(); return nil, nil }
	p.count = func(context.Context, webhook.DeliveryQuery) (int, error) { do(); return 0, nil }
	p.prune = func(context.Context, webhook.Prune) (int, error) { do(); return 0, nil }
}

// The steps before and after a call that faults most often change.

func webhookQuery(change func(q *webhook.WebhookQuery)) func(*plain) {
	return func(p *plain) {
		p.webhooks = func(ctx context.Context, q webhook.WebhookQuery) ([]webhook.Webhook, error) {
			change(&q)
			return p.plainWebhooks(ctx, q)
		}
	}
}

// fromWebhooks replaces what a query without some of its fields returned.
func fromWebhooks(without func(q *webhook.WebhookQuery), replace func(q webhook.WebhookQuery, ws []webhook.Webhook) []webhook.Webhook) func(*plain) {
	return func(p *plain) {
		p.webhooks = func(ctx context.Context, q webhook.WebhookQuery) ([]webhook.Webhook, error) {
			less := q
			without(&less)
			ws, err := p.plainWebhooks(ctx, less)
			if err != nil {
				return nil, err
			}
			return replace(q, ws), nil
		}
	}
}

func deliveryQuery(change func(q *webhook.DeliveryQuery)) func(*plain) {
	return func(p *plain) {
		p.deliveries = func(ctx context.Context, q webhook.DeliveryQuery) ([]webhook.Delivery, error) {
			change(&q)
			return p.plainDeliveries(ctx, q)
		}
	}
}

// fromDeliveries replaces what a query without some of its fields returned.
func fromDeliveries(without func(q *webhook.DeliveryQuery), replace func(q webhook.DeliveryQuery, ds []webhook.Delivery) []webhook.Delivery) func(*plain) {
	return func(p *plain) {
		p.deliveries = func(ctx context.Context, q webhook.DeliveryQuery) ([]webhook.Delivery, error) {
			less := q
			without(&less)
			ds, err := p.plainDeliveries(ctx, less)
			if err != nil {
				return nil, err
			}
			return replace(q, ds), nil
		}
	}
}

func only[T any](vs []T, keep func(v T) bool) []T {
	return slices.DeleteFunc(vs, func(v T) bool { return !keep(v) })
}

func countQuery(change func(q *webhook.DeliveryQuery)) func(*plain) {
	return func(p *plain) {
		p.count = func(ctx context.Context, q webhook.DeliveryQuery) (int, error) {
			change(&q)
			return p.plainCount(ctx, q)
		}
	}
}

func claimOf(change func(c *webhook.Claim)) func(*plain) {
	return func(p *plain) {
		p.claim = func(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
			change(&c)
			return p.plainClaim(ctx, c)
		}
	}
}

func claimable(also func(d webhook.Delivery, p *plain) bool) func(*plain) {
	return func(p *plain) {
		plainly := p.claimable
		p.claimable = func(d webhook.Delivery, c webhook.Claim) bool { return plainly(d, c) && also(d, p) }
	}
}

// afterChange alters what Apply is about to store.
func afterChange(alter func(was webhook.Delivery, d *webhook.Delivery, c webhook.Change)) func(*plain) {
	return func(p *plain) {
		plainly := p.change
		p.change = func(d *webhook.Delivery, c webhook.Change) {
			was := *d
			plainly(d, c)
			alter(was, d, c)
		}
	}
}

func keep(alter func(d *webhook.Delivery)) func(*plain) {
	return func(p *plain) {
		p.keep = func(d webhook.Delivery) webhook.Delivery { alter(&d); return d }
	}
}

func keepHook(alter func(w *webhook.Webhook)) func(*plain) {
	return func(p *plain) {
		p.keepHook = func(w webhook.Webhook) webhook.Webhook { alter(&w); return w }
	}
}

var errNone = errors.New("nothing to do")

func cut(text string, n int) string { return strings.ToValidUTF8(text[:min(n, len(text))], "") }
