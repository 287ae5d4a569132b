package dbtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/sqlstore"
	"github.com/listhook/webhook/storetest"
)

// leaseEnd is when what is leased here may be claimed by others.
var leaseEnd = now.Add(30 * time.Second)

// preLeased returns a delivery that is enqueued with its lease taken.
func preLeased(id string) webhook.Delivery {
	d := delivery(id)
	d.Lease, d.Due = 1, leaseEnd
	return d
}

// leases returns how many rows there are for leases.
func leases(t *testing.T, h *handle) int {
	t.Helper()
	n, err := h.number(t.Context(), `select count(*) from webhook_leases`)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestLeases(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(t *testing.T, h *handle, here, there use){
		"a pre-leased delivery is claimed by another process after its lease has expired": func(t *testing.T, h *handle, here, there use) {
			here.enqueue(preLeased("a"), preLeased("b"))
			there.claims(leaseEnd.Add(-time.Millisecond))
			there.claims(leaseEnd, "a", "b")
			here.claims(leaseEnd)
			if here.apply(1, webhook.StateDelivered, now, "a") {
				t.Error("an outcome was stored under a lease that another has taken")
			}
			here.claims(leaseEnd.Add(30*time.Second), "a", "b")
		},
		"what has its outcome is nobody's": func(t *testing.T, h *handle, here, there use) {
			here.enqueue(preLeased("a"), preLeased("b"), preLeased("c"))
			here.deliver(1, "a", "c")
			here.claims(now)
			there.claims(leaseEnd, "b")
		},
		"who lost an outcome did not store it": func(t *testing.T, h *handle, here, there use) {
			here.enqueue(preLeased("a"))
			if here.apply(7, webhook.StateDelivered, now, "a") {
				t.Fatal("an outcome was stored under a lease that was not taken")
			}
			here.claims(now)
			there.claims(leaseEnd, "a")
		},
		"leases that end close together are claimed each when it ends": func(t *testing.T, h *handle, here, there use) {
			var ds []webhook.Delivery
			for i := range 3 {
				d := preLeased(fmt.Sprint(i))
				d.Due = d.Due.Add(time.Duration(i) * time.Millisecond)
				ds = append(ds, d)
			}
			here.enqueue(ds...)
			if n := leases(t, h); n != 1 {
				t.Errorf("they have %d rows, want one", n)
			}
			for i := range 3 {
				there.claims(leaseEnd.Add(time.Duration(i)*time.Millisecond), fmt.Sprint(i))
			}
		},
		"what is given back and leased again until the same time is there once": func(t *testing.T, h *handle, here, there use) {
			here.enqueue(preLeased("a"))
			there.apply(1, webhook.StatePending, now, "a") // so that the first lease stays, too
			here.pending("a")
			here.claims(now, "a")
			here.pending("a")
			there.claims(leaseEnd, "a")
			there.claims(leaseEnd)
			here.pending("a")
		},
		"what waits until the end of its lease is there once": func(t *testing.T, h *handle, here, there use) {
			here.enqueue(preLeased("a"), preLeased("b"))
			here.apply(1, webhook.StatePending, leaseEnd, "a")
			here.pending("a", "b")
			there.claims(leaseEnd, "a", "b")
			here.pending("a", "b")
			there.claims(leaseEnd)
		},
		"what is pending is counted once, leased or not": func(t *testing.T, h *handle, here, there use) {
			waits, due := delivery("waits"), delivery("due")
			waits.Due = leaseEnd
			here.enqueue(preLeased("a pre-leased"), due, waits)
			here.pending("a pre-leased", "due", "waits")
			there.claims(now, "due")
			here.pending("a pre-leased", "due", "waits")
			here.deliver(1, "due")
			here.pending("a pre-leased", "waits")
			here.deliver(1, "a pre-leased")
			here.pending("waits")
		},
		"what ends together is in no queue, leased or not": func(t *testing.T, h *handle, here, there use) {
			waits, due := delivery("waits"), delivery("due")
			waits.Due = leaseEnd
			here.enqueue(preLeased("a"), preLeased("b"), due, waits)
			lost, err := here.store.Apply(t.Context(), []webhook.Change{
				{ID: "a", Lease: 1, State: webhook.StateDelivered, Due: now},
				{ID: "b", Lease: 2, State: webhook.StateDelivered, Due: now},
				{ID: "due", State: webhook.StateCanceled, Due: now},
				{ID: "never", Lease: 1, State: webhook.StateDelivered, Due: now},
				{ID: "waits", State: webhook.StateCanceled, Due: now},
			})
			if slices.Sort(lost); err != nil || !slices.Equal(lost, []string{"b", "never"}) {
				t.Errorf("lost %q, and the error is %v; want those that have another lease", lost, err)
			}
			here.pending("b")
			for _, queue := range []string{"webhook_ready", "webhook_waiting"} {
				if n, err := h.number(t.Context(), `select count(*) from `+queue); err == nil && n != 0 { // not every database has them
					t.Errorf("%s has %d rows, want none", queue, n)
				}
			}
			there.claims(leaseEnd, "b")
		},
		"nothing is left of leases whose outcomes are stored": func(t *testing.T, h *handle, here, there use) {
			due := delivery("due")
			here.enqueue(preLeased("a"), preLeased("b"), due)
			here.enqueue(preLeased("c"))
			here.claims(now, "due")
			here.deliver(1, "a", "c", "due")
			here.claims(now)
			if n := leases(t, h); n != 1 {
				t.Errorf("there are %d rows for leases, want the one of b", n)
			}
			here.enqueue(preLeased("a"), preLeased("d")) // a was there
			here.enqueue(delivery("due too"))            // so that the claim is not idle
			here.deliver(1, "b", "d")
			here.claims(now, "due too")
			here.deliver(1, "due too")
			here.claims(now)
			if n := leases(t, h); n != 0 {
				t.Errorf("there are %d rows for leases, want none", n)
			}
		},
		"leases of the dead do not pile up": func(t *testing.T, h *handle, here, there use) {
			// More leases than one claim expires. Another process delivered some of them.
			const many = 1100
			here.enqueueApart(many, 100)
			if n := leases(t, h); n != many {
				t.Fatalf("there are %d rows for leases, want %d", n, many)
			}
			var delivered, left []string
			for i := range many {
				if id := fmt.Sprintf("%04d", i); i%2 == 0 {
					delivered = append(delivered, id)
				} else {
					left = append(left, id)
				}
			}
			there.deliver(1, delivered...)
			var got []string
			for range 3 {
				got = append(got, there.claim(leaseEnd)...)
			}
			slices.Sort(got)
			if !slices.Equal(got, left) {
				t.Errorf("claimed %d, want the %d without an outcome", len(got), len(left))
			}
			there.deliver(2, got...)
			there.claims(leaseEnd)
			if n := leases(t, h); n != 0 {
				t.Errorf("there are %d rows for leases, want none", n)
			}
		},
		"when several claim as leases end, each delivery is one's": func(t *testing.T, h *handle, here, there use) {
			const many = 300
			here.enqueueApart(many, 10)
			var mu sync.Mutex
			var wg sync.WaitGroup
			var got []string
			for i := range 6 {
				u := []use{here, there}[i%2]
				wg.Go(func() {
					for range 3 {
						ids := u.claim(leaseEnd)
						mu.Lock()
						got = append(got, ids...)
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			for range 3 { // who met another's locks may have left something
				got = append(got, here.claim(leaseEnd)...)
			}
			slices.Sort(got)
			if len(got) != many || len(slices.Compact(got)) != many {
				t.Errorf("claimed %d, want each of the %d once", len(got), many)
			}
			there.claims(leaseEnd)
			if n, err := here.store.Count(t.Context(), webhook.DeliveryQuery{All: true, States: []webhook.State{webhook.StatePending}}); err != nil || n != many {
				t.Errorf("%d are counted as pending, and the error is %v; want %d", n, err, many)
			}
		},
		"deliveries pre-leased in the app's transaction are stored if it commits": func(t *testing.T, h *handle, here, there use) {
			for _, commit := range []bool{false, true} {
				tx, err := h.begin(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if _, err := tx.Enqueue(t.Context(), storetest.Events(preLeased("a"), preLeased("b"))); err != nil {
					t.Fatal(err)
				}
				end := tx.rollback
				if commit {
					end = tx.commit
				}
				if err := end(); err != nil {
					t.Fatal(err)
				}
				if !commit {
					here.enqueue(preLeased("a"))
					here.deliver(1, "a")
					here.claims(now)
				}
			}
			here.pending("b")
			there.claims(leaseEnd, "b")
			there.deliver(2, "b")
			there.claims(leaseEnd)
			if n := leases(t, h); n != 0 {
				t.Errorf("there are %d rows for leases, want none", n)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachStore(t, func(t *testing.T, open func(string) *handle) {
				h := migrated(t, open(""))
				test(t, h, use{t, h}, use{t, migrated(t, open(""))})
			})
		})
	}
}

// unsure is a database whose transactions return an error, whether they are committed
// or not.
type unsure struct {
	sqlstore.Database
	fails, commits bool
}

var errUnsure = errors.New("the connection was lost")

func (u *unsure) InTx(ctx context.Context, several bool, f func(sqlstore.Querier) error) error {
	if u.fails && !u.commits {
		return errUnsure
	}
	err := u.Database.InTx(ctx, several, f)
	if err == nil && u.fails {
		err = errUnsure
	}
	return err
}

// Deliveries with an unknown outcome are claimed when their lease has expired.
func TestLeasesThatNobodyIsSureOf(t *testing.T) {
	for name, fresh := range plainStores {
		t.Run(name, func(t *testing.T) {
			var db *unsure
			plain := fresh(t)
			here := use{t, plain.WithDatabase(func(d sqlstore.Database) sqlstore.Database {
				db = &unsure{Database: d}
				return db
			})}
			there := use{t, plain}
			if err := here.store.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			ds := []webhook.Delivery{preLeased("a"), preLeased("b")}
			db.fails, db.commits = true, true
			if _, err := here.store.Enqueue(t.Context(), storetest.Events(ds...)); !errors.Is(err, errUnsure) {
				t.Fatal(err)
			}
			db.fails = false
			here.enqueue(append(ds, preLeased("c"))...)
			here.deliver(1, "c")

			db.fails, db.commits = true, false
			if _, err := here.store.Apply(t.Context(), []webhook.Change{{ID: "a", Lease: 1, State: webhook.StateDelivered}}); !errors.Is(err, errUnsure) {
				t.Fatal(err)
			}
			db.fails = false
			here.enqueue(preLeased("d"))
			db.fails = true
			if _, err := here.store.Apply(t.Context(), []webhook.Change{{ID: "d", Lease: 1, State: webhook.StateDelivered}}); !errors.Is(err, errUnsure) {
				t.Fatal(err)
			}
			db.fails = false
			here.claims(now)
			here.pending("a", "b", "d")
			there.claims(leaseEnd, "a", "b", "d")
		})
	}
}
