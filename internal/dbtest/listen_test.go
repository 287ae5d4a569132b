package dbtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/lib/pq"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/pgxstore"
	"github.com/listhook/webhook/postgresstore"
	"github.com/listhook/webhook/storetest"
)

// A commit in one process wakes another, whichever store commits and listens, unless
// what it commits is in the committer's own hands.
func TestListenWakes(t *testing.T) {
	for name, listen := range map[string]func(ctx context.Context, t *testing.T, dsn, prefix string, wake func()) error{
		"pgxstore": func(ctx context.Context, t *testing.T, dsn, prefix string, wake func()) error {
			return pgxstore.New(openPool(t, dsn), &pgxstore.Options{Prefix: prefix}).Listen(ctx, wake)
		},
		"lib/pq": func(ctx context.Context, t *testing.T, dsn, prefix string, wake func()) error {
			store := postgresstore.New(open(t, "postgres", dsn, 2), &postgresstore.Options{Prefix: prefix})
			listener := pq.NewListener(dsn, 100*time.Millisecond, 10*time.Second, nil)
			return postgresstore.Listen(ctx, store, listener, wake)
		},
	} {
		t.Run(name, func(t *testing.T) {
			testListenWakes(t, func(ctx context.Context, dsn, prefix string, wake func()) error {
				return listen(ctx, t, dsn, prefix, wake)
			})
		})
	}
}

// Apps set BeforeConnect for passwords that are valid for minutes only.
func TestListenConnectsAsThePoolDoes(t *testing.T) {
	config, err := pgxpool.ParseConfig(postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	database := config.ConnConfig.Database
	config.ConnConfig.Database = name()
	config.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
		c.Database = database
		return nil
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	listens, ended := make(chan struct{}, 1), make(chan error, 1)
	go func() { ended <- pgxstore.New(pool, nil).Listen(ctx, func() { listens <- struct{}{} }) }()
	select {
	case <-listens:
	case <-time.After(30 * time.Second):
		t.Error("it does not listen")
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Listen returned %v, want the context's error", err)
	}
}

func testListenWakes(t *testing.T, listen func(ctx context.Context, dsn, prefix string, wake func()) error) {
	dsn := postgres(t)
	application := name()
	// A channel is the whole database's, so the prefix is this test's own.
	prefix := name() + "_"
	other := postgresstore.New(open(t, "pgx", dsn, 2), &postgresstore.Options{Prefix: prefix})
	if err := other.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	woken, ended := make(chan struct{}, 100), make(chan error, 1)
	go func() {
		ended <- listen(ctx, dsn+"&application_name="+application, prefix, func() { woken <- struct{}{} })
	}()
	wait := func(why string) {
		t.Helper()
		select {
		case <-woken:
		case <-time.After(30 * time.Second):
			t.Fatal("not woken by " + why)
		}
	}
	wait("the beginning")

	leased := delivery("leased")
	leased.Lease, leased.Due = 1, now.Add(time.Minute)
	keyed := delivery("keyed")
	keyed.Key = "ann"
	for _, c := range []struct {
		what  string
		store webhook.Store
		d     webhook.Delivery
	}{
		{"postgresstore", other, delivery("a")},
		{"pgxstore", pgxstore.New(openPool(t, dsn), &pgxstore.Options{Prefix: prefix}), delivery("b")},
		{"postgresstore of one with a key", other, keyed},
		{"leased", other, leased},
	} {
		if _, err := c.store.Enqueue(t.Context(), storetest.Events(c.d)); err != nil {
			t.Fatal(err)
		}
		if c.what != "leased" {
			wait("a commit by " + c.what)
		}
	}
	if _, err := other.Enqueue(t.Context(), storetest.Events(delivery("c"))); err != nil {
		t.Fatal(err)
	}
	wait("the last commit")

	// A transaction of the app's wakes when its process says that it is committed.
	d, err := webhook.New(other, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.AddWebhook(t.Context(), webhook.Webhook{Settings: webhook.Settings{
		URL: "https://example.com/hook", Events: webhook.EventTypes(), Sources: webhook.Sources(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	db := open(t, "pgx", dsn, 1)
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	events := []webhook.Event{webhook.Sample(webhook.TypeOpen), webhook.Sample(webhook.TypeSubscribe)} // the second has a key
	if err := d.EmitTx(t.Context(), other.Tx(tx), events...); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	d.Wake()
	wait("Wake after the app's transaction")
	if n := len(woken); n != 0 {
		t.Errorf("woken %d times too often", n)
	}

	// The connection is cut: it listens again, and wakes for what it missed.
	cut := `select pg_terminate_backend(pid) from pg_stat_activity where query ilike 'listen%' and application_name = '` + application + `'`
	must(t, open(t, "pgx", dsn, 1), cut)
	wait("the new connection")

	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Listen returned %v, want the context's error", err)
	}
}
