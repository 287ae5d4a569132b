package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
)

// Querier is all that the statements need of a database or a transaction.
type Querier interface {
	// Exec runs a statement without a result and returns how many rows it
	// changed.
	Exec(ctx context.Context, query string, args []any) (int64, error)

	// Query runs a statement and calls row for each row of its result, to the
	// last one or the first error.
	Query(ctx context.Context, query string, args []any, row func(scan Scan) error) error
}

// Scan copies the columns of a row.
type Scan func(dest ...any) error

// Database is a Querier for reading, and where transactions begin.
type Database interface {
	Querier

	// InTx calls f with a transaction, and commits it if f returns nil. Where
	// a statement is one by itself, and to begin and commit are two more
	// trips to a server, it does so only if there are several.
	InTx(ctx context.Context, several bool, f func(Querier) error) error
}

// Conn is what database/sql's DB, Conn and Tx share.
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

// pool is the Database of a server that is reached through a pool.
type pool struct {
	conn
	db *sql.DB
}

func (p pool) InTx(ctx context.Context, several bool, f func(Querier) error) error {
	if !several {
		return f(p)
	}
	// What the statements lock they name, so nothing stronger is needed; in
	// particular MySQL's default would lock the gaps between rows as well.
	tx, err := p.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a commit it does nothing
	if err := f(conn{tx}); err != nil {
		return err
	}
	return tx.Commit()
}

// file is the Database of a SQLite file. SQLite has one writer at a time, so
// writers of this process wait for their turn here, in order, rather than in
// SQLite's busy handler, which polls; the handler is left for other processes.
type file struct {
	db    *sql.DB
	begin string        // sets the connection up, then begins
	read  string        // sets the connection up
	turn  chan struct{} // holds one token
}

func (f *file) Exec(ctx context.Context, query string, args []any) (n int64, err error) {
	err = f.on(ctx, f.read, func(c *sql.Conn) error {
		n, err = conn{c}.Exec(ctx, query, args)
		return err
	})
	return n, err
}

func (f *file) Query(ctx context.Context, query string, args []any, row func(Scan) error) error {
	return f.on(ctx, f.read, func(c *sql.Conn) error {
		return conn{c}.Query(ctx, query, args, row)
	})
}

// InTx begins with a write lock. Begun without, as database/sql does, a
// transaction that reads and then writes fails at once when another has
// written in between, whatever the busy timeout is.
func (f *file) InTx(ctx context.Context, _ bool, do func(Querier) error) error {
	select {
	case <-f.turn:
		defer func() { f.turn <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return f.on(ctx, f.begin, func(c *sql.Conn) error {
		once := compiled{c: c, statements: map[string]*sql.Stmt{}}
		defer once.close()
		err := do(conn{once})
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			// A commit is not interrupted, so that its outcome is known.
			_, err = c.ExecContext(context.WithoutCancel(ctx), "COMMIT")
		}
		if err == nil {
			return nil
		}
		if _, undo := c.ExecContext(context.WithoutCancel(ctx), "ROLLBACK"); undo != nil {
			// SQLite ends some transactions by itself, a full disk's for
			// one, and then there is nothing to roll back. Whichever it is,
			// the pool must not hand on a connection inside a transaction.
			_ = c.Raw(func(any) error { return driver.ErrBadConn })
		}
		return err
	})
}

// on takes a connection, runs setup on it, then do.
func (f *file) on(ctx context.Context, setup string, do func(*sql.Conn) error) error {
	c, err := f.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.ExecContext(ctx, setup); err != nil {
		// Interrupted between two statements of setup, it may have begun.
		_ = c.Raw(func(any) error { return driver.ErrBadConn })
		return err
	}
	return do(c)
}

// compiled is a connection on which a text is compiled once, for as long as
// this is used: a batch has the same one many times over.
type compiled struct {
	c          *sql.Conn
	statements map[string]*sql.Stmt
}

func (c compiled) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	st, err := c.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.ExecContext(ctx, args...)
}

func (c compiled) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	st, err := c.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

func (c compiled) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	if st, ok := c.statements[query]; ok {
		return st, nil
	}
	st, err := c.c.PrepareContext(ctx, query)
	if err == nil {
		c.statements[query] = st
	}
	return st, err
}

func (c compiled) close() {
	for _, st := range c.statements {
		_ = st.Close() // it fails as its last call has
	}
}

// newFile returns the Database of a SQLite file whose commits are as durable
// as synchronous says.
func newFile(db *sql.DB, synchronous string) *file {
	setup := fmt.Sprintf("PRAGMA busy_timeout = %d; PRAGMA synchronous = %s", busyTimeout.Milliseconds(), synchronous)
	f := &file{db: db, read: setup, begin: setup + "; BEGIN IMMEDIATE", turn: make(chan struct{}, 1)}
	f.turn <- struct{}{}
	return f
}
