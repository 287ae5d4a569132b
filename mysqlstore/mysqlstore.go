// Package mysqlstore keeps webhooks, deliveries and their log in MariaDB,
// through database/sql and a driver:
//
//	db, err := sql.Open("mysql", "user@tcp(host)/name") // github.com/go-sql-driver/mysql
//	store := mysqlstore.New(db, nil)
//	err = store.Migrate(ctx)
//
// It is tested with MariaDB 10.11, on one server and on a Galera cluster, and
// needs 10.6 or newer. It refuses MySQL, TiDB and Percona XtraDB Cluster, which are
// not tested.
//
// Migrate and the first call of each process return an error that names the setting
// if a setting of the server or of the data source name would lose events. On a
// Galera cluster the data source name needs interpolateParams=true, also for a pool
// whose transactions are given to Tx. The store changes no setting of a session.
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

	// Relaxed accepts a server that may lose its last commits in a crash: one with
	// innodb_flush_log_at_trx_commit other than 1 and 3, or with a binary log and
	// sync_binlog other than 1. It also accepts innodb_doublewrite=OFF, with which a power
	// failure may destroy pages, and connections with sql_log_bin=OFF. Without Relaxed,
	// Migrate and the first call return an error that names the setting.
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
// A deadlock rolls back the whole transaction. After an error of the Outbox, roll it
// back and begin again. On a Galera cluster a commit may fail with a deadlock too.
// There the Outbox refuses a connection that uses prepared statements, because a
// transaction may lose its first half and still be committed.
func (s *Store) Tx(tx Querier) webhook.Outbox { return s.sql.Tx(tx) }

// Querier has the methods that database/sql's Tx, Conn and DB share.
type Querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}
