package webhook

import (
	"context"
	"iter"
	"slices"
)

// maxNamed is how many IDs, and how many lists, a query of a Store names.
const maxNamed = 1000

// chunks yields names in parts of at most maxNamed, each name once. It yields no names
// as one part, since a query without names selects all.
func chunks(names []string) iter.Seq[[]string] {
	if len(names) <= maxNamed {
		return func(yield func([]string) bool) { yield(names) }
	}
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	return slices.Chunk(names, maxNamed)
}

// readWebhooks returns the webhooks that q selects, however many IDs and lists it
// names.
func readWebhooks(ctx context.Context, store Outbox, q WebhookQuery) (ws []Webhook, err error) {
	if len(q.IDs) <= maxNamed && len(q.Lists) <= maxNamed {
		return store.Webhooks(ctx, q)
	}
	part := q
	for part.IDs = range chunks(q.IDs) {
		for part.Lists = range chunks(q.Lists) {
			found, err := store.Webhooks(ctx, part)
			if err != nil {
				return nil, err
			}
			ws = append(ws, found...)
		}
	}
	slices.SortFunc(ws, func(a, b Webhook) int { return q.Compare(&a, &b) })
	return firstOf(ws, q.Limit), nil
}

// readDeliveries returns the deliveries that q selects, however many IDs it names.
func readDeliveries(ctx context.Context, store Store, q DeliveryQuery) (ds []Delivery, err error) {
	if len(q.IDs) <= maxNamed {
		return store.Deliveries(ctx, q)
	}
	part := q
	for part.IDs = range chunks(q.IDs) {
		found, err := store.Deliveries(ctx, part)
		if err != nil {
			return nil, err
		}
		ds = append(ds, found...)
	}
	slices.SortFunc(ds, func(a, b Delivery) int { return q.Compare(&a, &b) })
	return firstOf(ds, q.Limit), nil
}

// countDeliveries returns how many deliveries q selects, however many IDs it names.
func countDeliveries(ctx context.Context, store Store, q DeliveryQuery) (n int, err error) {
	part := q
	for part.IDs = range chunks(q.IDs) {
		found, err := store.Count(ctx, part)
		if err != nil {
			return 0, err
		}
		if n += found; q.Limit > 0 && n >= q.Limit {
			return q.Limit, nil
		}
	}
	return n, nil
}

// firstOf returns the first items, at most limit; 0: all.
func firstOf[T any](items []T, limit int) []T {
	if limit > 0 && len(items) > limit {
		return items[:limit]
	}
	return items
}
