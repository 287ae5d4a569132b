package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
)

// sqliteFile is the Database on a SQLite file. SQLite has one writer at a time.
// Writers of this process wait for each other in order, at the channel writer. The
// busy handler, which polls, is for writers of other processes only.
type sqliteFile struct {
	db       *sql.DB
	setup    string               // pragmas of each connection
	writer   chan struct{}        // holds one token, which the writer takes
	prepared map[string]*sql.Stmt // the statements of transactions; the writer's token guards it
}

func (f *sqliteFile) Exec(ctx context.Context, query string, args []any) (n int64, err error) {
	err = f.withConn(ctx, func(c *sql.Conn) error {
		n, err = conn{c}.Exec(ctx, query, args)
		return err
	})
	return n, err
}

func (f *sqliteFile) Query(ctx context.Context, query string, args []any, row func(Scan) error) error {
	return f.withConn(ctx, func(c *sql.Conn) error {
		return conn{c}.Query(ctx, query, args, row)
	})
}

// InTx begins a transaction as database/sql does, as a rule without a lock, because
// only such a transaction can use prepared statements. So the first statement in a
// transaction has to write: a write waits for the locks of other processes. A
// transaction that reads first and then writes fails at once if another process
// wrote in between, whatever the busy timeout is.
func (f *sqliteFile) InTx(ctx context.Context, _ bool, do func(Querier) error) error {
	select {
	case <-f.writer:
		defer func() { f.writer <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	}
	st := txStatements{prepared: f.prepared, inUse: map[string]*sql.Stmt{}}
	err := f.withConn(ctx, func(c *sql.Conn) error { return st.inTx(ctx, c, do) })
	if err == nil {
		f.prepare(ctx, st.unprepared)
	}
	return err
}

// prepare prepares statements for later transactions. It leaves out those that can
// run only once, such as a table's definition.
func (f *sqliteFile) prepare(ctx context.Context, texts []string) {
	for _, text := range texts {
		if st, err := f.db.PrepareContext(ctx, text); err == nil {
			f.prepared[text] = st
		}
	}
}

// checkSQLite returns an error for a journal_mode with which a transaction that fails is
// not undone. A database in memory has no other one. It does not check the app's
// transactions, which should not read before they write: see InTx.
func checkSQLite(ctx context.Context, _ *Store, q Querier) error {
	if _, app := q.(appTx); app {
		return nil
	}
	var mode, file string
	err := q.Query(ctx, `pragma journal_mode`, nil, func(scan Scan) error { return scan(&mode) })
	if err != nil || mode != "off" && mode != "memory" {
		return err
	}
	err = q.Query(ctx, `select coalesce(max(file), '') from pragma_database_list where name = 'main'`, nil,
		func(scan Scan) error { return scan(&file) })
	if err != nil || file == "" {
		return err
	}
	return refusal("journal_mode", mode, "a crash would leave half of a transaction, or destroy the file: leave it out of the data source name, or set it to WAL")
}

// withConn takes a connection, sets its pragmas, and calls do.
func (f *sqliteFile) withConn(ctx context.Context, do func(*sql.Conn) error) error {
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

// txStatements has the statements of one transaction. Each is prepared once at most,
// because a batch runs the same statement many times.
type txStatements struct {
	tx         *sql.Tx
	prepared   map[string]*sql.Stmt // of the sqliteFile
	inUse      map[string]*sql.Stmt // on the connection of the transaction
	unprepared []string             // statements that are not in prepared
}

func (s *txStatements) inTx(ctx context.Context, c *sql.Conn, do func(Querier) error) (err error) {
	// Some drivers take the lock when a transaction begins: that wait ends with ctx.
	// A commit is not interrupted, so that its outcome is known.
	free, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	follows := context.AfterFunc(ctx, cancel)
	if s.tx, err = c.BeginTx(free, nil); err != nil {
		return err
	}
	if follows() { // ctx has not ended, and its end no longer cancels free
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
	if errors.Is(undo, sql.ErrTxDone) { // a failed commit may leave the transaction open
		_, undo = c.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	}
	if undo != nil {
		// SQLite rolls some transactions back by itself, such as when the disk is
		// full. In any other case the pool must not reuse the connection, because it
		// is still inside the transaction.
		_ = c.Raw(func(any) error { return driver.ErrBadConn })
	}
	return err
}

func (s *txStatements) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	st, err := s.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.ExecContext(ctx, args...)
}

func (s *txStatements) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	st, err := s.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

func (s *txStatements) statement(ctx context.Context, query string) (st *sql.Stmt, err error) {
	if st = s.inUse[query]; st != nil {
		return st, nil
	}
	if known := s.prepared[query]; known != nil {
		st = s.tx.StmtContext(ctx, known)
	} else {
		if st, err = s.tx.PrepareContext(ctx, query); err != nil {
			return nil, err
		}
		s.unprepared = append(s.unprepared, query)
	}
	s.inUse[query] = st
	return st, nil
}

// newSQLiteFile returns the Database on a SQLite file, with the pragma synchronous.
func newSQLiteFile(db *sql.DB, synchronous string) *sqliteFile {
	f := &sqliteFile{
		db: db, writer: make(chan struct{}, 1), prepared: map[string]*sql.Stmt{},
		setup: fmt.Sprintf("PRAGMA busy_timeout = %d; PRAGMA synchronous = %s", busyTimeout.Milliseconds(), synchronous),
	}
	f.writer <- struct{}{}
	return f
}
