package dbtest

import (
	"path/filepath"
	"testing"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/matrix"
	"github.com/listhook/webhook/postgresstore"
	"github.com/listhook/webhook/sqlitestore"
)

func TestMisbehavingReceivers(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		matrix.Run(t, func(t *testing.T) webhook.Store {
			s := sqlitestore.New(openSQLite(t, "sqlite", filepath.Join(t.TempDir(), "test.db"), 8))
			if err := s.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			return s
		})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		matrix.Run(t, func(t *testing.T) webhook.Store {
			s := postgresstore.New(openPostgres(t, "pgx", postgresSchema(t)))
			if err := s.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			return s
		})
	})
}
