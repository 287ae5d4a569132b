// Package pgxstore keeps webhooks, deliveries and their log in PostgreSQL, for
// apps that use pgx and its pool rather than database/sql:
//
//	pool, err := pgxpool.New(ctx, "postgres://…")
//	store := pgxstore.New(pool, nil)
//	err = store.Migrate(ctx)
//
// The tables and the statements are those of package postgresstore, so programs with
// either package may share a database. Listen wakes a program as soon as another one
// commits deliveries that are due.
//
// The pool's DefaultQueryExecMode says how statements are prepared. Behind a pooler
// in transaction mode that does not support prepared statements (PgBouncer does since
// 1.21), it has to be pgx.QueryExecModeCacheDescribe, QueryExecModeExec or
// QueryExecModeSimpleProtocol.
// Listen needs a connection to the server itself.
package pgxstore

import (
	"cmp"
	"context"
	"errors"
	"net"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/sqlstore"
)

// Store is a webhook.Store in a PostgreSQL database. New makes one. It is safe for
// concurrent use. The Dispatcher calls the methods of webhook.Store; an app calls
// Migrate, Tx, Listen and Schema.
type Store struct {
	sql     *sqlstore.Store
	pool    *pgxpool.Pool
	channel string
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

// New returns a Store on pool, which the caller opens and closes. Nil opts are the
// defaults. Call Migrate before anything else. If pool is nil, or the Prefix
// cannot begin a table's name, each call of the Store returns an error that says so.
func New(pool *pgxpool.Pool, opts *Options) *Store {
	var o Options
	if opts != nil {
		o = *opts
	}
	o.Prefix = cmp.Or(o.Prefix, sqlstore.DefaultPrefix)
	s := &Store{pool: pool, channel: sqlstore.Channel(o.Prefix)}
	if pool == nil {
		s.sql = sqlstore.NewPostgres(nil, o.Prefix, o.Relaxed) // each call returns an error
	} else {
		s.sql = sqlstore.NewPostgresOn(database{querier{pool}, pool}, o.Prefix, o.Relaxed)
	}
	return s
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
// event is delivered if, and only if, the transaction commits.
//
// On PostgreSQL any error aborts the transaction. After an error of the Outbox,
// roll it back, or back to a savepoint (pgx.Tx.Begin makes one).
func (s *Store) Tx(tx pgx.Tx) webhook.Outbox {
	if sqlstore.IsNil(tx) {
		return s.sql.Outbox(nil) // each call returns an error
	}
	return s.sql.Outbox(querier{tx})
}

// conn has the methods that a pool and a transaction share.
type conn interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// querier runs the store's statements on a conn.
type querier struct{ conn conn }

func (q querier) Exec(ctx context.Context, query string, args []any) (int64, error) {
	tag, err := q.conn.Exec(ctx, query, args...)
	return tag.RowsAffected(), err
}

func (q querier) Query(ctx context.Context, query string, args []any, row func(sqlstore.Scan) error) error {
	rows, err := q.conn.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	return eachRow(rows, row)
}

// eachRow calls row for each row, until row returns an error.
func eachRow(rows pgx.Rows, row func(sqlstore.Scan) error) error {
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// database is the sqlstore.Database on a pool.
type database struct {
	querier
	pool *pgxpool.Pool
}

// The statements lock the rows that they need.
var readCommitted = pgx.TxOptions{IsoLevel: pgx.ReadCommitted}

func (d database) InTx(ctx context.Context, several bool, f func(sqlstore.Querier) error) error {
	if !several {
		return f(d)
	}
	return lost(pgx.BeginTxFunc(ctx, d.pool, readCommitted, func(tx pgx.Tx) error { return f(querier{tx}) }))
}

func (d database) InTxThen(ctx context.Context, queries []sqlstore.Query, committed func(), last sqlstore.Query) error {
	return lost(d.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		if err := together(ctx, c, queries); err != nil {
			return err
		}
		committed()
		return querier{c}.Query(ctx, last.Text, last.Args, last.Row)
	}))
}

// together runs queries in a transaction, which it sends in one batch if it is small.
func together(ctx context.Context, c *pgxpool.Conn, queries []sqlstore.Query) error {
	if !sqlstore.Pipelined(queries) {
		return pgx.BeginTxFunc(ctx, c, readCommitted, func(tx pgx.Tx) error { return sqlstore.RunAll(ctx, querier{tx}, queries) })
	}
	batch := new(pgx.Batch)
	batch.Queue("begin isolation level read committed")
	for _, q := range queries {
		batch.Queue(q.Text, q.Args...).Query(func(rows pgx.Rows) error { return eachRow(rows, q.Row) })
	}
	batch.Queue("commit")
	err := c.SendBatch(ctx, batch).Close()
	if err != nil && c.Conn().PgConn().TxStatus() != 'I' {
		_, _ = c.Exec(ctx, "rollback") // else the pool closes the connection
	}
	return err
}

// lost returns err, or if it is about a connection that ended in the middle, one that is
// net.ErrClosed too: then nobody knows whether the transaction was committed. In the modes
// exec and simple_protocol pgx says no more of it.
func lost(err error) error {
	if errors.Is(err, pgconn.ErrConnClosed) {
		return errors.Join(err, net.ErrClosed)
	}
	return err
}
