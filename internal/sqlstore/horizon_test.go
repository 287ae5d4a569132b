package sqlstore

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHorizon(t *testing.T) {
	look := func(h *horizon, until int64, took time.Duration) (since int64) {
		since, whole := h.since()
		h.looked(until, whole, took)
		return since
	}

	t.Run("the whole front is looked at each time while that is quick", func(t *testing.T) {
		var h horizon
		for now := range int64(5) {
			require.EqualValues(t, math.MinInt64, look(&h, now, LooksLong))
		}
	})

	t.Run("after a long look the next ones begin where it ended, for forty times as long, or five seconds", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var h horizon
			for took, pause := range map[time.Duration]time.Duration{
				100 * time.Millisecond: 4 * time.Second,
				time.Minute:            5 * time.Second,
			} {
				h = horizon{}
				look(&h, 1000, took)
				require.EqualValues(t, 1000, look(&h, 2000, time.Millisecond))
				time.Sleep(pause - time.Nanosecond)
				require.EqualValues(t, 2000, look(&h, 3000, time.Millisecond))
				time.Sleep(time.Nanosecond)
				require.EqualValues(t, math.MinInt64, look(&h, 4000, time.Millisecond))
			}
		})
	})

	t.Run("after a failure the whole front is looked at", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var h horizon
			look(&h, 1000, time.Second)
			h.forget()
			require.EqualValues(t, math.MinInt64, look(&h, 2000, 0))
		})
	})

	t.Run("what this process lets wait is looked at, whenever it is due", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var h horizon
			look(&h, 1000, time.Second)
			h.putRows([]row{{Due: 5000, Queue: isWaiting}, {Due: 500, Queue: isReady}, {Due: 700, Queue: isWaiting}, {Due: 1}})
			require.EqualValues(t, 700, look(&h, 2000, 0))
		})
	})
}
