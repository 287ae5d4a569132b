package sqlstore

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLeasesOfABatch(t *testing.T) {
	b := batch{token: 7, rows: []row{
		{ID: "a", Lease: 1, Due: 5_300, Queue: queueLeased},
		{ID: "b", Lease: 1, Due: 5_100, Queue: queueLeased},
		{ID: "was there", Lease: 1, Due: 5_000, Queue: queueLeased},
		{ID: "waits", Due: 5_100, Queue: queueWaiting},
		{ID: "c", Lease: 4, Due: 6_000, Queue: queueLeased},
	}}
	require.Equal(t, []*lease{
		{due: 5_100, last: 5_300, token: 7, deliveries: []leasedDelivery{{id: "a", lease: 1}, {id: "b", lease: 1}}},
		{due: 6_000, last: 6_000, token: 7, deliveries: []leasedDelivery{{id: "c", lease: 4}}},
	}, b.leases([]string{"was there"}))
}
