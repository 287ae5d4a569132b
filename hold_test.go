package webhook_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

func TestEndHoldMakesOneProbeAndTheOthersFollow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		id := r.put(nil).ID
		r.receiver.set(status(503))
		for i := range 50 {
			r.emit(open(fmt.Sprint(i)))
		}
		time.Sleep(10 * time.Minute) // the next probe is minutes away
		sent := len(r.receiver.requests())

		w, err := r.ProbeNow(r.ctx, "", id)
		require.NoError(t, err)
		assert.Zero(t, w.HeldUntil)
		assert.GreaterOrEqual(t, w.Health.Failures, 10)
		time.Sleep(30 * time.Second)
		assert.Len(t, r.receiver.requests(), sent+1, "it still fails")
		assert.True(t, r.webhook(id).HeldUntil.After(time.Now()))
		assert.Equal(t, w.Health.Since, r.webhook(id).Health.Since, "it is on its way to being disabled as it was")

		r.receiver.set(nil)
		_, err = r.ProbeNow(r.ctx, "", id)
		require.NoError(t, err)
		time.Sleep(time.Minute)
		assert.Equal(t, 50, r.states()[webhook.StateDelivered])
		assert.Zero(t, r.webhook(id).Health.Failures)
	})
}

func TestEndHoldEndsAWaitThatTheReceiverAskedFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		id := r.put(nil).ID
		r.receiver.set(status(429, "Retry-After", "3600"))
		r.emit(open("1"))
		time.Sleep(time.Minute)
		r.receiver.set(nil)
		r.emit(open("2"))
		synctest.Wait()
		require.Len(t, r.receiver.requests(), 1)
		_, err := r.ProbeNow(r.ctx, "", id)
		require.NoError(t, err)
		synctest.Wait()
		assert.Len(t, r.receiver.requests(), 2)
	})
}

func TestEndHoldLeavesOthersAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		off, on := r.put(paused), r.put(nil)
		r.emit(open("1"))
		synctest.Wait()
		for _, w := range []webhook.Webhook{off, on} {
			before := r.webhook(w.ID)
			after, err := r.ProbeNow(r.ctx, "", w.ID)
			require.NoError(t, err)
			assert.Equal(t, before, after)
		}
		time.Sleep(time.Minute)
		assert.Len(t, r.receiver.requests(), 1, "one that is disabled keeps its events")
		_, err := r.ProbeNow(r.ctx, "else", on.ID)
		assert.ErrorIs(t, err, webhook.ErrNotFound)
	})
}
