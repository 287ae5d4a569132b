package sqlstore

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTrail(t *testing.T) {
	lanes := func(due ...int64) (list []lane) {
		for i, d := range due {
			list = append(list, lane{Webhook: fmt.Sprint(i + 1), Due: d})
		}
		return list
	}
	inBubble := func(name string, f func(t *testing.T, trail *trail)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f(t, &trail{}) })
		})
	}

	inBubble("lanes are looked for from their beginnings while that is quick", func(t *testing.T, trail *trail) {
		require.Nil(t, trail.list())
		trail.looked(lanes(5, 7), true, LanesLong)
		require.Nil(t, trail.list())
	})

	inBubble("after a long look the next ones begin at the ends, for forty times as long, or five seconds", func(t *testing.T, trail *trail) {
		for took, pause := range map[time.Duration]time.Duration{
			10 * time.Millisecond: 400 * time.Millisecond,
			time.Minute:           5 * time.Second,
		} {
			trail.looked(lanes(5, 7), true, took)
			require.Equal(t, []end{{"", 0, "1"}, {"1", 5, "2"}, {"2", 7, beyondAll}}, trail.list())
			trail.looked(lanes(9), false, time.Minute)
			require.Equal(t, []end{{"", 0, "1"}, {"1", 9, "2"}, {"2", 7, beyondAll}}, trail.list(),
				"what was found moves the end, and a look from there does not count")
			time.Sleep(pause - time.Nanosecond)
			require.NotNil(t, trail.list())
			time.Sleep(time.Nanosecond)
			require.Nil(t, trail.list())
		}
	})

	inBubble("what this process makes ready is looked at, whenever it was due", func(t *testing.T, trail *trail) {
		trail.looked(lanes(50, 70), true, time.Second)
		trail.putRows([]row{{Webhook: "1", Due: 3, Queue: isReady}, {Webhook: "2", Due: 3, Queue: isWaiting}, {Webhook: "3", Due: 3, Queue: isReady}})
		require.Equal(t, []end{{"", 0, "1"}, {"1", 3, "2"}, {"2", 70, beyondAll}}, trail.list())
		trail.putRows([]row{{Due: 70, Queue: isReady}})
		require.NotNil(t, trail.list())
		trail.putRows([]row{{Due: 69, Queue: isReady}})
		require.Nil(t, trail.list(), "it may be any webhook's")
	})

	inBubble("after a failure lanes are looked for from their beginnings", func(t *testing.T, trail *trail) {
		trail.looked(lanes(5, 7), true, time.Second)
		trail.forget()
		require.Nil(t, trail.list())
	})

	inBubble("a lane that is not known is strange", func(t *testing.T, trail *trail) {
		trail.looked(lanes(5, 7), true, time.Second)
		require.False(t, strange(trail.list(), lanes(6, 9)))
		require.True(t, strange(trail.list(), lanes(6, 9, 1)))
	})

	inBubble("many lanes may take long", func(t *testing.T, trail *trail) {
		many := lanes(make([]int64, 200)...)
		trail.looked(many, true, 200*laneLong)
		require.Nil(t, trail.list())
		trail.looked(many, true, 200*laneLong+1)
		require.NotNil(t, trail.list())
	})

	inBubble("where very many webhooks have something ready, nothing is left out", func(t *testing.T, trail *trail) {
		trail.looked(lanes(make([]int64, trailMost+1)...), true, time.Second)
		require.Nil(t, trail.list())
	})
}
