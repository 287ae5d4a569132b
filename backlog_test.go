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
