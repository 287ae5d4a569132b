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

// slow is a database that takes long to look at what has come due, as one does
// that keeps what was removed for the sake of a dump.
type slow struct{ sqlstore.Database }

func (s slow) Query(ctx context.Context, query string, args []any, row func(sqlstore.Scan) error) error {
	if strings.HasPrefix(query, "select not exists") {
		time.Sleep(sqlstore.LooksLong + time.Millisecond)
	}
	return s.Database.Query(ctx, query, args, row)
}

// A store that no longer looks at the whole front of what waits keeps every
// rule all the same, as long as this process is the only one.
func TestStoreThatStepsPastTheFront(t *testing.T) {
	storetest.Suite{
		Timeout: 5 * time.Minute,
		Open: func(t *testing.T) webhook.Store {
			db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "app.db"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			s := sqlstore.NewSQLiteOn(db, sqlstore.DefaultPrefix, func(d sqlstore.Database) sqlstore.Database { return slow{d} })
			if err := s.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			return s
		},
	}.Run(t)
}
