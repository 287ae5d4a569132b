package limiter

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pair returns two limiters in a pool.
func pair(c Config) (a, b *testLimiter) {
	p := NewPool[*delivery](c)
	return newTestLimiterIn(p, 32), newTestLimiterIn(p, 32)
}

// fill leases one delivery each of new webhooks, until there is no more room.
func (l *testLimiter) fill(name string) int {
	for n := 0; ; n++ {
		if l.emit(fmt.Sprint(name, n)) == nil {
			return n
		}
	}
}

func TestLimitersShareConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(Config{Concurrency: 8, PerHost: 8})
		for i := range 6 {
			require.NotNil(t, a.emit(fmt.Sprint(i)))
			require.NotNil(t, b.emit(fmt.Sprint(i)))
		}
		first, second := a.send(), b.send()
		assert.Len(t, append(first, second...), 8)
		first[0].answered(true)
		assert.Len(t, append(a.send(), b.send()...), 1, "a place that one frees is the other's too")
	})
}

func TestQueuesOfAllLimitersTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(Config{Concurrency: 1, PerHost: 1})
		a.claim("x", "x", "x")
		b.claim("x", "y")
		order := ""
		for {
			ds := a.send()
			name := "a"
			if len(ds) == 0 {
				ds, name = b.send(), "b"
			}
			if len(ds) == 0 {
				break
			}
			order += name + ds[0].webhook + " "
			ds[0].slot.Release()
		}
		assert.Equal(t, "ax ax bx by ax ", order, "the second of a was in its turn before b's came")
	})
}

func TestLimitersShareTheLimitOfAHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(Config{Concurrency: 8, PerHost: 1})
		a.emit("w")
		first := a.send()[0]
		require.True(t, first.slot.Acquire("shared.test", 0))
		b.emit("w")
		second := b.send()[0]
		require.False(t, second.slot.Acquire("shared.test", 0))
		first.slot.Finish(false, false)
		assert.Empty(t, b.send(), "the outcome is not decided yet")
		first.slot.Decided()
		assert.Equal(t, []*delivery{second}, b.send(), "a's store may take its time")
		assert.True(t, second.slot.Acquire("shared.test", 0))
		first.slot.Release()
		second.answered(true)
		assert.Empty(t, a.pool.hosts)
	})
}

func TestAWebhookOfTwoLimitersHasALimitInEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(defaults)
		a.emit("w")
		b.emit("w")
		a.send()[0].answered(false)
		b.send()[0].answered(true)
		assert.Equal(t, startLimit/2, a.limit("w"))
		assert.Equal(t, startLimit, b.limit("w"))
	})
}

func TestALimiterThatFillsThePoolLeavesTheOthersTheirShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(Config{Concurrency: 16, PerHost: 16})
		most := a.pool.config.maxHeld()
		assert.Equal(t, most-left(most, 8), a.fill("a"))
		n := b.fill("b")
		assert.Equal(t, most/2-left(most/2, 8), n, "half is b's")
		assert.Positive(t, b.Reserve(500).Limit, "and a part of it is for claims")

		for ds := a.send(); len(ds) > 0; ds = a.send() { // as places come free, those of a go to b
			for _, d := range ds {
				d.answered(true)
			}
			b.fill("more")
			for _, d := range b.send() {
				d.answered(true)
			}
		}
		assert.Zero(t, a.held()+a.slow)
		assert.LessOrEqual(t, a.pool.fast+a.pool.waiting, most)
	})
}

// All that may be wrong of one database at once must not cost the others a place.
func TestAStoreThatHangsTakesNoPlaceFromOtherLimiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(Config{Concurrency: 8, PerHost: 8})
		var hung []*delivery
		run := func() {
			for _, d := range a.send() {
				hung = append(hung, d)
				switch len(hung) % 4 {
				case 0:
					d.slot.Finish(true, true)
				case 1:
					d.slot.Finish(false, false)
				}
				d.slot.Decided()
			}
		}
		for i := 0; a.emit(fmt.Sprint(i)) != nil; i++ {
			run()
		}
		run()
		assert.Equal(t, 8, a.fast, "its attempts stop: nothing that they bring can be stored")
		assert.Zero(t, a.pool.fast)
		a.store() // what was given back
		a.Reserve(500)
		time.Sleep(2 * stalledAfter)
		synctest.Wait()

		assert.Equal(t, b.pool.config.maxHeld()-a.pool.waiting, b.pool.free(), "the claim that hangs does not count")
		for i := range 100 {
			require.NotNil(t, b.emit(fmt.Sprint(i)))
			ds := b.send()
			require.Len(t, ds, 1, "it starts at once")
			require.True(t, ds[0].slot.Acquire("host.test", 0))
			ds[0].answered(true)
		}
		stored := len(hung)
		for _, d := range hung { // the store is back
			d.slot.Release()
		}
		run()
		assert.Greater(t, len(hung), stored, "the next go on")
	})
}

// A delivery that was started may need its store before it is sent: to read its
// webhook, or for a probe.
func TestADeliveryThatWaitsForItsStoreBeforeItIsSentLeavesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(Config{Concurrency: 2, PerHost: 2})
		a.claim("x", "y")
		a.pool.mu.Lock()
		started := a.started
		a.pool.mu.Unlock()
		require.Len(t, started, 2)
		b.claim("z")
		assert.Empty(t, b.send())
		time.Sleep(2 * slowAfter)
		synctest.Wait()
		assert.Len(t, b.send(), 1)
		assert.Equal(t, 2, a.fast)
		for _, d := range a.send() { // they are sent after all
			d.answered(true)
		}
		assert.Equal(t, 1, a.pool.fast)
		assert.Zero(t, a.fast+a.pool.waiting)
	})
}

func TestManyClaimsAtOnceHoldNoMoreThanThePoolAllows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool[*delivery](defaults)
		most := defaults.maxHeld()
		var ls []*testLimiter
		for range 100 {
			ls = append(ls, newTestLimiterIn(p, 32))
		}
		total, least := 0, most
		var rs []Reservation
		for _, l := range ls {
			r := l.Reserve(500)
			rs = append(rs, r)
			total, least = total+r.Limit, min(least, r.Limit)
		}
		assert.Positive(t, least, "each may claim")
		for i, r := range rs {
			ds := make([]string, r.Limit)
			for n := range ds {
				ds[n] = fmt.Sprint(n)
			}
			for n, s := range ls[i].Fill(r, ds) {
				s.Enqueue(&delivery{ds[n], s}, false)
			}
		}
		assert.LessOrEqual(t, p.fast, defaults.Concurrency)
		later := 0
		for _, l := range ls {
			r := l.Reserve(500)
			later += r.Limit
			l.Cancel(r)
		}
		assert.LessOrEqual(t, p.fast+p.waiting, total)
		assert.LessOrEqual(t, later, 100*(most/100), "once all hold some, each has its share")
	})
}

func TestClosingALimiterLeavesTheOthersAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(Config{Concurrency: 3, PerHost: 1})
		a.emit("w")
		first := a.send()[0]
		require.True(t, first.slot.Acquire("shared.test", 0))
		b.emit("w")
		theirs := b.send()[0]
		require.False(t, theirs.slot.Acquire("shared.test", 0))
		a.emit("w")
		own := a.send()[0]
		require.False(t, own.slot.Acquire("shared.test", 0))
		a.Close()
		assert.Equal(t, []*delivery{own}, a.givenBack)
		assert.Empty(t, b.givenBack)
		own.slot.Release()
		first.answered(true)
		<-a.Drained()
		assert.Equal(t, []*delivery{theirs}, b.send(), "it was next at the host")
		require.True(t, theirs.slot.Acquire("shared.test", 0))
		theirs.answered(true)
		assert.NotNil(t, b.emit("w"))
		assert.Equal(t, 1, b.pool.active)
		select {
		case <-b.Drained():
			t.Error("b is drained")
		default:
		}
	})
}

func TestThrottlingEndsWhenAnotherLimiterMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(Config{Concurrency: 8, PerHost: 8})
		a.fill("a")
		b.fill("b")
		require.True(t, b.saturated())
		done := make(chan struct{})
		began := time.Now()
		go func() {
			b.Throttle(1000)
			close(done)
		}()
		synctest.Wait()
		for ds := a.send(); len(ds) > 0; ds = a.send() {
			for _, d := range append(ds, b.send()...) {
				d.answered(true)
			}
		}
		<-done
		assert.Equal(t, began, time.Now())
	})
}
