package dbtest

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/listhook/webhook"
	"github.com/listhook/webhook/mysqlstore"
	"github.com/listhook/webhook/storetest"
)

// mysqlDatabase makes a database for a test, and returns a data source name
// for it.
func mysqlDatabase(t testing.TB) string {
	t.Helper()
	config, err := mysql.ParseDSN(address("LISTHOOK_MARIADB", "root@tcp(127.0.0.1:3306)/"))
	if err != nil {
		t.Fatal(err)
	}
	admin := openMySQL(t, config.FormatDSN())
	if err := admin.PingContext(t.Context()); err != nil {
		without(t, "mariadb", err)
	}
	name := fmt.Sprintf("dbtest_%d_%d", time.Now().UnixNano(), schemas.Add(1))
	// The default character set is one that holds little, so that a statement
	// that relies on it fails.
	if _, err := admin.Exec(`create database ` + name + ` character set latin1`); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := admin.Exec(`drop database ` + name); err != nil {
			t.Error(err)
		}
	})
	config.DBName = name
	return config.FormatDSN()
}

// openMySQL opens a database.
func openMySQL(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(8)
	return db
}

func TestMySQL(t *testing.T) {
	storetest.Run(t, func(t *testing.T) webhook.Store {
		s := mysqlstore.New(openMySQL(t, mysqlDatabase(t)))
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		return s
	})
}
