package dbtest

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"github.com/jmoiron/sqlx"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/postgresstore"
)

// Apps that reach their database through a library emit in its transactions.
func TestEmitTxInTransactionsOfOtherLibraries(t *testing.T) {
	errRolledBack := errors.New("rolled back on purpose")
	// Each runs a function in a transaction, which it commits if that returns
	// nil, else rolls back.
	libraries := map[string]func(*sql.DB, func(postgresstore.Querier) error) error{
		"sqlx": func(db *sql.DB, f func(postgresstore.Querier) error) error {
			tx, err := sqlx.NewDb(db, "pgx").BeginTxx(context.Background(), nil)
			if err != nil {
				return err
			}
			if err := f(tx); err != nil {
				return errors.Join(err, tx.Rollback())
			}
			return tx.Commit()
		},
		"bun": func(db *sql.DB, f func(postgresstore.Querier) error) error {
			return bun.NewDB(db, pgdialect.New()).RunInTx(context.Background(), nil, func(_ context.Context, tx bun.Tx) error {
				return f(tx.Tx)
			})
		},
	}
	for name, run := range libraries {
		t.Run(name, func(t *testing.T) {
			db := open(t, "pgx", postgres(t), 4)
			store := postgresstore.New(db, nil)
			if err := store.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			must(t, db, `create table people (name text)`)
			d, err := webhook.New(store, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = d.AddWebhook(t.Context(), webhook.Webhook{Settings: webhook.Settings{
				URL: "https://example.com/hook", Events: webhook.EventTypes(), Sources: webhook.Sources(),
			}})
			if err != nil {
				t.Fatal(err)
			}
			for _, end := range []error{errRolledBack, nil} {
				err := run(db, func(tx postgresstore.Querier) error {
					if _, err := tx.ExecContext(t.Context(), `insert into people values ('Ann?')`); err != nil {
						return err
					}
					event := webhook.Unsubscribe{
						Meta:       webhook.Meta{ID: "1", Source: webhook.SourcePublic},
						Subscriber: webhook.Subscriber{ID: "7", Email: "ann@example.com"},
					}
					if err := d.EmitTx(t.Context(), store.Tx(tx), event); err != nil {
						return err
					}
					return end
				})
				if !errors.Is(err, end) {
					t.Fatalf("the transaction ended with %v, want %v", err, end)
				}
				n, err := d.Count(t.Context(), webhook.DeliveryQuery{})
				if err != nil {
					t.Fatal(err)
				}
				people := 0
				if err := db.QueryRow(`select count(*) from people`).Scan(&people); err != nil {
					t.Fatal(err)
				}
				want := 1
				if end != nil {
					want = 0
				}
				if n != want || people != want {
					t.Errorf("there are %d deliveries and %d people after %v, want %d of each", n, people, end, want)
				}
			}
		})
	}
}
