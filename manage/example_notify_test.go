package manage_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage"
	"github.com/listhook/webhook/memstore"
)

// An app mails the owner of a webhook, in their language. Here a receiver says by 410
// Gone that it is gone for good.
func ExampleNotifyOwners() {
	mails := make(chan manage.Notice, 1) // the app's outgoing mail
	hooks, err := manage.NotifyOwners(webhook.Hooks{}, &manage.NotifyOptions{
		Send: func(n manage.Notice) { mails <- n },
		Owner: func(_ context.Context, account string) (manage.Owner, error) {
			return manage.Owner{Locale: "de", Page: "https://app.example.com/webhooks/"}, nil // as the app knows them
		},
	})
	if err != nil {
		panic(err)
	}
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "gone", http.StatusGone)
	}))
	defer receiver.Close()
	dispatcher, err := webhook.New(memstore.New(), receiver.Client(), &webhook.Options{Hooks: hooks})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	_, err = dispatcher.AddWebhook(ctx, webhook.Webhook{ID: "7", Account: "acme", Settings: webhook.Settings{
		Name: "CRM", URL: receiver.URL, Events: webhook.EventTypes(), Sources: webhook.Sources(),
	}})
	if err != nil {
		panic(err)
	}
	if err := dispatcher.Start(); err != nil {
		panic(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		dispatcher.Shutdown(ctx)
	}()
	err = dispatcher.Emit(ctx, webhook.Unsubscribe{
		Meta:       webhook.Meta{Account: "acme", Source: webhook.SourcePublic},
		Subscriber: webhook.Subscriber{ID: "12", Email: "test@test.com"},
	})
	if err != nil {
		panic(err)
	}

	mail := <-mails
	fmt.Println("To the owner of", mail.Webhook.Account)
	fmt.Println("Subject:", mail.Subject)
	fmt.Println()
	fmt.Print(mail.Text)
	// Output:
	// To the owner of acme
	// Subject: Ihr Webhook CRM wurde ausgeschaltet
	//
	// Der Empfänger antwortete 410 Gone.
	//
	// Beheben Sie den Fehler beim Empfänger und schalten Sie den Webhook dann wieder ein.
	//
	// Ereignisse, die eintreten, solange er ausgeschaltet ist, werden nicht gesendet.
	//
	// https://app.example.com/webhooks/webhooks/7
}
