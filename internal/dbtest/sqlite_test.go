package dbtest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/sqlstore"
	"github.com/listhook/webhook/sqlitestore"
	"github.com/listhook/webhook/storetest"
)

// firsts is a database that notes the first statement of each transaction.
type firsts struct {
	sqlstore.Database
	mu   sync.Mutex
	list []string
}

func (f *firsts) InTx(ctx context.Context, several bool, do func(sqlstore.Querier) error) error {
	return f.Database.InTx(ctx, several, func(q sqlstore.Querier) error { return do(&firstOf{Querier: q, note: f.note}) })
}

func (f *firsts) note(statement string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, statement)
}

type firstOf struct {
	sqlstore.Querier
	note func(string)
	once sync.Once
}

func (f *firstOf) Exec(ctx context.Context, query string, args []any) (int64, error) {
	f.once.Do(func() { f.note(query) })
	return f.Querier.Exec(ctx, query, args)
}

func (f *firstOf) Query(ctx context.Context, query string, args []any, row func(sqlstore.Scan) error) error {
	f.once.Do(func() { f.note(query) })
	return f.Querier.Query(ctx, query, args, row)
}

// A transaction on SQLite that reads first fails when another process writes
// before it does; retries would hide that.
func TestTransactionsOnSQLiteWriteFirst(t *testing.T) {
	ctx := t.Context()
	var noted *firsts
	s := plainStores["sqlite"](t).WithDatabase(func(d sqlstore.Database) sqlstore.Database {
		noted = &firsts{Database: d}
		return noted
	})
	u := use{t, s}
	if err := s.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	for version := range int64(2) { // added, then changed
		if _, err := s.PutWebhook(ctx, webhook.Webhook{ID: "1", Account: "acme", Changed: now, Version: version}); err != nil {
			t.Fatal(err)
		}
	}
	u.enqueue(delivery("ready"), preLeased("pre-leased"))
	u.claims(now, "ready")
	after := leaseEnd.Add(time.Minute) // both leases have ended, and nobody has left them
	u.claims(after, "pre-leased", "ready")
	u.deliver(2, "pre-leased")
	if _, err := s.Apply(ctx, []webhook.Change{{ID: "ready", Lease: 2, State: webhook.StateDelivered, Due: now, Erase: true}}); err != nil {
		t.Fatal(err)
	}
	u.claims(after) // removes what all have left
	if n, err := s.Prune(ctx, webhook.Prune{Before: after, Limit: 10, Deleted: after}); err != nil || n != 2 {
		t.Errorf("pruned %d, and the error is %v; want 2", n, err)
	}

	writes := []string{"create ", "insert ", "update ", "delete ", "with j "} // that is an update's
	for _, statement := range noted.list {
		if !slices.ContainsFunc(writes, func(w string) bool { return strings.HasPrefix(statement, w) }) {
			t.Errorf("a transaction begins with: %s", statement)
		}
	}
	if n := len(noted.list); n < 10 {
		t.Errorf("there were %d transactions, want one at least for each call", n)
	}
}

// Another process's transaction is waited for, and who gives up waiting leaves a
// connection, and the statements that are kept on it, as good as they were.
func TestSQLiteWaitsForOthersTransactions(t *testing.T) {
	for _, driver := range []string{"sqlite", "sqlite3"} { // by modernc, by ncruces
		t.Run(driver, func(t *testing.T) {
			if raced && driver == "sqlite3" {
				t.Skip("one driver is enough for the race detector")
			}
			ctx := t.Context()
			open := sqlite(driver, 1)(t)
			here, other := migrated(t, open("")), migrated(t, open(""))
			u := use{t, here}
			u.enqueue(delivery("first")) // its statement is kept from here on

			tx, err := other.begin(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if err := tx.exec(ctx, `update webhook_deliveries set due = due`); err != nil { // it holds the lock
				t.Fatal(err)
			}
			brief, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			defer cancel()
			if _, err := here.Enqueue(brief, storetest.Events(delivery("given up"))); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("beside another's transaction the error is %v, want the context's", err)
			}
			waited := make(chan error)
			go func() {
				_, err := here.Enqueue(ctx, storetest.Events(delivery("waits")))
				waited <- err
			}()
			select {
			case err := <-waited:
				t.Fatalf("it did not wait for another's transaction; its error is %v", err)
			case <-time.After(300 * time.Millisecond):
			}
			if err := tx.commit(); err != nil {
				t.Fatal(err)
			}
			if err := <-waited; err != nil {
				t.Fatal(err)
			}
			u.enqueue(delivery("then"))
			u.claims(now, "first", "then", "waits")
			u.deliver(1, "first", "then", "waits")
		})
	}
}

// A database in memory ends with its connection, and each connection has another one. Who
// opens one with a pool of several has called Migrate, and must not be told to do so.
func TestADatabaseInMemoryNeedsAPoolOfOneConnection(t *testing.T) {
	db := open(t, "sqlite", ":memory:", 2)
	store := sqlitestore.New(db, nil)
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	busy, err := db.Conn(t.Context()) // that of the tables
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Close() }()
	_, err = store.Webhooks(t.Context(), webhook.WebhookQuery{})
	if err == nil || !strings.Contains(err.Error(), "SetMaxOpenConns(1)") {
		t.Errorf("%v, want what a database in memory needs", err)
	}
}
