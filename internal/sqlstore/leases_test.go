package sqlstore

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTenants(t *testing.T) {
	of := func(due int64, ids ...string) *lease {
		l := &lease{due: due, last: due, token: due}
		for _, id := range ids {
			l.of = append(l.of, leased{id, 1})
		}
		return l
	}
	change := func(lease int64, ids ...string) (rows []row) {
		for _, id := range ids {
			rows = append(rows, row{ID: id, Lease: lease})
		}
		return rows
	}

	t.Run("a lease is vacant when all have left it, and once", func(t *testing.T) {
		var ts tenants
		l := of(9, "a", "b")
		ts.enter([]*lease{l})
		ts.changed(change(1, "a", "a", "other"), nil)
		require.Empty(t, ts.vacant(0))
		ts.changed(change(1, "b"), nil)
		require.Equal(t, []*lease{l}, ts.vacant(0))
		require.Empty(t, ts.vacant(0))
		require.Empty(t, ts.of)
	})

	t.Run("who could not be changed has not left", func(t *testing.T) {
		var ts tenants
		ts.enter([]*lease{of(9, "a")})
		ts.changed(change(1, "a"), []string{"a"})
		require.Empty(t, ts.vacant(0))
	})

	t.Run("who is claimed again has left, and a late word of before is not taken for one of now", func(t *testing.T) {
		var ts tenants
		first, second := of(9, "a"), of(9, "a")
		second.of[0].lease = 3
		ts.enter([]*lease{first})
		ts.enter([]*lease{second})
		require.Equal(t, []*lease{first}, ts.vacant(0))
		ts.changed(change(1, "a"), nil)
		ts.changed(change(2, "a"), nil)
		require.Empty(t, ts.vacant(0))
		ts.changed(change(3, "a"), nil)
		require.Equal(t, []*lease{second}, ts.vacant(0))
	})

	t.Run("a lease may be noted after a later one of the same delivery", func(t *testing.T) {
		var ts tenants
		first, second := of(9, "a", "b"), of(9, "a")
		second.of[0].lease = 3
		ts.enter([]*lease{second})
		ts.enter([]*lease{first})
		require.Empty(t, ts.vacant(0))
		ts.changed(change(1, "b"), nil)
		require.Equal(t, []*lease{first}, ts.vacant(0))
		ts.changed(change(3, "a"), nil)
		require.Equal(t, []*lease{second}, ts.vacant(0))
	})

	t.Run("what has ended is forgotten", func(t *testing.T) {
		var ts tenants
		ts.enter([]*lease{of(8, "a", "b"), of(9, "c")})
		ts.changed(change(1, "a"), nil)
		require.Empty(t, ts.vacant(8))
		ts.changed(change(1, "b"), nil)
		require.Empty(t, ts.vacant(8))
		require.Len(t, ts.of, 1)
		require.Len(t, ts.open, 1)
	})

	t.Run("of more than can be known nothing is", func(t *testing.T) {
		var ts tenants
		ts.enter([]*lease{of(9, make([]string, tenantsMost+1)...)})
		require.Empty(t, ts.of)
	})
}

func TestLeasesOfABatch(t *testing.T) {
	b := batch{token: 7, rows: []row{
		{ID: "a", Lease: 1, Due: 5_300, Queue: isLeased},
		{ID: "b", Lease: 1, Due: 5_100, Queue: isLeased},
		{ID: "was there", Lease: 1, Due: 5_000, Queue: isLeased},
		{ID: "waits", Due: 5_100, Queue: isWaiting},
		{ID: "c", Lease: 4, Due: 6_000, Queue: isLeased},
	}}
	require.Equal(t, []*lease{
		{due: 5_100, last: 5_300, token: 7, of: []leased{{"a", 1}, {"b", 1}}},
		{due: 6_000, last: 6_000, token: 7, of: []leased{{"c", 4}}},
	}, b.leases([]string{"was there"}))
}
