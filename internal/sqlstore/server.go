package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"sync/atomic"
)

// server is the Database of a MariaDB server that is reached through a pool.
//
// On a cluster a node applies what was committed on another a little later, and
// what a call sees must not depend on the node that it reaches: a lease that was
// claimed on one is applied on another. So each statement waits for all that
// was committed before, and a transaction does so once, before it begins.
type server struct {
	conn
	db      *sql.DB
	cluster *atomic.Bool
}

func (s server) Exec(ctx context.Context, query string, args []any) (int64, error) {
	return s.conn.Exec(ctx, s.current(query), args)
}

func (s server) Query(ctx context.Context, query string, args []any, row func(Scan) error) error {
	return s.conn.Query(ctx, s.current(query), args, row)
}

// current makes a statement wait, where that is needed.
func (s server) current(query string) string {
	if s.cluster.Load() {
		return `set statement wsrep_sync_wait = 7 for ` + query
	}
	return query
}

// InTx begins and commits by statements of its own. The driver's Commit takes no
// context: where the server hangs, or waits for a replica, it would never return.
func (s server) InTx(ctx context.Context, several bool, f func(Querier) error) error {
	if !several {
		return f(s)
	}
	c, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	ended := false
	defer func() {
		if !ended { // the pool must not hand on a connection inside a transaction
			_ = c.Raw(func(any) error { return driver.ErrBadConn })
		}
	}()
	q := conn{c}
	if s.cluster.Load() {
		if err := q.Query(ctx, s.current(`select 1`), nil, func(Scan) error { return nil }); err != nil {
			return err
		}
	}
	// What the statements lock they name, so nothing stronger is needed; the
	// default would lock the gaps between rows as well.
	for _, begin := range []string{`set transaction isolation level read committed`, `start transaction`} {
		if _, err := q.Exec(ctx, begin, nil); err != nil {
			return err
		}
	}
	if err = f(q); err == nil {
		if _, err = q.Exec(ctx, `commit`, nil); err == nil {
			ended = true
			return nil
		}
	}
	if ctx.Err() == nil {
		_, undo := q.Exec(ctx, `rollback`, nil)
		ended = undo == nil
	}
	return err
}
