package main

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/sqlitestore"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// prepareDirectory makes a directory for a job's database in files.
func prepareDirectory(_ context.Context, c *config, j *job) (remove func(), err error) {
	j.Directory, err = os.MkdirTemp(c.directory, "listhook-bench-")
	return func() { _ = os.RemoveAll(j.Directory) }, err
}

// oursSQL is this library with a store in a SQL database.
type oursSQL struct {
	*ours
	db *sql.DB // for plain commits
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
	return openSQL(ctx, j, sqlitestore.New(db), plain, func() { _ = db.Close() })
}

// openSQL makes the tables, and one for plain commits.
func openSQL(ctx context.Context, j *job, store migrator, plain *sql.DB, shut func()) (*oursSQL, error) {
	if err := store.Migrate(ctx); err != nil {
		return nil, err
	}
	if _, err := plain.ExecContext(ctx, "create table if not exists plain_commit (n bigint)"); err != nil {
		return nil, err
	}
	o, err := openOurs(ctx, j, store, func() {
		shut()
		_ = plain.Close()
	})
	return &oursSQL{o, plain}, err
}

// commit makes one small row durable.
func (o *oursSQL) commit(ctx context.Context) error {
	_, err := o.db.ExecContext(ctx, "insert into plain_commit values (1)")
	return err
}
