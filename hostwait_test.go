package webhook_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// Deliveries wait for a place at their host for longer than their leases, alone and in
// batches. Each is sent once, and none waits for ever.
func TestWhatWaitsForItsHostIsSentOnce(t *testing.T) {
	for _, c := range []struct {
		name            string
		webhooks, batch int
		takes           time.Duration
	}{
		{"one webhook that takes nearly a timeout", 1, 0, 14 * time.Second},
		{"many webhooks", 20, 0, 900 * time.Millisecond},
		{"many webhooks in batches", 20, 3, 900 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newHarness(t, &webhook.Options{PerHost: 1}).start()
				for i := range c.webhooks {
					r.put(func(w *webhook.Webhook) {
						inBatches(c.batch, 0)(w)
						w.ID = fmt.Sprint("hook-", i)
					})
				}
				r.receiver.set(func(req *http.Request) (*http.Response, error) {
					time.Sleep(c.takes)
					return status(200)(req)
				})
				r.emit(opens(9)...)
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				ds := r.log()
				require.Len(t, ds, 9*c.webhooks)
				for _, d := range ds {
					require.Equal(t, webhook.StateDelivered, d.State)
					require.Len(t, d.Log, 1)
				}
				sent := 0
				for _, req := range r.receiver.requests() {
					if c.batch > 0 {
						sent += len(batchOf(t, req))
					} else {
						sent++
					}
				}
				assert.Equal(t, len(ds), sent)
			})
		})
	}
}

// A rate below one request in a window: what it does not let begin yet waits in the
// store, so that no lease ends, and hardly one is given back.
func TestABatchIsNotLeasedBeforeItsRateLetsItBegin(t *testing.T) {
	for _, window := range []time.Duration{0, 10 * time.Second, 50 * time.Second} {
		t.Run(fmt.Sprint("a window of ", window), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newHarness(t, nil).start()
				r.put(func(w *webhook.Webhook) {
					inBatches(10, window)(w)
					w.RateLimit = 0.01
				})
				r.emit(opens(35)...)
				time.Sleep(20 * time.Minute)
				synctest.Wait()
				reqs := r.receiver.requests()
				require.Equal(t, []int{10, 10, 10, 5}, sizes(t, reqs))
				for i, req := range reqs[1:] {
					assert.Greater(t, req.At.Sub(reqs[i].At), 99*time.Second)
				}
				for _, d := range r.log() {
					assert.Equal(t, webhook.StateDelivered, d.State)
					// A claim that is under way when a batch begins may bring one that is given back.
					assert.LessOrEqual(t, d.Lease, int64(4), "one claim and one outcome, and not given back again and again")
				}
			})
		})
	}
}

// A delivery that waits for a place at its host is read again before it is sent: it may
// have been canceled or erased.
func TestWhatIsCanceledOrErasedWhileItWaitsForItsHostIsNotSent(t *testing.T) {
	for name, end := range map[string]func(r *harness, w webhook.Webhook) (int, error){
		"canceled": func(r *harness, w webhook.Webhook) (int, error) { return r.CancelPending(r.ctx, "", w.ID) },
		"erased": func(r *harness, _ webhook.Webhook) (int, error) {
			return r.EraseSubscriber(r.ctx, "", "1", "", nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newHarness(t, &webhook.Options{PerHost: 1}).start()
				r.receiver.set(func(req *http.Request) (*http.Response, error) {
					time.Sleep(900 * time.Millisecond)
					return status(200)(req)
				})
				for i := range 8 {
					r.put(func(w *webhook.Webhook) { w.List = fmt.Sprint(50 + i) })
				}
				w := r.put(func(w *webhook.Webhook) { w.List = "12" })
				for i := range 8 {
					r.emit(person(webhook.TypeOpen, "9", fmt.Sprint(50+i)))
				}
				r.emit(person(webhook.TypeSubscribe, "1", "12"))
				time.Sleep(20 * time.Millisecond)
				n, err := end(r, w)
				require.NoError(t, err)
				require.Equal(t, 1, n)
				if name == "canceled" {
					other := r.another(nil) // a process whose host is free
					require.NoError(t, other.Start())
					defer func() { assert.NoError(t, other.Shutdown(r.ctx)) }()
					require.NoError(t, other.Emit(r.ctx, person(webhook.TypeUnsubscribe, "1", "12")))
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				assert.NotContains(t, r.told()["1"], "subscribe")
				assert.Len(t, r.told()["9"], 8)
				status := r.Status()
				assert.Zero(t, status.Waiting+status.Attempts)
			})
		})
	}
}
