package limiter

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestADeliveryThatWaitsForItsHostHoldsNoToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLimiter(Config{Concurrency: 8, PerHost: 1})
		busy := l.emit("other")
		l.send()
		require.True(t, busy.slot.Acquire("h.test", 0))
		l.TryAcquire("w", 10).Release()
		l.claim("w", "w", "w")
		for range 10 { // each that is started waits for the host
			for _, d := range l.take() {
				require.False(t, d.slot.Acquire("h.test", 10))
			}
			time.Sleep(50 * time.Millisecond) // it is not stalled yet
			synctest.Wait()
		}
		var begun []time.Duration
		start := time.Now()
		busy.slot.Release()
		for range 1000 {
			synctest.Wait()
			for _, d := range l.take() {
				if d.slot.Acquire("h.test", 10) {
					d.slot.Sent()
					begun = append(begun, time.Since(start))
					d.answered(true)
				}
			}
			time.Sleep(time.Millisecond)
		}
		assert.Len(t, begun, 3)
		assertRate(t, 10, begun)
	})
}

// A place at a host goes to a webhook that can use it.
func TestAWebhookThatWaitsForItsRateHoldsUpNobodyAtItsHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLimiter(Config{Concurrency: 8, PerHost: 1})
		l.TryAcquire("rated", 0.1)
		first := l.claim("rated")[0]
		require.Equal(t, []*delivery{first}, l.take())
		require.True(t, first.slot.Acquire("h.test", 0.1))
		first.slot.Sent()

		l.SetRate("rated", 1000) // so that more come to wait for the host
		time.Sleep(50 * time.Millisecond)
		l.claim("rated", "rated")
		waiting := l.take()
		require.Len(t, waiting, 2)
		for _, d := range waiting {
			require.False(t, d.slot.Acquire("h.test", 1000))
		}
		free := l.emit("free")
		require.Equal(t, []*delivery{free}, l.take())
		require.False(t, free.slot.Acquire("h.test", 0))

		l.SetRate("rated", 0.1)
		l.queue("rated").bucket.tokens = 0
		first.answered(true)
		assert.Equal(t, []*delivery{free}, l.take(), "it goes before those that wait for their rate")
		assert.True(t, free.slot.Acquire("h.test", 0))
		free.slot.Sent()
		free.answered(true)
		time.Sleep(11 * time.Second)
		synctest.Wait()
		assert.Len(t, l.take(), 1, "and these go on by themselves")
	})
}
