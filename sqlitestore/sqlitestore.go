// Package sqlitestore keeps webhooks, deliveries and their log in a SQLite
// file, through database/sql and the driver of your choice:
//
//	db, err := sql.Open("sqlite", "app.db?_pragma=busy_timeout(10000)") // modernc.org/sqlite
//	store := sqlitestore.New(db, nil)
//	err = store.Migrate(ctx)
//
// It is tested with modernc.org/sqlite and github.com/ncruces/go-sqlite3, and
// needs SQLite 3.38 or newer. It may share the app's own file and its pool, of one
// connection or of several. Migrate turns on write-ahead logging, which stays on, and
// the store sets busy_timeout and synchronous on the connections that it takes from
// the pool. They keep these settings. The busy_timeout in the data source name is for
// the app's own transactions: without it they fail at once with "database is locked"
// while the store writes.
//
// A database in memory ends with its connection, and each connection has another one. So
// its pool may have one only: db.SetMaxOpenConns(1). For tests see memstore too.
//
// Several processes of one machine may use the file. As with any SQLite database,
// machines must not share it through a network file system.
package sqlitestore

import (
	"cmp"
	"context"
	"database/sql"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/sqlstore"
)

// Store is a webhook.Store in a SQLite file. New makes one. It is safe for
// concurrent use. The Dispatcher calls the methods of webhook.Store; an app calls
// Migrate, Tx and Schema.
type Store struct{ sql *sqlstore.Store }

// Options change the defaults of New.
type Options struct {
	// Prefix begins the names of the tables: a letter or an underscore, then
	// letters, digits and underscores, 32 characters at most. Empty: "webhook_".
	Prefix string

	// Relaxed sets the pragma synchronous to NORMAL rather than FULL. Commits are
	// cheaper, and the last ones before a power failure may be lost. A process that
	// is killed loses none.
	Relaxed bool
}

// New returns a Store on db, which the caller opens and closes. Nil opts are the
// defaults. Call Migrate before anything else. If db is nil, or the Prefix
// cannot begin a table's name, each call of the Store returns an error that says so.
func New(db *sql.DB, opts *Options) *Store {
	var o Options
	if opts != nil {
		o = *opts
	}
	o.Prefix = cmp.Or(o.Prefix, sqlstore.DefaultPrefix)
	synchronous := "FULL"
	if o.Relaxed {
		synchronous = "NORMAL"
	}
	return &Store{sqlstore.NewSQLite(db, o.Prefix, synchronous)}
}

// Migrate creates the tables or upgrades them, and turns on write-ahead
// logging. It may be called at each start, by several processes at once. It
// refuses tables that a newer version of this library has upgraded.
func (s *Store) Migrate(ctx context.Context) error { return s.sql.Migrate(ctx) }

// Schema returns the SQL by which Migrate upgrades the tables from a version of
// the schema, for apps that migrate by a tool of their own. Version 0 is a
// database without the tables. Such an app turns on write-ahead logging itself:
// PRAGMA journal_mode = WAL.
func (s *Store) Schema(from int) string { return s.sql.Schema(from) }

// Tx returns an Outbox in the caller's transaction, for Dispatcher.EmitTx: an
// event is delivered if, and only if, the transaction commits. tx is an *sql.Tx,
// an *sql.Conn, or another type with their methods.
//
// A transaction that database/sql begins takes SQLite's write lock with its first
// statement that writes. If it has read before, and another process wrote in
// between, that statement fails at once, whatever busy_timeout is. So write first, or
// begin with BEGIN IMMEDIATE, for which drivers have a setting (_txlock=immediate).
func (s *Store) Tx(tx Querier) webhook.Outbox { return s.sql.Tx(tx) }

// Querier has the methods that database/sql's Tx, Conn and DB share.
type Querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}
