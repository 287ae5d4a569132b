package dbtest

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/pgxstore"
	"github.com/listhook/webhook/storetest"
)

// roundTrips counts the batches and the queries that a pool sends.
type roundTrips struct{ batches, queries int }

func (r *roundTrips) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	r.batches++
	return ctx
}
func (*roundTrips) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (*roundTrips) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}
func (r *roundTrips) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	r.queries++
	return ctx
}
func (*roundTrips) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// By pgx, the lock on the lines is held for one round trip: the transaction that stores
// deliveries with a key, and the one that stores their outcomes, are sent at once. The wait
// for the disk comes behind it.
func TestByPgxTheLockOnLinesIsHeldForOneRoundTrip(t *testing.T) {
	var sent roundTrips
	dsn := postgres(t)
	config, err := pgxpool.ParseConfig(dsn + "&pool_max_conns=1")
	require.NoError(t, err)
	config.ConnConfig.Tracer = &sent
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	s := pgxstore.New(pool, nil)
	u := use{t, s}
	require.NoError(t, s.Migrate(t.Context()))
	keyed := func(ids ...string) (ds []webhook.Delivery) {
		for _, id := range ids {
			d := delivery(id)
			d.Key, d.Joined = id, now
			ds = append(ds, d)
		}
		return ds
	}
	u.enqueueLeasing(keyed("first")...) // checks the server and the schema

	sent = roundTrips{}
	u.enqueueLeasing(keyed("a", "b", "c")...)
	require.Equal(t, roundTrips{batches: 1, queries: 1}, sent)
	sent = roundTrips{}
	u.deliver(1, "a", "b", "c")
	require.Equal(t, roundTrips{batches: 1, queries: 1}, sent)

	// While another process has the lock, they are stored as events of lines. The
	// transaction that waited in vain leaves the connection as it was.
	other, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	const lock = `select pg_advisory_lock(hashtextextended(current_schema() || 'listhook lines webhook_', 0))`
	_, err = other.Exec(t.Context(), lock)
	require.NoError(t, err)
	events := storetest.Events(keyed("d")...)
	events[0].Deliveries[0].LeaseUntil = now.Add(time.Minute)
	had, leased, err := s.EnqueueLeasing(t.Context(), events)
	require.NoError(t, err)
	require.Empty(t, had)
	require.Empty(t, leased)
	require.NoError(t, other.Close(t.Context()))
	require.Contains(t, u.claim(now), "d")
	require.EqualValues(t, 1, pool.Stat().NewConnsCount())

	// A statement that fails leaves nothing, and the connection as it was.
	exec := func(statement string) {
		_, err := pool.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
	s = pgxstore.New(pool, nil) // which has not waited for the lock
	exec(`alter table webhook_lines add constraint refused check (id <> 'refused')`)
	events[0].Deliveries[0].ID, events[0].Deliveries[0].Key = "refused", "refused"
	_, _, err = s.EnqueueLeasing(t.Context(), events)
	require.ErrorContains(t, err, "refused")
	exec(`alter table webhook_lines drop constraint refused`)
	require.EqualValues(t, 1, pool.Stat().NewConnsCount())
	n, err := s.Count(t.Context(), webhook.DeliveryQuery{All: true, IDs: []string{"refused"}})
	require.NoError(t, err)
	require.Zero(t, n)

	// If the context ends while the server waits for the lock, the server may carry the
	// transaction out all the same, once.
	other, err = pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	_, err = other.Exec(t.Context(), lock)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, _, err = s.EnqueueLeasing(ctx, events)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, other.Close(t.Context()))
	s = pgxstore.New(pool, nil)
	u = use{t, s}
	_, _, err = s.EnqueueLeasing(t.Context(), events)
	require.NoError(t, err)
	u.deliver(1, "refused")

	// The statements of a large transaction are sent one by one.
	large := keyed("large")
	large[0].Body = make([]byte, 100<<10)
	_, _ = rand.Read(large[0].Body)
	sent = roundTrips{}
	u.enqueueLeasing(large...)
	require.Equal(t, roundTrips{queries: 5}, sent)
}
