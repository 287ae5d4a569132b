package dbtest

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/sqlstore"
	"github.com/listhook/webhook/storetest"
)

// slow is a database that takes long to look at what has come due and for
// lanes, as one does that keeps what was removed for the sake of a dump.
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
		time.Sleep(sqlstore.LooksLong + time.Millisecond)
	case strings.Contains(query, "with recursive walk"):
		time.Sleep(sqlstore.LanesLong + time.Millisecond)
	}
	return s.Querier.Query(ctx, query, args, row)
}

// A store that no longer looks at the whole front of what waits, nor for lanes
// from their beginnings, keeps every rule all the same, as long as this process
// is the only one.
func TestStoreThatStepsPastTheFront(t *testing.T) {
	for name, fresh := range map[string]func(*testing.T) *sqlstore.Store{
		"sqlite": func(t *testing.T) *sqlstore.Store {
			db := open(t, "sqlite", "file:"+filepath.Join(t.TempDir(), "app.db"), 8)
			return sqlstore.NewSQLite(db, sqlstore.DefaultPrefix, "FULL")
		},
		"postgres": func(t *testing.T) *sqlstore.Store {
			return sqlstore.NewPostgres(open(t, "pgx", postgres(t), 8), sqlstore.DefaultPrefix)
		},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Suite{
				Timeout: 5 * time.Minute,
				Open: func(t *testing.T) webhook.Store {
					s := fresh(t).Behind(func(d sqlstore.Database) sqlstore.Database { return slow{slowQuerier{d}, d} })
					if err := s.Migrate(t.Context()); err != nil {
						t.Fatal(err)
					}
					return s
				},
			}.Run(t)
		})
	}
}
