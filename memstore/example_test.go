package memstore_test

import (
	"context"
	"fmt"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// In a test of an app, what was emitted is found in the log. The Dispatcher is
// not started, so that nothing is sent.
func ExampleNew() {
	ctx := context.Background()
	hooks, err := webhook.New(memstore.New(), nil, nil)
	if err != nil {
		panic(err)
	}
	_, err = hooks.AddWebhook(ctx, webhook.Webhook{Settings: webhook.Settings{
		URL: "https://example.com/hook", Events: webhook.EventTypes(), Sources: webhook.Sources(),
	}})
	if err != nil {
		panic(err)
	}

	// Here the app does something that emits an event.
	err = hooks.Emit(ctx, webhook.Unsubscribe{
		Meta:       webhook.Meta{Source: webhook.SourcePublic},
		Subscriber: webhook.Subscriber{ID: "12", Email: "test@test.com"},
	})
	if err != nil {
		panic(err)
	}

	deliveries, err := hooks.Deliveries(ctx, webhook.DeliveryQuery{})
	if err != nil {
		panic(err)
	}
	for _, d := range deliveries {
		fmt.Println(d.Type, d.State)
	}
	// Output:
	// unsubscribe pending
}
