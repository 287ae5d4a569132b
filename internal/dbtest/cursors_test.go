package dbtest

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/sqlstore"
	"github.com/listhook/webhook/storetest"
)

// slow is a database with slow scans for due deliveries and for ready webhooks, as if
// a dump kept it from removing deleted rows.
type slow struct {
	slowQuerier
	db sqlstore.Database
}

func (s slow) InTx(ctx context.Context, several bool, f func(sqlstore.Querier) error) error {
	return s.db.InTx(ctx, several, func(q sqlstore.Querier) error { return f(slowQuerier{q}) })
}

type slowQuerier struct{ sqlstore.Querier }

func (s slowQuerier) Query(ctx context.Context, query string, args []any, row func(sqlstore.Scan) error) error {
	switch {
	case strings.Contains(query, "select not exists"):
		time.Sleep(sqlstore.SlowDueScan + time.Millisecond)
	case strings.Contains(query, "with recursive walk"):
		time.Sleep(sqlstore.SlowReadyScan + time.Millisecond)
	}
	return s.Querier.Query(ctx, query, args, row)
}

// plainStores are internal/sqlstore's stores on each database, for tests that wrap the
// database.
var plainStores = map[string]func(*testing.T) *sqlstore.Store{
	"sqlite": func(t *testing.T) *sqlstore.Store {
		db := open(t, "sqlite", "file:"+filepath.Join(t.TempDir(), "app.db"), 8)
		return sqlstore.NewSQLite(db, sqlstore.DefaultPrefix, "FULL")
	},
	"postgres": func(t *testing.T) *sqlstore.Store {
		return sqlstore.NewPostgres(open(t, "pgx", postgres(t), 8), sqlstore.DefaultPrefix, false)
	},
	"mariadb": func(t *testing.T) *sqlstore.Store {
		return sqlstore.NewMariaDB(open(t, "mysql", mariadb(t), 8), sqlstore.DefaultPrefix, false)
	},
}

// A single process keeps every rule while its scans begin at the cursors.
func TestStoreWithScansFromTheCursors(t *testing.T) {
	if raced {
		t.Skip("most of it is sleep, and the race detector sees the same code in TestStore")
	}
	t.Parallel()
	slowed := func(db *sql.DB, s *sqlstore.Store) *handle {
		s = s.WithDatabase(func(d sqlstore.Database) sqlstore.Database { return slow{slowQuerier{d}, d} })
		return sqlHandle(db, s, nil)
	}
	for name, c := range map[string]struct {
		create func(testing.TB) func(process int) *handle
		empty  []string
	}{
		"sqlite": {func(t testing.TB) func(int) *handle {
			file := "file:" + filepath.Join(t.TempDir(), "app.db")
			return func(int) *handle {
				db := open(t, "sqlite", file, 8)
				return slowed(db, sqlstore.NewSQLite(db, sqlstore.DefaultPrefix, "FULL"))
			}
		}, nil},
		"postgres": {func(t testing.TB) func(int) *handle {
			dsn := postgres(t)
			return func(int) *handle {
				db := open(t, "pgx", dsn, 8)
				return slowed(db, sqlstore.NewPostgres(db, sqlstore.DefaultPrefix, false))
			}
		}, emptyPostgres},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := suiteOf(t, storage{again: true, empty: c.empty}, c.create)
			s.Second, s.Reopen = nil, nil
			s.Run(t)
		})
	}
}

// Deliveries that another process makes ready are claimed too: at once for webhooks
// that had none, and soon where they are behind a position.
func TestScansFromTheCursorsFindOtherProcessesDeliveries(t *testing.T) {
	ctx, dsn := t.Context(), postgres(t)
	here := sqlstore.NewPostgres(open(t, "pgx", dsn, 8), sqlstore.DefaultPrefix, false).
		WithDatabase(func(d sqlstore.Database) sqlstore.Database { return slow{slowQuerier{d}, d} })
	there := sqlstore.NewPostgres(open(t, "pgx", dsn, 8), sqlstore.DefaultPrefix, false)
	if err := here.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	enqueue := func(webhookID, id string, due time.Time) {
		t.Helper()
		d := delivery(id)
		d.WebhookID, d.Due = webhookID, due
		if _, err := there.Enqueue(ctx, storetest.Events(d)); err != nil {
			t.Fatal(err)
		}
	}
	claimed := func() int {
		t.Helper()
		ds, err := here.Claim(ctx, webhook.Claim{Now: now, Until: now.Add(time.Hour), Limit: 99, Each: 99})
		if err != nil {
			t.Fatal(err)
		}
		return len(ds)
	}
	enqueue("5", "first", now.Add(-time.Second))
	if n := claimed(); n != 1 {
		t.Fatalf("claimed %d, want 1", n)
	}
	for _, id := range []string{"1", "2", "6", "7", "8"} {
		enqueue(id, "of "+id, now.Add(-time.Second))
	}
	if n := claimed(); n != 5 {
		t.Errorf("claimed %d, want one of each of five webhooks", n)
	}
	enqueue("5", "urgent", now.AddDate(-1, 0, 0))
	for deadline := time.Now().Add(10 * time.Second); claimed() == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the urgent delivery was not claimed")
		}
	}
}
