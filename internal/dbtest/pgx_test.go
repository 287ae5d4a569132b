package dbtest

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/listhook/webhook"
	"github.com/listhook/webhook/pgxstore"
	"github.com/listhook/webhook/storetest"
)

// openPgx opens a pool.
func openPgx(t testing.TB, dsn string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func TestPgx(t *testing.T) {
	storetest.Run(t, func(t *testing.T) webhook.Store {
		s := pgxstore.New(openPgx(t, postgresSchema(t)))
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		return s
	})
}
