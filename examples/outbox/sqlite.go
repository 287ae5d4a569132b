package main

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/sqlitestore"
)

// openSQLite opens a file, or a temporary one if none is named.
func openSQLite(ctx context.Context, file string) (*database, error) {
	remove := func() {}
	if file == "" {
		folder, err := os.MkdirTemp("", "outbox")
		if err != nil {
			return nil, err
		}
		remove = func() { os.RemoveAll(folder) }
		file = filepath.Join(folder, "app.db")
	}
	// The app's own transactions wait for the dispatcher's, and take the write
	// lock when they begin.
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(10000)&_txlock=immediate")
	if err != nil {
		remove()
		return nil, err
	}
	store := sqlitestore.New(db, &sqlitestore.Options{Prefix: prefix})
	d := &database{
		store:  store,
		insert: `insert into outbox_subscribers (id, email) values (?, ?)`,
		inTx:   inTx(db, func(tx *sql.Tx) webhook.Outbox { return store.Tx(tx) }),
		close:  func() { db.Close(); remove() },
	}
	if err := migrate(ctx, db, store); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}
