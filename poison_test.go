package webhook_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// claimAndDie is what a process does that an attempt crashes, and what one does that has a
// delivery wait, and ends.
func (r *harness) claimAndDie(t *testing.T, times int) {
	t.Helper()
	for range times {
		_, err := r.store.Claim(r.ctx, webhook.Claim{Now: time.Now().UTC(), Until: time.Now().UTC(), Limit: 1, Each: 1})
		require.NoError(t, err)
	}
}

func TestADeliveryThatKillsItsProcessesIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil)
		r.put(nil)
		r.emit(open("e1"))
		r.claimAndDie(t, 60)
		for range 3 { // what a process writes whose attempt crashes it
			r.claimAndDie(t, 1)
			d := r.log()[0]
			lost, err := r.store.Apply(r.ctx, []webhook.Change{{
				ID: d.ID, Lease: d.Lease, State: webhook.StatePending, Due: time.Now().UTC(),
				Log: &webhook.Attempt{Start: time.Now().UTC(), Code: "begun", Reason: "Begun: …"},
			}})
			require.NoError(t, err)
			require.Empty(t, lost)
		}
		r.start()
		synctest.Wait()
		assert.Empty(t, r.receiver.requests())
		d := r.log()[0]
		assert.Equal(t, webhook.StateFailed, d.State)
		assert.Contains(t, d.Log[len(d.Log)-1].Reason, "Given up")
	})
}

// Leases without an attempt, as of a delivery that waits for its host, do not make it
// poison, whatever comes of its attempts.
func TestADeliveryThatWasLeasedOftenIsAttempted(t *testing.T) {
	for _, batch := range []int{0, 10} {
		t.Run(fmt.Sprint(batch), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newHarness(t, nil)
				r.put(func(w *webhook.Webhook) { w.Batch = batch })
				r.emit(open("e1"))
				r.claimAndDie(t, 200)
				r.receiver.set(status(500))
				r.start()
				synctest.Wait()
				r.receiver.set(status(200))
				time.Sleep(time.Hour)
				assert.Len(t, r.receiver.requests(), 2)
				d := r.log()[0]
				assert.Equal(t, webhook.StateDelivered, d.State)
				var failures []string
				for _, a := range d.Log {
					failures = append(failures, a.Failure())
				}
				assert.Equal(t, []string{"begun", "500", "begun", ""}, failures)
				assert.Equal(t, 2, d.Attempts)
			})
		})
	}
}

// An attempt that Shutdown cuts short is not taken for one that crashed its process.
func TestShutdownsDoNotMakeADeliveryPoison(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil)
		r.put(nil)
		r.emit(open("e1"))
		r.claimAndDie(t, 60)
		r.receiver.set(hang)
		for range 5 {
			d := r.another(nil)
			require.NoError(t, d.Start())
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_ = d.Shutdown(ctx)
			cancel()
		}
		r.receiver.set(status(200))
		r.start()
		time.Sleep(time.Hour)
		assert.Equal(t, webhook.StateDelivered, r.log()[0].State)
	})
}
