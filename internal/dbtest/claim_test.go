package dbtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/sqlstore"
	"github.com/listhook/webhook/pgxstore"
	"github.com/listhook/webhook/storetest"
)

// interrupted is a database with whose claims something happens between the
// statement that leases the first deliveries and the next one that does.
type interrupted struct {
	interruptedQuerier
	db sqlstore.Database
}

func (i interrupted) InTx(ctx context.Context, several bool, f func(sqlstore.Querier) error) error {
	return i.db.InTx(ctx, several, func(q sqlstore.Querier) error {
		i.Querier = q
		return f(i.interruptedQuerier)
	})
}

type interruptedQuerier struct {
	sqlstore.Querier
	takes  *int
	happen func() error
}

func (i interruptedQuerier) Query(ctx context.Context, query string, args []any, row func(sqlstore.Scan) error) error {
	if err := i.take(query); err != nil {
		return err
	}
	return i.Querier.Query(ctx, query, args, row)
}

func (i interruptedQuerier) Exec(ctx context.Context, query string, args []any) (int64, error) {
	if err := i.take(query); err != nil {
		return 0, err
	}
	return i.Querier.Exec(ctx, query, args)
}

func (i interruptedQuerier) take(query string) error {
	if !strings.Contains(query, "lease = lease + 1, due =") {
		return nil
	}
	if *i.takes++; *i.takes == 2 {
		return i.happen()
	}
	return nil
}

// tracer interrupts the statements of a pgx pool. A statement that it interrupts
// with an error fails, because its context has ended.
type tracer struct{ interrupt func(query string) error }

func (t *tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, start pgx.TraceQueryStartData) context.Context {
	if t.interrupt == nil || t.interrupt(start.SQL) == nil {
		return ctx
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	return ended
}

func (t *tracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// claimStore is a store, and the same store with interrupted claims.
type claimStore struct {
	store
	interrupted func(takes *int, happen func() error) webhook.Store
}

func onSQL(s *sqlstore.Store) claimStore {
	return claimStore{s, func(takes *int, happen func() error) webhook.Store {
		return s.WithDatabase(func(d sqlstore.Database) sqlstore.Database {
			return interrupted{interruptedQuerier{d, takes, happen}, d}
		})
	}}
}

// claimStores are stores on each database, on PostgreSQL by each driver, whose
// connections there have the name of an application.
func claimStores(application string) map[string]func(*testing.T) claimStore {
	named := func(t *testing.T) string { return postgres(t) + "&application_name=" + application }
	return map[string]func(*testing.T) claimStore{
		"sqlite":  func(t *testing.T) claimStore { return onSQL(plainStores["sqlite"](t)) },
		"mariadb": func(t *testing.T) claimStore { return onSQL(plainStores["mariadb"](t)) },
		"postgres by pgx's database/sql": func(t *testing.T) claimStore {
			return onSQL(sqlstore.NewPostgres(open(t, "pgx", named(t), 8), sqlstore.DefaultPrefix, false))
		},
		"postgres by pq": func(t *testing.T) claimStore {
			return onSQL(sqlstore.NewPostgres(open(t, "postgres", named(t), 8), sqlstore.DefaultPrefix, false))
		},
		"postgres by pgxpool": func(t *testing.T) claimStore {
			config, err := pgxpool.ParseConfig(named(t))
			if err != nil {
				t.Fatal(err)
			}
			var tr tracer
			config.ConnConfig.Tracer = &tr
			pool, err := pgxpool.NewWithConfig(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(pool.Close)
			s := pgxstore.New(pool, nil)
			return claimStore{s, func(takes *int, happen func() error) webhook.Store {
				tr.interrupt = interruptedQuerier{nil, takes, happen}.take
				return s
			}}
		},
	}
}

// Nobody comes for what was leased by a claim that failed, until the lease ends.
func TestAClaimThatFailsHalfwayLeasesNothingForNobody(t *testing.T) {
	errBroken := errors.New("the second statement fails")
	application := name()
	for name, fresh := range claimStores(application) {
		for _, c := range []struct {
			what   string
			happen func(t *testing.T, cancel context.CancelFunc) error
		}{
			{"a statement fails", func(*testing.T, context.CancelFunc) error { return errBroken }},
			{"the context ends", func(_ *testing.T, cancel context.CancelFunc) error { cancel(); return nil }},
			{"the server ends the connection", func(t *testing.T, _ context.CancelFunc) error {
				if !strings.HasPrefix(name, "postgres") {
					return errBroken
				}
				endConnections(t, application)
				return nil
			}},
		} {
			t.Run(name+"/"+c.what, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				plain, takes := fresh(t), 0
				if err := plain.Migrate(t.Context()); err != nil {
					t.Fatal(err)
				}
				var ds []webhook.Delivery
				for _, w := range []string{"after", "before"} {
					for i := range 3 {
						ds = append(ds, webhook.Delivery{
							ID: fmt.Sprint(w, i), WebhookID: w, EventID: fmt.Sprint(i), Type: webhook.TypeOpen,
							Created: now, State: webhook.StatePending, Due: now,
						})
					}
				}
				if _, err := plain.Enqueue(t.Context(), storetest.Events(ds...)); err != nil {
					t.Fatal(err)
				}
				s := plain.interrupted(&takes, func() error { return c.happen(t, cancel) })
				// Two turns, from one webhook on and then from the start: two
				// statements that lease.
				got, err := s.Claim(ctx, webhook.Claim{Now: now, Until: now.Add(time.Minute), After: "after", Limit: 6, Each: 3})
				if takes != 2 {
					t.Fatalf("%d statements lease something: two were to", takes)
				}
				claimed := map[string]bool{}
				for _, d := range got {
					claimed[d.ID] = true
				}
				if err != nil && len(got) > 0 {
					t.Errorf("a claim returned an error and %d deliveries", len(got))
				}
				stored, err := plain.Deliveries(t.Context(), webhook.DeliveryQuery{All: true})
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range stored {
					if leased := d.Lease > 0; leased != claimed[d.ID] {
						t.Errorf("%s: leased %t, returned by the claim %t", d.ID, leased, claimed[d.ID])
					}
				}
			})
		}
	}
}

// endConnections ends the connections of an application.
func endConnections(t *testing.T, application string) {
	db, err := sql.Open("pgx", address("LISTHOOK_POSTGRES", "postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1`, application); err != nil {
		t.Fatal(err)
	}
}
