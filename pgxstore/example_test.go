package pgxstore_test

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/pgxstore"
)

// The store keeps its tables in the app's own database. Listen wakes the
// dispatcher when another process commits deliveries.
func ExampleNew() {
	start := func(ctx context.Context) (*webhook.Dispatcher, error) {
		pool, err := pgxpool.New(ctx, "postgres://app@db.example.com/app")
		if err != nil {
			return nil, err
		}
		store := pgxstore.New(pool, nil)
		if err := store.Migrate(ctx); err != nil { // at each start of the app
			return nil, err
		}
		hooks, err := webhook.New(store, nil, nil)
		if err != nil {
			return nil, err
		}
		go store.Listen(ctx, hooks.Wake) // until ctx ends
		return hooks, hooks.Start()
	}
	_ = start // needs a server
}

// The event is delivered if, and only if, the app's own transaction commits.
func ExampleStore_Tx() {
	subscribe := func(ctx context.Context, pool *pgxpool.Pool, store *pgxstore.Store, hooks *webhook.Dispatcher, email string) error {
		err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			var id string
			err := tx.QueryRow(ctx, `insert into subscribers (email) values ($1) returning id::text`, email).Scan(&id)
			if err != nil {
				return err
			}
			return hooks.EmitTx(ctx, store.Tx(tx), webhook.Subscribe{
				Meta:       webhook.Meta{Account: "customer-1", Lists: []string{"12"}, Source: webhook.SourcePublic},
				Subscriber: webhook.Subscriber{ID: id, Email: email},
			})
		})
		hooks.Wake() // rather than wait for the next poll
		return err
	}
	_ = subscribe // needs a database with a table of subscribers
}
