package dbtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/sqlstore"
	"github.com/listhook/webhook/storetest"
)

// Failures that are kept for a year do not make pruning what was delivered slower: a
// call that has passed over many of them begins the next one behind them. Six hours later
// one looks at them again.
func TestPrunePassesOverWhatIsKeptLongerOnce(t *testing.T) {
	for database, fresh := range plainStores {
		t.Run(database, func(t *testing.T) {
			var list []recordedStatement
			s := fresh(t).WithDatabase(func(d sqlstore.Database) sqlstore.Database { return recorded{d, &list} })
			require.NoError(t, s.Migrate(t.Context()))
			add := func(n int, state webhook.State, created time.Time) {
				var ds []webhook.Delivery
				for i := range n {
					d := delivery(fmt.Sprint(state, created.Unix(), " ", i))
					d.Created = created.Add(time.Duration(i) * time.Millisecond)
					d.State, d.Due = state, d.Created
					ds = append(ds, d)
				}
				for chunk := range slices.Chunk(ds, 5000) {
					_, err := s.Enqueue(t.Context(), storetest.Events(chunk...))
					require.NoError(t, err)
				}
			}
			start := now.Add(-1000 * time.Hour)
			prune := func(before time.Time, except ...webhook.EventType) (n int, skips bool) {
				list = nil
				n, err := s.Prune(t.Context(), webhook.Prune{
					Before: before, States: []webhook.State{webhook.StateDelivered}, Except: except, Limit: 1000,
				})
				require.NoError(t, err)
				for _, statement := range list {
					if strings.Contains(statement.query, "created < ") {
						skips = strings.Contains(statement.query, "created >=")
					}
				}
				return n, skips
			}
			pruned := func(before time.Time, wantN int, wantSkips bool) {
				t.Helper()
				n, skips := prune(before)
				require.Equal(t, []any{wantN, wantSkips}, []any{n, skips})
			}
			add(sqlstore.PruneSlack/2, webhook.StateFailed, start)
			add(2, webhook.StateDelivered, start.Add(time.Hour))
			pruned(start.Add(2*time.Hour), 2, false)
			add(2, webhook.StateDelivered, start.Add(3*time.Hour))
			pruned(start.Add(4*time.Hour), 2, false) // there were few

			add(sqlstore.PruneSlack/2, webhook.StateFailed, start.Add(5*time.Hour))
			add(2, webhook.StateDelivered, start.Add(6*time.Hour))
			waits := delivery("waits")
			waits.Created, waits.Due = start.Add(7*time.Hour), now
			_, err := s.Enqueue(t.Context(), storetest.Events(waits))
			require.NoError(t, err)
			add(3, webhook.StateDelivered, start.Add(8*time.Hour))
			pruned(start.Add(8*time.Hour).Add(2*time.Millisecond), 4, false)
			pruned(start.Add(9*time.Hour), 1, true)

			// What is pending stands before the cursor until it has ended.
			u := use{t, s}
			u.apply(0, webhook.StateDelivered, start.Add(10*time.Hour), "waits")
			pruned(start.Add(10*time.Hour).Add(time.Millisecond), 1, true)

			// A late one is found by a full scan, or by a call for another selection.
			add(1, webhook.StateDelivered, start.Add(-time.Hour))
			pruned(start.Add(11*time.Hour), 0, true)
			n, skips := prune(start.Add(11*time.Hour), "click")
			require.Equal(t, []any{1, false}, []any{n, skips})
			add(1, webhook.StateDelivered, start.Add(-time.Hour))
			pruned(start.Add(15*time.Hour), 1, false)
			pruned(start.Add(14*time.Hour), 0, false) // whose clock is behind
			count, err := s.Count(t.Context(), webhook.DeliveryQuery{All: true})
			require.NoError(t, err)
			require.Equal(t, sqlstore.PruneSlack, count)
		})
	}
}
