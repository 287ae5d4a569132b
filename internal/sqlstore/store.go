// Package sqlstore is the one implementation behind the stores on SQL
// databases.
//
// What a database calls by words of its own is in its dialect: a few strings.
// All that happens, in which order and why, is in Go, and the same for all.
//
// A batch of any size is one statement with two parameters: @rows, a JSON
// array of an object a row, and @bytes, the rows' bodies one after another,
// which the objects name by offset and length. That is neither bound by a
// database's limit of parameters, nor does it encode bytes as text.
//
// Times are stored as milliseconds since 1970; the zero time is a number far
// below, and compares as it should.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/listhook/webhook"
)

// busyTimeout is how long a writer waits for other processes' on SQLite.
const busyTimeout = 10 * time.Second

// DefaultPrefix is what the tables' names begin with unless told otherwise.
const DefaultPrefix = "webhook_"

// Store is a webhook.Store on a SQL database.
type Store struct {
	db     Database
	d      *dialect
	prefix string
	sql    statements
	wrong  error // why it cannot be used at all

	calls   atomic.Uint64
	clock   clock
	front   horizon
	trail   trail
	tenants tenants

	// What check and an outbox's check need not ask again.
	fit     atomic.Bool // the schema is there, and of a version that this code knows
	known   atomic.Bool // so is all on the store's own connections
	knownTx atomic.Bool // and on one in a transaction of the app's, where the dialect has a check
	everyTx atomic.Bool // each of the app's transactions is checked; the dialect's check sets it

	// Of PostgreSQL; see written.
	awaits atomic.Bool // commits wait for standbys
	doubt  atomic.Bool // a write has failed, so that commits may not be confirmed

	relaxed bool         // the last commits may be undone by a crash
	cluster *atomic.Bool // of MariaDB: the server is a node of a Galera cluster
}

var _ webhook.Store = (*Store)(nil)

var validPrefix = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,31}$`)

// New returns a Store on db.
func newStore(db Database, d *dialect, prefix string) *Store {
	s := &Store{db: db, d: d, prefix: prefix, sql: d.statements(prefix), cluster: new(atomic.Bool)}
	if !validPrefix.MatchString(prefix) {
		s.wrong = &webhook.InvalidError{Field: "Prefix", Reason: "must be a letter or an underscore and then letters, digits and underscores, 32 at most"}
	}
	return s
}

// NewSQLite returns a Store on a SQLite file, whose commits are as durable as
// synchronous says: FULL or NORMAL.
func NewSQLite(db *sql.DB, prefix, synchronous string) *Store {
	s := newStore(newFile(db, synchronous), &sqlite, prefix)
	if db == nil {
		s.wrong = errNoDatabase
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

// NewPostgres returns a Store on PostgreSQL by database/sql. Unless it is
// relaxed, it refuses a server that may lose what it has acknowledged.
func NewPostgres(db *sql.DB, prefix string, relaxed bool) *Store {
	s := newPool(db, &postgres, prefix)
	s.relaxed = relaxed
	return s
}

// NewMySQL returns a Store on MariaDB. Unless it is relaxed, it refuses a server
// whose commits a crash may undo.
func NewMySQL(db *sql.DB, prefix string, relaxed bool) *Store {
	s := newPool(db, &mysql, prefix)
	s.db, s.relaxed = server{conn{db}, db, s.cluster}, relaxed
	return s
}

// NewPostgresOn is NewPostgres by db.
func NewPostgresOn(db Database, prefix string, relaxed bool) *Store {
	s := newStore(db, &postgres, prefix)
	s.relaxed = relaxed
	return s
}

func newPool(db *sql.DB, d *dialect, prefix string) *Store {
	s := newStore(pool{conn{db}, db}, d, prefix)
	if db == nil {
		s.wrong = errNoDatabase
	}
	return s
}

var errNoDatabase = errors.New("webhook: the store has no database: it was given nil")

// Channel returns the name under which PostgreSQL notifies of what is due, in
// tables with a prefix.
func Channel(prefix string) string { return prefix + "wake" }

// Tx returns an Outbox in the caller's transaction tx.
func (s *Store) Tx(tx Conn) webhook.Outbox { return s.Outbox(conn{tx}) }

// Outbox is Tx for a transaction that is not database/sql's.
func (s *Store) Outbox(tx Querier) webhook.Outbox { return &outbox{s: s, q: tx} }

// outbox is an Outbox in a transaction of the caller's. It neither ends it nor
// tries again what fails: on PostgreSQL a failed statement spoils the whole
// transaction, so that an error is always returned.
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

func (o *outbox) Enqueue(ctx context.Context, ds []webhook.Delivery) ([]string, error) {
	if err := o.check(ctx); err != nil {
		return nil, err
	}
	// An error for a duplicate could not be undone, and what may be rolled back
	// is not known as leased.
	had, _, err := o.s.enqueue(ctx, o.q, ds, false)
	return had, o.s.explain(err)
}

// appTx tells the dialect's check that it is asked of a transaction of the app's.
type appTx struct{ Querier }

// check is the store's check on the transaction's own connection, which may be
// of another pool, with other settings. It is made in the first transaction of
// the process, or in each where the dialect asks for that.
func (o *outbox) check(ctx context.Context) error {
	if err := o.s.usable(ctx); err != nil || o.checked.Load() {
		return err
	}
	if check := o.s.d.check; check != nil && (!o.s.knownTx.Load() || o.s.everyTx.Load()) {
		if err := check(ctx, o.s, appTx{o.q}); err != nil {
			return err
		}
		o.s.knownTx.Store(true)
	}
	err := o.s.checkSchema(ctx, o.q)
	if err != nil && o.s.cluster.Load() {
		// The node may lag behind, for which a connection outside of a
		// transaction can wait.
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
	return s.try(ctx, func() error {
		if err := s.check(ctx); err != nil {
			return err
		}
		return f(s.db)
	})
}

// write runs f in a transaction, which one statement is by itself. It returns
// nil once that is durable.
func (s *Store) write(ctx context.Context, several bool, f func(Querier) error) error {
	return s.transact(ctx, func() error {
		start := time.Now()
		return s.written(ctx, start, s.db.InTx(ctx, several, f))
	})
}

// transact has f write.
func (s *Store) transact(ctx context.Context, f func() error) error {
	return s.try(ctx, func() error {
		if err := s.check(ctx); err != nil {
			return err
		}
		return f()
	})
}

// A transaction that the database broke off because of others' is tried so
// often, and for so long.
const (
	attempts = 20
	patience = busyTimeout
)

// try calls f until it succeeds or fails for a reason of its own.
func (s *Store) try(ctx context.Context, f func() error) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	start := time.Now()
	for n := 1; ; n++ {
		err := f()
		if err == nil || n == attempts || !s.d.isBrokenOff(err) || time.Since(start) > patience {
			return s.explain(err)
		}
		// Twice as long each time, up to a quarter of a second, and by
		// chance, so that those who collided do not collide again.
		if !sleep(ctx, jitter(time.Millisecond<<min(n, 8))) {
			return ctx.Err()
		}
	}
}

// usable returns an error if there is no sense in beginning.
func (s *Store) usable(ctx context.Context) error {
	if s.wrong != nil {
		return s.wrong
	}
	return ctx.Err()
}

// check returns an error unless the store can keep its promises on the server
// that its connections lead to, and Migrate was run there, by this version of
// the library or by one with the same schema. It asks until it was told so once.
func (s *Store) check(ctx context.Context) error {
	if err := s.usable(ctx); err != nil || s.known.Load() {
		return err
	}
	if s.d.check != nil { // on one connection, as settings are of a session
		err := s.db.InTx(ctx, true, func(q Querier) error { return s.d.check(ctx, s, q) })
		if err != nil {
			return err
		}
	}
	if err := s.checkSchema(ctx, s.db); err != nil {
		return err
	}
	s.known.Store(true)
	return nil
}

// checkSchema reads the schema's version, until it was the right one once.
func (s *Store) checkSchema(ctx context.Context, q Querier) error {
	if s.fit.Load() {
		return nil
	}
	version, err := s.version(ctx, q)
	if err != nil {
		return s.explain(err)
	}
	if err := s.fits(version); err != nil {
		return err
	}
	s.fit.Store(true)
	return nil
}

// fits returns an error for a schema that this code cannot work with.
func (s *Store) fits(version int) error {
	latest := len(s.d.schema)
	switch {
	case version < latest:
		return fmt.Errorf("webhook: the tables %s* are those of an older version of this library: call the store's Migrate once", s.prefix)
	case version > latest:
		return s.tooNew(version)
	}
	return nil
}

func (s *Store) tooNew(version int) error {
	return fmt.Errorf("webhook: the tables %s* have schema %d, made by a newer version of this library, which knows more than schema %d: update the library", s.prefix, version, len(s.d.schema))
}

// explain makes of an error about a table that does not exist one that says
// how to mend it.
func (s *Store) explain(err error) error {
	switch {
	case err == nil || !s.d.isNoTable(err):
		return err
	case s.cluster.Load() && s.fit.Load():
		return fmt.Errorf("webhook: the tables %s* are not on this node of the cluster, which lags behind: begin again: %w", s.prefix, err)
	default:
		return fmt.Errorf("webhook: the tables %s* are not in this database: call the store's Migrate once, or run the SQL that its Schema returns: %w", s.prefix, err)
	}
}
