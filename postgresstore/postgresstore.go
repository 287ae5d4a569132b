// Package postgresstore keeps webhooks, deliveries and their log in
// PostgreSQL, through database/sql and the driver of your choice:
//
//	db, err := sql.Open("pgx", "postgres://…") // github.com/jackc/pgx/v5/stdlib
//	store := postgresstore.New(db, nil)
//	err = store.Migrate(ctx)
//
// It is tested with pgx and lib/pq, and needs PostgreSQL 14 or newer. With a listener
// of lib/pq's, Listen wakes a process when another one commits. The module pgxstore
// uses the same tables through a pgxpool.
//
// The store works behind a pooler in transaction mode if the driver does, because it
// changes no setting of a session. A program that uses pgx behind a pooler sets
// default_query_exec_mode=exec in the connection string.
package postgresstore

import (
	"cmp"
	"context"
	"database/sql"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/sqlstore"
)

// Store is a webhook.Store in a PostgreSQL database. New makes one. It is safe for
// concurrent use. The Dispatcher calls the methods of webhook.Store; an app calls
// Migrate, Tx and Schema.
type Store struct {
	sql     *sqlstore.Store
	channel string // that commits notify
}

// Options change the defaults of New.
type Options struct {
	// Prefix begins the names of the tables: a letter or an underscore, then
	// letters, digits and underscores, 32 characters at most. Empty: "webhook_".
	// The tables are in the schema that the connections' search_path names first.
	Prefix string

	// Relaxed accepts a server that may lose acknowledged commits in a crash or at a
	// failover: one with fsync, full_page_writes or synchronous_commit off, or with
	// synchronous_commit=local beside synchronous_standby_names. Without Relaxed,
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
	return &Store{sqlstore.NewPostgres(db, o.Prefix, o.Relaxed), sqlstore.Channel(o.Prefix)}
}

// Migrate creates the tables or upgrades them. It may be called at each start,
// by several processes at once. It refuses tables that a newer version of this
// library has upgraded.
func (s *Store) Migrate(ctx context.Context) error { return s.sql.Migrate(ctx) }

// Schema returns the SQL by which Migrate upgrades the tables from a version of
// the schema, for apps that migrate by a tool of their own. Version 0 is a
// database without the tables.
func (s *Store) Schema(from int) string { return s.sql.Schema(from) }

// Tx returns an Outbox in the caller's transaction, for Dispatcher.EmitTx: an
// event is delivered if, and only if, the transaction commits. tx is an *sql.Tx,
// an *sql.Conn, or another type with their methods.
//
// On PostgreSQL any error aborts the transaction. After an error of the Outbox,
// roll it back.
func (s *Store) Tx(tx Querier) webhook.Outbox { return s.sql.Tx(tx) }

// Querier has the methods that database/sql's Tx, Conn and DB share.
type Querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}
