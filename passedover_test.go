package webhook_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// seldom has attempts come four hours apart.
func seldom() *webhook.Options {
	four := 4 * time.Hour
	return &webhook.Options{PollInterval: time.Minute, Backoff: webhook.Schedule(four, four, four, four)}
}

// keyedBy returns events of a subscriber, with a key of the app's own or without.
func keyedBy(key string) func(webhook.EventType) webhook.Event {
	return func(t webhook.EventType) webhook.Event {
		e := person(t, "1", "12")
		switch e := e.(type) {
		case webhook.Subscribe:
			e.Meta.Key = key
			return e
		case webhook.Unsubscribe:
			e.Meta.Key = key
			return e
		case webhook.Update:
			e.Meta.Key = key
			return e
		}
		return e
	}
}

// delivery reads one delivery.
func (r *harness) delivery(id string) webhook.Delivery {
	ds, err := r.store.Deliveries(r.ctx, webhook.DeliveryQuery{All: true, IDs: []string{id}})
	require.NoError(r.t, err)
	require.Len(r.t, ds, 1)
	return ds[0]
}

// cancel ends a delivery that waits for its next attempt.
func (r *harness) cancel(id string) {
	lost, err := r.store.Apply(r.ctx, []webhook.Change{{
		ID: id, Lease: r.delivery(id).Lease, State: webhook.StateCanceled, Due: time.Now(),
	}})
	require.NoError(r.t, err)
	require.Empty(r.t, lost)
}

// bothPassedOver emits an unsubscribe and then a subscribe of the same list, each of which
// is refused and passed over for an update, and returns their deliveries.
func bothPassedOver(r *harness, event func(webhook.EventType) webhook.Event) (older, newer webhook.Delivery) {
	r.receiver.set(status(400))
	pass := func(t webhook.EventType) webhook.Delivery {
		r.emit(event(t))
		time.Sleep(time.Second)
		r.emit(event(webhook.TypeUpdate))
		time.Sleep(10 * time.Minute)
		for _, d := range r.log() {
			if d.Type == t {
				_, err := r.Skip(r.ctx, "", d.ID)
				require.NoError(r.t, err)
				time.Sleep(10 * time.Minute) // the update is refused
			}
		}
		log := r.log()
		update := log[len(log)-1]
		require.Equal(r.t, webhook.TypeUpdate, update.Type)
		r.cancel(update.ID)
		return log[len(log)-2]
	}
	older, newer = pass(webhook.TypeUnsubscribe), pass(webhook.TypeSubscribe)
	for _, d := range []webhook.Delivery{older, newer} {
		require.True(r.t, d.PassedOver, "%s", d.Type)
		require.Equal(r.t, webhook.StatePending, d.State)
	}
	return older, newer
}

// Neither of two deliveries that were passed over stands in the line, but the older one
// must still not undo the newer one.
func TestOfTwoDeliveriesThatWerePassedOverTheOlderOneIsCanceled(t *testing.T) {
	for _, key := range []string{"", "of the company"} {
		t.Run("key "+key, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newHarness(t, seldom()).start()
				r.put(nil)
				older, newer := bothPassedOver(r, keyedBy(key))
				r.receiver.set(nil)
				time.Sleep(24 * time.Hour)
				assert.Equal(t, webhook.StateCanceled, r.delivery(older.ID).State)
				assert.Equal(t, webhook.StateDelivered, r.delivery(newer.ID).State)
				told := r.told()["1"]
				assert.Equal(t, "subscribe", told[len(told)-1])
				reason := r.delivery(older.ID).Log
				assert.Contains(t, reason[len(reason)-1].Reason, "a newer event replaces it: subscribe, delivery "+newer.ID)
			})
		})
	}
}

// What was passed over is compared like any other when it is sent again.
func TestDeliveriesThatWerePassedOverAreComparedWhenSentAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, seldom()).start()
		w := r.put(nil)
		older, newer := bothPassedOver(r, keyedBy("of the company"))
		r.cancel(older.ID)
		r.receiver.set(nil)
		time.Sleep(24 * time.Hour)
		require.Equal(t, webhook.StateDelivered, r.delivery(newer.ID).State)

		var warning *webhook.NewerError
		require.ErrorAs(t, r.Redeliver(r.ctx, "", older.ID), &warning)
		assert.Equal(t, webhook.TypeUpdate, warning.Newer.Type, "the newest of the key, which was canceled")
		found, err := r.Newer(r.ctx, "", older.ID)
		require.NoError(t, err)
		assert.Equal(t, warning.Newer.ID, found.ID)
		replayed, err := r.Replay(r.ctx, "", w.ID, webhook.ReplayQuery{States: []webhook.State{webhook.StateCanceled, webhook.StateDelivered}})
		require.NoError(t, err)
		assert.Equal(t, 2, replayed.Replaced, "the unsubscribe and the first update")
		time.Sleep(time.Minute)
		assert.Equal(t, webhook.StateCanceled, r.delivery(older.ID).State)
		assert.False(t, r.delivery(newer.ID).PassedOver, "sent again, it stands in its line")
	})
}

// What was passed over and ended waits for its turn when it is sent again, and others wait
// for it.
func TestADeliveryThatWasPassedOverJoinsItsLineWhenItIsSentAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, seldom()).start()
		r.put(nil)
		older, newer := bothPassedOver(r, keyedBy(""))
		for _, d := range []webhook.Delivery{older, newer} {
			r.cancel(d.ID)
		}
		require.NoError(t, r.RedeliverAnyway(r.ctx, "", newer.ID)) // it is refused
		time.Sleep(time.Minute)
		require.NoError(t, r.RedeliverAnyway(r.ctx, "", older.ID))
		time.Sleep(10 * time.Minute)
		first, err := r.Blocking(r.ctx, "", older.ID)
		require.NoError(t, err)
		require.NotNil(t, first)
		assert.Equal(t, newer.ID, first.ID)
	})
}
