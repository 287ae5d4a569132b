package webhook_test

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// A countingStore is a store of one's own around another: it counts what is
// enqueued. The other seven methods are those of the store inside.
type countingStore struct {
	webhook.Store
	enqueued atomic.Int64
}

// Enqueue counts the deliveries that the store inside did not have before.
func (s *countingStore) Enqueue(ctx context.Context, events []webhook.OutboxEvent) (had []string, err error) {
	had, err = s.Store.Enqueue(ctx, events)
	if err == nil {
		for _, e := range events {
			s.enqueued.Add(int64(len(e.Deliveries)))
		}
		s.enqueued.Add(-int64(len(had)))
	}
	return had, err
}

// Store is an interface of eight methods. Embedding one makes a decorator; for
// another storage write all eight, and check them by the package storetest.
func ExampleStore() {
	ctx := context.Background()
	store := &countingStore{Store: memstore.New()}
	hooks, err := webhook.New(store, nil, nil)
	if err != nil {
		panic(err)
	}
	_, err = hooks.AddWebhook(ctx, webhook.Webhook{Settings: webhook.Settings{
		URL: "https://example.com/hook", Events: webhook.EventTypes(), Sources: webhook.Sources(),
	}})
	if err != nil {
		panic(err)
	}
	if err := hooks.Emit(ctx, webhook.Sample(webhook.TypeOpen), webhook.Sample(webhook.TypeClick)); err != nil {
		panic(err)
	}
	fmt.Println("enqueued:", store.enqueued.Load())
	// Output:
	// enqueued: 2
}
