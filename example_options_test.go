package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// Four attempts within some three hours, for events that soon lose their worth.
func ExampleSchedule() {
	hooks, err := webhook.New(memstore.New(), nil, &webhook.Options{
		Backoff: webhook.Schedule(10*time.Second, 10*time.Minute, 3*time.Hour),
	})
	fmt.Println(hooks != nil, err)
	// Output: true <nil>
}

// Options.Backoff takes any policy of the package backoff. Here waits grow from
// five seconds to an hour, for a day from the first attempt on.
func ExampleOptions_backoff() {
	policy := func() backoff.BackOff { // made anew for each use
		return backoff.NewExponentialBackOff(
			backoff.WithInitialInterval(5*time.Second),
			backoff.WithMultiplier(3),
			backoff.WithMaxInterval(time.Hour),
			backoff.WithMaxElapsedTime(24*time.Hour),
		)
	}
	hooks, err := webhook.New(memstore.New(), nil, &webhook.Options{Backoff: policy})
	fmt.Println(hooks != nil, err)
	// Output: true <nil>
}

// Keep opens and clicks for three days and failures for a year, and all others for 30
// days. Do not keep the bodies of delivered deliveries.
func ExampleRetentionRule() {
	opts := &webhook.Options{
		Retention: 30 * 24 * time.Hour,
		RetentionRules: []webhook.RetentionRule{
			{Types: []webhook.EventType{webhook.TypeOpen, webhook.TypeClick}, Keep: 3 * 24 * time.Hour},
			{States: []webhook.State{webhook.StateFailed}, Keep: 365 * 24 * time.Hour},
		},
		DropBodies: true,
	}
	_, err := webhook.New(memstore.New(), nil, opts)
	fmt.Println(err)
	// Output: <nil>
}

// Owners are told when their webhook fails, and when it is disabled. Here
// a receiver says by 410 Gone that it is gone for good.
func ExampleHooks() {
	ctx := context.Background()
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "gone", http.StatusGone)
	}))
	defer receiver.Close()

	mails := make(chan string, 1) // an app would mail the owner of w.Account
	hooks, err := webhook.New(memstore.New(), receiver.Client(), &webhook.Options{
		Hooks: webhook.Hooks{
			Warned: func(w webhook.Webhook, percent int) {
				mails <- fmt.Sprintf("%s has failed since %s: %s", w.Name, w.Health.Since.Format(time.DateTime), w.Health.Reason)
			},
			Disabled: func(w webhook.Webhook) {
				mails <- fmt.Sprintf("%s of %s was disabled. %s", w.Name, w.Account, w.Disabled)
			},
		},
	})
	if err != nil {
		panic(err)
	}
	_, err = hooks.AddWebhook(ctx, webhook.Webhook{Account: "customer-1", Settings: webhook.Settings{
		Name: "CRM", URL: receiver.URL,
		Events: webhook.EventTypes(), Sources: webhook.Sources(),
	}})
	if err != nil {
		panic(err)
	}
	if err := hooks.Start(); err != nil {
		panic(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		hooks.Shutdown(ctx)
	}()

	err = hooks.Emit(ctx, webhook.Unsubscribe{
		Meta:       webhook.Meta{Account: "customer-1", Source: webhook.SourcePublic},
		Subscriber: webhook.Subscriber{ID: "12", Email: "test@test.com"},
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(<-mails)
	// Output:
	// CRM of customer-1 was disabled. The receiver answered 410 Gone.
}
