package webhook_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
	"github.com/listhook/webhook/sqlitestore"
)

// A customer adds a webhook, and edits it later. What cannot be taken is told
// with the name of its field.
func ExampleDispatcher_AddWebhook() {
	ctx := context.Background()
	hooks, err := webhook.New(memstore.New(), nil, nil)
	if err != nil {
		panic(err)
	}

	w := webhook.Webhook{Account: "customer-1", Settings: webhook.Settings{
		Name:    "CRM",
		URL:     "http://localhost/hook",
		List:    "12", // "": every list
		Events:  []webhook.EventType{webhook.TypeUnsubscribe, webhook.TypeBounce},
		Sources: webhook.Sources(),
		Secrets: []webhook.Secret{webhook.NewSecret()},
	}}
	_, err = hooks.AddWebhook(ctx, w)
	var refused *webhook.InvalidError
	if errors.As(err, &refused) {
		fmt.Println("refused:", refused.Field)
	}

	w.URL = "https://crm.example.com/hook"
	w, err = hooks.AddWebhook(ctx, w)
	if err != nil {
		panic(err)
	}
	fmt.Println("added, revision", w.Revision)

	w.Name = "Customer database" // w holds the revision that was read
	w, err = hooks.UpdateWebhook(ctx, w)
	if err != nil {
		panic(err)
	}
	fmt.Println("edited, revision", w.Revision)
	// Output:
	// refused: URL
	// added, revision 1
	// edited, revision 2
}

// The address of a tracking pixel asks first whether anybody wants opens: to load a
// subscriber for nothing costs far more than to ask.
func ExampleDispatcher_Wants() {
	hooks, err := webhook.New(memstore.New(), nil, nil)
	if err != nil {
		panic(err)
	}
	load := func(id string) webhook.Subscriber { // from the app's database
		fmt.Println("loaded", id)
		return webhook.Subscriber{ID: id, Email: "test@test.com"}
	}
	opened := func(ctx context.Context, account, campaign, subscriber string) error {
		if !hooks.Wants(ctx, account, webhook.TypeOpen, webhook.SourcePublic) {
			return nil
		}
		return hooks.Emit(ctx, webhook.Open{
			Meta:       webhook.Meta{Account: account, Source: webhook.SourcePublic},
			Subscriber: load(subscriber),
			Campaign:   webhook.Campaign{ID: campaign},
		})
	}

	ctx := context.Background()
	_, err = hooks.AddWebhook(ctx, webhook.Webhook{Account: "customer-1", Settings: webhook.Settings{
		URL:    "https://crm.example.com/hook",
		Events: []webhook.EventType{webhook.TypeOpen}, Sources: webhook.Sources(),
	}})
	if err != nil {
		panic(err)
	}
	for _, account := range []string{"customer-1", "customer-2"} {
		if err := opened(ctx, account, "42", "subscriber of "+account); err != nil {
			panic(err)
		}
	}
	// Output:
	// loaded subscriber of customer-1
}

// Opens are many, and the loss of a few at a crash is no harm: the address of a
// tracking pixel does not wait for the database. Shutdown stores what is still held.
func ExampleDispatcher_EmitBuffered() {
	ctx := context.Background()
	hooks, err := webhook.New(memstore.New(), nil, &webhook.Options{
		Buffer: webhook.BufferOptions{WhenFull: webhook.WhenFullDrop},
		Hooks: webhook.Hooks{Dropped: func(es []webhook.Event, err error) {
			fmt.Println("lost", len(es), "events:", err)
		}},
	})
	if err != nil {
		panic(err)
	}
	_, err = hooks.AddWebhook(ctx, webhook.Webhook{Settings: webhook.Settings{
		URL: "https://crm.example.com/hook", Events: webhook.EventTypes(), Sources: webhook.Sources(),
	}})
	if err != nil {
		panic(err)
	}

	for id := range 250 {
		err := hooks.EmitBuffered(ctx, webhook.Open{
			Meta:       webhook.Meta{Source: webhook.SourcePublic},
			Subscriber: webhook.Subscriber{ID: fmt.Sprint(id), Email: "test@test.com"},
			Campaign:   webhook.Campaign{ID: "42"},
		})
		if err != nil {
			fmt.Println(err) // such as ErrBufferFull; there is nobody to tell
		}
	}

	shutdown, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := hooks.Shutdown(shutdown); err != nil {
		panic(err)
	}
	n, err := hooks.Count(ctx, webhook.DeliveryQuery{})
	if err != nil {
		panic(err)
	}
	fmt.Println("deliveries:", n)
	// Output:
	// deliveries: 250
}

// Emit returns when the event is durable. An ID of the app's own makes
// emitting again harmless.
func ExampleDispatcher_Emit() {
	ctx := context.Background()
	hooks, err := webhook.New(memstore.New(), nil, nil) // not started: another process delivers
	if err != nil {
		panic(err)
	}
	_, err = hooks.AddWebhook(ctx, webhook.Webhook{Account: "customer-1", Settings: webhook.Settings{
		URL:    "https://crm.example.com/hook",
		Events: webhook.EventTypes(), Sources: webhook.Sources(),
	}})
	if err != nil {
		panic(err)
	}

	bounce := webhook.Bounce{
		Meta: webhook.Meta{
			ID:      "bounce-4711",
			Account: "customer-1",
			Lists:   []string{"12"},
			Source:  webhook.SourceSystem,
		},
		Subscriber: webhook.Subscriber{ID: "12", Email: "test@test.com"},
		Details:    webhook.BounceDetails{Type: webhook.BounceHard, Code: "5.1.1"},
	}
	for range 2 {
		if err := hooks.Emit(ctx, bounce); err != nil {
			panic(err)
		}
	}

	n, err := hooks.Count(ctx, webhook.DeliveryQuery{Account: "customer-1"})
	if err != nil {
		panic(err)
	}
	fmt.Println("deliveries:", n)
	// Output:
	// deliveries: 1
}

// The event is delivered if, and only if, the app's own transaction commits.
func ExampleDispatcher_EmitTx() {
	subscribe := func(ctx context.Context, db *sql.DB, store *sqlitestore.Store, hooks *webhook.Dispatcher, email string) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback() // does nothing after the commit

		var id string
		err = tx.QueryRowContext(ctx, `insert into subscribers (email) values (?) returning id`, email).Scan(&id)
		if err != nil {
			return err
		}
		err = hooks.EmitTx(ctx, store.Tx(tx), webhook.Subscribe{
			Meta:       webhook.Meta{Account: "customer-1", Lists: []string{"12"}, Source: webhook.SourcePublic},
			Subscriber: webhook.Subscriber{ID: id, Email: email},
		})
		if err != nil {
			return err
		}
		if err := tx.Commit(); err != nil {
			return err
		}
		hooks.Wake() // rather than wait for the next poll
		return nil
	}
	_ = subscribe // needs a database with a table of subscribers
}

// Why did a webhook not get an event?
func ExampleDispatcher_Explain() {
	ctx := context.Background()
	hooks, err := webhook.New(memstore.New(), nil, nil)
	if err != nil {
		panic(err)
	}
	for _, w := range []webhook.Webhook{
		{Settings: webhook.Settings{Name: "CRM", Events: webhook.EventTypes()}},
		{Settings: webhook.Settings{Name: "Statistics", Events: []webhook.EventType{webhook.TypeOpen, webhook.TypeClick}}},
	} {
		w.URL, w.Sources = "https://example.com/hook", webhook.Sources()
		if _, err := hooks.AddWebhook(ctx, w); err != nil {
			panic(err)
		}
	}

	explanations, err := hooks.Explain(ctx, webhook.Sample(webhook.TypeUnsubscribe))
	if err != nil {
		panic(err)
	}
	for _, e := range explanations {
		fmt.Printf("%s: %s\n", e.Webhook.Name, e.Reason)
	}
	// Output:
	// CRM: The webhook gets the event.
	// Statistics: The webhook does not want unsubscribe events.
}
