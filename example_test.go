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

// A crm is a customer's receiver, which passes on what it gets.
type crm chan string

func (c crm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c <- r.PostFormValue("type") + " " + r.PostFormValue("subscriber[email]")
}

// An app emits events, and a customer's receiver gets those that its webhook
// wants.
func Example() {
	ctx := context.Background()
	received := make(crm, 1)
	receiver := httptest.NewServer(received)
	defer receiver.Close()

	// A receiver on this machine has to be allowed. For customers' URLs the
	// client is nil, and the store is one on the app's database.
	client := webhook.NewClient(&webhook.ClientOptions{AllowHosts: []string{receiver.Listener.Addr().String()}})
	hooks, err := webhook.New(memstore.New(), client, nil)
	if err != nil {
		panic(err)
	}
	if err := hooks.Start(); err != nil {
		panic(err)
	}
	defer func() { // attempts need time to end, so not the app's context
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		hooks.Shutdown(ctx)
	}()

	_, err = hooks.AddWebhook(ctx, webhook.Webhook{Account: "customer-1", Settings: webhook.Settings{
		Name:    "CRM",
		URL:     receiver.URL,
		Events:  []webhook.EventType{webhook.TypeSubscribe, webhook.TypeUnsubscribe},
		Sources: webhook.Sources(),
	}})
	if err != nil {
		panic(err)
	}

	err = hooks.Emit(ctx, webhook.Subscribe{
		Meta:       webhook.Meta{Account: "customer-1", Lists: []string{"12"}, Source: webhook.SourceAdmin},
		Subscriber: webhook.Subscriber{ID: "12", Email: "test@test.com"},
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(<-received)
	// Output:
	// subscribe test@test.com
}
