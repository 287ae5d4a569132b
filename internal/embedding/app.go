package embedding

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"github.com/lib/pq"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/postgresstore"
)

type app struct {
	db    *sql.DB
	store *postgresstore.Store
	hooks *webhook.Dispatcher
}

func start(ctx context.Context, dsn string) (*app, error) {
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		return nil, err
	}
	store := postgresstore.New(db, nil)
	if err := store.Migrate(ctx); err != nil {
		return nil, err
	}
	hooks, err := webhook.New(store, nil, &webhook.Options{
		SkipInvalid: true, // one bad row does not keep out the others of an import
		OmitFields:  true, // nor does a custom field whose name a user chose
		Buffer:      webhook.BufferOptions{WhenFull: webhook.WhenFullDrop},
	})
	if err != nil {
		return nil, err
	}
	if err := hooks.Start(); err != nil {
		return nil, err
	}
	listener := pq.NewListener(dsn, 100*time.Millisecond, 10*time.Second, nil)
	go func() { _ = postgresstore.Listen(ctx, store, listener, hooks.Wake) }() // until ctx ends
	return &app{db, store, hooks}, nil
}

func (a *app) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return a.hooks.Shutdown(ctx)
}

// emitTx emits within a transaction. An event that cannot be delivered must not undo
// what has happened: it is logged, and the transaction goes on.
func (a *app) emitTx(ctx context.Context, tx postgresstore.Querier, events ...webhook.Event) error {
	err := a.hooks.EmitTx(ctx, a.store.Tx(tx), events...)
	var invalid *webhook.InvalidEventsError
	if errors.As(err, &invalid) {
		slog.Error("webhooks: events were left out", "error", err)
		return nil
	}
	return err
}

func subscribed(id int64, email string) webhook.Event {
	return webhook.Subscribe{
		Meta:       webhook.Meta{Lists: []string{"12"}, Source: webhook.SourcePublic},
		Subscriber: webhook.Subscriber{ID: strconv.FormatInt(id, 10), Email: email},
	}
}
