package webhook

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestTheLastTurn(t *testing.T) {
	for _, c := range []struct {
		after string
		ids   []string
		want  string
	}{
		{"", nil, ""},
		{"b", nil, "b"},
		{"", []string{"a", "c", "b"}, "c"},
		{"b", []string{"d", "c"}, "d"},
		{"b", []string{"d", "a"}, "a"},
		{"c", []string{"a", "b", "d"}, "b"},
		{"b", []string{"b", "c"}, "b"},
	} {
		assert.Equal(t, c.want, lastTurn(c.after, c.ids), "after %q of %q", c.after, c.ids)
	}
}

// woken counts how often lanes ask for a claim.
type woken int

func (w *woken) wake() { *w++ }

func TestALaneWidensWhileAnswersAreGoodAndNarrowsWhenTheyAreNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w woken
		l := newLanes(256, 32, w.wake)
		for range 100 { // always as many as it takes
			var slots []*slot
			for s := l.tryTake("w"); s != nil; s = l.tryTake("w") {
				s.began()
				slots = append(slots, s)
			}
			for _, s := range slots {
				s.ended(true)
			}
			l.mark("w") // keeps it from being forgotten
			for _, s := range slots {
				s.release()
			}
			l.lane("w").backlog = false
		}
		assert.Equal(t, 32, l.lane("w").limit)
		l.mark("w")
		for want := 16; want >= 1; want /= 2 {
			s := l.end(l.begin(1), []string{"w"})[0]
			s.began()
			s.ended(false)
			s.release()
			assert.Equal(t, want, l.lane("w").limit)
		}
		l.lane("w").backlog = false
		assert.Nil(t, l.tryTake("w"), "a lane of one is for probes, which are claimed")
	})
}

func TestAnAttemptOlderThanASecondLeavesItsPlaceToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w woken
		l := newLanes(8, 32, w.wake)
		var slots []*slot
		for i := range 7 {
			s := l.tryTake(string(rune('a' + i)))
			s.began()
			slots = append(slots, s)
		}
		assert.Nil(t, l.tryTake("z"), "an eighth is left to what is claimed")
		assert.Equal(t, 1, l.begin(100).n)
		l.abort(room{n: 1})
		time.Sleep(slowAfter)
		synctest.Wait()
		assert.Equal(t, 0, l.fast)
		assert.Equal(t, 7, l.slow)
		assert.NotNil(t, l.tryTake("z"))
		for _, s := range slots {
			s.ended(false)
			s.release()
		}
		assert.Equal(t, 0, l.slow)
		assert.Equal(t, 1, l.fast)
	})
}

func TestSlowAttemptsAreLimitedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w woken
		l := newLanes(1, 32, w.wake)
		for i := range slowFactor + 1 {
			r := l.begin(1)
			if assert.Equal(t, 1, r.n, "attempt %d", i) {
				s := l.end(r, []string{string(rune('a' + i))})[0]
				s.began()
				defer s.timer.Stop()
			}
			time.Sleep(slowAfter)
			synctest.Wait()
		}
		assert.Equal(t, 0, l.begin(1).n, "the last one stays in a fast place")
	})
}

func TestAClaimLearnsWhichLanesHaveMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w woken
		l := newLanes(256, 32, w.wake)
		r := l.begin(500)
		assert.Equal(t, 256, r.n)
		slots := l.end(r, []string{"full", "full", "full", "full", "few"})
		assert.Equal(t, 5, l.fast)
		assert.True(t, l.lane("full").backlog, "as many as it has room for: there may be more")
		assert.False(t, l.lane("few").backlog)
		assert.Nil(t, l.tryTake("full"), "what is older goes first")
		assert.NotNil(t, l.tryTake("few"))

		r = l.begin(500)
		assert.Equal(t, 0, r.lanes["full"])
		slots[0].release()
		assert.EqualValues(t, 1, w, "a backlog asks for a claim when a slot comes free")
		l.mark("few") // emitted while the claim is under way
		l.end(r, nil)
		assert.True(t, l.lane("few").backlog)
		slots[4].release()

		r = l.begin(500)
		l.end(r, nil)
		assert.False(t, l.lane("full").backlog, "nothing came where there was room")
		assert.False(t, l.lane("few").backlog)
	})
}

func TestAnIdleLaneIsForgottenUnlessItFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w woken
		l := newLanes(256, 32, w.wake)
		for _, good := range []bool{true, false} {
			s := l.tryTake("w")
			s.began()
			s.ended(good)
			s.release()
			assert.Equal(t, !good, l.known["w"] != nil)
		}
	})
}
