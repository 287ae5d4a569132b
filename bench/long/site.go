package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/postgresstore"
	"github.com/listhook/webhook/sqlitestore"
)

// A site is where a kind of store keeps its tables: those that are full, and
// again and again new ones that are empty.
type site struct {
	postgres bool
	full     *tables
	newEmpty func(ctx context.Context) (*tables, error)
	remove   func()
}

// tables are those of one store, with a database or a file of their own.
type tables struct {
	webhook.Store
	db     *sql.DB
	prefix string
	asked  *record
	after  string // the webhook that had the last turn
	made   int    // numbers the deliveries
}

func (c *config) openSite(ctx context.Context, name string) (*site, error) {
	if name == "postgres" {
		return c.openPostgres(ctx)
	}
	return c.openSQLite(ctx)
}

// openPostgres makes two databases: an open transaction keeps what died in the
// tables of its own database only.
func (c *config) openPostgres(ctx context.Context) (*site, error) {
	u, err := url.Parse(c.postgres)
	if err != nil {
		return nil, err
	}
	admin, err := sql.Open("pgx", c.postgres)
	if err != nil {
		return nil, err
	}
	var remove undo
	remove.add(func() { admin.Close() })
	open := func(name string) (*sql.DB, *record, error) {
		name = fmt.Sprintf("listhook_long_%d_%s", os.Getpid(), name)
		if _, err := admin.ExecContext(ctx, "create database "+name); err != nil {
			return nil, nil, err
		}
		remove.add(func() {
			if _, err := admin.Exec("drop database " + name + " with (force)"); err != nil {
				fmt.Fprintln(os.Stderr, "long: the database", name, "is left:", err)
			}
		})
		u.Path = "/" + name
		db, asked, err := openRecorded("pgx", u.String())
		if err == nil {
			remove.add(func() { db.Close() })
		}
		return db, asked, err
	}
	s := &site{postgres: true, remove: remove.run}
	made := 0
	migrated := func(db *sql.DB, asked *record) (*tables, error) {
		made++
		prefix := fmt.Sprintf("t%d_", made)
		store := postgresstore.New(db, &postgresstore.Options{Prefix: prefix})
		return &tables{Store: store, db: db, prefix: prefix, asked: asked}, store.Migrate(ctx)
	}
	full, fullAsked, err := open("full")
	if err == nil {
		s.full, err = migrated(full, fullAsked)
	}
	var empty *sql.DB
	var emptyAsked *record
	if err == nil {
		empty, emptyAsked, err = open("empty")
	}
	if err != nil {
		remove.run()
		return nil, err
	}
	s.newEmpty = func(ctx context.Context) (*tables, error) { return migrated(empty, emptyAsked) }
	return s, nil
}

func (c *config) openSQLite(ctx context.Context) (*site, error) {
	dir, err := os.MkdirTemp(c.directory, "listhook-long")
	if err != nil {
		return nil, err
	}
	var remove undo
	remove.add(func() { os.RemoveAll(dir) })
	made := 0
	open := func(ctx context.Context) (*tables, error) {
		made++
		db, asked, err := openRecorded("sqlite", filepath.Join(dir, fmt.Sprint(made, ".db")))
		if err != nil {
			return nil, err
		}
		remove.add(func() { db.Close() })
		db.SetMaxIdleConns(8) // whose caches stay warm
		store := sqlitestore.New(db, nil)
		return &tables{Store: store, db: db, prefix: "webhook_", asked: asked}, store.Migrate(ctx)
	}
	full, err := open(ctx)
	if err != nil {
		remove.run()
		return nil, err
	}
	return &site{full: full, newEmpty: open, remove: remove.run}, nil
}

// undo are functions to be called in reverse order, once.
type undo struct{ list []func() }

func (u *undo) add(f func()) { u.list = append(u.list, f) }

func (u *undo) run() {
	for _, f := range slices.Backward(u.list) {
		f()
	}
	u.list = nil
}

// A record is what a store asked of its database, while somebody listens.
type record struct {
	mu    sync.Mutex
	on    bool
	texts []statement
}

type statement struct {
	text string
	args []any
}

func (r *record) note(text string, args []driver.NamedValue) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.on {
		return
	}
	st := statement{text: text}
	for _, a := range args {
		st.args = append(st.args, a.Value)
	}
	r.texts = append(r.texts, st)
}

// during returns what is asked during f.
func (r *record) during(f func() error) ([]statement, error) {
	set := func(on bool) []statement {
		r.mu.Lock()
		defer r.mu.Unlock()
		texts := r.texts
		r.on, r.texts = on, nil
		return texts
	}
	set(true)
	err := f()
	return set(false), err
}

// openRecorded opens a database whose statements can be recorded, which is how
// their plans are known without knowing the store's SQL.
func openRecorded(driverName, dsn string) (*sql.DB, *record, error) {
	plain, err := sql.Open(driverName, dsn)
	if err != nil {
		return nil, nil, err
	}
	defer plain.Close() // it has not connected
	r := &record{}
	return sql.OpenDB(connector{plain.Driver(), dsn, r}), r, nil
}

type connector struct {
	driver driver.Driver
	dsn    string
	record *record
}

func (c connector) Driver() driver.Driver { return c.driver }

func (c connector) Connect(context.Context) (driver.Conn, error) {
	inner, err := c.driver.Open(c.dsn)
	if err != nil {
		return nil, err
	}
	full, ok := inner.(fullConn)
	if !ok {
		inner.Close()
		return nil, fmt.Errorf("the driver's connection %T lacks a method", inner)
	}
	return recordedConn{full, c.record}, nil
}

// fullConn is what the connections of both drivers are.
type fullConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
	driver.SessionResetter
}

type recordedConn struct {
	fullConn
	record *record
}

func (c recordedConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	c.record.note(text, args)
	return c.fullConn.ExecContext(ctx, text, args)
}

func (c recordedConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	c.record.note(text, args)
	return c.fullConn.QueryContext(ctx, text, args)
}

// CheckNamedValue leaves to the driver what it takes, if it says so.
func (c recordedConn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.fullConn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}
