package dbtest

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/listhook/webhook"
	"github.com/listhook/webhook/mysqlstore"
	"github.com/listhook/webhook/pgxstore"
	"github.com/listhook/webhook/postgresstore"
	"github.com/listhook/webhook/sqlitestore"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
	_ "github.com/ncruces/go-sqlite3/driver"
	_ "modernc.org/sqlite"
)

// A store is one of the stores on SQL databases.
type store interface {
	webhook.Store
	Migrate(ctx context.Context) error
	Schema(from int) string
}

// A handle is a store, as a process of its own would have it.
type handle struct {
	store
	close func()

	// exec runs a statement of the app's.
	exec func(ctx context.Context, statement string) error
	// number returns the number that a query of the app's has as its result.
	number func(ctx context.Context, query string) (int, error)
	// begin begins a transaction of the app's.
	begin func(ctx context.Context) (transaction, error)
}

// A transaction is one of the app's.
type transaction struct {
	webhook.Outbox
	exec             func(ctx context.Context, statement string) error
	commit, rollback func() error
}

// A storage is a database that a store can be in, by one of the drivers.
type storage struct {
	name string
	// create makes an empty one, and returns what opens it with a prefix for
	// the names of the tables, each time for another process.
	create func(t testing.TB) func(prefix string) *handle
	// again says that another storage has the same store and the same kind of server.
	again bool
	// empty are the statements that empty all tables and set the counters back. Nil: it
	// is quicker to create another one.
	empty []string
}

var emptyPostgres = []string{
	"truncate webhook_webhooks, webhook_deliveries, webhook_ready, webhook_waiting, webhook_leases, webhook_subjects, webhook_line_events, webhook_lines",
	"update webhook_puts set n = 0", "alter sequence webhook_steps restart",
}

var emptyMariaDB = []string{
	"delete from webhook_webhooks", "delete from webhook_deliveries", "delete from webhook_leases",
	"delete from webhook_subjects", "delete from webhook_line_events", "delete from webhook_lines",
	"update webhook_puts set n = 0", "update webhook_steps set n = 0",
}

// storages has each store on the server that it is for, and then the same by other
// drivers and through PgBouncer. The race detector sees each store once: SQLite that was
// translated to Go takes many minutes there, and the races of drivers are not ours to find.
var storages = slices.DeleteFunc([]storage{
	{name: "sqlite by modernc", create: sqlite("sqlite", 8)},
	{name: "postgres by pgx's database/sql", empty: emptyPostgres, create: func(t testing.TB) func(string) *handle {
		dsn := postgres(t)
		return func(prefix string) *handle { return postgresHandle(t, open(t, "pgx", dsn, 8), prefix) }
	}},
	{name: "postgres by pgxpool", empty: emptyPostgres, create: func(t testing.TB) func(string) *handle {
		dsn := postgres(t)
		return func(prefix string) *handle { return pgxHandle(t, openPool(t, dsn), prefix) }
	}},
	{name: "mariadb", empty: emptyMariaDB, create: func(t testing.TB) func(string) *handle {
		dsn := mariadb(t)
		return func(prefix string) *handle { return mysqlHandle(open(t, "mysql", dsn, 8), prefix) }
	}},

	{name: "sqlite by modernc, one connection", again: true, create: sqlite("sqlite", 1)},
	{name: "sqlite by ncruces, one connection", again: true, create: sqlite("sqlite3", 1)},
	{name: "sqlite by ncruces", again: true, create: sqlite("sqlite3", 8)},
	{name: "postgres by pq", again: true, empty: emptyPostgres, create: func(t testing.TB) func(string) *handle {
		dsn := postgres(t)
		return func(prefix string) *handle { return postgresHandle(t, open(t, "postgres", dsn, 8), prefix) }
	}},
	{name: "postgres by pgx's database/sql behind PgBouncer", again: true, empty: emptyPostgres, create: func(t testing.TB) func(string) *handle {
		dsn := pooled(t)
		return func(prefix string) *handle { return postgresHandle(t, open(t, "pgx", dsn, 8), prefix) }
	}},
	{name: "postgres by pgxpool behind PgBouncer", again: true, empty: emptyPostgres, create: func(t testing.TB) func(string) *handle {
		dsn := pooled(t)
		return func(prefix string) *handle { return pgxHandle(t, openPool(t, dsn+"&pool_max_conns=8"), prefix) }
	}},
}, func(s storage) bool { return raced && s.again })

// long reports whether LISTHOOK_LONG is set: whatever was tested on one storage is then
// tested on all of them, in full.
func long() bool { return os.Getenv("LISTHOOK_LONG") != "" }

func sqlite(driver string, conns int) func(testing.TB) func(string) *handle {
	return func(t testing.TB) func(string) *handle {
		file := filepath.Join(t.TempDir(), "app.db")
		return func(prefix string) *handle {
			return sqliteHandle(open(t, driver, "file:"+file, conns), prefix)
		}
	}
}

func sqliteHandle(db *sql.DB, prefix string) *handle {
	s := sqlitestore.New(db, &sqlitestore.Options{Prefix: prefix})
	return sqlHandle(db, s, func(tx *sql.Tx) webhook.Outbox { return s.Tx(tx) })
}

func postgresHandle(t testing.TB, db *sql.DB, prefix string) *handle {
	s := postgresstore.New(db, &postgresstore.Options{Prefix: prefix})
	return sqlHandle(db, s, func(tx *sql.Tx) webhook.Outbox { return s.Tx(tx) })
}

func mysqlHandle(db *sql.DB, prefix string) *handle {
	s := mysqlstore.New(db, &mysqlstore.Options{Prefix: prefix})
	return sqlHandle(db, s, func(tx *sql.Tx) webhook.Outbox { return s.Tx(tx) })
}

func sqlHandle(db *sql.DB, s store, outbox func(*sql.Tx) webhook.Outbox) *handle {
	return &handle{
		store: s,
		close: func() { db.Close() },
		exec: func(ctx context.Context, statement string) error {
			_, err := db.ExecContext(ctx, statement)
			return err
		},
		number: func(ctx context.Context, query string) (n int, err error) {
			err = db.QueryRowContext(ctx, query).Scan(&n)
			return n, err
		},
		begin: func(ctx context.Context) (transaction, error) {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return transaction{}, err
			}
			exec := func(ctx context.Context, statement string) error {
				_, err := tx.ExecContext(ctx, statement)
				return err
			}
			return transaction{outbox(tx), exec, tx.Commit, tx.Rollback}, nil
		},
	}
}

// openPool opens a pool, for as long as the test lasts.
func openPool(t testing.TB, dsn string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func pgxHandle(t testing.TB, pool *pgxpool.Pool, prefix string) *handle {
	s := pgxstore.New(pool, &pgxstore.Options{Prefix: prefix})
	return &handle{
		store: s,
		close: pool.Close,
		exec: func(ctx context.Context, statement string) error {
			_, err := pool.Exec(ctx, statement)
			return err
		},
		number: func(ctx context.Context, query string) (n int, err error) {
			err = pool.QueryRow(ctx, query).Scan(&n)
			return n, err
		},
		begin: func(ctx context.Context) (transaction, error) {
			tx, err := pool.Begin(ctx)
			if err != nil {
				return transaction{}, err
			}
			exec := func(ctx context.Context, statement string) error {
				_, err := tx.Exec(ctx, statement)
				return err
			}
			return transaction{
				s.Tx(pgx.Tx(tx)), exec,
				func() error { return tx.Commit(ctx) }, func() error { return tx.Rollback(ctx) },
			}, nil
		},
	}
}

// each runs a test on every storage.
func each(t *testing.T, f func(t *testing.T, open func(prefix string) *handle)) {
	for _, s := range storages {
		t.Run(s.name, func(t *testing.T) { f(t, s.create(t)) })
	}
}

// eachStore runs a test on one storage of each store, because all storages of a store
// would do the same in it.
func eachStore(t *testing.T, f func(t *testing.T, open func(prefix string) *handle)) {
	for _, s := range storages {
		if !s.again || long() {
			t.Run(s.name, func(t *testing.T) { f(t, s.create(t)) })
		}
	}
}

// migrated returns a handle after Migrate.
func migrated(t testing.TB, h *handle) *handle {
	t.Helper()
	if err := h.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}
