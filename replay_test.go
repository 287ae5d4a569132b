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
	"github.com/listhook/webhook/memstore"
)

// people returns the subscribers of what was received from the nth request on, by
// by their IDs.
func (r *harness) people(from int) []string {
	var ids []string
	for _, got := range r.receiver.requests()[from:] {
		ids = append(ids, got.Form.Get("subscriber[id]"))
	}
	return ids
}

// opened is an open whose subscriber has the event's ID.
func opened(id string) webhook.Open {
	e := open(id)
	e.Subscriber.ID = id
	return e
}

// aDay emits an event an hour, numbered from 0, and returns when it began.
func (r *harness) aDay() time.Time {
	began := time.Now()
	for i := range 24 {
		r.emit(opened(fmt.Sprint(i)))
		time.Sleep(time.Hour)
	}
	return began
}

func TestReplaySendsAgainWhatHappenedInATime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{PerWebhook: 1, PollInterval: time.Minute}).start()
		w := r.put(nil)
		other := r.put(func(w *webhook.Webhook) { w.URL = "https://other.test/" })
		began := r.aDay()
		before := r.receiver.requests()
		require.Len(t, before, 48)
		ids := map[string]string{}
		for _, got := range before {
			if got.URL == w.URL {
				ids[got.Form.Get("subscriber[id]")] = got.Header.Get("webhook-id")
			}
		}

		replayed, err := r.Replay(r.ctx, "", w.ID, webhook.ReplayQuery{Since: began.Add(5 * time.Hour), Until: began.Add(9 * time.Hour)})
		require.NoError(t, err)
		assert.Equal(t, 4, replayed.Resent)
		synctest.Wait()
		assert.Equal(t, []string{"5", "6", "7", "8"}, r.people(48), "created at or after since and before until, oldest first")
		for _, got := range r.receiver.requests()[48:] {
			assert.Equal(t, w.URL, got.URL, "no other webhook's")
			assert.Equal(t, ids[got.Form.Get("subscriber[id]")], got.Header.Get("webhook-id"), "under the same ID")
			assert.Equal(t, "1", got.Header.Get("webhook-attempt"), "with the whole schedule before it")
		}

		replayed, err = r.Replay(r.ctx, "", other.ID, webhook.ReplayQuery{})
		require.NoError(t, err)
		assert.Equal(t, 24, replayed.Resent, "zero times are the whole log")
	})
}

func TestReplayTakesTheStatesAskedFor(t *testing.T) {
	for _, c := range []struct {
		states []webhook.State
		want   []string
	}{
		{nil, []string{"delivered", "failed"}},
		{[]webhook.State{webhook.StateFailed}, []string{"failed"}},
		{[]webhook.State{webhook.StateDelivered}, []string{"delivered"}},
		{[]webhook.State{webhook.StateCanceled}, []string{"canceled"}},
		{[]webhook.State{webhook.StateCanceled, webhook.StateFailed}, []string{"failed", "canceled"}},
	} {
		t.Run(fmt.Sprint(c.states), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newHarness(t, &webhook.Options{PerWebhook: 1, Backoff: webhook.Schedule(time.Minute)}).start()
				w := r.put(nil)
				r.emit(opened("delivered"))
				time.Sleep(time.Second) // what is created at once has no order
				r.receiver.set(status(500))
				r.emit(opened("failed"))
				time.Sleep(time.Hour)
				r.emit(opened("canceled"))
				synctest.Wait()
				w.Disabled = "By its owner."
				w, err := r.UpdateWebhook(r.ctx, w)
				require.NoError(t, err)

				_, err = r.Replay(r.ctx, "", w.ID, webhook.ReplayQuery{States: c.states})
				require.ErrorAs(t, err, new(*webhook.InvalidError), "while it is off, all would be canceled")
				w.Disabled = ""
				_, err = r.UpdateWebhook(r.ctx, w)
				require.NoError(t, err)
				r.receiver.set(nil)
				sent := len(r.receiver.requests())
				replayed, err := r.Replay(r.ctx, "", w.ID, webhook.ReplayQuery{States: c.states})
				require.NoError(t, err)
				assert.Equal(t, len(c.want), replayed.Resent)
				synctest.Wait()
				assert.Equal(t, c.want, r.people(sent))
			})
		})
	}
}

func TestReplayRefusesWhatItCannotDo(t *testing.T) {
	r := newHarness(t, nil)
	w := r.put(nil)
	at := time.Now()
	for _, c := range []struct {
		name         string
		account, id  string
		since, until time.Time
		state        webhook.State
		field        string // "": ErrNotFound
	}{
		{"an empty time", "", w.ID, at, at, webhook.StateFailed, "Until"},
		{"a time that ends first", "", w.ID, at, at.Add(-time.Hour), webhook.StateFailed, "Until"},
		{"a time that is not come", "", w.ID, at.Add(time.Hour), time.Time{}, webhook.StateFailed, "Until"},
		{"what is pending", "", w.ID, time.Time{}, at, webhook.StatePending, "States"},
		{"an unknown state", "", w.ID, time.Time{}, at, "lost", "States"},
		{"another account's webhook", "another", w.ID, time.Time{}, at, webhook.StateFailed, ""},
		{"an unknown webhook", "", "1", time.Time{}, at, webhook.StateFailed, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			replayed, err := r.Replay(r.ctx, c.account, c.id, webhook.ReplayQuery{Since: c.since, Until: c.until, States: []webhook.State{c.state}})
			assert.Zero(t, replayed)
			if c.field == "" {
				require.ErrorIs(t, err, webhook.ErrNotFound)
				return
			}
			var invalid *webhook.InvalidError
			require.ErrorAs(t, err, &invalid)
			assert.Equal(t, c.field, invalid.Field)
		})
	}
	require.NoError(t, r.DeleteWebhook(r.ctx, "", w.ID))
	_, err := r.Replay(r.ctx, "", w.ID, webhook.ReplayQuery{})
	require.ErrorIs(t, err, webhook.ErrNotFound, "a deleted webhook")
}

func TestReplayGoesInPagesAndTellsHowFarItCame(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newFaultyHarness(t, nil)
		r.start()
		w := r.put(nil)
		for i := range 1000 {
			r.emit(open(fmt.Sprint(i)))
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Minute)
		log := r.log()
		require.Len(t, log, 1000)
		_, err := r.store.Apply(r.ctx, []webhook.Change{{
			ID: log[7].ID, Lease: log[7].Lease, State: webhook.StateCanceled, Due: log[7].Due, Erase: true,
		}})
		require.NoError(t, err)

		require.NoError(t, r.Shutdown(r.ctx))
		ctx, cancel := context.WithCancel(r.ctx)
		largest := 0
		store.fault(func(s *faultyStore) {
			s.apply = func(cs []webhook.Change) error {
				largest = max(largest, len(cs))
				if cs[0].ID == log[500].ID {
					cancel()
				}
				return ctx.Err()
			}
		})
		final := []webhook.State{webhook.StateDelivered, webhook.StateCanceled}
		replayed, err := r.Replay(ctx, "", w.ID, webhook.ReplayQuery{States: final})
		require.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, 499, replayed.Resent, "what was erased is passed over")
		assert.LessOrEqual(t, largest, 100)
		for i, d := range r.log() {
			assert.Equal(t, i < 500 && i != 7, d.State == webhook.StatePending, "delivery %d", i)
		}

		store.fault(func(s *faultyStore) { s.apply = nil })
		replayed, err = r.Replay(r.ctx, "", w.ID, webhook.ReplayQuery{States: final})
		require.NoError(t, err)
		assert.Equal(t, 500, replayed.Resent, "what waits already is left alone")
	})
}

func TestReplayingAgainAndAgainIsNoSignOfADeadlyDelivery(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{Backoff: webhook.Schedule()}).start()
		w := r.put(nil)
		r.emit(open("e1"))
		for range 40 {
			time.Sleep(time.Minute)
			replayed, err := r.Replay(r.ctx, "", w.ID, webhook.ReplayQuery{})
			require.NoError(t, err)
			require.Equal(t, 1, replayed.Resent)
		}
		synctest.Wait()
		assert.Equal(t, 41, len(r.receiver.requests()))
		assert.Equal(t, webhook.StateDelivered, r.log()[0].State)
	})
}

// Of a key that many deliveries share, the newer ones are read once for all deliveries that
// are sent again together.
func TestReplayReadsTheHistoryOfAKeyOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := &historyStore{Store: &memstore.Store{}}
		r := newHarnessOn(t, store, nil).start()
		w := r.put(nil)
		for i := range 90 {
			r.emit(webhook.Subscribe{
				Meta:       webhook.Meta{Lists: []string{"12"}, Source: webhook.SourceAPI, Key: "a company"},
				Subscriber: webhook.Subscriber{ID: fmt.Sprint(i % 45)},
			})
			time.Sleep(time.Second)
		}
		time.Sleep(time.Minute)
		store.read = 0
		replayed, err := r.Replay(r.ctx, "", w.ID, webhook.ReplayQuery{})
		require.NoError(t, err)
		assert.Equal(t, webhook.Replayed{Resent: 45, Replaced: 45}, replayed)
		assert.LessOrEqual(t, store.read, 2)
	})
}

// A historyStore counts how often the deliveries of a key are read.
type historyStore struct {
	webhook.Store
	read int
}

func (s *historyStore) Deliveries(ctx context.Context, q webhook.DeliveryQuery) ([]webhook.Delivery, error) {
	if q.Key != "" {
		s.read++
	}
	return s.Store.Deliveries(ctx, q)
}
