package sqlstore

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestReadyCursor(t *testing.T) {
	found := func(due ...int64) (list []readyWebhook) {
		for i, d := range due {
			list = append(list, readyWebhook{Webhook: fmt.Sprint(i + 1), Due: d})
		}
		return list
	}
	inBubble := func(name string, f func(t *testing.T, cursor *readyCursor)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f(t, &readyCursor{}) })
		})
	}

	inBubble("quick scans are full scans", func(t *testing.T, cursor *readyCursor) {
		require.Nil(t, cursor.positions())
		cursor.advance(found(5, 7), true, SlowReadyScan)
		require.Nil(t, cursor.positions())
	})

	inBubble("after a slow full scan the next scans begin at the positions, for forty times its duration, or five seconds", func(t *testing.T, cursor *readyCursor) {
		for took, pause := range map[time.Duration]time.Duration{
			10 * time.Millisecond: 400 * time.Millisecond,
			time.Minute:           5 * time.Second,
		} {
			cursor.advance(found(5, 7), true, took)
			require.Equal(t, []position{{"", 0, "1"}, {"1", 5, "2"}, {"2", 7, afterAllIDs}}, cursor.positions())
			cursor.advance(found(9), false, time.Minute)
			require.Equal(t, []position{{"", 0, "1"}, {"1", 9, "2"}, {"2", 7, afterAllIDs}}, cursor.positions(),
				"a scan moves the positions, and the duration of one that is not full has no effect")
			time.Sleep(pause - time.Nanosecond)
			require.NotNil(t, cursor.positions())
			time.Sleep(time.Nanosecond)
			require.Nil(t, cursor.positions())
		}
	})

	inBubble("an early delivery that this process makes ready moves its webhook's position back", func(t *testing.T, cursor *readyCursor) {
		cursor.advance(found(50, 70), true, time.Second)
		cursor.includeRows([]row{{Webhook: "1", Due: 3, Queue: queueReady}, {Webhook: "2", Due: 3, Queue: queueWaiting}, {Webhook: "3", Due: 3, Queue: queueReady}})
		require.Equal(t, []position{{"", 0, "1"}, {"1", 3, "2"}, {"2", 70, afterAllIDs}}, cursor.positions())
		cursor.includeRows([]row{{Due: 70, Queue: queueReady}})
		require.NotNil(t, cursor.positions())
		cursor.includeRows([]row{{Due: 69, Queue: queueReady}})
		require.Nil(t, cursor.positions(), "a change may be of any webhook")
	})

	inBubble("after reset the next scan is full", func(t *testing.T, cursor *readyCursor) {
		cursor.advance(found(5, 7), true, time.Second)
		cursor.reset()
		require.Nil(t, cursor.positions())
	})

	inBubble("a webhook without a position is unknown", func(t *testing.T, cursor *readyCursor) {
		cursor.advance(found(5, 7), true, time.Second)
		require.False(t, unknownWebhook(cursor.positions(), found(6, 9)))
		require.True(t, unknownWebhook(cursor.positions(), found(6, 9, 1)))
	})

	inBubble("a full scan may take longer for many webhooks", func(t *testing.T, cursor *readyCursor) {
		many := found(make([]int64, 200)...)
		cursor.advance(many, true, 200*slowPerWebhook)
		require.Nil(t, cursor.positions())
		cursor.advance(many, true, 200*slowPerWebhook+1)
		require.NotNil(t, cursor.positions())
	})

	inBubble("with too many webhooks every scan is full", func(t *testing.T, cursor *readyCursor) {
		cursor.advance(found(make([]int64, maxCursorWebhooks+1)...), true, time.Second)
		require.Nil(t, cursor.positions())
	})
}
