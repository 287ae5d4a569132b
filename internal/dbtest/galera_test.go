package dbtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/mysqlstore"
	"github.com/listhook/webhook/storetest"
)

// asText is what Galera needs of go-sql-driver/mysql.
const asText = "interpolateParams=true"

func TestGalera(t *testing.T) {
	t.Parallel()
	g := &galeraCluster{nodes: galera(t, 2)}
	t.Run("migrate in several processes on both nodes at once", g.testMigrate)
	t.Run("prepared statements are refused", g.testPrepared)
	t.Run("what commits in transactions that collide has its events", g.testEmitTx)
	t.Run("a node that lags behind is waited for", g.testLag)
	t.Run("settings that keep writes on one node are refused", g.testSettings)
	t.Run("lines under load", func(t *testing.T) {
		underLoad(t, false, false, func() func(int) *handle { return g.create(t) })
	})
	t.Run("store", func(t *testing.T) {
		suiteOf(t, storage{again: true, empty: emptyMariaDB}, g.create).Run(t)
	})
}

// A galeraCluster has two nodes.
type galeraCluster struct{ nodes []*mariadbd }

// create makes a database, and returns what opens it on a node.
func (g *galeraCluster) create(t testing.TB) func(node int) *handle {
	t.Helper()
	database := g.nodes[0].create(t)
	g.current(t, 1)
	return func(node int) *handle {
		return mysqlHandle(open(t, "mysql", g.nodes[node].source(database, asText), 8), "")
	}
}

// current waits until a node has all that was committed on the other.
func (g *galeraCluster) current(t testing.TB, node int) {
	t.Helper()
	must(t, g.nodes[node].root(t), `set statement wsrep_sync_wait = 1 for select 1`)
}

func (g *galeraCluster) testMigrate(t *testing.T) {
	for range 4 {
		open := g.create(t)
		var wg sync.WaitGroup
		for i := range 6 {
			h := open(i % 2)
			wg.Go(func() {
				if err := h.Migrate(t.Context()); err != nil {
					t.Error(err)
				}
				if _, err := h.Enqueue(t.Context(), storetest.Events(delivery("d"))); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := count(t, open(1)); n != 1 {
			t.Errorf("there are %d deliveries, want 1", n)
		}
	}
}

// With prepared statements a transaction that another node aborts may lose its
// first half, and commit.
func (g *galeraCluster) testPrepared(t *testing.T) {
	const mend = "interpolateParams=true"
	ctx := t.Context()
	database := g.nodes[0].create(t)
	migrated(t, mysqlHandle(open(t, "mysql", g.nodes[0].source(database, asText), 8), ""))
	prepares := func() *handle {
		return mysqlHandle(open(t, "mysql", g.nodes[0].source(database, ""), 8), "")
	}
	says(t, prepares().Migrate(ctx), mend)
	for name, call := range calls(ctx) {
		t.Run(name, func(t *testing.T) { says(t, call(prepares()), mend) })
	}

	// The app's transactions may come from another pool than the store's.
	store := mysqlstore.New(open(t, "mysql", g.nodes[0].source(database, asText), 8), nil)
	good, bad := open(t, "mysql", g.nodes[0].source(database, asText), 8), open(t, "mysql", g.nodes[0].source(database, ""), 8)
	for range 2 {
		tx, err := good.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Tx(tx).Enqueue(ctx, storetest.Events(delivery("d"))); err != nil {
			t.Error(err)
		}
		if err := tx.Commit(); err != nil {
			t.Error(err)
		}
		if tx, err = bad.Begin(); err != nil {
			t.Fatal(err)
		}
		_, err = store.Tx(tx).Enqueue(ctx, storetest.Events(delivery("e")))
		says(t, err, mend)
		_, err = store.Tx(tx).Webhooks(ctx, webhook.WebhookQuery{All: true})
		says(t, err, mend)
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
}

// calls are those of a store that a process may begin with.
func calls(ctx context.Context) map[string]func(webhook.Store) error {
	return map[string]func(webhook.Store) error{
		"Enqueue": func(s webhook.Store) error {
			_, err := s.Enqueue(ctx, storetest.Events(delivery("d")))
			return err
		},
		"Claim": func(s webhook.Store) error {
			_, err := s.Claim(ctx, webhook.Claim{Now: now, Until: now, Limit: 1, Each: 1})
			return err
		},
		"Apply": func(s webhook.Store) error {
			_, err := s.Apply(ctx, []webhook.Change{{ID: "d"}})
			return err
		},
		"PutWebhook": func(s webhook.Store) error {
			_, err := s.PutWebhook(ctx, webhook.Webhook{ID: "1"})
			return err
		},
		"Webhooks": func(s webhook.Store) error {
			_, err := s.Webhooks(ctx, webhook.WebhookQuery{All: true})
			return err
		},
		"Deliveries": func(s webhook.Store) error {
			_, err := s.Deliveries(ctx, webhook.DeliveryQuery{All: true})
			return err
		},
		"Count": func(s webhook.Store) error {
			_, err := s.Count(ctx, webhook.DeliveryQuery{All: true})
			return err
		},
		"Prune": func(s webhook.Store) error {
			_, err := s.Prune(ctx, webhook.Prune{Before: now, Limit: 1, Deleted: now})
			return err
		},
	}
}

// Transactions of the app's write the same row on both nodes, so that most are
// aborted by the other node's. What was committed has its event, and nothing
// else has. A transaction's first and last statement, and the row that all write, say
// that it was committed as a whole.
func (g *galeraCluster) testEmitTx(t *testing.T) {
	ctx := t.Context()
	openOn := g.create(t)
	first := migrated(t, openOn(0))
	for _, statement := range []string{
		`create table app (id int primary key, n int not null)`,
		`create table begun (id varchar(99) primary key)`,
		`create table done (id varchar(99) primary key)`,
		`insert into app values (1, 0)`,
	} {
		if err := first.exec(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	g.current(t, 1)
	const workers, rounds = 4, 60
	var mu sync.Mutex
	committed := map[string]bool{}
	aborted := 0
	var wg sync.WaitGroup
	for w := range workers {
		h := openOn(w % 2)
		wg.Go(func() {
			for round := range rounds {
				id := fmt.Sprintf("%d-%d", w, round)
				err := inTx(ctx, h, func(tx transaction) error {
					if err := tx.exec(ctx, `insert into begun values ('`+id+`')`); err != nil {
						return err
					}
					if err := tx.exec(ctx, `update app set n = n + 1 where id = 1`); err != nil {
						return err
					}
					if _, err := tx.Enqueue(ctx, storetest.Events(delivery(id))); err != nil {
						return err
					}
					return tx.exec(ctx, `insert into done values ('`+id+`')`)
				})
				var number *mysql.MySQLError
				mu.Lock()
				switch {
				case err == nil:
					committed[id] = true
				case errors.As(err, &number) && number.Number == 1213:
					aborted++
				default:
					t.Error(err)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.Logf("%d transactions were committed and %d aborted", len(committed), aborted)
	if len(committed) == 0 || aborted == 0 {
		t.Error("none was committed, or none aborted: the test has shown nothing")
	}
	for node := range g.nodes {
		h := openOn(node)
		ds, err := h.Deliveries(ctx, webhook.DeliveryQuery{All: true, Brief: true})
		if err != nil {
			t.Fatal(err)
		}
		for id := range committed {
			if !slices.ContainsFunc(ds, func(d webhook.Delivery) bool { return d.ID == id }) {
				t.Errorf("node %d has no event of the transaction %s, which was committed", node, id)
			}
		}
		if n, err := h.number(ctx, `select n from app`); err != nil || n != len(committed) {
			t.Errorf("node %d: the row that all write says %d, and %d were committed; the error is %v", node, n, len(committed), err)
		}
		for _, table := range []string{"begun", "done"} {
			if n, err := h.number(ctx, `select count(*) from `+table); err != nil || n != len(committed) || len(ds) != n {
				t.Errorf("node %d: %s says %d, there are %d events, and %d were committed; the error is %v", node, table, n, len(ds), len(committed), err)
			}
		}
	}
}

func inTx(ctx context.Context, h *handle, f func(transaction) error) error {
	tx, err := h.begin(ctx)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		_ = tx.rollback()
		return err
	}
	return tx.commit()
}

// A process on a node that has not applied the tables yet is not told to call
// Migrate, and one sees a webhook that was put on another node.
func (g *galeraCluster) testLag(t *testing.T) {
	ctx := t.Context()
	database := g.nodes[0].create(t)
	g.current(t, 1)
	on := func(node int) *handle {
		return mysqlHandle(open(t, "mysql", g.nodes[node].source(database, asText), 8), "")
	}
	// behind calls something on the second node after do was done on the first,
	// while the second has not applied it.
	behind := func(h *handle, do func(), call func(*handle) error) error {
		t.Helper()
		release := g.nodes[1].hold(t)
		do()
		done := make(chan error, 1)
		go func() { done <- call(h) }()
		waits := g.nodes[1].root(t)
		for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
			n := 0
			err := waits.QueryRowContext(ctx, `select count(*) from information_schema.processlist where info like 'set statement wsrep_sync_wait = 7%'`).Scan(&n)
			if err != nil || n > 0 || len(done) > 0 || time.Now().After(end) {
				release()
				if err != nil {
					t.Fatal(err)
				}
				return <-done
			}
		}
	}
	sees := func(id string) func(*handle) error {
		return func(h *handle) error {
			ws, err := h.Webhooks(ctx, webhook.WebhookQuery{All: true, IDs: []string{id}})
			if err == nil && len(ws) != 1 {
				err = fmt.Errorf("the node has %d webhooks %s", len(ws), id)
			}
			return err
		}
	}
	first, second := on(0), on(1)
	put := func(id string) {
		if _, err := first.PutWebhook(ctx, webhook.Webhook{ID: id, Account: "acme"}); err != nil {
			t.Error(err)
		}
	}
	if err := behind(second, func() { migrated(t, first); put("1") }, sees("1")); err != nil {
		t.Errorf("just after Migrate on another node: %v", err)
	}
	if err := behind(second, func() { put("2") }, sees("2")); err != nil {
		t.Errorf("just after PutWebhook on another node: %v", err)
	}
	enqueue := func() {
		if _, err := first.Enqueue(ctx, storetest.Events(delivery("d"))); err != nil {
			t.Error(err)
		}
	}
	err := behind(second, enqueue, func(h *handle) error {
		lost, err := h.Apply(ctx, []webhook.Change{{ID: "d", State: webhook.StateDelivered, Due: now}})
		if err == nil && len(lost) > 0 {
			err = errors.New("its change is lost")
		}
		return err
	})
	if err != nil {
		t.Errorf("just after Enqueue on another node: %v", err)
	}
}

func (g *galeraCluster) testSettings(t *testing.T) {
	database := g.nodes[0].create(t)
	h := migrated(t, mysqlHandle(open(t, "mysql", g.nodes[0].source(database, asText), 8), ""))
	for params, setting := range map[string]string{
		"&wsrep_on=0":                          "wsrep_on",
		"&wsrep_osu_method=%27RSU%27":          "wsrep_osu_method",
		"&autocommit=0":                        "autocommit",
		"&sql_mode=%27%27":                     "sql_mode",
		"&tx_isolation=%27READ-UNCOMMITTED%27": "tx_isolation",
	} {
		other := mysqlHandle(open(t, "mysql", g.nodes[0].source(database, asText+params), 8), "")
		_, err := other.Enqueue(t.Context(), storetest.Events(delivery("d")))
		says(t, err, setting+" is")
		says(t, other.Migrate(t.Context()), setting+" is")
	}
	if n := count(t, h); n != 0 {
		t.Errorf("there are %d deliveries, want none", n)
	}
}
