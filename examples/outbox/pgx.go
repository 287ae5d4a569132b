package main

import (
	"cmp"
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/listhook/webhook/pgxstore"
)

// openPgx is for apps that use pgx and its pool without database/sql.
func openPgx(ctx context.Context, url string) (*database, error) {
	pool, err := pgxpool.New(ctx, cmp.Or(url, postgresURL))
	if err != nil {
		return nil, err
	}
	store := pgxstore.New(pool, &pgxstore.Options{Prefix: prefix})
	if err = store.Migrate(ctx); err == nil {
		_, err = pool.Exec(ctx, table)
	}
	if err != nil {
		pool.Close()
		return nil, err
	}
	return &database{
		store:  store,
		insert: `insert into outbox_subscribers (id, email) values ($1, $2)`,
		inTx: func(ctx context.Context, f func(transaction) error) error {
			return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
				exec := func(ctx context.Context, query string, args ...any) error {
					_, err := tx.Exec(ctx, query, args...)
					return err
				}
				return f(transaction{exec, store.Tx(tx)})
			})
		},
		listen: store.Listen,
		close:  pool.Close,
	}, nil
}
