package account

import (
	"context"

	"github.com/listhook/webhook"
)

// Delivery returns one delivery of the account with its log.
func (c *Caller) Delivery(ctx context.Context, id string) (webhook.Delivery, error) {
	ds, _, err := c.Deliveries(ctx, webhook.DeliveryQuery{IDs: []string{id}})
	if err != nil {
		return webhook.Delivery{}, err
	}
	if len(ds) == 0 {
		return webhook.Delivery{}, webhook.ErrNotFound
	}
	return ds[0], nil
}

// Newest returns the newest delivery of a webhook; a zero Delivery: there is
// none.
func (c *Caller) Newest(ctx context.Context, webhookID string) (webhook.Delivery, error) {
	ds, _, err := c.Deliveries(ctx, webhook.DeliveryQuery{
		Webhook: webhookID, Limit: 1, Brief: true,
	})
	if err != nil || len(ds) == 0 {
		return webhook.Delivery{}, err
	}
	return ds[0], nil
}
