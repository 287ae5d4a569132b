package webhook_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// ofAccount is a webhook of an account, and eventOf an event of it.
func ofAccount(account string, change func(*webhook.Webhook)) func(*webhook.Webhook) {
	return func(w *webhook.Webhook) {
		w.Account = account
		if change != nil {
			change(w)
		}
	}
}

func eventOf(account, id string) webhook.Event {
	e := open(id)
	e.Account = account
	return e
}

func (r *harness) backlog() webhook.Backlog {
	b, err := r.Backlog(r.ctx)
	require.NoError(r.t, err)
	return b
}

func TestABacklogTellsApartWhatWaitsForItsWebhook(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil) // it delivers nothing
		assert.Zero(t, r.backlog())
		off := r.put(ofAccount("paused", paused))
		for i := range 1500 {
			r.emit(eventOf("paused", fmt.Sprint(i)))
		}
		time.Sleep(time.Hour)
		assert.Equal(t, webhook.Backlog{Parked: 1500}, r.backlog(), "one paused customer is no backlog")

		r.put(ofAccount("other", nil))
		for i := range 3 {
			r.emit(eventOf("other", fmt.Sprint(i)))
			time.Sleep(time.Minute)
		}
		r.emit(of(webhook.TypeUnsubscribe, "nobody's")) // of another account
		assert.Equal(t, webhook.Backlog{Pending: 3, Due: 3, Age: 3 * time.Minute, Parked: 1500}, r.backlog())

		off = r.webhookOf("paused", off.ID)
		off.Disabled = ""
		off, err := r.UpdateWebhook(r.ctx, off)
		require.NoError(t, err)
		assert.Equal(t, webhook.Backlog{Pending: 1503, Due: 1503, Age: time.Hour + 3*time.Minute}, r.backlog())
		require.NoError(t, r.DeleteWebhook(r.ctx, "paused", off.ID))
		assert.Equal(t, webhook.Backlog{Pending: 3, Due: 3, Age: 3 * time.Minute}, r.backlog())
	})
}

// One delivery that is refused, and those behind it, are no sign that deliveries are late.
func TestTheAgeOfABacklogIsOfWhatWaitsForNoOtherDelivery(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		r.put(nil)
		r.receiver.set(refusing(webhook.TypeSubscribe))
		r.emit(person(webhook.TypeSubscribe, "1", "12"))
		for range 5 {
			r.emit(person(webhook.TypeUpdate, "1", "12"))
		}
		time.Sleep(20 * time.Minute)
		assert.Equal(t, webhook.Backlog{Pending: 6, Due: 5}, r.backlog())
		require.NoError(t, r.Shutdown(r.ctx))
		r.emit(person(webhook.TypeUpdate, "2", "12"))
		time.Sleep(2 * time.Minute)
		assert.Equal(t, webhook.Backlog{Pending: 7, Due: 6, Age: 2 * time.Minute}, r.backlog())
	})
}

// webhookOf returns a webhook of an account.
func (r *harness) webhookOf(account, id string) webhook.Webhook {
	w, err := r.Webhook(r.ctx, account, id)
	require.NoError(r.t, err)
	return w
}

func TestTheAgeOfABacklogLeavesOutWebhooksWithARateLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil) // it delivers nothing
		limited := r.put(ofAccount("limited", limited(1)))
		r.emit(eventOf("limited", "1"), eventOf("limited", "2"))
		time.Sleep(time.Hour)
		assert.Equal(t, webhook.Backlog{Pending: 2, Due: 2}, r.backlog())

		r.put(ofAccount("other", nil))
		r.emit(eventOf("other", "3"))
		time.Sleep(time.Minute)
		assert.Equal(t, webhook.Backlog{Pending: 3, Due: 3, Age: time.Minute}, r.backlog())

		limited = r.webhookOf("limited", limited.ID)
		limited.RateLimit = 0
		_, err := r.UpdateWebhook(r.ctx, limited)
		require.NoError(t, err)
		assert.Equal(t, webhook.Backlog{Pending: 3, Due: 3, Age: time.Hour + time.Minute}, r.backlog())
	})
}

func TestABacklogOfReceiversThatFailOrAskForPatienceIsParked(t *testing.T) {
	for name, answer := range map[string]int{"fails": 500, "asks for patience": 429} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newHarness(t, nil).start()
				r.put(nil)
				r.receiver.set(status(answer, "Retry-After", "3600"))
				for i := range 100 {
					r.emit(open(fmt.Sprint(i)))
				}
				time.Sleep(10*time.Minute + time.Second)
				b := r.backlog()
				assert.Equal(t, 100, b.Parked)
				assert.Zero(t, b.Pending)
				assert.Zero(t, b.Due)
				assert.Zero(t, b.Age)
				r.receiver.set(nil)
				time.Sleep(3 * time.Hour)
				assert.Zero(t, r.backlog())
			})
		})
	}
}

func TestWhatIsUnderWayIsPendingAndNotDue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		r.put(nil)
		r.receiver.set(hang)
		r.emit(open("1"))
		synctest.Wait()
		assert.Equal(t, webhook.Backlog{Pending: 1}, r.backlog())
	})
}

// Some hundred webhooks are counted in one call, the others in the next.
func TestABacklogOfManyHeldWebhooks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil)
		for i := range 250 {
			account := fmt.Sprint("paused ", i)
			r.put(ofAccount(account, paused))
			r.emit(eventOf(account, "1"), eventOf(account, "2"))
		}
		r.put(ofAccount("other", nil))
		r.emit(eventOf("other", "1"))
		time.Sleep(time.Minute)
		var b webhook.Backlog
		for range 3 {
			b = r.backlog()
		}
		assert.Equal(t, webhook.Backlog{Pending: 1, Due: 1, Age: time.Minute, Parked: 500}, b)
	})
}

func TestTheAgeOfABacklogBehindMuchThatIsParked(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{KeepLimit: 51_000})
		r.put(ofAccount("paused", paused))
		for i := range 51 {
			events := make([]webhook.Event, 1000)
			for j := range events {
				events[j] = eventOf("paused", fmt.Sprint(i, " ", j))
			}
			r.emit(events...)
			time.Sleep(time.Millisecond)
		}
		r.put(ofAccount("other", nil))
		r.emit(eventOf("other", "1"))
		time.Sleep(time.Minute)
		assert.Equal(t, 51_000, r.backlog().Parked)
		b := r.backlog() // the first call looked through a part
		assert.Equal(t, webhook.Backlog{Pending: 1, Due: 1, Age: time.Minute, Parked: 51_000}, b)
	})
}

func TestABacklogFindsWhatASlowClockHeld(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil)
		w := r.put(nil)
		r.emit(open("1"))
		time.Sleep(10 * time.Minute)
		require.Equal(t, 1, r.backlog().Due)
		w.Disabled, w.KeepEvents = "By its owner.", true
		slow, err := webhook.New(&skewedStore{r.store, -time.Hour}, nil, nil)
		require.NoError(t, err)
		_, err = slow.UpdateWebhook(r.ctx, w)
		require.NoError(t, err)
		time.Sleep(5 * time.Minute)
		assert.Equal(t, webhook.Backlog{Parked: 1}, r.backlog())
	})
}

func TestABacklogThatCannotBeCountedIsAnError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newGatedHarness(t)
		r.put(paused)
		r.emit(open("1"))
		require.Equal(t, 1, r.backlog().Parked)
		store.set(func(s *gatedStore) { s.failing = true })
		_, err := r.Backlog(r.ctx)
		require.ErrorIs(t, err, errDown)
		store.set(func(s *gatedStore) { s.failing = false })
		assert.Equal(t, webhook.Backlog{Parked: 1}, r.backlog())
	})
}

// A reading of all webhooks that takes longer than its caller has goes on with
// the next call.
func TestABacklogOfMoreWebhooksThanOneCallReads(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newFaultyHarness(t, nil)
		r.put(func(w *webhook.Webhook) { paused(w); w.ID, w.Account = "0", "paused" })
		for i := range 1300 {
			r.put(func(w *webhook.Webhook) { w.ID, w.Account = fmt.Sprintf("1%04d", i), "others" })
		}
		r.put(func(w *webhook.Webhook) { paused(w); w.ID, w.Account = "9", "paused" })
		r.emit(eventOf("paused", "1"))
		calls := 0
		slow := &slowWebhooks{Store: store, answers: func() error {
			if calls++; calls%2 == 0 {
				return errDown
			}
			return nil
		}}
		d, err := webhook.New(slow, nil, nil)
		require.NoError(t, err)
		var b webhook.Backlog
		for range 10 {
			if b, err = d.Backlog(r.ctx); err == nil {
				break
			}
			require.ErrorIs(t, err, errDown)
		}
		require.NoError(t, err)
		assert.Equal(t, webhook.Backlog{Parked: 2}, b)
		assert.Less(t, calls, 10, "what was read is not read again")
	})
}

// slowWebhooks is a store whose Webhooks fails if answers says so.
type slowWebhooks struct {
	webhook.Store
	answers func() error
}

func (s *slowWebhooks) Webhooks(ctx context.Context, q webhook.WebhookQuery) ([]webhook.Webhook, error) {
	if err := s.answers(); err != nil {
		return nil, err
	}
	return s.Store.Webhooks(ctx, q)
}

// stuckCounts is a store whose Count waits while it is held up, whatever becomes of its
// context, as some drivers do.
type stuckCounts struct {
	webhook.Store

	mu    sync.Mutex
	gate  chan struct{} // nil: nothing waits; else until closed
	calls int
}

func (s *stuckCounts) Count(ctx context.Context, q webhook.DeliveryQuery) (int, error) {
	s.mu.Lock()
	gate := s.gate
	s.calls++
	s.mu.Unlock()
	if gate != nil {
		<-gate
	}
	return s.Store.Count(ctx, q)
}

func (s *stuckCounts) holdUp(gate chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate = gate
}

func newStuckHarness(t *testing.T) (*harness, *stuckCounts) {
	r, faulty := newFaultyHarness(t, nil)
	store := &stuckCounts{Store: faulty}
	d, err := webhook.New(store, nil, nil)
	require.NoError(t, err)
	r.Dispatcher = d
	return r, store
}

func TestABacklogIsNotWaitedForAfterTheContextsEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newStuckHarness(t)
		r.put(nil)
		r.emit(open("1"))
		gate := make(chan struct{})
		store.holdUp(gate)
		errs := make(chan error, 4)
		for range 2 {
			go func() {
				ctx, cancel := context.WithTimeout(r.ctx, time.Second)
				defer cancel()
				_, err := r.Backlog(ctx)
				errs <- err
			}()
			synctest.Wait()
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Len(t, errs, 2, "the one that counts and the one that waits have returned")
		for range 2 {
			require.ErrorIs(t, <-errs, context.DeadlineExceeded)
		}
		ended, cancel := context.WithCancel(r.ctx)
		cancel()
		_, err := r.Backlog(ended)
		require.ErrorIs(t, err, context.Canceled)

		got := make(chan webhook.Backlog, 1)
		go func() { got <- r.backlog() }()
		synctest.Wait()
		require.Empty(t, got, "the store is still asked")
		close(gate)
		assert.Equal(t, 1, (<-got).Pending, "the count of nobody fails no other")
	})
}

func TestCallersOfBacklogShareACountThatBeginsAfterTheirCalls(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newStuckHarness(t)
		r.put(nil)
		r.backlog()
		one := store.calls
		gate := make(chan struct{})
		store.holdUp(gate)
		first, others := make(chan webhook.Backlog, 1), make(chan webhook.Backlog, 10)
		go func() { first <- r.backlog() }()
		synctest.Wait()
		r.emit(open("1"))
		for range cap(others) {
			go func() { others <- r.backlog() }()
		}
		synctest.Wait()
		close(gate)
		<-first
		for range cap(others) {
			assert.Equal(t, 1, (<-others).Pending)
		}
		assert.Equal(t, 3*one, store.calls, "one count for the first and one for all others")
	})
}
