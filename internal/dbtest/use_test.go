package dbtest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/storetest"
)

// A use is a store in a test, where an error ends the test.
type use struct {
	*testing.T
	store interface {
		webhook.Store
		Migrate(ctx context.Context) error
	}
}

func (u use) enqueue(ds ...webhook.Delivery) {
	u.Helper()
	if _, err := u.store.Enqueue(u.Context(), storetest.Events(ds...)); err != nil {
		u.Fatal(err)
	}
}

// enqueueApart enqueues n deliveries in calls of some each, whose leases end so far apart
// that each has a row of its own.
func (u use) enqueueApart(n, each int) {
	u.Helper()
	var ds []webhook.Delivery
	for i := range n {
		d := preLeased(fmt.Sprintf("%04d", i))
		d.Created = now.Add(-time.Hour) // a lease does not end before
		d.Due = d.Due.Add(-time.Duration(i%each)*2*time.Second - time.Duration(i*i%97)*time.Millisecond)
		ds = append(ds, d)
	}
	for chunk := range slices.Chunk(ds, each) {
		u.enqueue(chunk...)
	}
}

// claim returns the ids of what it claims at a time, in order.
func (u use) claim(at time.Time) (ids []string) {
	u.Helper()
	ds, err := u.store.Claim(u.Context(), webhook.Claim{Now: at, Until: at.Add(30 * time.Second), Limit: 9999, Each: 9999})
	if err != nil {
		u.Error(err) // not only the test's own goroutine claims
	}
	for _, d := range ds {
		ids = append(ids, d.ID)
	}
	slices.Sort(ids)
	return ids
}

// apply stores an outcome and reports whether it was not lost.
func (u use) apply(lease int64, state webhook.State, due time.Time, ids ...string) bool {
	u.Helper()
	var cs []webhook.Change
	for _, id := range ids {
		cs = append(cs, webhook.Change{ID: id, Lease: lease, State: state, Due: due})
	}
	lost, err := u.store.Apply(u.Context(), cs)
	if err != nil {
		u.Fatal(err)
	}
	return len(lost) == 0
}

// deliver stores that deliveries of a lease arrived.
func (u use) deliver(lease int64, ids ...string) {
	u.Helper()
	if !u.apply(lease, webhook.StateDelivered, now, ids...) {
		u.Fatal("an outcome was lost")
	}
}

// pending checks what is pending, in three ways.
func (u use) pending(want ...string) {
	u.Helper()
	q := webhook.DeliveryQuery{All: true, States: []webhook.State{webhook.StatePending}, Oldest: true}
	for _, q.Webhook = range []string{"", "1"} {
		ds, err := u.store.Deliveries(u.Context(), q)
		if err != nil {
			u.Fatal(err)
		}
		var ids []string
		for _, d := range ds {
			ids = append(ids, d.ID)
		}
		n, err := u.store.Count(u.Context(), q)
		if err != nil {
			u.Fatal(err)
		}
		if !slices.Equal(ids, want) || n != len(want) {
			u.Errorf("of the webhook %q, %q are pending, and %d are counted; want %q", q.Webhook, ids, n, want)
		}
	}
	q.Webhook = "2"
	if n, err := u.store.Count(u.Context(), q); err != nil || n != 0 {
		u.Errorf("of a webhook without deliveries, %d are pending, and the error is %v", n, err)
	}
}

func (u use) claims(at time.Time, want ...string) {
	u.Helper()
	if got := u.claim(at); !slices.Equal(got, want) {
		u.Errorf("claimed %q, want %q", got, want)
	}
}
