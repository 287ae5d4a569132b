// Package dbtest holds the drivers that the stores are tested with, so that
// the library's users are not made to have them.
package dbtest

import (
	"cmp"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// address returns where a server is: what the environment variable says, else
// the default.
func address(variable, otherwise string) string {
	return cmp.Or(os.Getenv(variable), otherwise)
}

// without ends a test because a server is missing: it is skipped, unless
// LISTHOOK_REQUIRE names the server, among others separated by commas.
func without(t testing.TB, server string, err error) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("LISTHOOK_REQUIRE"), ","), server) {
		t.Fatalf("LISTHOOK_REQUIRE names %s, which does not answer: %v", server, err)
	}
	t.Skipf("%s does not answer: %v", server, err)
}

var made atomic.Int64

// name returns one for a schema or database that nobody else has.
func name() string { return fmt.Sprintf("listhook_%d_%d", os.Getpid(), made.Add(1)) }

// open opens a database, for as long as the test lasts.
func open(t testing.TB, driver, dsn string, conns int) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(conns)
	return db
}

// must runs a statement.
func must(t testing.TB, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

// postgres makes a schema for a test, and returns a connection string for it.
// The server is that of LISTHOOK_POSTGRES.
func postgres(t testing.TB) string {
	t.Helper()
	base, err := url.Parse(address("LISTHOOK_POSTGRES", "postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable"))
	if err != nil {
		t.Fatal(err)
	}
	admin := open(t, "pgx", base.String(), 1)
	if err := admin.PingContext(t.Context()); err != nil {
		without(t, "postgres", err)
	}
	schema := name()
	must(t, admin, `create schema `+schema)
	t.Cleanup(func() { must(t, admin, `drop schema `+schema+` cascade`) })
	query := base.Query()
	query.Set("search_path", schema)
	base.RawQuery = query.Encode()
	return base.String()
}

// mariadb makes a database for a test, and returns a data source name for it.
// The server is that of LISTHOOK_MARIADB.
func mariadb(t testing.TB) string {
	t.Helper()
	config, err := mysql.ParseDSN(address("LISTHOOK_MARIADB", "root@tcp(127.0.0.1:3306)/"))
	if err != nil {
		t.Fatal(err)
	}
	admin := open(t, "mysql", config.FormatDSN(), 1)
	if err := admin.PingContext(t.Context()); err != nil {
		without(t, "mariadb", err)
	}
	config.DBName = name()
	// The default character set is one that holds little, so that a statement
	// that relies on it fails.
	must(t, admin, `create database `+config.DBName+` character set latin1`)
	t.Cleanup(func() { must(t, admin, `drop database `+config.DBName) })
	return config.FormatDSN()
}
