package main

import (
	"cmp"
	"context"
	"database/sql"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/postgresstore"
)

const postgresURL = "postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable"

func openPostgres(ctx context.Context, url string) (*database, error) {
	db, err := sql.Open("pgx", cmp.Or(url, postgresURL))
	if err != nil {
		return nil, err
	}
	store := postgresstore.New(db, &postgresstore.Options{Prefix: prefix})
	if err := migrate(ctx, db, store); err != nil {
		db.Close()
		return nil, err
	}
	return &database{
		store:  store,
		insert: `insert into outbox_subscribers (id, email) values ($1, $2)`,
		inTx:   inTx(db, func(tx *sql.Tx) webhook.Outbox { return store.Tx(tx) }),
		close:  func() { db.Close() },
	}, nil
}
