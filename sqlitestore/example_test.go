package sqlitestore_test

import (
	"context"
	"database/sql"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/sqlitestore"
)

// The store keeps its tables in the app's own file.
func ExampleNew() {
	open := func(ctx context.Context) (*webhook.Dispatcher, error) {
		db, err := sql.Open("sqlite", "app.db?_pragma=busy_timeout(10000)") // import _ "modernc.org/sqlite"
		if err != nil {
			return nil, err
		}
		store := sqlitestore.New(db, nil)
		if err := store.Migrate(ctx); err != nil { // at each start of the app
			return nil, err
		}
		return webhook.New(store, nil, nil)
	}
	_ = open // needs a driver
}
