package webhook_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// eventsOf returns what a receiver in Go reads of a request.
func eventsOf(t *testing.T, req received) []webhook.Event {
	t.Helper()
	in := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(string(req.Body)))
	in.Header = req.Header
	events, err := webhook.ParseRequest(in, &webhook.ReceiveOptions{Unsigned: true})
	require.NoError(t, err)
	return events
}

func TestAFormHoldsNoMoreVariablesThanPHPReads(t *testing.T) {
	for _, f := range []webhook.Format{webhook.Format2013, webhook.FormatCurrent} {
		bubble(t, func(t *testing.T) {
			r := newHarness(t, nil).start()
			r.put(func(w *webhook.Webhook) { w.Format, w.Batch, w.BatchWait = f, 100, 10*time.Second })
			r.emit(opens(100)...)
			large := open("large")
			large.Subscriber.Fields = map[string]string{}
			for i := range 960 {
				large.Subscriber.Fields[fmt.Sprint(i)] = "x"
			}
			r.emit(large)
			time.Sleep(11 * time.Second)
			synctest.Wait()
			seen := map[string]int{}
			for _, req := range r.receiver.requests() {
				assert.LessOrEqual(t, strings.Count(string(req.Body), "&")+1, 1000)
				for _, e := range eventsOf(t, req) {
					seen[webhook.MetaOf(e).ID]++
				}
			}
			assert.Less(t, len(r.receiver.requests()), 10)
			assert.Len(t, seen, 101)
			for _, d := range r.log() {
				assert.Equal(t, 1, seen[d.ID])
				assert.Equal(t, webhook.StateDelivered, d.State)
			}
		})
	}
}

func TestABatchHasAtMostAMebibyte(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		r.put(inBatches(500, time.Second))
		for i := range 60 {
			e := open(fmt.Sprint(i))
			e.Subscriber.Fields = map[string]string{"7": strings.Repeat("x", 40_000)}
			r.emit(e)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		n := 0
		for _, req := range r.receiver.requests() {
			assert.LessOrEqual(t, len(req.Body), 1<<20)
			n += len(batchOf(t, req))
		}
		assert.Equal(t, 60, n)
		assert.Less(t, len(r.receiver.requests()), 6)
	})
}

// What a form cannot hold beside what a batch adds comes in a body of its own.
func TestAnEventThatFitsIntoNoBatchComesAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		r.put(func(w *webhook.Webhook) { w.Format, w.Batch = webhook.FormatCurrent, 100 })
		large := open("large")
		large.Subscriber.Fields = map[string]string{}
		for i := 0; ; i++ {
			large.Subscriber.Fields[fmt.Sprint(i)] = "x"
			if r.Validate(large) != nil {
				delete(large.Subscriber.Fields, fmt.Sprint(i))
				break
			}
		}
		r.emit(large)
		time.Sleep(time.Second)
		synctest.Wait()
		reqs := r.receiver.requests()
		require.Len(t, reqs, 1)
		assert.Equal(t, "open", reqs[0].Form.Get("type"))
		assert.Equal(t, r.log()[0].ID, reqs[0].Header.Get(webhook.HeaderID))
		assert.Equal(t, webhook.StateDelivered, r.log()[0].State)
	})
}

func TestTheLimiterCountsRequests(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		r.put(inBatches(50, 0))
		r.receiver.set(func(req *http.Request) (*http.Response, error) {
			time.Sleep(50 * time.Millisecond)
			return status(200)(req)
		})
		for range 20 {
			r.emit(opens(100)...)
			time.Sleep(time.Millisecond)
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		r.receiver.mu.Lock()
		defer r.receiver.mu.Unlock()
		assert.Greater(t, r.receiver.peak, 1)
		assert.LessOrEqual(t, r.receiver.peak, 4, "a process that dies repeats a few batches")
		for _, d := range r.log() {
			require.Equal(t, webhook.StateDelivered, d.State)
			require.Equal(t, 1, d.Attempts)
		}
	})
}

func TestWindowsOfDifferentWebhooksEndAtDifferentTimes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		const n = 50
		for i := range n {
			r.put(func(w *webhook.Webhook) {
				inBatches(100, 50*time.Second)(w)
				w.ID = fmt.Sprint("hook-", i)
			})
		}
		began := time.Now()
		r.emit(opens(3)...)
		time.Sleep(time.Minute)
		synctest.Wait()
		reqs := r.receiver.requests()
		require.Len(t, reqs, n)
		var early int
		for _, req := range reqs {
			assert.LessOrEqual(t, req.At.Sub(began), 50*time.Second+time.Second)
			if req.At.Sub(began) < 25*time.Second {
				early++
			}
		}
		assert.Greater(t, early, n/5)
		assert.Less(t, early, n-n/5)
	})
}

func TestAProbeIsOneEvent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{Backoff: webhook.Schedule(time.Second, time.Second, time.Second)}).start()
		w := r.put(inBatches(10, 0))
		r.receiver.set(status(500))
		for range 12 {
			r.emit(opens(5)...)
			time.Sleep(time.Second)
		}
		stored, err := r.Webhook(r.ctx, "", w.ID)
		require.NoError(t, err)
		require.GreaterOrEqual(t, stored.Health.Failures, 10)
		n := len(r.receiver.requests())
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		probes := r.receiver.requests()[n:]
		require.NotEmpty(t, probes)
		for _, req := range probes {
			assert.Len(t, batchOf(t, req), 1)
		}
		r.receiver.set(status(200))
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		for _, d := range r.log() {
			assert.NotEqual(t, webhook.StatePending, d.State)
		}
	})
}

func TestATestIsSentAsABatch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil)
		w := r.put(inBatches(10, 50*time.Second))
		a, err := r.SendTest(r.ctx, "", w.ID, webhook.TypeOpen)
		require.NoError(t, err)
		assert.Equal(t, 200, a.Status)
		ids := batchOf(t, r.receiver.requests()[0])
		require.Len(t, ids, 1)
		assert.True(t, strings.HasPrefix(ids[0], "test_"))

		w = r.put(func(w *webhook.Webhook) { w.Batch = 10 })
		_, err = r.SendTestBody(r.ctx, "", w.ID, webhook.TypeOpen, []byte("type=open&id=msg_1&subscriber[email]=a%40example.com"))
		require.NoError(t, err)
		form := r.receiver.requests()[1].Form
		assert.Equal(t, []string{"a@example.com"}, form["events[0][subscriber][email]"])
		require.Len(t, form["events[0][id]"], 1, "receivers know a test by its id")
		assert.True(t, strings.HasPrefix(form["events[0][id]"][0], "test_"))
	})
}

// A process that dies loses nothing that gathered: others deliver it when the leases
// end, which cover the window.
func TestWhatGathersOutlivesItsProcess(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		r.put(inBatches(100, 50*time.Second))
		r.emit(opens(3)...)
		time.Sleep(10 * time.Millisecond)
		for _, d := range r.log() {
			assert.Equal(t, 2*15*time.Second+50*time.Second, d.Due.Sub(d.Created).Truncate(time.Second))
			assert.Equal(t, int64(1), d.Lease)
		}
		other := r.another(nil)
		require.NoError(t, other.Start())
		time.Sleep(51 * time.Second)
		synctest.Wait()
		assert.Equal(t, []int{3}, sizes(t, r.receiver.requests()), "another process leaves it alone")
		require.NoError(t, other.Shutdown(r.ctx))
	})
}

// Retries and what another process emitted gather under a claim of their own, whose
// lease covers the window.
func TestWhatIsClaimedGathersToo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{Backoff: webhook.Schedule(10 * time.Second)}).start()
		r.put(inBatches(100, 20*time.Second))
		r.receiver.set(status(500))
		r.emit(opens(3)...)
		time.Sleep(21 * time.Second)
		require.Equal(t, []int{3}, sizes(t, r.receiver.requests()))
		r.receiver.set(status(200))
		emitter := r.another(nil) // it does not run
		time.Sleep(10 * time.Second)
		require.NoError(t, emitter.Emit(r.ctx, opens(4)...))
		time.Sleep(45 * time.Second)
		synctest.Wait()
		n := 0
		for _, size := range sizes(t, r.receiver.requests()[1:]) {
			n += size
		}
		assert.Equal(t, 7, n)
		assert.LessOrEqual(t, len(r.receiver.requests()), 4)
		for _, d := range r.log() {
			assert.Equal(t, webhook.StateDelivered, d.State)
		}
	})
}
