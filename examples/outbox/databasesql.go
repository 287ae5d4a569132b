package main

import (
	"context"
	"database/sql"

	"github.com/listhook/webhook"
)

// inTx returns how to do something in a transaction of database/sql's, be it
// SQLite's, PostgreSQL's or MariaDB's. outbox is the store's method Tx.
func inTx(db *sql.DB, outbox func(*sql.Tx) webhook.Outbox) func(context.Context, func(transaction) error) error {
	return func(ctx context.Context, f func(transaction) error) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback() // after a commit it does nothing
		exec := func(ctx context.Context, query string, args ...any) error {
			_, err := tx.ExecContext(ctx, query, args...)
			return err
		}
		if err := f(transaction{exec, outbox(tx)}); err != nil {
			return err
		}
		return tx.Commit()
	}
}

// migrate makes the app's table and the store's.
func migrate(ctx context.Context, db *sql.DB, store interface{ Migrate(context.Context) error }) error {
	if err := store.Migrate(ctx); err != nil {
		return err
	}
	_, err := db.ExecContext(ctx, table)
	return err
}
