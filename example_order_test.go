package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// Somebody subscribes, changes their name and unsubscribes at once. The receiver, which
// fails at first, is told so in this order.
func ExampleOrder() {
	told := make(chan string, 3)
	failed := false
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !failed {
			failed = true
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		told <- r.Header.Get(webhook.HeaderEvent)
	}))
	defer receiver.Close()

	ctx := context.Background()
	d, err := webhook.New(memstore.New(), receiver.Client(), &webhook.Options{
		Backoff: webhook.Schedule(10*time.Millisecond, time.Second),
	})
	if err != nil {
		panic(err)
	}
	if err := d.Start(); err != nil {
		panic(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = d.Shutdown(ctx)
	}()
	if _, err := d.AddWebhook(ctx, webhook.Webhook{Settings: webhook.Settings{
		URL: receiver.URL, Events: webhook.EventTypes(), Sources: webhook.Sources(),
	}}); err != nil {
		panic(err)
	}

	m := webhook.Meta{Lists: []string{"12"}, Source: webhook.SourcePublic}
	jane := webhook.Subscriber{ID: "7", Email: "jane@example.com"}
	renamed := jane
	renamed.FirstName = "Jane"
	if err := d.Emit(ctx,
		webhook.Subscribe{Meta: m, Subscriber: jane},
		webhook.Update{Meta: m, Subscriber: renamed},
		webhook.Unsubscribe{Meta: m, Subscriber: renamed},
	); err != nil {
		panic(err)
	}
	for range 3 {
		fmt.Println(<-told)
	}
	// Output:
	// subscribe
	// update
	// unsubscribe
}
