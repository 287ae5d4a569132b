package account

import (
	"context"
	"slices"

	"github.com/listhook/webhook"
)

// The Dispatcher's calls for a caller: each first looks whether the webhook or the
// delivery is one that the caller sees.

// Webhooks returns the account's webhooks that the caller sees.
func (c *Caller) Webhooks(ctx context.Context) ([]webhook.Webhook, error) {
	return c.Query(ctx, webhook.WebhookQuery{})
}

// Query returns those of the account's webhooks that q selects and that the caller
// sees.
func (c *Caller) Query(ctx context.Context, q webhook.WebhookQuery) ([]webhook.Webhook, error) {
	q.Account, q.All = c.Account, false
	limit, allowed := q.Limit, func(string) bool { return true }
	switch lists := c.Limits.Lists; {
	case lists == nil:
	case len(lists) == 0:
		return nil, nil
	case len(lists) > queriedLists:
		q.Limit, allowed = 0, c.Limits.listFilter()
	default:
		q.Lists = lists
	}
	if c.Limits.Webhook != "" {
		if len(q.IDs) > 0 && !slices.Contains(q.IDs, c.Limits.Webhook) {
			return nil, nil
		}
		q.IDs = []string{c.Limits.Webhook}
	}
	ws, err := c.dispatcher.Webhooks(ctx, q)
	ws = slices.DeleteFunc(ws, func(w webhook.Webhook) bool { return !allowed(w.List) })
	if limit > 0 {
		ws = ws[:min(len(ws), limit)]
	}
	return ws, err
}

// queriedLists is how many lists a query of the store names: databases limit the
// variables of a statement. Of a caller with more, all webhooks of the account are read.
const queriedLists = 1000

// Webhook returns a webhook of the account that the caller sees.
func (c *Caller) Webhook(ctx context.Context, id string) (webhook.Webhook, error) {
	w, err := c.dispatcher.Webhook(ctx, c.Account, id)
	if err == nil && !c.Limits.sees(w) {
		return webhook.Webhook{}, webhook.ErrNotFound
	}
	return w, err
}

// Delete deletes a webhook.
func (c *Caller) Delete(ctx context.Context, id string) error {
	if _, err := c.Webhook(ctx, id); err != nil {
		return err
	}
	return c.dispatcher.DeleteWebhook(ctx, c.Account, id)
}

// Probe tries the receiver of a webhook that is held.
func (c *Caller) Probe(ctx context.Context, id string) (webhook.Webhook, error) {
	if _, err := c.Webhook(ctx, id); err != nil {
		return webhook.Webhook{}, err
	}
	return c.dispatcher.ProbeNow(ctx, c.Account, id)
}

// SendTest sends a sample to a webhook.
func (c *Caller) SendTest(ctx context.Context, id string, t webhook.EventType) (webhook.Attempt, error) {
	if _, err := c.Webhook(ctx, id); err != nil {
		return webhook.Attempt{}, err
	}
	return c.dispatcher.SendTest(ctx, c.Account, id, t)
}

// SendTestBody sends a body to a webhook as a test.
func (c *Caller) SendTestBody(ctx context.Context, id string, t webhook.EventType, body []byte) (webhook.Attempt, error) {
	if _, err := c.Webhook(ctx, id); err != nil {
		return webhook.Attempt{}, err
	}
	return c.dispatcher.SendTestBody(ctx, c.Account, id, t, body)
}

// Redeliver makes a delivery due now: see Dispatcher.Redeliver, and with anyway
// RedeliverAnyway.
func (c *Caller) Redeliver(ctx context.Context, id string, anyway bool) error {
	if err := c.mayChange(ctx, id); err != nil {
		return err
	}
	if anyway {
		return c.dispatcher.RedeliverAnyway(ctx, c.Account, id)
	}
	return c.dispatcher.Redeliver(ctx, c.Account, id)
}

// Skip lets the deliveries that wait for one go on.
func (c *Caller) Skip(ctx context.Context, id string) (webhook.Delivery, error) {
	if err := c.mayChange(ctx, id); err != nil {
		return webhook.Delivery{}, err
	}
	return c.dispatcher.Skip(ctx, c.Account, id)
}

// mayChange returns an error if the caller does not see a delivery.
func (c *Caller) mayChange(ctx context.Context, id string) error {
	if !c.limited() {
		return nil // the Dispatcher looks at the account
	}
	_, err := c.Delivery(ctx, id)
	return err
}

// CheckURL refuses a URL that no webhook can have.
func (c *Caller) CheckURL(rawURL string) error { return c.dispatcher.CheckURL(rawURL) }

// limited reports whether there are webhooks that the caller does not see.
func (c *Caller) limited() bool { return c.Limits.Webhook != "" || c.Limits.Lists != nil }
