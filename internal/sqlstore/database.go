package sqlstore

import (
	"context"
	"database/sql"
)

// Querier runs statements on a database or in a transaction.
type Querier interface {
	// Exec runs a statement that returns no rows. It returns the number of rows that
	// the statement changed.
	Exec(ctx context.Context, query string, args []any) (int64, error)

	// Query runs a statement and calls row for each row that it returns, until row
	// returns an error.
	Query(ctx context.Context, query string, args []any, row func(scan Scan) error) error
}

// Scan copies the columns of a row.
type Scan func(dest ...any) error

// Database is a Querier that can begin transactions.
type Database interface {
	Querier

	// InTx calls f with a transaction, and commits it if f returns nil. If f runs one
	// statement only, several is false. On a server, f then gets no transaction: the
	// statement commits by itself, and saves two round trips.
	InTx(ctx context.Context, several bool, f func(Querier) error) error
}

// A Query is a statement with its arguments. Row is called for each row that it returns.
type Query struct {
	Text string
	Args []any
	Row  func(scan Scan) error
}

// A Committer is a Database that tells when a transaction is committed, and goes on with its
// connection.
type Committer interface {
	// InTxThen runs queries in a transaction, commits it and calls committed. Then it runs
	// last on the same connection, which has ended if the server lost the transaction. After
	// an error that is not the server's answer to a query, the transaction may have been
	// committed, or be committed later.
	InTxThen(ctx context.Context, queries []Query, committed func(), last Query) error
}

// Pipelined reports whether queries may be sent to a server at once, so that the locks of
// the first ones are held for one round trip. They must be short enough for the system to
// take them in one piece. A process that stopped while it sends would hold the lock of the
// first statement, since the server ends no session while it waits for the rest of a
// message.
func Pipelined(queries []Query) bool { return sizeOf(queries) <= 64<<10 }

// RunAll runs queries one after another.
func RunAll(ctx context.Context, q Querier, queries []Query) error {
	for _, query := range queries {
		if err := q.Query(ctx, query.Text, query.Args, query.Row); err != nil {
			return err
		}
	}
	return nil
}

// sizeOf returns how many bytes the texts in the arguments of queries have.
func sizeOf(queries []Query) (n int) {
	for _, q := range queries {
		for _, a := range q.Args {
			switch a := a.(type) {
			case string:
				n += len(a)
			case []byte:
				n += len(a)
			}
		}
	}
	return n
}

// Conn has the methods that database/sql's DB, Conn and Tx share.
type Conn interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// conn is the Querier of a Conn.
type conn struct{ c Conn }

func (c conn) Exec(ctx context.Context, query string, args []any) (int64, error) {
	r, err := c.c.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (c conn) Query(ctx context.Context, query string, args []any, row func(Scan) error) error {
	rows, err := c.c.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// pool is the Database on a pool of connections to a server.
type pool struct {
	conn
	db *sql.DB
}

func (p pool) InTx(ctx context.Context, several bool, f func(Querier) error) error {
	if !several {
		return f(p)
	}
	return inTx(ctx, p.db, f)
}

func (p pool) InTxThen(ctx context.Context, queries []Query, committed func(), last Query) error {
	c, err := p.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := inTx(ctx, c, func(q Querier) error { return RunAll(ctx, q, queries) }); err != nil {
		return err
	}
	committed()
	return conn{c}.Query(ctx, last.Text, last.Args, last.Row)
}

// inTx calls f with a transaction of a pool or a connection.
func inTx(ctx context.Context, db interface {
	BeginTx(ctx context.Context, opts *sql.TxOptions) (*sql.Tx, error)
}, f func(Querier) error) error {
	// The statements lock the rows that they need, so read committed is enough.
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a commit it does nothing
	if err := f(conn{tx}); err != nil {
		return err
	}
	return tx.Commit()
}
