package dbtest

import (
	"context"
	"fmt"
	"path"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/sqlstore"
	"github.com/listhook/webhook/storetest"
)

// afterALongTransaction calls test on PostgreSQL and MariaDB, with a store in which a
// transaction was committed that had stored deliveries before thousands of others joined
// their lines. For five seconds the store's steps read only the newest events.
func afterALongTransaction(t *testing.T, test func(t *testing.T, store *sqlstore.Store), ds ...webhook.Delivery) {
	for _, database := range []string{"postgres", "mariadb"} {
		t.Run(database, func(t *testing.T) {
			ctx := t.Context()
			var inner sqlstore.Database
			var wait atomic.Bool
			store := plainStores[database](t).WithDatabase(func(d sqlstore.Database) sqlstore.Database {
				inner = d
				return freezing{d, func() {
					if wait.Swap(false) {
						time.Sleep(250 * time.Millisecond) // all events are not read again for five seconds after so slow a step
					}
				}}
			})
			require.NoError(t, store.Migrate(ctx))
			u := use{t, store}
			stored, commit, committed := make(chan struct{}), make(chan struct{}), make(chan error, 1)
			go func() {
				committed <- inner.InTx(ctx, true, func(q sqlstore.Querier) error {
					_, err := store.Outbox(q).Enqueue(ctx, storetest.Events(ds...))
					close(stored)
					<-commit
					return err
				})
			}()
			<-stored
			for batch := range 24 {
				others := make([]webhook.Delivery, 500)
				for i := range others {
					id := fmt.Sprint(batch, " ", i)
					others[i] = keyed(id, id)
					others[i].Due = now.Add(time.Hour)
				}
				u.enqueue(others...)
				wait.Store(batch == 23)
				u.claims(now)
			}
			close(commit)
			require.NoError(t, <-committed)
			test(t, store)
		})
	}
}

// A transaction that was open while thousands of others joined their lines is in its place
// of the line once it is committed: before deliveries that are stored afterwards, even
// when a step reads only the newest events.
func TestALongTransactionKeepsItsPlaceInLine(t *testing.T) {
	afterALongTransaction(t, func(t *testing.T, store *sqlstore.Store) {
		u := use{t, store}
		last := storetest.Events(keyed("last", "k"))
		last[0].Deliveries[0].LeaseUntil = now.Add(time.Hour)
		_, leased, err := store.EnqueueLeasing(t.Context(), last)
		require.NoError(t, err)
		require.Empty(t, leased, "it stands behind the first")
		u.enqueue(keyed("very last", "k"))
		got := u.claim(now)
		require.Contains(t, got, "first")
		require.Subset(t, []string{"first", "of another line"}, got)
	}, keyed("first", "k"), keyed("of another line", "l"))
}

// A delivery of such a transaction that is canceled or erased at once does not stand in its
// line any more, even when a step that reads only the newest events does not see that it
// joined.
func TestWhatALongTransactionStoredLeavesItsLine(t *testing.T) {
	afterALongTransaction(t, func(t *testing.T, store *sqlstore.Store) {
		u := use{t, store}
		lost, err := store.Apply(t.Context(), []webhook.Change{
			{ID: "canceled", State: webhook.StateCanceled, Due: now},
			{ID: "erased", State: webhook.StateCanceled, Due: now, Erase: true},
			{ID: "sent again", State: webhook.StateCanceled, Due: now},
		})
		require.NoError(t, err)
		require.Empty(t, lost)
		u.claims(now)
		another := use{t, store.WithDatabase(func(d sqlstore.Database) sqlstore.Database { return d })}
		another.claims(now) // it reads all events
		require.True(t, u.apply(1, webhook.StatePending, now, "sent again"))
		u.enqueue(keyed("a", "k"), keyed("b", "l"), keyed("c", "m"))
		another.claims(now, "a", "b", "sent again")
		ds, err := store.Deliveries(t.Context(), webhook.DeliveryQuery{All: true, IDs: []string{"canceled", "a"}, Oldest: true})
		require.NoError(t, err)
		require.Len(t, ds, 2)
		require.Positive(t, ds[1].Sequence, "of the one that was canceled")
		require.Greater(t, ds[0].Sequence, ds[1].Sequence)
	}, keyed("canceled", "k"), keyed("erased", "l"), keyed("sent again", "m"))
}

// An open transaction of the app's that emits an event again blocks no new deliveries, claims,
// steps or outcomes.
func TestATransactionThatEmitsAgainHoldsUpNobody(t *testing.T) {
	eachStore(t, func(t *testing.T, open func(prefix string) *handle) {
		if strings.HasPrefix(path.Base(t.Name()), "sqlite") {
			return // which has one writer at a time
		}
		h := migrated(t, open(""))
		u := use{t, h}
		waiting := delivery("waiting")
		waiting.Due = now.Add(time.Minute)
		stored := []webhook.Delivery{waiting, delivery("ready"), keyed("first", "k"), keyed("second", "k"), delivery("leased")}
		u.enqueue(stored[4])
		u.claims(now, "leased")
		u.enqueue(stored[:4]...)
		tx, err := h.begin(t.Context())
		require.NoError(t, err)
		had, err := tx.Enqueue(t.Context(), storetest.Events(stored...))
		require.NoError(t, err)
		require.Len(t, had, 5)
		u.enqueue(delivery("plain"), keyed("another", "l"))
		at := now.Add(2 * time.Minute)
		got := u.claim(at)
		require.Subset(t, got, []string{"waiting", "ready", "first", "leased", "plain", "another"})
		u.deliver(2, "leased")
		u.deliver(1, "waiting", "first", "plain")
		u.claims(at, "second")
		require.NoError(t, tx.commit())
	})
}

// While the call that has the turn at the lines waits for an answer that never comes, claims
// still return deliveries without a key.
func TestACallThatHangsInItsTurnHoldsUpNoClaims(t *testing.T) {
	var hang atomic.Bool
	hung, answer := make(chan struct{}), make(chan struct{})
	store := plainStores["postgres"](t).WithDatabase(func(d sqlstore.Database) sqlstore.Database {
		return hanging{d, func() {
			if hang.Swap(false) {
				close(hung)
				<-answer
			}
		}}
	})
	require.NoError(t, store.Migrate(t.Context()))
	u, done := use{t, store}, make(chan struct{})
	hang.Store(true)
	go func() {
		defer close(done)
		_, _, _ = store.EnqueueLeasing(t.Context(), storetest.Events(keyed("in its turn", "k")))
	}()
	<-hung
	u.enqueue(delivery("plain"), keyed("another", "l"))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ds, err := store.Claim(ctx, webhook.Claim{Now: now, Until: now.Add(time.Minute), Limit: 10, Each: 10})
	require.NoError(t, err)
	require.Len(t, ds, 1)
	require.Equal(t, "plain", ds[0].ID)
	close(answer)
	<-done
	require.Contains(t, u.claim(now), "another")
}

// hanging is a database that calls hang before each transaction.
type hanging struct {
	sqlstore.Database
	hang func()
}

func (h hanging) InTx(ctx context.Context, several bool, do func(sqlstore.Querier) error) error {
	if several {
		h.hang()
	}
	return h.Database.InTx(ctx, several, do)
}
