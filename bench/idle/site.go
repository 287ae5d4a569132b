package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
	"github.com/listhook/webhook/pgxstore"
	"github.com/listhook/webhook/postgresstore"
	"github.com/listhook/webhook/sqlitestore"
)

var storeNames = []string{"memory", "sqlite", "postgres", "pgx"}

// A site is where the databases of one kind of store are.
type site struct {
	open   func(ctx context.Context, n int) (webhook.Store, error) // a new one
	server int                                                     // the process; 0: there is none
	undo   []func()
}

// remove removes the databases.
func (s *site) remove() {
	for _, f := range slices.Backward(s.undo) {
		f()
	}
}

func (s *site) later(f func()) { s.undo = append(s.undo, f) }

func openSite(ctx context.Context, c *config, name string) (*site, error) {
	s := &site{}
	var err error
	switch name {
	case "memory":
		s.open = func(context.Context, int) (webhook.Store, error) { return &memstore.Store{}, nil }
	case "sqlite":
		err = s.openSQLite(c.directory)
	default:
		err = s.openPostgres(ctx, c.postgres, name == "pgx")
	}
	if err != nil {
		s.remove()
		return nil, err
	}
	return s, nil
}

func (s *site) openSQLite(directory string) error {
	dir, err := os.MkdirTemp(directory, "listhook-idle-")
	if err != nil {
		return err
	}
	s.later(func() { _ = os.RemoveAll(dir) })
	s.open = func(ctx context.Context, n int) (webhook.Store, error) {
		db, err := sql.Open("sqlite", filepath.Join(dir, fmt.Sprint(n, ".db")))
		if err != nil {
			return nil, err
		}
		s.later(func() { _ = db.Close() })
		db.SetMaxIdleConns(1)
		store := sqlitestore.New(db, nil)
		return store, store.Migrate(ctx)
	}
	return nil
}

// openPostgres makes a database in which each store has a schema and a connection
// of its own. For the processes that is as if each had a database.
func (s *site) openPostgres(ctx context.Context, address string, native bool) error {
	name := fmt.Sprintf("listhook_idle_%d", os.Getpid())
	admin, err := pgx.Connect(ctx, address)
	if err != nil {
		return err
	}
	s.later(func() { _ = admin.Close(context.WithoutCancel(ctx)) })
	if s.server, err = serverProcess(ctx, admin); err != nil {
		return err
	}
	if _, err := admin.Exec(ctx, "create database "+name); err != nil {
		return err
	}
	s.later(func() {
		if _, err := admin.Exec(context.WithoutCancel(ctx), "drop database "+name+" with (force)"); err != nil {
			fmt.Fprintln(os.Stderr, "idle: the database", name, "is left:", err)
		}
	})
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	u.Path = "/" + name
	s.open = func(ctx context.Context, n int) (webhook.Store, error) {
		schema := fmt.Sprint("s", n)
		own := *u
		q := own.Query()
		q.Set("search_path", schema)
		if native {
			q.Set("pool_max_conns", "2")
		}
		own.RawQuery = q.Encode()
		return s.openSchema(ctx, own.String(), schema, native)
	}
	return nil
}

func (s *site) openSchema(ctx context.Context, address, schema string, native bool) (webhook.Store, error) {
	if native {
		pool, err := pgxpool.New(ctx, address)
		if err != nil {
			return nil, err
		}
		s.later(pool.Close)
		if _, err := pool.Exec(ctx, "create schema "+schema); err != nil {
			return nil, tooMany(err)
		}
		store := pgxstore.New(pool, nil)
		return store, tooMany(store.Migrate(ctx))
	}
	db, err := sql.Open("pgx", address)
	if err != nil {
		return nil, err
	}
	s.later(func() { _ = db.Close() })
	db.SetMaxOpenConns(2)
	db.SetMaxIdleConns(1)
	if _, err := db.ExecContext(ctx, "create schema "+schema); err != nil {
		return nil, tooMany(err)
	}
	store := postgresstore.New(db, nil)
	return store, tooMany(store.Migrate(ctx))
}

// tooMany explains the error of a server that has no more connections.
func tooMany(err error) error {
	if err != nil && strings.Contains(err.Error(), "53300") {
		return errors.Join(errors.New("each dispatcher has a connection or two: set max_connections higher"), err)
	}
	return err
}

// serverProcess returns the main process of a server on this machine. Its backends
// are its children.
func serverProcess(ctx context.Context, conn *pgx.Conn) (pid int, err error) {
	backend := 0
	if err := conn.QueryRow(ctx, "select pg_backend_pid()").Scan(&backend); err != nil {
		return 0, err
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", backend))
	if err != nil {
		return 0, fmt.Errorf("the server is not a process of this machine: %w", err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	_, err = fmt.Sscan(rest, new(string), &pid)
	return pid, err
}
