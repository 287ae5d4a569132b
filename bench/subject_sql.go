package main

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
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
	o, err := openMigrated(ctx, j, sqlitestore.New(db, nil), func() {
		_ = db.Close()
		_ = plain.Close()
	})
	if err != nil {
		return nil, err
	}
	_, err = plain.ExecContext(ctx, "create table if not exists plain_commit (n integer)")
	return &oursSQLite{o, plain}, err
}

// oursSQLite is this library on a file.
type oursSQLite struct {
	*ours
	plain *sql.DB
}

// commit makes one small row durable.
func (o *oursSQLite) commit(ctx context.Context) error {
	_, err := o.plain.ExecContext(ctx, "insert into plain_commit values (1)")
	return err
}

// openMigrated makes the store's tables, and a dispatcher.
func openMigrated(ctx context.Context, j *job, store migrator, shut func()) (*ours, error) {
	if err := store.Migrate(ctx); err != nil {
		return nil, err
	}
	return openOurs(ctx, j, store, shut)
}

func openPostgres(ctx context.Context, j *job) (subject, error) {
	db, err := sql.Open("pgx", j.Postgres)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(poolSize)
	db.SetMaxIdleConns(poolSize)
	p, err := openPool(ctx, j)
	if err != nil {
		return nil, err
	}
	o, err := openMigrated(ctx, j, postgresstore.New(db, nil), func() {
		_ = db.Close()
		p.Close()
	})
	return &oursPostgres{o, p}, err
}

func openPgx(ctx context.Context, j *job) (subject, error) {
	p, err := openPool(ctx, j)
	if err != nil {
		return nil, err
	}
	o, err := openMigrated(ctx, j, pgxstore.New(p.Pool, nil), p.Close)
	return &oursPostgres{o, p}, err
}

// oursPostgres is this library on PostgreSQL.
type oursPostgres struct {
	*ours
	plain pool
}

func (o *oursPostgres) commit(ctx context.Context) error           { return o.plain.commit(ctx) }
func (o *oursPostgres) server(ctx context.Context) (server, error) { return o.plain.server(ctx) }
