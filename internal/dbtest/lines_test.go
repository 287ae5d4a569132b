package dbtest

import (
	"context"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/sqlstore"
	"github.com/listhook/webhook/storetest"
)

// A process with an older version of the library knows no lines: what it ends blocks its
// line until the next Prune.
func TestPruneRepairsLines(t *testing.T) {
	each(t, func(t *testing.T, open func(prefix string) *handle) {
		h := migrated(t, open(""))
		u := use{t, h}
		for _, id := range []string{"a", "b", "c"} {
			d := delivery(id)
			d.Key = "k"
			u.enqueue(d)
		}
		u.claims(now, "a")
		require.NoError(t, h.exec(t.Context(), `update webhook_deliveries set state = 'delivered', lease = lease + 1 where id = 'a'`))
		u.claims(now)
		_, err := h.Prune(t.Context(), webhook.Prune{Limit: 10})
		require.NoError(t, err)
		u.claims(now, "b")
		u.deliver(1, "b")
		u.claims(now, "c")
	})
}

// A transaction of the app's that stays open holds up nobody, not even in tables that are
// nearly empty, where reading a row may lock the gap behind it.
func TestAnOpenTransactionHoldsUpNobody(t *testing.T) {
	eachStore(t, func(t *testing.T, open func(prefix string) *handle) {
		if strings.HasPrefix(path.Base(t.Name()), "sqlite") {
			return // which has one writer at a time
		}
		h := migrated(t, open(""))
		u := use{t, h}
		tx, err := h.begin(t.Context())
		require.NoError(t, err)
		first := keyed("first", "k")
		first.Subjects = []string{"s"}
		first.Created = now.Add(2 * time.Hour) // nothing of that time is pruned
		_, err = tx.Enqueue(t.Context(), storetest.Events(first))
		require.NoError(t, err)
		for _, id := range []string{"a", "m", "z"} {
			d := keyed(id, "k")
			d.Subjects = []string{"s", id}
			u.enqueue(d)
			u.claims(now, id)
			u.deliver(1, id)
		}
		later := delivery("later")
		later.Due = now.Add(time.Minute)
		u.enqueue(later, keyed("left", "l"), keyed("behind", "l"), delivery("plain"))
		u.claims(now.Add(time.Minute), "later", "left", "plain")
		u.claims(now.Add(2*time.Minute), "later", "left", "plain") // their leases have ended
		lost, err := h.Apply(t.Context(), []webhook.Change{
			{ID: "left", Lease: 2, State: webhook.StatePending, Due: now.Add(time.Hour), LeaveLine: true},
			{ID: "plain", Lease: 2, State: webhook.StatePending, Due: now.Add(time.Hour), Log: &webhook.Attempt{Status: 500, Reason: "it failed"}},
			{ID: "later", Lease: 2, State: webhook.StateCanceled, Due: now, Erase: true},
		})
		require.NoError(t, err)
		require.Empty(t, lost)
		u.claims(now.Add(2*time.Minute), "behind")
		u.deliver(1, "behind")
		_, err = h.PutWebhook(t.Context(), webhook.Webhook{ID: "another", Account: "acme"})
		require.NoError(t, err)
		n, err := h.Prune(t.Context(), webhook.Prune{Before: now.Add(time.Hour), Limit: 3, Deleted: now})
		require.NoError(t, err)
		require.Equal(t, 3, n)
		_, err = h.Prune(t.Context(), webhook.Prune{Before: now.Add(time.Hour), Limit: 100})
		require.NoError(t, err)
		require.NoError(t, tx.commit())
		u.enqueue(keyed("last", "k"))
		u.claims(now, "first")
	})
}

func keyed(id, key string) webhook.Delivery {
	d := delivery(id)
	d.Key = key
	return d
}

// While a process is frozen in a step, others claim what has no key. The server ends the
// session of the frozen one, and the lines go on.
func TestAFrozenProcessDoesNotHoldLinesForLong(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes ten seconds")
	}
	t.Parallel()
	for _, database := range []string{"postgres", "mariadb"} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			plain := plainStores[database](t)
			require.NoError(t, plain.Migrate(t.Context()))
			u, thawed, frozen := use{t, plain}, make(chan struct{}), make(chan struct{})
			keyed := delivery("keyed")
			keyed.Key = "k"
			u.enqueue(keyed, delivery("plain"))
			freezes := plain.WithDatabase(func(d sqlstore.Database) sqlstore.Database {
				return freezing{d, sync.OnceFunc(func() { close(frozen); <-thawed })}
			})
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, _ = freezes.Claim(t.Context(), webhook.Claim{Now: now, Until: now, Limit: 1, Each: 1})
			}()
			<-frozen
			var got []string
			for len(got) < 2 && t.Context().Err() == nil {
				got = append(got, u.claim(now)...)
				if len(got) == 0 {
					t.Fatal("nothing was claimed while the lock was held")
				}
			}
			require.Equal(t, []string{"plain", "keyed"}, got)
			close(thawed)
			<-done
		})
	}
}

// freezing is a database that stops in a step, after the lock is taken.
type freezing struct {
	sqlstore.Database
	freeze func()
}

func (f freezing) InTx(ctx context.Context, several bool, do func(sqlstore.Querier) error) error {
	return f.Database.InTx(ctx, several, func(q sqlstore.Querier) error { return do(freezingQuerier{q, f.freeze}) })
}

type freezingQuerier struct {
	sqlstore.Querier
	freeze func()
}

func (f freezingQuerier) Query(ctx context.Context, query string, args []any, row func(sqlstore.Scan) error) error {
	if strings.Contains(query, "from webhook_line_events where n >=") {
		f.freeze()
	}
	return f.Querier.Query(ctx, query, args, row)
}
