package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
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
	setup string               // of a connection
	turn  chan struct{}        // holds one token
	known map[string]*sql.Stmt // what transactions run, compiled once on each connection; for whose turn it is
}

func (f *file) Exec(ctx context.Context, query string, args []any) (n int64, err error) {
	err = f.on(ctx, func(c *sql.Conn) error {
		n, err = conn{c}.Exec(ctx, query, args)
		return err
	})
	return n, err
}

func (f *file) Query(ctx context.Context, query string, args []any, row func(Scan) error) error {
	return f.on(ctx, func(c *sql.Conn) error {
		return conn{c}.Query(ctx, query, args, row)
	})
}

// InTx begins as database/sql does, as a rule without a lock, for only in a
// transaction of its own does it keep statements. So what a transaction does first has to write,
// which waits for other processes' locks: one that reads and then writes fails at
// once when another has written in between, whatever the busy timeout is.
func (f *file) InTx(ctx context.Context, _ bool, do func(Querier) error) error {
	select {
	case <-f.turn:
		defer func() { f.turn <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	}
	st := statementsOf{known: f.known, own: map[string]*sql.Stmt{}}
	err := f.on(ctx, func(c *sql.Conn) error { return st.inTx(ctx, c, do) })
	if err == nil {
		f.keep(ctx, st.met)
	}
	return err
}

// keep has statements compiled for good, except those that can be run only once,
// as a table's definition.
func (f *file) keep(ctx context.Context, texts []string) {
	for _, text := range texts {
		if st, err := f.db.PrepareContext(ctx, text); err == nil {
			f.known[text] = st
		}
	}
}

// on takes a connection, sets it up, then calls do.
func (f *file) on(ctx context.Context, do func(*sql.Conn) error) error {
	c, err := f.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.ExecContext(ctx, f.setup); err != nil {
		return err
	}
	return do(c)
}

// statementsOf are the statements of one transaction, each compiled once at most:
// a batch has the same one many times over.
type statementsOf struct {
	tx    *sql.Tx
	known map[string]*sql.Stmt // of the database
	own   map[string]*sql.Stmt // of the transaction
	met   []string             // that were not known
}

func (s *statementsOf) inTx(ctx context.Context, c *sql.Conn, do func(Querier) error) (err error) {
	// Some drivers take the lock at the beginning, where waiting for it is given
	// up with ctx. A commit is not interrupted, so that its outcome is known.
	free, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	follows := context.AfterFunc(ctx, cancel)
	if s.tx, err = c.BeginTx(free, nil); err != nil {
		return err
	}
	if follows() { // ctx has not ended, and is not followed from here on
		err = do(conn{s})
	}
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		if err = s.tx.Commit(); err == nil {
			return nil
		}
	}
	undo := s.tx.Rollback()
	if errors.Is(undo, sql.ErrTxDone) { // a commit that failed may leave it open
		_, undo = c.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	}
	if undo != nil {
		// SQLite ends some transactions by itself, a full disk's for one, and
		// then there is nothing to roll back. Whichever it is, the pool must
		// not hand on a connection inside a transaction.
		_ = c.Raw(func(any) error { return driver.ErrBadConn })
	}
	return err
}

func (s *statementsOf) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	st, err := s.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.ExecContext(ctx, args...)
}

func (s *statementsOf) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	st, err := s.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

func (s *statementsOf) statement(ctx context.Context, query string) (st *sql.Stmt, err error) {
	if st = s.own[query]; st != nil {
		return st, nil
	}
	if known := s.known[query]; known != nil {
		st = s.tx.StmtContext(ctx, known)
	} else {
		if st, err = s.tx.PrepareContext(ctx, query); err != nil {
			return nil, err
		}
		s.met = append(s.met, query)
	}
	s.own[query] = st
	return st, nil
}

// newFile returns the Database of a SQLite file whose commits are as durable
// as synchronous says.
func newFile(db *sql.DB, synchronous string) *file {
	f := &file{
		db: db, turn: make(chan struct{}, 1), known: map[string]*sql.Stmt{},
		setup: fmt.Sprintf("PRAGMA busy_timeout = %d; PRAGMA synchronous = %s", busyTimeout.Milliseconds(), synchronous),
	}
	f.turn <- struct{}{}
	return f
}
