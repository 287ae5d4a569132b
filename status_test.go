package webhook_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

func TestReadyIsWhileTheStoreAnswers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil)
		store := &faultyStore{Store: r.store}
		r.store = store
		r.Dispatcher = r.another(nil)
		assert.EqualError(t, r.Ready(), "webhook: the Dispatcher was not started")
		r.start()
		assert.NoError(t, r.Ready())
		time.Sleep(time.Hour + time.Second/2) // between two polls
		assert.NoError(t, r.Ready())

		down := errors.New("the database is down")
		store.fault(func(s *faultyStore) { s.claim = func() error { return down } })
		time.Sleep(5 * time.Second)
		assert.NoError(t, r.Ready(), "a moment is no reason to stop sending traffic here")
		time.Sleep(2 * time.Second)
		err := r.Ready()
		assert.ErrorIs(t, err, down)
		assert.ErrorContains(t, err, "webhook: the store has not answered for 6s")

		store.fault(func(s *faultyStore) { s.claim = nil })
		time.Sleep(time.Second)
		assert.NoError(t, r.Ready())

		hang := make(chan struct{})
		store.fault(func(s *faultyStore) { s.claim = func() error { <-hang; return nil } })
		time.Sleep(10 * time.Second)
		assert.EqualError(t, r.Ready(), "webhook: the store has not answered for 9s")
		close(hang)
		synctest.Wait()
		assert.NoError(t, r.Ready())

		require.NoError(t, r.Shutdown(r.ctx))
		assert.EqualError(t, r.Ready(), "webhook: the Dispatcher was shut down")
	})
}

func TestReadyWhileEverythingIsUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{Concurrency: 1, Timeout: 10 * time.Minute}).start()
		r.receiver.set(hang)
		for i := range 20 {
			r.put(nil)
			r.emit(open(string(rune('a' + i))))
		}
		for range 30 { // no claim is made, and no outcome is there to be stored
			time.Sleep(10 * time.Second)
			require.NoError(t, r.Ready())
		}
		ctx, cancel := context.WithCancel(r.ctx)
		cancel()
		_ = r.Shutdown(ctx)
	})
}

func TestStatusSaysWhatIsUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		assert.Zero(t, r.Status().Attempts+r.Status().Slow+r.Status().Waiting, "also while a claim is under way")
		synctest.Wait()
		assert.Equal(t, time.Now(), r.Status().Answered)
		w := r.put(at("dead.test"))
		r.receiver.set(hangAt("dead.test"))
		for i := range 6 {
			r.emit(open(string(rune('a' + i))))
		}
		synctest.Wait()
		s := r.Status()
		assert.Equal(t, 4, s.Attempts)
		assert.Equal(t, 2, s.Waiting)
		assert.Equal(t, []webhook.Queue{{WebhookID: w.ID, Attempts: 4, Waiting: 2, Limit: 4}}, s.Queues)
		time.Sleep(2 * time.Second)
		s = r.Status()
		assert.Equal(t, 0, s.Attempts)
		assert.Equal(t, 4, s.Slow)
		assert.Equal(t, 1, s.Queues[0].Limit)
		time.Sleep(time.Minute)
	})
}
