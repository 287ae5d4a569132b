package postgresstore_test

import (
	"context"
	"database/sql"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/postgresstore"
)

// The store keeps its tables in the app's own database.
func ExampleNew() {
	open := func(ctx context.Context) (*webhook.Dispatcher, error) {
		db, err := sql.Open("pgx", "postgres://app@db.example.com/app") // import _ "github.com/jackc/pgx/v5/stdlib"
		if err != nil {
			return nil, err
		}
		store := postgresstore.New(db, nil)
		if err := store.Migrate(ctx); err != nil { // at each start of the app
			return nil, err
		}
		return webhook.New(store, nil, nil)
	}
	_ = open // needs a driver and a server
}
