package webhook_test

import (
	"context"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// Urgent deliveries are due a year early, so that they are first in the store's
// order. No hook and no query of the app's shows that.
func TestUrgencyIsSeenByTheStoreAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var mu sync.Mutex
		told := map[string]int{}
		see := func(hook string, ds ...webhook.Delivery) {
			mu.Lock()
			defer mu.Unlock()
			for _, d := range ds {
				told[hook]++
				assert.False(t, d.Due.Before(d.Created), "Hooks.%s: created at %s, due at %s", hook, d.Created, d.Due)
			}
		}
		r := newHarness(t, &webhook.Options{Hooks: webhook.Hooks{
			Enqueued: func(ds []webhook.Delivery) { see("Enqueued", ds...) },
			Attempt: func(ctx context.Context, d webhook.Delivery) (context.Context, func(webhook.Attempt)) {
				see("Attempt", d)
				return ctx, nil
			},
			Changed: func(d webhook.Delivery) { see("Changed", d) },
			Lost:    func(d webhook.Delivery) { see("Lost", d) },
		}})
		w := r.put(nil)
		r.emit(of(webhook.TypeUnsubscribe, "1", "12"), of(webhook.TypeBounce, "2", "12"), of(webhook.TypeOpen, "3", "12"))
		created := r.log()[0].Created
		require.Less(t, r.log()[0].Due, created.AddDate(0, -6, 0), "without the trick the test shows nothing")

		for _, c := range []struct {
			by   time.Time
			want int
		}{
			{created.Add(-time.Hour), 0},
			{created.Add(-time.Millisecond), 0},
			{created.Add(-time.Nanosecond), 0},
			{created, 3},
			{created.Add(time.Hour).In(time.FixedZone("", 3600)), 3},
			{time.Time{}, 3},
		} {
			q := webhook.DeliveryQuery{DueBy: c.by}
			ds, err := r.Deliveries(t.Context(), q)
			require.NoError(t, err)
			assert.Len(t, ds, c.want, "due by %s", c.by)
			for _, d := range ds {
				assert.Equal(t, d.Created, d.Due)
			}
			n, err := r.Count(t.Context(), q)
			require.NoError(t, err)
			assert.Equal(t, c.want, n, "due by %s", c.by)
		}

		r.start()
		for _, answer := range []func(*http.Request) (*http.Response, error){failing(syscall.EMFILE), status(500), hang} {
			r.receiver.set(answer)
			r.emit(of(webhook.TypeUnsubscribe, "", "12"))
			time.Sleep(time.Minute)
		}
		_, err := r.CancelPending(t.Context(), "", w.ID)
		require.NoError(t, err)
		r.receiver.set(slowly(5 * time.Second))
		r.put(func(w *webhook.Webhook) { w.List = "15" })
		r.emit(of(webhook.TypeBounce, "late", "15"))
		synctest.Wait()
		for _, d := range r.log() {
			if d.EventID == "late" { // somebody else cancels it during its attempt
				_, err = r.store.Apply(t.Context(), []webhook.Change{{ID: d.ID, Lease: d.Lease, State: webhook.StateCanceled, Due: d.Due}})
				require.NoError(t, err)
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, hook := range []string{"Enqueued", "Attempt", "Changed", "Lost"} {
			assert.NotZero(t, told[hook], "Hooks.%s was not called", hook)
		}
	})
}
