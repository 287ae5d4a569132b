package webhooktest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
	"github.com/listhook/webhook/webhooktest"
)

// An app's test: what it does reaches the customer's receiver, signed, and
// reaches it all the same when the receiver fails at first.
func Example() {
	test := func(t testing.TB) {
		ctx := context.Background()
		secret := webhook.NewSecret()
		receiver := webhooktest.NewReceiver(t, &webhooktest.Options{
			TLS:     webhooktest.TLSValid,
			Secrets: []webhook.Secret{secret},
			Answer:  webhooktest.Sequence(webhooktest.Status(503), webhooktest.Status(200)),
		})
		d, err := webhook.New(&memstore.Store{}, receiver.Client(), &webhook.Options{
			Backoff:      webhook.Schedule(time.Millisecond),
			PollInterval: time.Millisecond,
		})
		if err != nil {
			t.Fatalf("New: %v", err)
		}
		_, err = d.AddWebhook(ctx, webhook.Webhook{Settings: webhook.Settings{
			URL: receiver.URL(), Secrets: []webhook.Secret{secret},
			Events: webhook.EventTypes(), Sources: webhook.Sources(),
		}})
		if err != nil {
			t.Fatalf("AddWebhook: %v", err)
		}
		if err := d.Start(); err != nil {
			t.Fatalf("Start: %v", err)
		}
		defer func() {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			d.Shutdown(ctx)
		}()

		// Here the app does something that emits an event.
		err = d.Emit(ctx, webhook.Unsubscribe{
			Meta:       webhook.Meta{Source: webhook.SourcePublic},
			Subscriber: webhook.Subscriber{ID: "12", Email: "test@test.com"},
		})
		if err != nil {
			t.Fatalf("Emit: %v", err)
		}

		for _, got := range receiver.Wait(t, 2) {
			e := got.Events[0].(webhook.Unsubscribe)
			fmt.Println("attempt", got.Header.Get(webhook.HeaderAttempt), "tells of", e.Subscriber.Email)
		}
	}
	fmt.Print(run(test)) // in a test of yours, "go test" does it
	// Output:
	// attempt 1 tells of test@test.com
	// attempt 2 tells of test@test.com
}
