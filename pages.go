package webhook

import (
	"context"
	"iter"
)

// deliveryPages reads the deliveries that q selects from a store, in pages of
// q.Limit, which must be positive. It yields no empty page, and ends after an error.
func deliveryPages(ctx context.Context, store Store, q DeliveryQuery) iter.Seq2[[]Delivery, error] {
	return func(yield func([]Delivery, error) bool) {
		for {
			ds, err := store.Deliveries(ctx, q)
			if err != nil {
				yield(nil, err)
				return
			}
			if len(ds) > 0 && !yield(ds, nil) || len(ds) < q.Limit {
				return
			}
			last := ds[len(ds)-1]
			q.After = Cursor{Created: last.Created, ID: last.ID}
		}
	}
}

// lastPut returns the Put of the webhook that was put last, 0 if there is none.
func lastPut(ctx context.Context, store Store) (int64, error) {
	ws, err := store.Webhooks(ctx, WebhookQuery{All: true, Deleted: true, Newest: true, Limit: 1})
	if err != nil || len(ws) == 0 {
		return 0, err
	}
	return ws[0].Put, nil
}

// webhookPages is deliveryPages for webhooks.
func webhookPages(ctx context.Context, store Store, q WebhookQuery) iter.Seq2[[]Webhook, error] {
	return func(yield func([]Webhook, error) bool) {
		for {
			ws, err := store.Webhooks(ctx, q)
			if err != nil {
				yield(nil, err)
				return
			}
			if len(ws) > 0 && !yield(ws, nil) || len(ws) < q.Limit {
				return
			}
			q.After = ws[len(ws)-1].ID
		}
	}
}
