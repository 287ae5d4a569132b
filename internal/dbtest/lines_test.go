package dbtest

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/sqlstore"
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
