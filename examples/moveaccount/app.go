package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage"
	"github.com/listhook/webhook/sqlitestore"
)

// accounts says of each database which accounts it has. events is changed by every
// transaction that emits, which locks the row: so an account is frozen between two of
// them, and none that began before is committed after.
const accounts = `create table if not exists accounts (
	name   varchar(255) primary key,
	state  varchar(10) not null,
	events bigint not null default 0
)`

// The states of an account in a database. A database that never had it has no row.
const (
	arriving = "arriving" // it is being moved here
	here     = "here"
	frozen   = "frozen" // it is being moved away, and takes no events
	gone     = "gone"
)

// A database has some of the accounts.
type database struct {
	name       string
	sql        *sql.DB
	store      *sqlitestore.Store
	dispatcher *webhook.Dispatcher
}

// openDatabase opens a file in a directory, and makes what is missing of its tables.
func openDatabase(ctx context.Context, pool *webhook.Pool, dir, name string) (*database, error) {
	db, err := sql.Open("sqlite", filepath.Join(dir, name+".db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		return nil, err
	}
	d := &database{name: name, sql: db, store: sqlitestore.New(db, nil)}
	if err := d.store.Migrate(ctx); err != nil {
		return nil, err
	}
	if _, err := db.ExecContext(ctx, accounts); err != nil {
		return nil, err
	}
	d.dispatcher, err = pool.NewDispatcher(d.store, &webhook.Options{Timeout: timeout})
	return d, err
}

// timeout is how long an attempt may take. All processes have the same.
const timeout = 5 * time.Second

// state returns the state of an account; "": the database never had it.
func (d *database) state(ctx context.Context, account string) (state string, err error) {
	err = d.sql.QueryRowContext(ctx, "select state from accounts where name = ?", account).Scan(&state)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return state, err
}

// setState changes the state of an account that is in one of others. It reports
// whether it was; "" stands for an account that the database never had.
func (d *database) setState(ctx context.Context, account, state string, others ...string) (changed bool, err error) {
	for _, other := range others {
		result, err := sql.Result(nil), error(nil)
		if other == "" {
			result, err = d.sql.ExecContext(ctx, "insert into accounts (name, state) values (?, ?) on conflict do nothing", account, state)
		} else {
			result, err = d.sql.ExecContext(ctx, "update accounts set state = ? where name = ? and state = ?", state, account, other)
		}
		if err != nil {
			return false, err
		}
		if n, err := result.RowsAffected(); n > 0 || err != nil {
			return n > 0, err
		}
	}
	return false, nil
}

// An app has its accounts spread over databases.
type app struct {
	databases []*database

	mu    sync.Mutex // guards homes
	homes map[string]*database
}

func openApp(ctx context.Context, client *http.Client, dir string, names ...string) (*app, error) {
	pool, err := webhook.NewPool(client, nil)
	if err != nil {
		return nil, err
	}
	a := &app{homes: map[string]*database{}}
	for _, name := range names {
		d, err := openDatabase(ctx, pool, dir, name)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", name, err), a.close())
		}
		a.databases = append(a.databases, d)
	}
	return a, nil
}

// start begins to deliver from all databases.
func (a *app) start() error {
	for _, d := range a.databases {
		if err := d.dispatcher.Start(); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) close() (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*timeout)
	defer cancel()
	for _, d := range a.databases {
		err = errors.Join(err, d.dispatcher.Shutdown(ctx), d.sql.Close())
	}
	return err
}

// database returns the database with a name.
func (a *app) database(name string) (*database, error) {
	for _, d := range a.databases {
		if d.name == name {
			return d, nil
		}
	}
	return nil, fmt.Errorf("there is no database %q", name)
}

// errMoving says that an account is being moved, and may not be changed.
var errMoving = fmt.Errorf("the account is being moved: %w", manage.ErrUnavailable)

// home returns the database that has an account, as far as this process knows.
func (a *app) home(ctx context.Context, account string) (*database, error) {
	a.mu.Lock()
	known := a.homes[account]
	a.mu.Unlock()
	if known != nil {
		return known, nil
	}
	found, err := a.find(ctx, account)
	if err == nil {
		a.mu.Lock()
		a.homes[account] = found
		a.mu.Unlock()
	}
	return found, err
}

// forget has home look again.
func (a *app) forget(account string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.homes, account)
}

// find asks all databases which has an account.
func (a *app) find(ctx context.Context, account string) (*database, error) {
	missing := webhook.ErrNotFound
	for _, d := range a.databases {
		state, err := d.state(ctx, account)
		switch {
		case err != nil:
			return nil, err
		case state == here:
			return d, nil
		case state == frozen || state == arriving:
			missing = errMoving
		}
	}
	return nil, missing
}

// errAway says that a database does not have an account, or not any more.
var errAway = errors.New("the account is not here")

// emit emits events of an account in a transaction on the database that has it. An
// app would do its own work in the same one.
func (a *app) emit(ctx context.Context, account string, events ...webhook.Event) error {
	for {
		d, err := a.home(ctx, account)
		if err == nil {
			err = d.emit(ctx, account, events)
		}
		if !errors.Is(err, errAway) && !errors.Is(err, errMoving) {
			return err
		}
		a.forget(account)
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
}

func (d *database) emit(ctx context.Context, account string, events []webhook.Event) error {
	tx, err := d.sql.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a commit it does nothing
	result, err := tx.ExecContext(ctx, "update accounts set events = events + 1 where name = ? and state = ?", account, here)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); n == 0 || err != nil {
		return errors.Join(err, errAway)
	}
	if err := d.dispatcher.EmitTx(ctx, d.store.Tx(tx), events...); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	d.dispatcher.Wake()
	return nil
}

// handler is the page and the APIs for all accounts, wherever they are.
func (a *app) handler(opts manage.Options) (http.Handler, error) {
	opts.Dispatcher = func(ctx context.Context, account string) (*webhook.Dispatcher, error) {
		d, err := a.home(ctx, account)
		if err != nil {
			return nil, err
		}
		state, err := d.state(ctx, account)
		if err == nil && state != here { // it was moved since
			a.forget(account)
			d, err = a.home(ctx, account)
		}
		if err != nil {
			return nil, err
		}
		return d.dispatcher, nil
	}
	opts.Dispatchers = func(context.Context) (all []*webhook.Dispatcher, err error) {
		for _, d := range a.databases {
			all = append(all, d.dispatcher)
		}
		return all, nil
	}
	return manage.Handler(nil, &opts)
}
