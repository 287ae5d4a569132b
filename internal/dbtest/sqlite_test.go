package dbtest

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/sqlitestore"
	"github.com/listhook/webhook/storetest"

	_ "github.com/ncruces/go-sqlite3/driver"
	_ "modernc.org/sqlite"
)

// openSQLite opens a file with a driver and a pool of a size.
func openSQLite(t *testing.T, driver, file string, conns int) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(conns)
	return db
}

func TestSQLite(t *testing.T) {
	for _, c := range []struct {
		name, driver string
		conns        int
	}{
		{"modernc, one connection", "sqlite", 1},
		{"modernc, several connections", "sqlite", 8},
		{"ncruces, one connection", "sqlite3", 1},
		{"ncruces, several connections", "sqlite3", 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) webhook.Store {
				s := sqlitestore.New(openSQLite(t, c.driver, filepath.Join(t.TempDir(), "test.db"), c.conns))
				if err := s.Migrate(t.Context()); err != nil {
					t.Fatal(err)
				}
				return s
			})
		})
	}
}
