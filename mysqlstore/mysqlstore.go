// Package mysqlstore keeps webhooks, deliveries and their log in MariaDB,
// through database/sql and a driver:
//
//	db, err := sql.Open("mysql", "user@tcp(host)/name") // github.com/go-sql-driver/mysql
//	store := mysqlstore.New(db, nil)
//	err = store.Migrate(ctx)
//
// It is tested with MariaDB 10.11, on one server and on a Galera cluster, and
// needs 10.6 or newer. MySQL, TiDB and Percona XtraDB Cluster are refused: they
// are not tested.
//
// On a server, or with a data source name, whose settings would lose events,
// Migrate and the first call of each process return an error that names the
// setting. On a Galera cluster the data source name needs interpolateParams=true,
// for the pools of transactions that are given to Tx too. It leaves nothing in a
// session.
package mysqlstore

import (
	"cmp"
	"context"
	"database/sql"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/sqlstore"
)

// Store is a webhook.Store in a MariaDB database. New makes one. It is safe for
// concurrent use. The Dispatcher calls the methods of webhook.Store; an app calls
// Migrate, Tx and Schema.
type Store struct{ sql *sqlstore.Store }

// Options change the defaults of New.
type Options struct {
	// Prefix begins the names of the tables: a letter or an underscore, then
	// letters, digits and underscores, 32 characters at most. Empty: "webhook_".
	Prefix string

	// Relaxed accepts a server that may undo its last commits when it crashes
	// or loses power: one with innodb_flush_log_at_trx_commit other than 1, or
	// with a binary log and sync_binlog other than 1. Otherwise it is refused.
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
	return &Store{sqlstore.NewMariaDB(db, o.Prefix, o.Relaxed)}
}

// Migrate creates the tables or upgrades them. It may be called at each start,
// by several processes at once, on several nodes of a cluster too. It refuses
// tables that a newer version of this library has upgraded, and servers whose
// settings would lose events.
func (s *Store) Migrate(ctx context.Context) error { return s.sql.Migrate(ctx) }

// Schema returns the SQL by which Migrate upgrades the tables from a version of
// the schema, for apps that migrate by a tool of their own. Version 0 is a
// database without the tables.
func (s *Store) Schema(from int) string { return s.sql.Schema(from) }

// Tx returns an Outbox in the caller's transaction, for Dispatcher.EmitTx: an
// event is delivered if, and only if, the transaction commits. tx is an *sql.Tx,
// an *sql.Conn, or another type with their methods.
//
// A deadlock has rolled back the whole transaction: after an error of the
// Outbox, roll it back and begin again. On a Galera cluster the commit may fail
// so as well. There the Outbox refuses a connection that uses prepared
// statements, with which a transaction may lose its first half and be committed.
func (s *Store) Tx(tx Querier) webhook.Outbox { return s.sql.Tx(tx) }

// Querier has the methods that database/sql's Tx, Conn and DB share.
type Querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}
