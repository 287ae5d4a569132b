// Package sqlstore implements webhook.Store on SQL databases. Packages sqlitestore,
// postgresstore, mysqlstore and pgxstore are thin layers over it.
//
// The SQL of a database is in its dialect. The logic is in Go, and the same for
// all databases.
//
// A batch of any size is one statement with two parameters. @rows is a JSON array
// with an object for each row. @bytes holds the bodies of the rows one after
// another; the objects have their offsets and lengths. So a batch does not exceed
// a database's limit of parameters, and bytes are not encoded as text.
//
// Times are stored as milliseconds since 1970. The zero time is a negative number,
// so times compare as numbers do.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/listhook/webhook"
)

// busyTimeout is how long a writer on SQLite waits for writers of other processes.
const busyTimeout = 10 * time.Second

// DefaultPrefix begins the names of the tables unless Options.Prefix is set.
const DefaultPrefix = "webhook_"

// Store is a webhook.Store on a SQL database.
type Store struct {
	db      Database
	d       *dialect
	prefix  string
	sql     statements
	invalid error // returned by each call, if not nil

	calls  atomic.Uint64 // of statements; see text
	clock  clock
	due    dueCursor    // of Claim
	events dueCursor    // of Claim, by the number of a line's event
	ready  readyCursor  // of Claim
	leases leaseTracker // of Claim, Enqueue and Apply
	turn   lineTurn
	prunes pruneCursors

	// What check and an outbox's check have found out.
	schemaOK     atomic.Bool // the schema has this code's version
	checked      atomic.Bool // check has succeeded
	checkedTx    atomic.Bool // the dialect's check has succeeded in a transaction of the app's
	checkEveryTx atomic.Bool // the dialect's check has to run in each of them; it sets this itself

	// On PostgreSQL; see afterWrite.
	awaitsStandbys atomic.Bool // commits wait for standbys
	uncertain      atomic.Bool // a write has failed since the last confirmation

	relaxed bool         // accept a server that may lose the last commits in a crash
	cluster *atomic.Bool // the server is a node of a Galera cluster; the mariadbServer reads it
}

var _ webhook.Store = (*Store)(nil)

var validPrefix = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,31}$`)

// newStore returns a Store on db.
func newStore(db Database, d *dialect, prefix string) *Store {
	s := &Store{db: db, d: d, prefix: prefix, sql: d.statements(prefix), turn: newLineTurn(), cluster: new(atomic.Bool)}
	if !validPrefix.MatchString(prefix) {
		s.invalid = &webhook.InvalidError{Field: "Prefix", Reason: "must be a letter or an underscore and then letters, digits and underscores, 32 at most"}
	}
	return s
}

// NewSQLite returns a Store on a SQLite file. The pragma synchronous, FULL or
// NORMAL, sets how durable its commits are.
func NewSQLite(db *sql.DB, prefix, synchronous string) *Store {
	s := newStore(newSQLiteFile(db, synchronous), &sqlite, prefix)
	if db == nil {
		s.invalid = errNoDatabase
	}
	return s
}

// WithDatabase returns a Store on wrap's result for the database of s. Tests use
// it for slow and failing databases.
func (s *Store) WithDatabase(wrap func(Database) Database) *Store {
	other := newStore(wrap(s.db), s.d, s.prefix)
	other.relaxed, other.cluster = s.relaxed, s.cluster
	return other
}

// NewPostgres returns a Store on PostgreSQL through database/sql. Unless it is
// relaxed, it refuses a server that may lose acknowledged commits.
func NewPostgres(db *sql.DB, prefix string, relaxed bool) *Store {
	s := newPool(db, &postgres, prefix)
	s.relaxed = relaxed
	return s
}

// NewMariaDB returns a Store on MariaDB. Unless it is relaxed, it refuses a server
// whose commits a crash may undo.
func NewMariaDB(db *sql.DB, prefix string, relaxed bool) *Store {
	s := newPool(db, &mariadb, prefix)
	s.db, s.relaxed = mariadbServer{conn{db}, db, s.cluster}, relaxed
	return s
}

// NewPostgresOn is NewPostgres for a driver without database/sql.
func NewPostgresOn(db Database, prefix string, relaxed bool) *Store {
	s := newStore(db, &postgres, prefix)
	s.relaxed = relaxed
	return s
}

func newPool(db *sql.DB, d *dialect, prefix string) *Store {
	s := newStore(pool{conn{db}, db}, d, prefix)
	if db == nil {
		s.invalid = errNoDatabase
	}
	return s
}

var (
	errNoDatabase = errors.New("webhook: the store has no database: New was called with nil")
	errNoTx       = errors.New("webhook: the store's Tx was called with nil instead of a transaction")
)

// Channel returns the name of the channel on which PostgreSQL notifies listeners
// of due deliveries in the tables with a prefix.
func Channel(prefix string) string { return prefix + "wake" }

// WakeOthers notifies listeners on PostgreSQL.
func (s *Store) WakeOthers(ctx context.Context) error {
	return s.read(ctx, func(q Querier) error {
		return q.Query(ctx, "select cast(pg_notify($1, '') as text)", []any{Channel(s.prefix)}, func(scan Scan) error {
			var empty string
			return scan(&empty)
		})
	})
}

// Tx returns an Outbox in the caller's transaction tx.
func (s *Store) Tx(tx Conn) webhook.Outbox {
	if IsNil(tx) {
		return s.Outbox(nil)
	}
	return s.Outbox(conn{tx})
}

// IsNil reports whether tx is nil, or a nil pointer, such as a *sql.Tx that never began.
func IsNil(tx any) bool {
	v := reflect.ValueOf(tx)
	return tx == nil || v.Kind() == reflect.Pointer && v.IsNil()
}

// Outbox is Tx for a transaction that is not database/sql's. If tx is nil, each call of
// the Outbox returns an error.
func (s *Store) Outbox(tx Querier) webhook.Outbox { return &outbox{s: s, q: tx} }

// outbox is an Outbox in a transaction of the caller's. It neither ends the
// transaction nor retries statements: on PostgreSQL a failed statement aborts the
// whole transaction, so each error is returned.
type outbox struct {
	s       *Store
	q       Querier
	checked atomic.Bool
}

func (o *outbox) Webhooks(ctx context.Context, q webhook.WebhookQuery) ([]webhook.Webhook, error) {
	if err := o.check(ctx); err != nil {
		return nil, err
	}
	ws, err := o.s.webhooks(ctx, o.q, q)
	return ws, o.s.explain(err)
}

func (o *outbox) Enqueue(ctx context.Context, events []webhook.OutboxEvent) ([]string, error) {
	if err := o.check(ctx); err != nil {
		return nil, err
	}
	// insertNew cannot be used, because its error for a duplicate aborts the
	// transaction. The leases are not tracked, because it may be rolled back.
	a, err := o.s.enqueue(ctx, appTx{o.q}, events, false, false)
	return a.had, o.s.explain(err)
}

// appTx marks the Querier of an app's transaction, for the dialect's check and for
// statements that notify.
type appTx struct{ Querier }

// check makes the store's check on the transaction's own connection, which may be
// of another pool, with other settings. It does so in the first transaction of
// the process, or in each one where the dialect's check sets checkEveryTx.
func (o *outbox) check(ctx context.Context) error {
	if o.q == nil {
		return errNoTx
	}
	if err := o.s.usable(ctx); err != nil || o.checked.Load() {
		return err
	}
	if check := o.s.d.check; check != nil && (!o.s.checkedTx.Load() || o.s.checkEveryTx.Load()) {
		if err := check(ctx, o.s, appTx{o.q}); err != nil {
			return err
		}
		o.s.checkedTx.Store(true)
	}
	err := o.s.checkSchema(ctx, o.q)
	if err != nil && o.s.cluster.Load() && !o.s.d.isRetryable(err) {
		// The node may lag behind. Only a connection outside of the
		// transaction can wait for it.
		err = o.s.check(ctx)
	}
	if err != nil {
		return err
	}
	o.checked.Store(true)
	return nil
}

// read runs f outside of a transaction.
func (s *Store) read(ctx context.Context, f func(Querier) error) error {
	return s.retry(ctx, func() error {
		if err := s.check(ctx); err != nil {
			return err
		}
		return f(s.db)
	})
}

// write runs f in a transaction, or without one unless it has several statements.
// It returns nil once the writes are durable.
func (s *Store) write(ctx context.Context, several bool, f func(Querier) error) error {
	return s.retryChecked(ctx, func() error {
		start := time.Now()
		return s.afterWrite(ctx, start, s.db.InTx(ctx, several, f))
	})
}

// retryChecked is retry after check.
func (s *Store) retryChecked(ctx context.Context, f func() error) error {
	return s.retry(ctx, func() error {
		if err := s.check(ctx); err != nil {
			return err
		}
		return f()
	})
}

// A transaction that the database aborts because of another one is tried maxTries
// times at most, and not again after maxRetryTime.
const (
	maxTries     = 20
	maxRetryTime = busyTimeout
)

// retry calls f until it succeeds or returns an error that is not retryable.
func (s *Store) retry(ctx context.Context, f func() error) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	start := time.Now()
	for n := 1; ; n++ {
		err := f()
		if err == nil || n == maxTries || !s.d.isRetryable(err) || time.Since(start) > maxRetryTime {
			return s.explain(err)
		}
		// The delay doubles up to a quarter of a second. Jitter keeps
		// transactions that collided from colliding again.
		if !sleep(ctx, jitter(time.Millisecond<<min(n, 8))) {
			return ctx.Err()
		}
	}
}

// usable returns an error if the store is invalid or ctx has ended.
func (s *Store) usable(ctx context.Context) error {
	if s.invalid != nil {
		return s.invalid
	}
	return ctx.Err()
}

// check returns an error unless the server's settings let the store keep its
// promises, and the tables have this version's schema. After the first success it
// asks no more.
func (s *Store) check(ctx context.Context) error {
	if err := s.usable(ctx); err != nil || s.checked.Load() {
		return err
	}
	var err error
	switch {
	case s.d.check == nil:
	case s.d.oneWriter: // whose transactions begin with a write
		err = s.d.check(ctx, s, s.db)
	default: // in a transaction, because settings belong to a connection
		err = s.db.InTx(ctx, true, func(q Querier) error { return s.d.check(ctx, s, q) })
	}
	if err != nil {
		return err
	}
	if err := s.checkSchema(ctx, s.db); err != nil {
		return err
	}
	s.checked.Store(true)
	return nil
}

// checkSchema returns an error unless the tables have this version's schema. After
// the first success it asks no more.
func (s *Store) checkSchema(ctx context.Context, q Querier) error {
	if s.schemaOK.Load() {
		return nil
	}
	version, err := s.version(ctx, q)
	if err != nil {
		return s.explain(err)
	}
	if err := s.checkVersion(version); err != nil {
		return err
	}
	s.schemaOK.Store(true)
	return nil
}

// checkVersion returns an error unless version is this code's schema.
func (s *Store) checkVersion(version int) error {
	latest := len(s.d.schema)
	switch {
	case version < latest:
		return fmt.Errorf("webhook: the tables %s* have the schema of an older version of this library: call the store's Migrate once", s.prefix)
	case version > latest:
		return s.tooNew(version)
	}
	return nil
}

func (s *Store) tooNew(version int) error {
	return fmt.Errorf("webhook: the tables %s* have schema %d of a newer version of this library; this version has schema %d: update the library", s.prefix, version, len(s.d.schema))
}

// explain adds the remedy to an error about a table that does not exist, once.
func (s *Store) explain(err error) error {
	switch {
	case err == nil || !s.d.isNoTable(err) || errors.As(err, new(*noTableError)):
		return err
	case s.cluster.Load() && s.schemaOK.Load():
		return &noTableError{s.prefix + "* are not on this node of the cluster, which lags behind: retry", err}
	}
	remedy := s.prefix + "* are not in this database: call the store's Migrate once, or run the SQL that its Schema returns"
	if s.d.oneWriter { // SQLite
		remedy += ", and for a database in memory call SetMaxOpenConns(1), since each connection has another one"
	}
	return &noTableError{remedy, err}
}

// A noTableError is a database's error about a missing table, with the remedy.
type noTableError struct {
	remedy string
	err    error
}

func (e *noTableError) Error() string {
	return "webhook: the tables " + e.remedy + ": " + e.err.Error()
}

func (e *noTableError) Unwrap() error { return e.err }
