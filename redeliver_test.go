package webhook_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// A delivery that waits for its next attempt stays before those that wait for it, so they
// are no reason for a warning.
func TestAPendingDeliveryIsSentAtOnceBeforeThoseBehindIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		r.put(nil)
		r.receiver.set(refusing(webhook.TypeSubscribe))
		r.emit(person(webhook.TypeSubscribe, "1", "12"))
		time.Sleep(time.Second)
		r.emit(person(webhook.TypeUnsubscribe, "1", "12"))
		time.Sleep(time.Minute)
		older := r.log()[0]
		require.Equal(t, webhook.StatePending, older.State)

		r.receiver.set(nil)
		require.NoError(t, r.Redeliver(r.ctx, "", older.ID))
		time.Sleep(time.Second)
		told := r.told()["1"]
		assert.Equal(t, []string{"subscribe", "unsubscribe"}, told[len(told)-2:])

		require.ErrorAs(t, r.Redeliver(r.ctx, "", older.ID), new(*webhook.NewerError), "it has ended")
	})
}

func TestRedeliverRightAfterAnOutcomeIsAttemptedAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var r *harness
		again := true
		r = newHarness(t, &webhook.Options{Hooks: webhook.Hooks{Changed: func(d webhook.Delivery) {
			if again {
				again = false
				require.NoError(t, r.Redeliver(t.Context(), d.Account, d.ID))
				time.Sleep(10 * time.Millisecond) // meanwhile it is claimed
			}
		}}}).start()
		r.put(nil)
		r.emit(open("e1"))
		time.Sleep(time.Minute)
		got := r.receiver.requests()
		require.Len(t, got, 2)
		assert.Less(t, got[1].At.Sub(got[0].At), 2*time.Second)
	})
}
