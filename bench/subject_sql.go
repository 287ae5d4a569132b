package main

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "github.com/lib/pq"              // the driver "postgres"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/pgxstore"
	"github.com/listhook/webhook/postgresstore"
	"github.com/listhook/webhook/sqlitestore"
)

// prepareDirectory makes a directory for a job's database in files.
func prepareDirectory(_ context.Context, c *config, j *job) (remove func(), err error) {
	j.Directory, err = os.MkdirTemp(c.directory, "listhook-bench-")
	return func() { _ = os.RemoveAll(j.Directory) }, err
}

// migrator is a store that makes its own tables.
type migrator interface {
	webhook.Store
	Migrate(ctx context.Context) error
}

func openSQLite(ctx context.Context, j *job) (subject, error) {
	file := filepath.Join(j.Directory, "bench.db")
	db, err := sql.Open("sqlite", file)
	if err != nil {
		return nil, err
	}
	plain, err := sql.Open("sqlite", file+"?_pragma=busy_timeout(10000)&_pragma=synchronous(FULL)")
	if err != nil {
		return nil, err
	}
	plain.SetMaxOpenConns(1) // callers wait for each other, rather than for SQLite's lock
	store := sqlitestore.New(db, nil)
	o, err := openMigrated(ctx, j, store, func() {
		_ = db.Close()
		_ = plain.Close()
	})
	if err != nil {
		return nil, err
	}
	_, err = plain.ExecContext(ctx, "create table if not exists plain_commit (n integer); "+endpointTable)
	app := sqlApp{plain, endpointRow + "(?)", func(tx *sql.Tx) webhook.Outbox { return store.Tx(tx) }}
	return &oursSQLite{o, app, plain}, err
}

// oursSQLite is this library on a file.
type oursSQLite struct {
	*ours
	sqlApp
	plain *sql.DB
}

// A sqlApp is an app with rows of its own in the store's database.
type sqlApp struct {
	db     *sql.DB
	insert string // of a row, with one parameter
	outbox func(*sql.Tx) webhook.Outbox
}

// inTx writes one row of the app's.
func (a sqlApp) inTx(ctx context.Context, then func(webhook.Outbox) error) error {
	tx, err := a.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(ctx, a.insert, 1); err != nil {
		return err
	}
	if then != nil {
		if err := then(a.outbox(tx)); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// commit makes one small row durable.
func (o *oursSQLite) commit(ctx context.Context) error {
	_, err := o.plain.ExecContext(ctx, "insert into plain_commit values (1)")
	return err
}

// written counts what this process has written to files, and to its connections, which
// are idle while nothing is delivered.
func (o *oursSQLite) written(context.Context) (int64, error) { return ownWrites() }

// openMigrated makes the store's tables, and a dispatcher.
func openMigrated(ctx context.Context, j *job, store migrator, shut func()) (*ours, error) {
	if err := store.Migrate(ctx); err != nil {
		return nil, err
	}
	return openOurs(ctx, j, store, shut)
}

func openPostgres(ctx context.Context, j *job) (subject, error) { return openPostgresBy(ctx, j, "pgx") }

func openPq(ctx context.Context, j *job) (subject, error) { return openPostgresBy(ctx, j, "postgres") }

// openPostgresBy opens the store for database/sql by one of its drivers.
func openPostgresBy(ctx context.Context, j *job, driver string) (subject, error) {
	db, err := sql.Open(driver, j.Postgres)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(poolSize)
	db.SetMaxIdleConns(poolSize)
	p, err := openPool(ctx, j)
	if err != nil {
		return nil, err
	}
	store := postgresstore.New(db, nil)
	o, err := openMigrated(ctx, j, store, func() {
		_ = db.Close()
		p.Close()
	})
	app := sqlApp{db, endpointRow + "($1)", func(tx *sql.Tx) webhook.Outbox { return store.Tx(tx) }}
	return &oursPostgres{o, app, p}, err
}

func openPgx(ctx context.Context, j *job) (subject, error) {
	p, err := openPool(ctx, j)
	if err != nil {
		return nil, err
	}
	store := pgxstore.New(p.Pool, nil)
	o, err := openMigrated(ctx, j, store, p.Close)
	return &oursPostgres{o, pgxApp{p, store}, p}, err
}

// oursPostgres is this library on PostgreSQL.
type oursPostgres struct {
	*ours
	transacter
	plain pool
}

// A pgxApp is an app with rows of its own in the store's database.
type pgxApp struct {
	pool
	store *pgxstore.Store
}

// inTx writes one row of the app's.
func (a pgxApp) inTx(ctx context.Context, then func(webhook.Outbox) error) error {
	return pgx.BeginFunc(ctx, a.Pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, endpointRow+"($1)", 1); err != nil || then == nil {
			return err
		}
		return then(a.store.Tx(tx))
	})
}

func (o *oursPostgres) commit(ctx context.Context) error           { return o.plain.commit(ctx) }
func (o *oursPostgres) written(ctx context.Context) (int64, error) { return o.plain.written(ctx) }
func (o *oursPostgres) server(ctx context.Context) (server, error) { return o.plain.server(ctx) }
