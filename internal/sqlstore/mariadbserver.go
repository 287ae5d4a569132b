package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"sync/atomic"
)

// mariadbServer is the Database on a pool of connections to a MariaDB server.
//
// A node of a Galera cluster applies what was committed on another node a little
// later. But the result of a call must not depend on the node: one node applies a
// change to a lease that was claimed on another. So each statement waits for all
// earlier commits, and a transaction does so once, before it begins.
type mariadbServer struct {
	conn
	db      *sql.DB
	cluster *atomic.Bool
}

func (s mariadbServer) Exec(ctx context.Context, query string, args []any) (int64, error) {
	return s.conn.Exec(ctx, s.synced(query), args)
}

func (s mariadbServer) Query(ctx context.Context, query string, args []any, row func(Scan) error) error {
	return s.conn.Query(ctx, s.synced(query), args, row)
}

// synced returns the query, which on a cluster waits for all earlier commits.
func (s mariadbServer) synced(query string) string {
	if s.cluster.Load() {
		return `set statement wsrep_sync_wait = 7 for ` + query
	}
	return query
}

// InTx begins and commits by statements. The driver's Commit takes no context, so it
// would not return while the server hangs or waits for a replica.
func (s mariadbServer) InTx(ctx context.Context, several bool, f func(Querier) error) error {
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
		if !ended { // the pool must not reuse a connection inside a transaction
			_ = c.Raw(func(any) error { return driver.ErrBadConn })
		}
	}()
	q := conn{c}
	if s.cluster.Load() {
		if err := q.Query(ctx, s.synced(`select 1`), nil, func(Scan) error { return nil }); err != nil {
			return err
		}
	}
	// The statements lock the rows that they need, so read committed is enough. The
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
