package limiter

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// atHost returns a limiter whose only place at a host is taken, and deliveries of
// different webhooks that wait for it.
func atHost(t *testing.T, webhooks ...string) (l *testLimiter, busy *delivery, waiting []*delivery) {
	t.Helper()
	l = newTestLimiter(Config{Concurrency: 8, PerHost: 1})
	busy = l.emit("busy")
	l.send()
	require.True(t, busy.slot.Acquire("h.test", 0))
	for _, webhook := range webhooks {
		d := l.emit(webhook)
		require.Equal(t, []*delivery{d}, l.take())
		require.False(t, d.slot.Acquire("h.test", 0))
		waiting = append(waiting, d)
	}
	return l, busy, waiting
}

// The first delivery that waits for a host is called, and does not take the place: the
// others go on all the same.
func TestAPlaceAtAHostThatIsLeftGoesToTheNext(t *testing.T) {
	for name, leave := range map[string]func(*delivery){
		"its lease is about to end":   func(d *delivery) { d.slot.Release() },
		"it is canceled":              func(d *delivery) { d.slot.Decided() },
		"it waits for its store":      func(*delivery) { time.Sleep(2 * slowAfter); synctest.Wait() },
		"its webhook leads elsewhere": func(d *delivery) { d.slot.Acquire("other.test", 0) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, busy, waiting := atHost(t, "a", "b")
				busy.answered(true)
				require.Equal(t, waiting[:1], l.take())
				leave(waiting[0])
				assert.Equal(t, waiting[1:], l.take())
			})
		})
	}
}

// A delivery that is called while its queue is at its limit is passed over. It goes back
// to the store if the queue has no room for it.
func TestAQueueAtItsLimitHoldsUpNobodyAtItsHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, busy, _ := atHost(t, "a")
		slow := l.emit("a")
		require.Equal(t, []*delivery{slow}, l.take())
		require.True(t, slow.slot.Acquire("other.test", 0))
		slow.slot.Sent()
		l.Narrow("a")
		free := l.emit("free")
		require.Equal(t, []*delivery{free}, l.take())
		require.False(t, free.slot.Acquire("h.test", 0))

		busy.answered(true)
		assert.Equal(t, []*delivery{free}, l.take())
		assert.True(t, free.slot.Acquire("h.test", 0))
		free.slot.Sent()
		free.answered(true)
		l.store()
		assert.Equal(t, 1, l.stored, "of a, which has room for one")
		slow.answered(true)
		assert.Empty(t, l.pool.hosts)
	})
}

func TestCloseGivesBackWhatWasCalledToItsHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, busy, _ := atHost(t, "a", "a", "b", "c")
		l.pool.mu.Lock()
		l.pool.config.Concurrency = l.fast - 1 // no turn is free: a delivery that is called does not start
		l.pool.mu.Unlock()
		busy.slot.Finish(true, false)
		busy.slot.Decided()
		assert.Empty(t, l.take())
		l.Close()
		l.store()
		assert.Equal(t, 4, l.stored)
		busy.slot.Release()
		<-l.Drained()
		assert.Empty(t, l.pool.hosts)
	})
}
