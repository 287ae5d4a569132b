package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// A putCounter is a store that counts how often webhooks are written, but for their
// tallies.
type putCounter struct {
	webhook.Store
	mu   sync.Mutex
	puts int
}

func (s *putCounter) PutWebhook(ctx context.Context, w webhook.Webhook) (int64, error) {
	if w.Tallies == nil {
		s.mu.Lock()
		s.puts++
		s.mu.Unlock()
	}
	return s.Store.PutWebhook(ctx, w)
}

func (s *putCounter) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.puts
}

func newCountingHarness(t *testing.T, opts *webhook.Options) (*harness, *putCounter) {
	store := &putCounter{Store: &memstore.Store{}}
	r := &harness{t: t, ctx: t.Context(), store: store, receiver: &receiver{}}
	r.Dispatcher = r.another(opts)
	return r, store
}

// steadily emits an event at each interval, for a time.
func (r *harness) steadily(interval, total time.Duration) {
	for range total / interval {
		r.emit(open(""))
		time.Sleep(interval)
	}
}

func (r *harness) webhook(id string) webhook.Webhook {
	w, err := r.Webhook(r.ctx, "", id)
	require.NoError(r.t, err)
	return w
}

func (r *harness) states() map[webhook.State]int {
	states := map[webhook.State]int{}
	for _, d := range r.log() {
		states[d.State]++
	}
	return states
}

func TestTheHealthOfAWebhookIsInItsDocument(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		id := r.put(nil).ID
		r.emit(open("e1"))
		first := time.Now().UTC()
		time.Sleep(time.Minute + time.Second) // it is noted with the tallies
		assert.Equal(t, webhook.Health{Success: first}, r.webhook(id).Health)

		time.Sleep(50 * time.Minute)
		r.receiver.set(status(500))
		r.emit(open("e2"))
		synctest.Wait()
		failed := time.Now().UTC()
		h := r.webhook(id).Health
		assert.Contains(t, h.Reason, "500")
		h.Reason = ""
		assert.Equal(t, webhook.Health{Failures: 1, Since: failed, Last: failed, Hours: 1, Success: first}, h)

		r.receiver.set(status(404))
		time.Sleep(2 * time.Hour)
		h = r.webhook(id).Health
		assert.Equal(t, 4, h.Failures)
		assert.Equal(t, failed, h.Since)
		assert.Greater(t, h.Last, failed)
		assert.Equal(t, 2, h.Hours)
		assert.Contains(t, h.Reason, "404")

		r.receiver.set(nil)
		time.Sleep(3 * time.Hour)
		h = r.webhook(id).Health
		assert.Zero(t, h.Failures)
		assert.Zero(t, h.Since)
		assert.Empty(t, h.Reason)
		assert.Equal(t, r.receiver.requests()[5].At.UTC().Truncate(time.Millisecond), h.Success, "exactly, since failures came between")
	})
}

func TestHealthIsWrittenRarely(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(*http.Request) (*http.Response, error)
		most   int
	}{
		{"of a webhook that does well", status(200), 0},
		{"of one that fails and does well in turn", everyOther(), 2 * 3 * 360},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r, store := newCountingHarness(t, &webhook.Options{Backoff: webhook.Schedule()})
				r.start()
				r.put(nil)
				r.receiver.set(c.answer)
				before := store.count()
				r.steadily(5*time.Second, 3*time.Hour)
				assert.LessOrEqual(t, store.count()-before, c.most)
				assert.Equal(t, c.most > 0, store.count() > before)
				assert.Len(t, r.receiver.requests(), 3*720)
			})
		})
	}
}

// everyOther answers 500 and 200 in turn.
func everyOther() func(*http.Request) (*http.Response, error) {
	var mu sync.Mutex
	n := 0
	return func(req *http.Request) (*http.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		n++
		return status(200 + 300*(n%2))(req)
	}
}

func TestManyFailuresAtOnceAreWrittenTogether(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newCountingHarness(t, nil)
		r.start()
		var ids []string
		for range 50 {
			ids = append(ids, r.put(nil).ID)
		}
		r.receiver.set(func(req *http.Request) (*http.Response, error) {
			time.Sleep(500 * time.Millisecond)
			return status(500)(req)
		})
		before := store.count()
		r.emit(open("1"), open("2"), open("3"))
		time.Sleep(4 * time.Second)
		assert.LessOrEqual(t, store.count()-before, 2*50, "the first failure, and the others with it or 10 s later")
		time.Sleep(time.Minute)
		for _, id := range ids {
			assert.Equal(t, 6, r.webhook(id).Health.Failures, "none is forgotten")
		}
	})
}

// gaps returns the times between requests, from the nth to the next on.
func (r *harness) gaps(n int) []time.Duration {
	var gaps []time.Duration
	got := r.receiver.requests()
	for i := n; i < len(got); i++ {
		gaps = append(gaps, got[i].At.Sub(got[i-1].At).Round(time.Minute))
	}
	return gaps
}

func minutes(ns ...int) []time.Duration {
	var ds []time.Duration
	for _, n := range ns {
		ds = append(ds, time.Duration(n)*time.Minute)
	}
	return ds
}

func TestTenFailuresInARowHoldAWebhookButForProbes(t *testing.T) {
	for _, dispatchers := range []int{1, 2, 5} {
		t.Run(fmt.Sprintf("%d dispatchers", dispatchers), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				opts := &webhook.Options{PollInterval: 30 * time.Second}
				r := newHarness(t, opts).start()
				for range dispatchers - 1 {
					d := r.another(opts)
					require.NoError(t, d.Start())
					defer d.Shutdown(r.ctx)
				}
				id := r.put(nil).ID
				r.receiver.set(status(503))
				for i := range 100 {
					r.emit(open(fmt.Sprint(i)))
				}
				time.Sleep(30 * time.Second)
				burnt := len(r.receiver.requests())
				assert.GreaterOrEqual(t, burnt, 10)
				assert.LessOrEqual(t, burnt, 10+4*dispatchers, "and what was under way")
				assert.True(t, r.webhook(id).HeldUntil.After(time.Now()))

				time.Sleep(6 * time.Hour)
				assert.Equal(t, minutes(1, 2, 4, 8, 16, 32, 60, 60, 60, 60), r.gaps(burnt)[:10], "one probe at a time")
				assert.Equal(t, map[webhook.State]int{webhook.StatePending: 100}, r.states())
				attempts := 0
				for _, d := range r.log() {
					attempts += d.Attempts
					assert.Len(t, d.Log, d.Attempts, "being given back uses up no attempt")
				}
				assert.Len(t, r.receiver.requests(), attempts)

				r.receiver.set(nil)
				sent := len(r.receiver.requests())
				for len(r.receiver.requests()) == sent {
					time.Sleep(time.Second)
				}
				assert.LessOrEqual(t, r.gaps(sent)[0], time.Hour)
				time.Sleep(5 * time.Second)
				assert.Greater(t, len(r.receiver.requests())-sent, 85, "when the probe succeeds, the backlog flows")
				w := r.webhook(id)
				assert.Zero(t, w.HeldUntil)
				assert.Zero(t, w.Health.Failures)
				time.Sleep(24 * time.Hour)
				assert.Equal(t, map[webhook.State]int{webhook.StateDelivered: 100}, r.states())
			})
		})
	}
}

func TestTheProbeOfAProcessThatDiesIsAnothers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil)
		require.NoError(t, r.Start())
		r.put(nil)
		r.receiver.set(status(500))
		for i := range 20 {
			r.emit(open(fmt.Sprint(i)))
		}
		time.Sleep(30 * time.Second)
		failed := len(r.receiver.requests())
		r.receiver.set(hang)
		for len(r.receiver.requests()) == failed {
			time.Sleep(time.Second)
		}
		cut, cancel := context.WithCancel(r.ctx)
		cancel()
		require.ErrorIs(t, r.Shutdown(cut), context.Canceled)

		r.receiver.set(nil)
		other := r.another(nil)
		require.NoError(t, other.Start())
		defer other.Shutdown(r.ctx)
		time.Sleep(time.Minute)
		assert.Greater(t, len(r.receiver.requests()), failed+1+15)
	})
}

func TestWhatIsSeenLastIsStoredByShutdown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil)
		require.NoError(t, r.Start())
		id := r.put(nil).ID
		r.receiver.set(status(500))
		for range 5 {
			r.emit(open(""))
		}
		synctest.Wait()
		require.NoError(t, r.Shutdown(r.ctx))
		assert.Equal(t, 5, r.webhook(id).Health.Failures)
	})
}

// A store that cannot write webhooks, and hangs when it is asked to.
type stuckStore struct {
	webhook.Store
	stuck atomic.Bool
}

func (s *stuckStore) PutWebhook(ctx context.Context, w webhook.Webhook) (int64, error) {
	if s.stuck.Load() {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return s.Store.PutWebhook(ctx, w)
}

func TestHealthThatCannotBeStoredHoldsUpNothingElse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := &stuckStore{Store: &memstore.Store{}}
		r := &harness{t: t, ctx: t.Context(), store: store, receiver: &receiver{}}
		r.Dispatcher = r.another(nil)
		require.NoError(t, r.Start())
		id := r.put(nil).ID
		store.stuck.Store(true)
		began := time.Now()
		r.emit(open("1"), open("2"))
		synctest.Wait()
		assert.Equal(t, map[webhook.State]int{webhook.StateDelivered: 2}, r.states())
		time.Sleep(5 * time.Minute)
		store.stuck.Store(false)
		time.Sleep(2 * time.Minute)
		assert.Equal(t, began.UTC(), r.webhook(id).Health.Success, "it is stored once it can be")

		store.stuck.Store(true)
		r.receiver.set(status(500))
		r.emit(open("3"))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(r.ctx, 5*time.Second)
		defer cancel()
		began = time.Now()
		require.ErrorIs(t, r.Shutdown(ctx), context.DeadlineExceeded)
		assert.Equal(t, 5*time.Second, time.Since(began), "Shutdown keeps to its time")
	})
}
