//go:build unix

package crash

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/mysqlstore"
	"github.com/listhook/webhook/pgxstore"
	"github.com/listhook/webhook/postgresstore"
	"github.com/listhook/webhook/sqlitestore"
)

// A database is where a store's tables are, as a child process is told.
type database struct {
	Kind   string // of the store: a key of openers
	Source string // as its driver wants it
}

// An opened database is one process's use of it.
type opened struct {
	webhook.Store
	migrate func(context.Context) error
	close   func()
	listen  func(ctx context.Context, wake func()) error // nil: it only polls

	// inTx calls f with a transaction's Outbox, and commits or rolls back.
	inTx func(ctx context.Context, commit bool, f func(webhook.Outbox) error) error
}

// openers open databases, by kind.
var openers = map[string]func(source string) (*opened, error){
	"sqlite":   openSQLite,
	"postgres": openPostgres,
	"pgx":      openPgx,
	"mysql":    openMySQL,
}

func (db database) open() (*opened, error) {
	open := openers[db.Kind]
	if open == nil {
		return nil, fmt.Errorf("there is no store of the kind %q", db.Kind)
	}
	return open(db.Source)
}

// openFor opens a database for the test's own process.
func (db database) openFor(t *testing.T) *opened {
	t.Helper()
	o, err := db.open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.close)
	return o
}

func openSQLite(source string) (*opened, error) {
	db, err := sql.Open("sqlite", source)
	if err != nil {
		return nil, err
	}
	store := sqlitestore.New(db, nil)
	return openedSQL(store, db, store.Migrate, func(tx *sql.Tx) webhook.Outbox { return store.Tx(tx) }), nil
}

func openPostgres(source string) (*opened, error) {
	db, err := sql.Open("pgx", source)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	store := postgresstore.New(db, nil)
	return openedSQL(store, db, store.Migrate, func(tx *sql.Tx) webhook.Outbox { return store.Tx(tx) }), nil
}

func openPgx(source string) (*opened, error) {
	config, err := pgxpool.ParseConfig(source)
	if err != nil {
		return nil, err
	}
	config.MaxConns = connections
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, err
	}
	store := pgxstore.New(pool, nil)
	return &opened{
		Store:   store,
		migrate: store.Migrate,
		close:   pool.Close,
		listen:  store.Listen,
		inTx: func(ctx context.Context, commit bool, f func(webhook.Outbox) error) error {
			tx, err := pool.Begin(ctx)
			if err != nil {
				return err
			}
			defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
			if err := f(store.Tx(tx)); err != nil || !commit {
				return err
			}
			return tx.Commit(ctx)
		},
	}, nil
}

func openMySQL(source string) (*opened, error) {
	db, err := sql.Open("mysql", source)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	store := mysqlstore.New(db, nil)
	return openedSQL(store, db, store.Migrate, func(tx *sql.Tx) webhook.Outbox { return store.Tx(tx) }), nil
}

// connections is how many a process has to a server at the most.
const connections = 6

func openedSQL(store webhook.Store, db *sql.DB, migrate func(context.Context) error, outbox func(*sql.Tx) webhook.Outbox) *opened {
	return &opened{
		Store:   store,
		migrate: migrate,
		close:   func() { _ = db.Close() },
		inTx: func(ctx context.Context, commit bool, f func(webhook.Outbox) error) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer func() { _ = tx.Rollback() }()
			if err := f(outbox(tx)); err != nil || !commit {
				return err
			}
			return tx.Commit()
		},
	}
}

// A store is a kind that the tests are run on.
type store struct {
	name  string
	fresh func(t *testing.T) database // empty, but migrated
}

// stores are all durable ones.
func stores() []store {
	return []store{
		{"sqlitestore", freshSQLite},
		{"postgresstore", func(t *testing.T) database { return freshPostgres(t, "postgres") }},
		{"pgxstore", func(t *testing.T) database { return freshPostgres(t, "pgx") }},
		{"mysqlstore", freshMariaDB},
	}
}

// onEachStore runs a test, which mostly waits, for all stores at once.
func onEachStore(t *testing.T, f func(t *testing.T, db database)) { onEach(t, stores(), f) }

func onEach(t *testing.T, stores []store, f func(t *testing.T, db database)) {
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			db := s.fresh(t)
			t.Parallel()
			f(t, db)
		})
	}
}

// sqliteSource names a file. Transactions of the app's begin with the write
// lock, as sqlitestore's Tx advises, and wait for it as the store's do.
func sqliteSource(file string) string {
	return "file:" + file + "?_txlock=immediate&_pragma=busy_timeout(10000)"
}

func freshSQLite(t *testing.T) database {
	t.Helper()
	return migrated(t, database{"sqlite", sqliteSource(filepath.Join(t.TempDir(), "app.db"))})
}

// freshPostgres makes a schema on the server that CONTRIBUTING.md names.
func freshPostgres(t *testing.T, kind string) database {
	t.Helper()
	source := cmp.Or(os.Getenv("LISTHOOK_POSTGRES"), "postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable")
	admin := reached(t, "postgres", "pgx", source)
	name := newName()
	run(t, admin, "create schema "+name)
	t.Cleanup(func() { run(t, admin, "drop schema "+name+" cascade") })
	u, err := url.Parse(source)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return migrated(t, database{kind, u.String()})
}

// freshMariaDB makes a database on the server that CONTRIBUTING.md names.
func freshMariaDB(t *testing.T) database {
	t.Helper()
	source := cmp.Or(os.Getenv("LISTHOOK_MARIADB"), "root@tcp(127.0.0.1:3306)/")
	admin := reached(t, "mariadb", "mysql", source)
	config, err := mysql.ParseDSN(source)
	if err != nil {
		t.Fatal(err)
	}
	config.DBName = newName()
	run(t, admin, "create database "+config.DBName)
	t.Cleanup(func() { run(t, admin, "drop database "+config.DBName) })
	return migrated(t, database{"mysql", config.FormatDSN()})
}

// lockMode2 is mysqlstore on the tests' own server, which numbers rows in
// another way.
var lockMode2 = store{"mysqlstore, innodb_autoinc_lock_mode=2", func(t *testing.T) database {
	s := serverFor(t, mariadbServer, "mysql")
	return migrated(t, database{"mysql", mariadbServer.source(s.addr(), s.create())})
}}

// reached connects to a server, without which the test is skipped.
func reached(t *testing.T, need, driver, source string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.PingContext(t.Context()); err != nil {
		lacking(t, need, err.Error())
	}
	return db
}

func run(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.ExecContext(context.WithoutCancel(t.Context()), statement); err != nil {
		t.Errorf("%s: %v", statement, err)
	}
}

// newName returns a name that no other test has.
func newName() string { return "listhook_" + strings.ToLower(rand.Text()[:12]) }

// migrated creates the store's tables.
func migrated(t *testing.T, db database) database {
	t.Helper()
	o, err := db.open()
	if err != nil {
		t.Fatal(err)
	}
	defer o.close()
	if err := o.migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}
