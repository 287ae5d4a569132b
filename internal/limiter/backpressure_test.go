package limiter

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestEmittingIsThrottledWhileSaturated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLimiterIn(NewPool[*delivery](Config{Concurrency: 4, PerHost: 4}), 4)
		throttled := func(n int) time.Duration {
			began := time.Now()
			l.Throttle(n)
			return time.Since(began)
		}
		assert.Zero(t, throttled(500))

		ds := l.claim("a", "a", "a", "a", "b", "b", "b", "b", "c")
		assert.Zero(t, throttled(500), "11 of 20 places are free")
		ds = append(ds, l.claim("c")...)
		assert.Equal(t, 3*time.Millisecond, throttled(3))
		assert.Equal(t, 50*time.Millisecond, throttled(500))

		time.AfterFunc(2*time.Millisecond, ds[0].slot.Release)
		assert.Equal(t, 2*time.Millisecond, throttled(500), "until there is room")

		r := l.Reserve(500)
		time.AfterFunc(7*time.Millisecond, func() { l.Cancel(r) })
		assert.Equal(t, 7*time.Millisecond, throttled(500))

		r = l.Reserve(1)
		ds = append(ds, &delivery{"e", l.Fill(r, []string{"e"})[0]})
		for _, d := range ds[1:] {
			d.slot.Release()
		}
		assert.Equal(t, time.Millisecond, throttled(1), "the last claim brought all it had room for")
		r = l.Reserve(500)
		time.AfterFunc(7*time.Millisecond, func() { l.Fill(r, nil) })
		assert.Equal(t, 7*time.Millisecond, throttled(500))

		l.Fill(l.Reserve(1), []string{"f"})
		time.AfterFunc(7*time.Millisecond, l.Close)
		assert.Equal(t, 7*time.Millisecond, throttled(500), "until Shutdown")
		assert.Zero(t, throttled(500))
	})
}
