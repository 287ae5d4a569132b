package sqlstore

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLeaseTracker(t *testing.T) {
	of := func(due int64, ids ...string) *lease {
		l := &lease{due: due, last: due, token: due}
		for _, id := range ids {
			l.deliveries = append(l.deliveries, leasedDelivery{id: id, lease: 1})
		}
		return l
	}
	change := func(lease int64, ids ...string) (rows []row) {
		for _, id := range ids {
			rows = append(rows, row{ID: id, Lease: lease})
		}
		return rows
	}

	t.Run("a lease without outstanding deliveries is returned once", func(t *testing.T) {
		var tracker leaseTracker
		l := of(9, "a", "b")
		tracker.add([]*lease{l})
		tracker.remove(change(1, "a", "a", "other"), nil)
		require.Empty(t, tracker.takeEmpty(0))
		tracker.remove(change(1, "b"), nil)
		require.Equal(t, []*lease{l}, tracker.takeEmpty(0))
		require.Empty(t, tracker.takeEmpty(0))
		require.Empty(t, tracker.deliveries)
	})

	t.Run("a delivery that was not changed stays outstanding", func(t *testing.T) {
		var tracker leaseTracker
		tracker.add([]*lease{of(9, "a")})
		tracker.remove(change(1, "a"), []string{"a"})
		require.Empty(t, tracker.takeEmpty(0))
	})

	t.Run("a delivery that is claimed again leaves its first lease, and a late change under that lease has no effect", func(t *testing.T) {
		var tracker leaseTracker
		first, second := of(9, "a"), of(9, "a")
		second.deliveries[0].lease = 3
		tracker.add([]*lease{first})
		tracker.add([]*lease{second})
		require.Equal(t, []*lease{first}, tracker.takeEmpty(0))
		tracker.remove(change(1, "a"), nil)
		tracker.remove(change(2, "a"), nil)
		require.Empty(t, tracker.takeEmpty(0))
		tracker.remove(change(3, "a"), nil)
		require.Equal(t, []*lease{second}, tracker.takeEmpty(0))
	})

	t.Run("a lease may be added after a later one of the same delivery", func(t *testing.T) {
		var tracker leaseTracker
		first, second := of(9, "a", "b"), of(9, "a")
		second.deliveries[0].lease = 3
		tracker.add([]*lease{second})
		tracker.add([]*lease{first})
		require.Empty(t, tracker.takeEmpty(0))
		tracker.remove(change(1, "b"), nil)
		require.Equal(t, []*lease{first}, tracker.takeEmpty(0))
		tracker.remove(change(3, "a"), nil)
		require.Equal(t, []*lease{second}, tracker.takeEmpty(0))
	})

	t.Run("expired leases are not tracked", func(t *testing.T) {
		var tracker leaseTracker
		tracker.add([]*lease{of(8, "a", "b"), of(9, "c")})
		tracker.remove(change(1, "a"), nil)
		require.Empty(t, tracker.takeEmpty(8))
		tracker.remove(change(1, "b"), nil)
		require.Empty(t, tracker.takeEmpty(8))
		require.Len(t, tracker.deliveries, 1)
		require.Len(t, tracker.active, 1)
	})

	t.Run("a lease beyond maxTracked is not tracked", func(t *testing.T) {
		var tracker leaseTracker
		tracker.add([]*lease{of(9, make([]string, maxTracked+1)...)})
		require.Empty(t, tracker.deliveries)
	})
}
