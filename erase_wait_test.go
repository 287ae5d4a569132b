package webhook_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// leave is an unsubscription of a person.
func leave(id string) webhook.Unsubscribe {
	return webhook.Unsubscribe{
		Meta: webhook.Meta{ID: "leave " + id, Source: webhook.SourcePublic}, Subscriber: webhook.Subscriber{ID: id},
	}
}

// erased returns how many deliveries are empty, and how many are not.
func (r *harness) erased() (empty, full int) {
	for _, d := range r.log() {
		if len(d.Body) == 0 {
			empty++
		} else {
			full++
		}
	}
	return empty, full
}

func TestReceiversAreToldBeforeAPersonIsForgotten(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		r.put(nil)
		r.emit(about("12", ""))
		synctest.Wait()
		r.receiver.set(status(500))
		r.emit(leave("12"), leave("13"))
		synctest.Wait()

		var n int
		var err error
		ended := make(chan struct{})
		began := time.Now()
		go func() {
			defer close(ended)
			n, err = r.EraseSubscriber(r.ctx, "", "12", "", &webhook.EraseOptions{DeliverUntil: began.Add(time.Hour)})
		}()
		synctest.Wait()
		empty, full := r.erased()
		assert.Equal(t, []int{1, 2}, []int{empty, full}, "what has ended is erased at once, what is pending is not")

		r.receiver.set(nil) // the next attempt, after five seconds, succeeds
		<-ended
		require.NoError(t, err)
		assert.Equal(t, 2, n)
		assert.Less(t, time.Since(began), 2*time.Minute, "it does not wait to the end")
		empty, full = r.erased()
		assert.Equal(t, []int{2, 1}, []int{empty, full})
		assert.Equal(t, 3, r.states()[webhook.StateDelivered], "the receiver was told")
	})
}

func TestAPersonIsForgottenInTimeThoughAReceiverIsDown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		r.put(nil)
		r.put(paused)
		r.receiver.set(status(500))
		r.emit(leave("12"))
		began := time.Now()
		n, err := r.EraseSubscriber(r.ctx, "", "12", "", &webhook.EraseOptions{DeliverUntil: began.Add(3 * time.Hour)})
		require.NoError(t, err)
		assert.Equal(t, 2, n)
		assert.Equal(t, 3*time.Hour, time.Since(began))
		assert.Equal(t, 2, r.states()[webhook.StateCanceled])
		sent := len(r.receiver.requests())
		assert.Greater(t, sent, 1)
		time.Sleep(time.Hour)
		assert.Len(t, r.receiver.requests(), sent)
	})
}

// The process that waited died. What is pending is delivered all the same, and erased
// when the app asks again with the same time.
func TestAnErasureGoesOnAfterARestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil) // it delivers nothing
		r.put(nil)
		r.emit(leave("12"))
		until := &webhook.EraseOptions{DeliverUntil: time.Now().Add(time.Hour)}
		ctx, cancel := context.WithTimeout(r.ctx, time.Minute)
		defer cancel()
		n, err := r.EraseSubscriber(ctx, "", "12", "", until)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Zero(t, n)
		empty, full := r.erased()
		assert.Equal(t, []int{0, 1}, []int{empty, full})

		r.Dispatcher = r.another(nil)
		r.start()
		time.Sleep(time.Minute)
		assert.Equal(t, 1, r.states()[webhook.StateDelivered])
		for _, want := range []int{1, 0} {
			n, err = r.EraseSubscriber(r.ctx, "", "12", "", until)
			require.NoError(t, err)
			assert.Equal(t, want, n)
		}
		time.Sleep(2 * time.Hour)
		r.emit(leave("14"))
		n, err = r.EraseSubscriber(r.ctx, "", "14", "", until)
		require.NoError(t, err)
		assert.Equal(t, 1, n, "the time is past: at once")
	})
}

// What is emitted while it waits is erased too.
func TestWhatComesWhileAnErasureWaitsIsErased(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		r.put(nil)
		r.receiver.set(slowly(10 * time.Second))
		r.emit(leave("12"))
		go func() {
			time.Sleep(5 * time.Second)
			r.receiver.set(nil)
			_ = r.Emit(r.ctx, about("12", ""))
		}()
		n, err := r.EraseSubscriber(r.ctx, "", "12", "", &webhook.EraseOptions{DeliverUntil: time.Now().Add(time.Hour)})
		require.NoError(t, err)
		assert.Equal(t, 2, n)
	})
}
