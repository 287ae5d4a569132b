package main

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver
)

//go:embed schema.sql
var schema string

//go:embed seed.sql
var seed string

// openDatabase opens the app's database in a folder, and fills a new one.
func openDatabase(ctx context.Context, folder string) (*sql.DB, error) {
	file := url.URL{Scheme: "file", Opaque: url.PathEscape(filepath.Join(folder, "mailingapp.db"))}
	// Transactions here read before they write, so they take the write lock
	// when they begin.
	file.RawQuery = "_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)"
	db, err := sql.Open("sqlite", file.String())
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, db); err != nil {
		return nil, errors.Join(fmt.Errorf("the database in %s: %w", folder, err), db.Close())
	}
	return db, nil
}

func migrate(ctx context.Context, db *sql.DB) error {
	return transact(ctx, db, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, schema); err != nil {
			return err
		}
		var filled bool
		if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM lists)`).Scan(&filled); err != nil || filled {
			return err
		}
		_, err := tx.ExecContext(ctx, seed)
		return err
	})
}

// errNotFound is returned for a row that does not exist.
var errNotFound = errors.New("not found")

// transact calls f in a transaction, which is committed if f returns nil.
func transact(ctx context.Context, db *sql.DB, f func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// notFoundUnless returns err, or without one errNotFound.
func notFoundUnless(err error) error {
	if err == nil {
		return errNotFound
	}
	return err
}

// found returns err, or errNotFound if no row was found.
func found(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return errNotFound
	}
	return err
}

// A querier is an *sql.DB or an *sql.Tx.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// query returns what scan reads of each row.
func query[T any](ctx context.Context, q querier, scan func(*sql.Rows) (T, error), text string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// execOne executes a statement and reports whether it changed a row.
func execOne(ctx context.Context, tx *sql.Tx, text string, args ...any) (bool, error) {
	result, err := tx.ExecContext(ctx, text, args...)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}
