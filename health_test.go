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

// A putCounter is a store that counts how often webhooks are written.
type putCounter struct {
	webhook.Store
	mu   sync.Mutex
	puts int
}

func (s *putCounter) PutWebhook(ctx context.Context, w webhook.Webhook) (int64, error) {
	s.mu.Lock()
	s.puts++
	s.mu.Unlock()
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
		synctest.Wait()
		first := time.Now().UTC()
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
		{"of a webhook that does well", status(200), 3 + 1},
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
				assert.Positive(t, store.count()-before)
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
				opts := &webhook.Options{PollInterval: 5 * time.Second}
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

// An owner notes what they are told of their webhook.
type owner struct {
	began time.Time
	mu    sync.Mutex
	news  []news
}

type news struct {
	percent int
	after   time.Duration
	webhook webhook.Webhook
}

func newOwner() *owner { return &owner{began: time.Now()} }

func (o *owner) note(w webhook.Webhook, percent int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.news = append(o.news, news{percent, time.Since(o.began), w})
}

func (o *owner) told() []news {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.news
}

// options returns those of a dispatcher that tells the owner.
func (o *owner) options() *webhook.Options {
	return &webhook.Options{PollInterval: time.Minute, Hooks: webhook.Hooks{
		Warned:   o.note,
		Disabled: func(w webhook.Webhook) { o.note(w, 100) },
	}}
}

const day = 24 * time.Hour

func TestFiveDaysOfFailuresSwitchAWebhookOffAfterWarnings(t *testing.T) {
	for _, keep := range []bool{false, true} {
		t.Run(fmt.Sprintf("keep %t", keep), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				owner := newOwner()
				r := newHarness(t, owner.options()).start()
				other := r.another(owner.options())
				require.NoError(t, other.Start())
				defer other.Shutdown(r.ctx)
				id := r.put(func(w *webhook.Webhook) { w.KeepEvents = keep }).ID
				r.receiver.set(status(500))
				r.steadily(time.Hour, 6*day)

				told := owner.told()
				require.Len(t, told, 3, "each of these once")
				for i, want := range []struct {
					percent int
					after   time.Duration
				}{{50, 60 * time.Hour}, {90, 108 * time.Hour}, {100, 120 * time.Hour}} {
					assert.Equal(t, want.percent, told[i].percent)
					assert.InDelta(t, want.after.Hours(), told[i].after.Hours(), 2)
					assert.Equal(t, id, told[i].webhook.ID)
					assert.Contains(t, told[i].webhook.Health.Reason, "500")
				}
				w := r.webhook(id)
				assert.Contains(t, w.Disabled, "All attempts have failed since 1 January 2000.")
				assert.Contains(t, w.Disabled, "500")
				assert.True(t, w.Health.AutoDisabled)
				require.NoError(t, w.Validate(), "its owner can put it back as it is")
				assert.Equal(t, told[2].webhook.DisabledAt, w.DisabledAt)
				states := r.states()
				if keep {
					assert.Greater(t, states[webhook.StatePending], 24, "what happens since is kept")
					assert.Zero(t, states[webhook.StateCanceled])
				} else {
					assert.Zero(t, states[webhook.StatePending])
					assert.Positive(t, states[webhook.StateCanceled])
				}

				sent := len(r.receiver.requests())
				r.receiver.set(nil)
				w.Disabled = ""
				_, err := r.UpdateWebhook(r.ctx, w)
				require.NoError(t, err)
				r.emit(open("again"))
				time.Sleep(2 * day)
				assert.Equal(t, states[webhook.StatePending]+1, len(r.receiver.requests())-sent)
				assert.Len(t, owner.told(), 3)
				assert.Equal(t, 0, r.webhook(id).Health.Warned, "the next time its owner is told anew")
			})
		})
	}
}

func TestWhatDoesNotSwitchAWebhookOff(t *testing.T) {
	for _, c := range []struct {
		name string
		opts webhook.Options
		run  func(*harness, string)
	}{
		{"too few failures", webhook.Options{Backoff: webhook.Schedule()}, func(r *harness, _ string) {
			r.steadily(day, 18*day)
		}},
		{"a success once in a while", webhook.Options{}, func(r *harness, _ string) {
			for range 4 {
				r.steadily(time.Hour, 4*day)
				r.receiver.set(nil)
				time.Sleep(2 * time.Hour)
				r.receiver.set(status(500))
			}
		}},
		{"its owner's editing how requests are sent", webhook.Options{}, func(r *harness, id string) {
			for i := range 4 {
				r.steadily(time.Hour, 4*day)
				w := r.webhook(id)
				require.Positive(r.t, w.Health.Failures)
				w.Headers = map[string]string{"Authorization": fmt.Sprintf("try %d", i)}
				w, err := r.UpdateWebhook(r.ctx, w)
				require.NoError(r.t, err)
				require.Zero(r.t, w.Health.Failures)
				require.Zero(r.t, w.HeldUntil)
			}
		}},
		{"the app's choice", webhook.Options{DisableAfter: -1}, func(r *harness, _ string) {
			r.steadily(time.Hour, 10*day)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c.opts.PollInterval = time.Minute
				r := newHarness(t, &c.opts).start()
				id := r.put(nil).ID
				r.receiver.set(status(500))
				c.run(r, id)
				r.emit(open("the last"))
				time.Sleep(time.Minute)
				assert.Empty(t, r.webhook(id).Disabled)
				assert.Positive(t, r.webhook(id).Health.Failures)
			})
		})
	}
}

func TestARenamedWebhookIsAsIllAsBefore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{PollInterval: time.Minute}).start()
		id := r.put(nil).ID
		r.receiver.set(status(500))
		r.steadily(time.Hour, 3*day)
		w := r.webhook(id)
		r.steadily(time.Hour, day)
		w.Name = "another"
		_, err := r.UpdateWebhook(r.ctx, w)
		require.NoError(t, err, "an edit does not conflict with what was noted since it was read")
		r.steadily(time.Hour, 2*day)
		assert.NotEmpty(t, r.webhook(id).Disabled)
	})
}

func TestOwnersAreWarnedInTimeHoweverSparseTheFailures(t *testing.T) {
	bubble(t, func(t *testing.T) {
		owner := newOwner()
		opts := owner.options()
		opts.Backoff = webhook.Schedule()
		r := newHarness(t, opts).start()
		id := r.put(nil).ID
		r.receiver.set(status(500))
		r.steadily(time.Hour, 40*time.Hour) // enough failures, but not for five days
		require.Empty(t, owner.told())
		time.Sleep(5 * day)
		r.emit(open("far later"))
		time.Sleep(time.Minute)
		require.Len(t, owner.told(), 1)
		assert.Equal(t, 90, owner.told()[0].percent)
		r.steadily(time.Hour, 5*time.Hour)
		assert.Empty(t, r.webhook(id).Disabled, "not before its owner had time to mend it")
		r.steadily(time.Hour, 3*time.Hour)
		assert.NotEmpty(t, r.webhook(id).Disabled)
		require.Len(t, owner.told(), 2)
		assert.Equal(t, 100, owner.told()[1].percent)
	})
}

func TestAnOwnerIsToldThoughTheProcessThatDisabledItDied(t *testing.T) {
	bubble(t, func(t *testing.T) {
		owner := newOwner()
		r := newHarness(t, owner.options())
		w := r.put(func(w *webhook.Webhook) { w.Disabled = "The receiver answered 410 Gone." })
		w.Health.AutoDisabled = true
		_, err := r.store.PutWebhook(r.ctx, w) // as the process that died left it
		require.NoError(t, err)

		r = &harness{t: t, ctx: r.ctx, store: r.store, receiver: r.receiver}
		r.Dispatcher = r.another(owner.options())
		r.start()
		r.emit(open("e1"))
		time.Sleep(5 * time.Minute)
		require.Len(t, owner.told(), 1)
		assert.Equal(t, w.ID, owner.told()[0].webhook.ID)
		assert.Equal(t, 100, r.webhook(w.ID).Health.Warned)

		third := r.another(owner.options())
		require.NoError(t, third.Start())
		defer third.Shutdown(r.ctx)
		require.NoError(t, third.Emit(r.ctx, open("e2")))
		time.Sleep(5 * time.Minute)
		assert.Len(t, owner.told(), 1, "and then no more")
	})
}

func TestWhatTheOldReceiverAnsweredIsNotTheNewOnesFault(t *testing.T) {
	for _, code := range []int{500, 410} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newHarness(t, nil).start()
				w := r.put(nil)
				r.receiver.set(func(req *http.Request) (*http.Response, error) {
					time.Sleep(5 * time.Second)
					return status(code)(req)
				})
				r.emit(open("e1"))
				time.Sleep(time.Second)
				w.URL = "https://new.test/"
				w, err := r.UpdateWebhook(r.ctx, w)
				require.NoError(t, err)
				time.Sleep(5 * time.Second)
				w = r.webhook(w.ID)
				assert.Empty(t, w.Disabled)
				assert.Zero(t, w.Health)
			})
		})
	}
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
		time.Sleep(time.Minute)
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
