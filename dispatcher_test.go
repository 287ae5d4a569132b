package webhook_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

func TestAnEventReachesItsWebhook(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		w := r.put(nil)
		began := time.Now()
		r.emit(open("e1"))
		synctest.Wait()

		got := r.receiver.requests()
		require.Len(t, got, 1)
		assert.Equal(t, began, got[0].At, "the first attempt is at once")
		assert.Equal(t, "test value", got[0].Form.Get("subscriber[fields][7]"))
		assert.Equal(t, "open", got[0].Form.Get("type"))
		assert.Equal(t, "12", got[0].Form.Get("list"))
		assert.Equal(t, "application/x-www-form-urlencoded", got[0].Header.Get("Content-Type"))

		log := r.log()
		require.Len(t, log, 1)
		d := log[0]
		assert.Equal(t, d.ID, got[0].Header.Get("webhook-id"))
		assert.Equal(t, "1", got[0].Header.Get("webhook-attempt"))
		assert.Equal(t, "open", got[0].Header.Get("webhook-event"))
		assert.Equal(t, w.ID, d.WebhookID)
		assert.Equal(t, webhook.StateDelivered, d.State)
		assert.Equal(t, 1, d.Attempts)
		require.Len(t, d.Log, 1)
		assert.Equal(t, 200, d.Log[0].Status)
		assert.Equal(t, "answer", string(d.Log[0].Response))
		assert.Empty(t, d.Log[0].Reason)
	})
}

func TestAFailureIsTriedAgainOnTheSchedule(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		r.receiver.set(status(500))
		r.put(nil)
		began := time.Now()
		r.emit(open("e1"))
		time.Sleep(time.Hour)
		require.NoError(t, r.Shutdown(r.ctx))
		r.Dispatcher = r.another(&webhook.Options{PollInterval: time.Minute}) // so that days pass quickly
		r.start()
		time.Sleep(5 * 24 * time.Hour)

		got := r.receiver.requests()
		require.Len(t, got, 10)
		wants := []time.Duration{
			0, 5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
			10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
		}
		last := began
		for i, want := range wants {
			poll := 1100 * time.Millisecond
			if i > 3 { // in the second Dispatcher
				poll = 2 * time.Minute
			}
			gap := got[i].At.Sub(last)
			last = got[i].At
			assert.InDelta(t, want.Seconds(), gap.Seconds(), 0.1*want.Seconds()+poll.Seconds()+1.2, "before attempt %d", i+1)
			assert.Equal(t, fmt.Sprint(i+1), got[i].Header.Get("webhook-attempt"))
			assert.Equal(t, got[0].Header.Get("webhook-id"), got[i].Header.Get("webhook-id"))
		}
		log := r.log()
		require.Len(t, log, 1)
		assert.Equal(t, webhook.StateFailed, log[0].State)
		assert.Equal(t, 10, log[0].Attempts)
		assert.Len(t, log[0].Log, 10)
	})
}

func TestEmittingTwiceDeliversOncePerWebhook(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		r.put(nil)
		r.put(nil)
		r.emit(open("same"), open("same"))
		r.emit(open("same"))
		synctest.Wait()
		assert.Len(t, r.receiver.requests(), 2)
		assert.Len(t, r.log(), 2)
	})
}

func TestInvalidEventsAreRefusedWhetherOrNotAnybodyListens(t *testing.T) {
	r := newHarness(t, nil)
	bad := open("e1")
	bad.Subscriber.Fields = map[string]string{"a]b": "x"}
	var invalid *webhook.InvalidError
	require.ErrorAs(t, r.Emit(r.ctx, open("e0"), bad), &invalid)
	assert.Equal(t, "Subscriber.Fields", invalid.Field)
	require.ErrorAs(t, r.Emit(r.ctx, nil), &invalid)
	require.ErrorAs(t, r.Emit(r.ctx, (*webhook.Open)(nil)), &invalid)
}

func TestStartAfterShutdownIsRefused(t *testing.T) {
	r := newHarness(t, nil)
	require.NoError(t, r.Start())
	require.Error(t, r.Start())
	require.NoError(t, r.Shutdown(r.ctx))
	require.ErrorIs(t, r.Start(), webhook.ErrClosed)
	require.NoError(t, r.Shutdown(r.ctx))
	require.False(t, errors.Is(r.Emit(r.ctx, open("after")), webhook.ErrClosed))
}
