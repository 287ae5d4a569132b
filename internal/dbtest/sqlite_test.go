package dbtest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/sqlstore"
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
	s := plainStores["sqlite"](t).Behind(func(d sqlstore.Database) sqlstore.Database {
		noted = &firsts{Database: d}
		return noted
	})
	require.NoError(t, s.Migrate(ctx))
	version, err := s.PutWebhook(ctx, webhook.Webhook{ID: "w", Account: "a", Changed: now})
	require.NoError(t, err)
	_, err = s.PutWebhook(ctx, webhook.Webhook{ID: "w", Account: "a", Changed: now, Version: version})
	require.NoError(t, err)

	ready, born := delivery("ready"), delivery("born")
	ready.Due, born.Due, born.Lease = now, now.Add(time.Minute), 1
	_, err = s.Enqueue(ctx, []webhook.Delivery{ready, born})
	require.NoError(t, err)
	claim := func(at time.Time) []webhook.Delivery {
		ds, err := s.Claim(ctx, webhook.Claim{Now: at, Until: at.Add(time.Second), Limit: 10, Each: 10})
		require.NoError(t, err)
		return ds
	}
	require.Len(t, claim(now), 1)
	after := born.Due.Add(time.Minute) // both leases have ended, and nobody has left them
	claimed := claim(after)
	require.Len(t, claimed, 2)
	for _, d := range claimed {
		lost, err := s.Apply(ctx, []webhook.Change{{
			ID: d.ID, Lease: d.Lease, State: webhook.StateDelivered, Due: after, Erase: true, Log: &webhook.Attempt{Start: after},
		}})
		require.NoError(t, err)
		require.Empty(t, lost)
	}
	require.Empty(t, claim(after), "it removes what all have left")
	n, err := s.Prune(ctx, now.Add(time.Hour), 10)
	require.NoError(t, err)
	require.Equal(t, 2, n)

	writes := []string{"create", "insert", "update", "delete", "with j"}
	for _, statement := range noted.list {
		require.True(t, slices.ContainsFunc(writes, func(w string) bool { return strings.HasPrefix(statement, w) }), statement)
	}
	require.GreaterOrEqual(t, len(noted.list), 10)
}
