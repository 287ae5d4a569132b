package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// slowly answers 200 after a while.
func slowly(d time.Duration) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) {
		select {
		case <-time.After(d):
			return status(200)(req)
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
}

func TestShutdownWaitsForWhatIsUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil)
		require.NoError(t, r.Start())
		r.put(nil)
		r.receiver.set(slowly(3 * time.Second))
		r.emit(open("e1"))
		synctest.Wait()
		began := time.Now()
		require.NoError(t, r.Shutdown(r.ctx))
		assert.Equal(t, 3*time.Second, time.Since(began))
		assert.Equal(t, webhook.StateDelivered, r.log()[0].State)
	})
}

func TestShutdownGivesBackWhatItCutsShort(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil)
		require.NoError(t, r.Start())
		r.put(nil)
		r.receiver.set(hang)
		for i := range 20 { // more than the queue takes at once
			r.emit(open(fmt.Sprint(i)))
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(r.ctx, time.Second)
		defer cancel()
		require.ErrorIs(t, r.Shutdown(ctx), context.DeadlineExceeded)
		for _, d := range r.log() {
			assert.Equal(t, webhook.StatePending, d.State)
			assert.Equal(t, 0, d.Attempts, "being cut short uses up no attempt")
			assert.Empty(t, d.Log)
			assert.False(t, d.Due.After(time.Now()), "it is due at once")
		}

		r.receiver.set(nil)
		d := r.another(nil)
		require.NoError(t, d.Start())
		defer d.Shutdown(r.ctx)
		time.Sleep(2 * time.Second)
		for _, d := range r.log() {
			assert.Equal(t, webhook.StateDelivered, d.State)
		}
	})
}

// A receiver that does not answer must not cost the tallies and the health of all webhooks.
func TestAShutdownThatIsCutShortStoresWhatWasSeen(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil)
		require.NoError(t, r.Start())
		well, fails := r.put(nil), r.put(at("fails.test"))
		r.put(at("hangs.test"))
		r.receiver.set(func(req *http.Request) (*http.Response, error) {
			switch req.URL.Host {
			case "hangs.test":
				return hang(req)
			case "fails.test":
				return status(500)(req)
			}
			return status(200)(req)
		})
		r.emit(open("1"), open("2"))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(r.ctx, time.Second)
		defer cancel()
		require.ErrorIs(t, r.Shutdown(ctx), context.DeadlineExceeded)
		assert.Equal(t, [3]int{2, 2, 0}, figures(webhook.TotalTally(r.tallies(well.ID).Day)))
		assert.Equal(t, [3]int{2, 0, 0}, figures(webhook.TotalTally(r.tallies(fails.ID).Day)))
		assert.Equal(t, 2, r.webhook(fails.ID).Health.Failures)
	})
}

func TestEmittingNeedsNeitherStartNorALivingDispatcher(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil)
		r.put(nil)
		r.emit(open("before Start"))
		require.NoError(t, r.Start())
		require.NoError(t, r.Shutdown(r.ctx))
		r.emit(open("after Shutdown"))
		synctest.Wait()

		other := r.another(nil)
		require.NoError(t, other.Start())
		time.Sleep(2 * time.Second)
		require.NoError(t, other.Shutdown(r.ctx))
		log := r.log()
		require.Len(t, log, 2)
		for _, d := range log {
			assert.Equal(t, webhook.StateDelivered, d.State, d.EventID)
		}
	})
}

func TestAProcessThatOnlyEmitsSeesChangesOfOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil)
		emitter := r.another(nil)
		require.NoError(t, emitter.Emit(r.ctx, open("nobody yet")))
		w := r.put(nil)
		time.Sleep(3 * time.Second)
		require.NoError(t, emitter.Emit(r.ctx, open("somebody")))
		require.NoError(t, r.DeleteWebhook(r.ctx, "", w.ID))
		time.Sleep(3 * time.Second)
		require.NoError(t, emitter.Emit(r.ctx, open("nobody any more")))
		log := r.log()
		require.Len(t, log, 1)
		assert.Equal(t, "somebody", log[0].EventID)
	})
}

func TestARunningProcessSeesChangesOfOthersWithinASecondOrSo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		r.emit(open("nobody yet")) // remembers that the account has none
		other := r.another(nil)
		_, err := other.AddWebhook(r.ctx, everything())
		require.NoError(t, err)
		time.Sleep(1200 * time.Millisecond)
		r.emit(open("somebody"))
		synctest.Wait()
		assert.Len(t, r.receiver.requests(), 1)
	})
}

func TestABurstLeavesNoMoreGoroutinesThanConcurrency(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const concurrency, webhooks = 8, 64
		others := workers() // of tests that shut nothing down
		workers := func() int { return workers() - others }
		r := newHarness(t, &webhook.Options{Concurrency: concurrency, PerHost: 1000}).start()
		r.receiver.set(slowly(10 * time.Second))
		for range webhooks {
			r.put(nil)
		}
		for i := range 4 {
			r.emit(open(fmt.Sprint("burst", i)))
		}
		time.Sleep(5 * time.Second)
		require.Greater(t, workers(), 2*concurrency, "the burst is under way")
		time.Sleep(2 * time.Minute)
		for _, d := range r.log() {
			require.Equal(t, webhook.StateDelivered, d.State)
		}
		assert.LessOrEqual(t, workers(), concurrency)

		r.receiver.set(nil)
		r.emit(open("later"))
		synctest.Wait()
		assert.LessOrEqual(t, workers(), concurrency)
		require.NoError(t, r.Shutdown(r.ctx))
		synctest.Wait()
		assert.Zero(t, workers())
	})
}

// workers counts the goroutines that make attempts.
func workers() int {
	for size := 1 << 20; ; size *= 2 {
		stacks := make([]byte, size)
		if n := runtime.Stack(stacks, true); n < size {
			return strings.Count(string(stacks[:n]), "created by github.com/listhook/webhook.(*goroutines).start")
		}
	}
}
