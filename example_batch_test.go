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

// With Batch a request brings several events, and the receiver answers for all of them.
func ExampleSettings_batch() {
	ctx := context.Background()
	received := make(chan webhook.Event, 3)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		events, err := webhook.ParseRequest(r, &webhook.ReceiveOptions{Unsigned: true})
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		for _, event := range events { // better: in one transaction
			received <- event
		}
	}))
	defer receiver.Close()

	client := webhook.NewClient(&webhook.ClientOptions{AllowHosts: []string{receiver.Listener.Addr().String()}})
	hooks, err := webhook.New(memstore.New(), client, nil)
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

	_, err = hooks.AddWebhook(ctx, webhook.Webhook{Account: "customer-1", Settings: webhook.Settings{
		Name:      "Data warehouse",
		URL:       receiver.URL,
		Events:    []webhook.EventType{webhook.TypeOpen},
		Sources:   webhook.Sources(),
		Format:    webhook.FormatJSON,
		Batch:     500,
		BatchWait: time.Second, // after that, as many go as there are
	}})
	if err != nil {
		panic(err)
	}

	var opens []webhook.Event
	for _, address := range []string{"a@example.com", "b@example.com", "c@example.com"} {
		opens = append(opens, webhook.Open{
			Meta:       webhook.Meta{Account: "customer-1", Lists: []string{"12"}, Source: webhook.SourcePublic},
			Subscriber: webhook.Subscriber{Email: address},
			Campaign:   webhook.Campaign{ID: "34"},
		})
	}
	if err := hooks.Emit(ctx, opens...); err != nil {
		panic(err)
	}
	for range opens {
		event := <-received
		fmt.Println(event.Type(), event.(webhook.Open).Subscriber.Email)
	}
	// Unordered output:
	// open a@example.com
	// open b@example.com
	// open c@example.com
}
