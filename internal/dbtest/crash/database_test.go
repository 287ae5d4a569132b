//go:build unix

package crash

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/sqlitestore"

	_ "modernc.org/sqlite"
)

// A database is where a store's tables are, as a child process is told.
type database struct {
	Kind   string // of the store: a key of openers
	Source string // as its driver wants it
}

// An opened database is one process's use of it.
type opened struct {
	webhook.Store
	migrate func(context.Context) error
	close   func()

	// inTx calls f with a transaction's Outbox, and commits or rolls back.
	inTx func(ctx context.Context, commit bool, f func(webhook.Outbox) error) error
}

// openers open databases, by kind.
var openers = map[string]func(source string) (*opened, error){
	"sqlite": openSQLite,
}

func (db database) open() (*opened, error) {
	open := openers[db.Kind]
	if open == nil {
		return nil, fmt.Errorf("there is no store of the kind %q", db.Kind)
	}
	return open(db.Source)
}

// openFor opens a database for the test's own process.
func (db database) openFor(t *testing.T) *opened {
	t.Helper()
	o, err := db.open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.close)
	return o
}

func openSQLite(source string) (*opened, error) {
	db, err := sql.Open("sqlite", source)
	if err != nil {
		return nil, err
	}
	store := sqlitestore.New(db)
	return openedSQL(store, db, store.Migrate, func(tx *sql.Tx) webhook.Outbox { return store.Tx(tx) }), nil
}

func openedSQL(store webhook.Store, db *sql.DB, migrate func(context.Context) error, outbox func(*sql.Tx) webhook.Outbox) *opened {
	return &opened{
		Store:   store,
		migrate: migrate,
		close:   func() { _ = db.Close() },
		inTx: func(ctx context.Context, commit bool, f func(webhook.Outbox) error) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer func() { _ = tx.Rollback() }()
			if err := f(outbox(tx)); err != nil || !commit {
				return err
			}
			return tx.Commit()
		},
	}
}

// A store is a kind that the tests are run on.
type store struct {
	name  string
	fresh func(t *testing.T) database // empty, but migrated
}

// stores are all durable ones.
func stores() []store {
	return []store{
		{"sqlitestore", freshSQLite},
	}
}

// onEachStore runs a test for every store.
func onEachStore(t *testing.T, f func(t *testing.T, db database)) {
	for _, s := range stores() {
		t.Run(s.name, func(t *testing.T) { f(t, s.fresh(t)) })
	}
}

// sqliteSource names a file whose transactions begin with the write lock, as
// sqlitestore's Tx advises.
func sqliteSource(file, more string) string { return "file:" + file + "?_txlock=immediate" + more }

func freshSQLite(t *testing.T) database {
	t.Helper()
	return migrated(t, database{"sqlite", sqliteSource(filepath.Join(t.TempDir(), "app.db"), "")})
}

// migrated creates the store's tables.
func migrated(t *testing.T, db database) database {
	t.Helper()
	o, err := db.open()
	if err != nil {
		t.Fatal(err)
	}
	defer o.close()
	if err := o.migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}
