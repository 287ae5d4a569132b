package dbtest

import (
	"database/sql"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/postgresstore"
	"github.com/listhook/webhook/storetest"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
)

var schemas atomic.Int64

// postgresSchema makes a schema for a test, and returns a connection string
// for it.
func postgresSchema(t testing.TB) string {
	t.Helper()
	base := address("LISTHOOK_POSTGRES", "postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable")
	admin, err := sql.Open("pgx", base)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if err := admin.PingContext(t.Context()); err != nil {
		without(t, "postgres", err)
	}
	name := fmt.Sprintf("dbtest_%d_%d", time.Now().UnixNano(), schemas.Add(1))
	if _, err := admin.Exec(`create schema ` + name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		admin, err := sql.Open("pgx", base)
		if err != nil {
			t.Error(err)
			return
		}
		defer admin.Close()
		if _, err := admin.Exec(`drop schema ` + name + ` cascade`); err != nil {
			t.Error(err)
		}
	})
	separator := "?"
	if strings.Contains(base, "?") {
		separator = "&"
	}
	return base + separator + "search_path=" + url.QueryEscape(name)
}

// openPostgres opens a database with a driver.
func openPostgres(t testing.TB, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(8)
	return db
}

func TestPostgres(t *testing.T) {
	for _, driver := range []string{"pgx", "postgres"} {
		t.Run(driver, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) webhook.Store {
				s := postgresstore.New(openPostgres(t, driver, postgresSchema(t)))
				if err := s.Migrate(t.Context()); err != nil {
					t.Fatal(err)
				}
				return s
			})
		})
	}
}
