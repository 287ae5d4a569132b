package mysqlstore_test

import (
	"context"
	"database/sql"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/mysqlstore"
)

// The store keeps its tables in the app's own database. On a Galera cluster the
// data source name needs interpolateParams.
func ExampleNew() {
	open := func(ctx context.Context) (*webhook.Dispatcher, error) {
		db, err := sql.Open("mysql", "app@tcp(db.example.com)/app?interpolateParams=true") // import _ "github.com/go-sql-driver/mysql"
		if err != nil {
			return nil, err
		}
		store := mysqlstore.New(db, nil)
		if err := store.Migrate(ctx); err != nil { // at each start of the app
			return nil, err
		}
		return webhook.New(store, nil, nil)
	}
	_ = open // needs a driver and a server
}
