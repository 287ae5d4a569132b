package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// limited sets a webhook's limit.
func limited(rate float64) func(*webhook.Webhook) {
	return func(w *webhook.Webhook) { w.RateLimit = rate }
}

// assertLimit asserts what Settings.RateLimit promises of the requests that processes
// sent.
func assertLimit(t *testing.T, rate float64, processes int, got []received) {
	t.Helper()
	for i := range got {
		for j := i; j < len(got); j++ {
			n, span := j-i+1, got[j].At.Sub(got[i].At)
			if most := float64(processes) + rate*(span+100*time.Millisecond).Seconds() + 1e-6; float64(n) > most {
				require.Fail(t, "too many requests", "%d in %s with a limit of %v: at most %.2f", n, span, rate, most)
			}
		}
	}
}

// A claimCounter counts the claims of a store.
type claimCounter struct {
	webhook.Store
	claims atomic.Int64
}

func (c *claimCounter) Claim(ctx context.Context, cl webhook.Claim) ([]webhook.Delivery, error) {
	c.claims.Add(1)
	return c.Store.Claim(ctx, cl)
}

func TestRequestsKeepToTheLimitOfTheirWebhook(t *testing.T) {
	for _, c := range []struct {
		rate   float64
		events int
	}{{0.01, 4}, {0.5, 20}, {1, 30}, {7.5, 100}, {100, 400}} {
		t.Run(fmt.Sprint(c.rate), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newHarness(t, nil)
				counted := &claimCounter{Store: r.store}
				r.store = counted
				r.Dispatcher = r.another(nil)
				r.put(limited(c.rate))
				for i := range c.events {
					r.emit(open(fmt.Sprint(i)))
				}
				r.start() // now, since each event emitted before a claim ends may cause another
				time.Sleep(time.Duration(float64(c.events) / c.rate * float64(time.Second)))
				synctest.Wait()
				got := r.receiver.requests()
				assertLimit(t, c.rate, 1, got)
				assert.GreaterOrEqual(t, len(got), c.events*9/10, "the limit is used")
				seconds := float64(c.events) / c.rate
				assert.LessOrEqual(t, float64(counted.claims.Load()), 20+1.2*seconds+1.5*min(float64(c.events), 20*seconds),
					"a claim for each poll, those that bring something, and some that come too early")
				time.Sleep(10*time.Second + time.Duration(3/c.rate*float64(time.Second)))
				assert.Len(t, r.receiver.requests(), c.events)
				for _, d := range r.log() {
					assert.Equal(t, webhook.StateDelivered, d.State)
					assert.Equal(t, 1, d.Attempts, "to wait for the limit uses up no attempt")
				}
			})
		})
	}
}

func TestALimitHoldsUpNoOtherWebhook(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		for i := range 200 {
			r.put(func(w *webhook.Webhook) { w.URL, w.RateLimit = fmt.Sprintf("https://limited-%d.test/", i), 0.1 })
		}
		r.put(at("free.test"))
		for i := range 20 {
			sent := time.Now()
			r.emit(open(fmt.Sprint(i)))
			synctest.Wait()
			free := 0
			for _, got := range r.receiver.requests() {
				if got.URL == "https://free.test/" {
					free++
				}
			}
			assert.Equal(t, i+1, free)
			assert.Equal(t, sent, time.Now())
			time.Sleep(100 * time.Millisecond)
		}
	})
}

func TestProcessesShareALimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		opts := &webhook.Options{Processes: 4}
		r := newHarness(t, opts)
		r.put(limited(2))
		for i := range 60 {
			r.emit(open(fmt.Sprint(i))) // a backlog of whose webhook no process knows anything
		}
		var others []*webhook.Dispatcher
		for range 3 {
			d := r.another(opts)
			require.NoError(t, d.Start())
			others = append(others, d)
		}
		r.start()
		time.Sleep(20 * time.Second)
		got := r.receiver.requests()
		assertLimit(t, 2, 4, got)
		assert.GreaterOrEqual(t, len(got), 36)

		for _, d := range others { // all but one end: it keeps to its share
			require.NoError(t, d.Shutdown(r.ctx))
		}
		before := len(r.receiver.requests())
		time.Sleep(10 * time.Second)
		assertLimit(t, 0.5, 1, r.receiver.requests()[before:])
		time.Sleep(time.Minute)
		assert.Len(t, r.receiver.requests(), 60)
	})
}

func TestALimitHoldsForRetriesAndWhatIsSentAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{Backoff: webhook.Schedule(time.Second, time.Second, time.Second)}).start()
		w := r.put(limited(0.5))
		var failures atomic.Int64
		r.receiver.set(func(req *http.Request) (*http.Response, error) {
			if failures.Add(1)%3 == 0 {
				return status(503)(req)
			}
			return status(200)(req)
		})
		for i := range 20 {
			r.emit(open(fmt.Sprint(i)))
		}
		time.Sleep(100 * time.Second)
		n, err := r.Replay(r.ctx, "", w.ID, webhook.ReplayQuery{})
		require.NoError(t, err)
		assert.Equal(t, 20, n.Resent)
		time.Sleep(100 * time.Second)
		assertLimit(t, 0.5, 1, r.receiver.requests())
		for _, d := range r.log() {
			assert.Equal(t, webhook.StateDelivered, d.State)
		}
	})
}

func TestOrderHoldsWithALimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		r.put(func(w *webhook.Webhook) { w.RateLimit, w.Order = 5, webhook.OrderAll })
		for i := range 30 {
			r.emit(open(fmt.Sprint(i)))
		}
		time.Sleep(10 * time.Second)
		got := r.receiver.requests()
		assertLimit(t, 5, 1, got)
		require.Len(t, got, 30)
		for i, g := range got[1:] {
			before, err := strconv.Atoi(got[i].Header.Get(webhook.HeaderSequence))
			require.NoError(t, err)
			after, err := strconv.Atoi(g.Header.Get(webhook.HeaderSequence))
			require.NoError(t, err)
			assert.Less(t, before, after)
		}
	})
}

func TestAProbeWaitsForTheLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		w := r.put(limited(0.1))
		r.receiver.set(status(503))
		for i := range 30 {
			r.emit(open(fmt.Sprint(i)))
		}
		time.Sleep(5 * time.Minute)
		failing, err := r.Webhook(r.ctx, "", w.ID)
		require.NoError(t, err)
		require.True(t, failing.HeldUntil.After(time.Now()))
		for range 10 { // "Try now", again and again
			_, err := r.ProbeNow(r.ctx, "", w.ID)
			require.NoError(t, err)
			time.Sleep(time.Second)
		}
		r.receiver.set(nil)
		_, err = r.ProbeNow(r.ctx, "", w.ID)
		require.NoError(t, err)
		time.Sleep(10 * time.Minute)
		assertLimit(t, 0.1, 1, r.receiver.requests())
		for _, d := range r.log() {
			assert.Equal(t, webhook.StateDelivered, d.State)
		}
	})
}

func TestShutdownReturnsWhatWaitsForALimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		r.put(limited(10))
		for i := range 30 {
			r.emit(open(fmt.Sprint(i)))
		}
		synctest.Wait()
		began := time.Now()
		require.NoError(t, r.Shutdown(r.ctx))
		assert.Equal(t, began, time.Now(), "nothing is waited for")
		sent := len(r.receiver.requests())
		ds, err := r.store.Claim(r.ctx, webhook.Claim{Now: time.Now().UTC(), Until: time.Now().Add(time.Minute).UTC(), Limit: 100, Each: 100})
		require.NoError(t, err)
		assert.Len(t, ds, 30-sent, "another process can claim the others at once")
	})
}

func TestAChangedLimitHoldsWithinAPoll(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		w := r.put(limited(0.001))
		elsewhere := r.another(nil)
		for i := range 50 {
			r.emit(open(fmt.Sprint(i)))
		}
		time.Sleep(10 * time.Second)
		require.Len(t, r.receiver.requests(), 1)
		change := func(rate float64) {
			w, err := elsewhere.Webhook(r.ctx, "", w.ID)
			require.NoError(t, err)
			w.RateLimit = rate
			_, err = elsewhere.UpdateWebhook(r.ctx, w)
			require.NoError(t, err)
			time.Sleep(1100 * time.Millisecond)
		}
		change(10)
		time.Sleep(2 * time.Second)
		n := len(r.receiver.requests())
		assert.GreaterOrEqual(t, n, 20)
		change(0.001)
		n = len(r.receiver.requests())
		time.Sleep(time.Minute)
		assert.LessOrEqual(t, len(r.receiver.requests()), n+1)
		change(0)
		synctest.Wait()
		assert.Len(t, r.receiver.requests(), 50)
	})
}

func TestATestIsSentWhateverTheLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		w := r.put(limited(0.001))
		for i := range 3 {
			_, err := r.SendTest(r.ctx, "", w.ID, webhook.TypeOpen)
			require.NoError(t, err)
			assert.Len(t, r.receiver.requests(), i+1)
		}
	})
}

func TestStatusNamesTheLimitOfThisProcess(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{Processes: 2}).start()
		w := r.put(limited(1))
		r.emit(open("1"), open("2"))
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, []webhook.Queue{{WebhookID: w.ID, Limit: 4, RateLimit: 0.5}}, r.Status().Queues)
	})
}
