package sqlstore

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDueCursor(t *testing.T) {
	scan := func(c *dueCursor, until int64, took time.Duration) (from int64) {
		from, full := c.start()
		c.advance(until, full, took)
		return from
	}

	t.Run("quick scans are full scans", func(t *testing.T) {
		var c dueCursor
		for now := range int64(5) {
			require.EqualValues(t, math.MinInt64, scan(&c, now, SlowDueScan))
		}
	})

	t.Run("after a slow full scan the next scans begin where it ended, for forty times its duration, or five seconds", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var c dueCursor
			for took, pause := range map[time.Duration]time.Duration{
				100 * time.Millisecond: 4 * time.Second,
				time.Minute:            5 * time.Second,
			} {
				c = dueCursor{}
				scan(&c, 1000, took)
				require.EqualValues(t, 1000, scan(&c, 2000, time.Millisecond))
				time.Sleep(pause - time.Nanosecond)
				require.EqualValues(t, 2000, scan(&c, 3000, time.Millisecond))
				time.Sleep(time.Nanosecond)
				require.EqualValues(t, math.MinInt64, scan(&c, 4000, time.Millisecond))
			}
		})
	})

	t.Run("after reset the next scan is full", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var c dueCursor
			scan(&c, 1000, time.Second)
			c.reset()
			require.EqualValues(t, math.MinInt64, scan(&c, 2000, 0))
		})
	})

	t.Run("an early delivery that this process stores moves the cursor back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var c dueCursor
			scan(&c, 1000, time.Second)
			c.includeRows([]row{{Due: 5000, Queue: queueWaiting}, {Due: 500, Queue: queueReady}, {Due: 700, Queue: queueWaiting}, {Due: 1}})
			require.EqualValues(t, 700, scan(&c, 2000, 0))
		})
	})
}
