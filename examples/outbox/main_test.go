package main

import (
	"cmp"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const want = `rolled back: bob@example.com
committed: ann@example.com
the receiver got: ann@example.com
the log has: subscribe, delivered
`

func TestOnlyWhatIsCommittedIsDelivered(t *testing.T) {
	tests := []struct {
		store, driver string
		dsn           func(*testing.T) string
	}{
		{"sqlite", "sqlite", func(t *testing.T) string { return t.TempDir() + "/app.db" }},
		{"postgres", "pgx", postgres},
		{"pgx", "pgx", postgres},
		{"mariadb", "mysql", mariadb},
	}
	for _, test := range tests {
		t.Run(test.store, func(t *testing.T) {
			dsn := test.dsn(t)
			for range 2 { // what one run leaves is in no other's way
				var out strings.Builder
				require.NoError(t, run(t.Context(), &out, test.store, dsn))
				assert.Equal(t, want, out.String())
			}
			emails := ""
			db := openDB(t, test.driver, dsn)
			rows, err := db.Query(`select email from outbox_subscribers`)
			require.NoError(t, err)
			defer rows.Close()
			for rows.Next() {
				var email string
				require.NoError(t, rows.Scan(&email))
				emails += email + " "
			}
			require.NoError(t, rows.Err())
			assert.Equal(t, "ann@example.com ann@example.com ", emails, "the business rows")
		})
	}
}

func TestATemporaryFileIsRemoved(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	var out strings.Builder
	require.NoError(t, run(t.Context(), &out, "sqlite", ""))
	assert.Equal(t, want, out.String())
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func openDB(t *testing.T, driver, dsn string) *sql.DB {
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

// server returns a connection to a server, on which name is free to be made.
// Without the server the test is skipped, unless LISTHOOK_REQUIRE names it.
func server(t *testing.T, word, driver, dsn string) (db *sql.DB, name string) {
	db = openDB(t, driver, dsn)
	if err := db.PingContext(t.Context()); err != nil {
		if slices.Contains(strings.Split(os.Getenv("LISTHOOK_REQUIRE"), ","), word) {
			t.Fatalf("LISTHOOK_REQUIRE names %s, which does not answer: %v", word, err)
		}
		t.Skipf("%s does not answer: %v", word, err)
	}
	_, test, _ := strings.Cut(t.Name(), "/")
	return db, fmt.Sprintf("listhook_outbox_%s_%d", test, os.Getpid())
}

// postgres makes a schema for the test.
func postgres(t *testing.T) string {
	base, err := url.Parse(cmp.Or(os.Getenv("LISTHOOK_POSTGRES"), postgresURL))
	require.NoError(t, err)
	db, schema := server(t, "postgres", "pgx", base.String())
	_, err = db.Exec(`create schema ` + schema)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := db.Exec(`drop schema ` + schema + ` cascade`)
		assert.NoError(t, err)
	})
	query := base.Query()
	query.Set("search_path", schema)
	base.RawQuery = query.Encode()
	return base.String()
}

// mariadb makes a database for the test.
func mariadb(t *testing.T) string {
	config, err := mysql.ParseDSN(cmp.Or(os.Getenv("LISTHOOK_MARIADB"), "root@tcp(127.0.0.1:3306)/"))
	require.NoError(t, err)
	config.DBName = ""
	db, name := server(t, "mariadb", "mysql", config.FormatDSN())
	_, err = db.Exec(`create database ` + name)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := db.Exec(`drop database ` + name)
		assert.NoError(t, err)
	})
	config.DBName = name
	return config.FormatDSN()
}
