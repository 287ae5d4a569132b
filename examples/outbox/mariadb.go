package main

import (
	"cmp"
	"context"
	"database/sql"

	_ "github.com/go-sql-driver/mysql"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/mysqlstore"
)

const mariadbDSN = "root@tcp(127.0.0.1:3306)/test"

func openMariaDB(ctx context.Context, dsn string) (*database, error) {
	db, err := sql.Open("mysql", cmp.Or(dsn, mariadbDSN))
	if err != nil {
		return nil, err
	}
	store := mysqlstore.New(db, &mysqlstore.Options{Prefix: prefix})
	if err := migrate(ctx, db, store); err != nil {
		db.Close()
		return nil, err
	}
	return &database{
		store:  store,
		insert: `insert into outbox_subscribers (id, email) values (?, ?)`,
		inTx:   inTx(db, func(tx *sql.Tx) webhook.Outbox { return store.Tx(tx) }),
		close:  func() { db.Close() },
	}, nil
}
