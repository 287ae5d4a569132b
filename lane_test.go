package webhook

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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

// A track is lanes with nobody behind them: it notes what they ask for, as they
// do with their mutex held.
type track struct {
	*lanes
	began, given []*flight
	returned     int // of given, that were stored
	claims       int
}

func newTrack(l limits) *track {
	tr := &track{lanes: newLanes(l)}
	tr.lanes.begin = func(f *flight) { tr.began = append(tr.began, f) }
	tr.lanes.giveBack = func(f *flight) { tr.given = append(tr.given, f) }
	tr.lanes.freed = func() { tr.claims++ }
	return tr
}

// defaults are those of Options.
var defaults = limits{concurrency: 256, perWebhook: 32, perHost: 128}

// emit leases a delivery that was just emitted, or returns nil.
func (tr *track) emit(webhook string) *flight { return tr.emitType(webhook, TypeOpen) }

func (tr *track) emitType(webhook string, t EventType) *flight {
	s := tr.tryTake(webhook)
	if s == nil {
		return nil
	}
	f := &flight{Delivery: Delivery{WebhookID: webhook, Type: t}, slot: s}
	tr.queue(f)
	return f
}

// claim leases a delivery of each webhook.
func (tr *track) claim(webhooks ...string) []*flight {
	var fs []*flight
	for i, s := range tr.end(tr.reserve(500), webhooks) {
		f := &flight{Delivery: Delivery{WebhookID: webhooks[i], Type: TypeOpen}, slot: s}
		tr.queue(f)
		fs = append(fs, f)
	}
	return fs
}

// take returns what was begun since it was last called, with the clock on.
func (tr *track) take() []*flight {
	tr.mu.Lock()
	fs := tr.began
	tr.began = nil
	tr.mu.Unlock()
	for _, f := range fs {
		f.slot.began()
	}
	return fs
}

// stored releases what was given back.
func (tr *track) stored() {
	tr.mu.Lock()
	fs := tr.given
	tr.given = nil
	tr.mu.Unlock()
	for _, f := range fs {
		f.slot.release()
	}
	tr.returned += len(fs)
}

func (f *flight) answered(good bool) {
	f.slot.ended(good, false)
	f.slot.release()
}

func TestALaneWidensWhileAnswersAreGoodAndNarrowsWhenTheyAreNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrack(defaults)
		for tr.emit("w") != nil {
		}
		for range 100 { // always as many as it takes
			for _, f := range tr.take() {
				f.answered(true)
				for tr.emit("w") != nil {
				}
			}
		}
		ln := tr.lane("w")
		assert.Equal(t, 32, ln.limit)
		for want := 16; want >= 1; want /= 2 {
			fs := tr.take()
			require.NotEmpty(t, fs)
			fs[0].slot.ended(false, false)
			assert.Equal(t, want, ln.limit)
			assert.LessOrEqual(t, ln.queued(), max(ahead(want)-ln.busy, 0), "what is too much is given back")
			tr.stored()
			tr.claim("w")
			for _, f := range fs {
				f.slot.release()
			}
		}
		assert.NotZero(t, tr.returned)
		ln.backlog = false
		assert.Nil(t, tr.emit("w"), "a lane of one is for probes, which are claimed")
	})
}

func TestWhatThereIsNoRoomForYetWaitsInItsLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrack(defaults)
		var fs []*flight
		for f := tr.emit("w"); f != nil; f = tr.emit("w") {
			fs = append(fs, f)
		}
		assert.Len(t, fs, ahead(startLimit)-1, "a slot is left to what is claimed")
		assert.Equal(t, fs[:startLimit], tr.take())
		assert.NotNil(t, tr.emit("other"), "another's lane is not concerned")
		tr.take()
		fs[0].slot.release()
		assert.Equal(t, fs[startLimit:startLimit+1], tr.take(), "in the order in which they came")
	})
}

func TestWhatIsUrgentGoesFirstInItsLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrack(defaults)
		for range startLimit {
			tr.emit("w")
		}
		first := tr.take()
		tr.emit("w")
		unsubscribe := tr.emitType("w", TypeUnsubscribe)
		bounce := tr.emitType("w", TypeBounce)
		first[0].slot.release()
		first[1].slot.release()
		assert.Equal(t, []*flight{unsubscribe, bounce}, tr.take())
	})
}

func TestLanesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrack(limits{concurrency: 1, perWebhook: 32, perHost: 2})
		tr.claim("a", "a", "a", "b", "c")
		var order string
		for fs := tr.take(); len(fs) > 0; fs = tr.take() {
			for _, f := range fs {
				order += f.WebhookID
				f.slot.release()
			}
		}
		assert.Equal(t, "aabca", order, "the second was in its turn before the others came")
	})
}

func TestASlowAttemptLeavesItsPlaceToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrack(limits{concurrency: 8, perWebhook: 32, perHost: 8})
		for i := range 8 {
			require.NotNil(t, tr.emit(string(rune('a'+i))))
		}
		fs := tr.take()
		require.Len(t, fs, 8)
		waits := tr.emit("z")
		assert.Empty(t, tr.take())
		time.Sleep(slowAfter)
		synctest.Wait()
		assert.Equal(t, []*flight{waits}, tr.take())
		assert.Equal(t, 8, tr.slow)
		for _, f := range fs {
			f.answered(false)
		}
		assert.Equal(t, 0, tr.slow)
		assert.Equal(t, 1, tr.fast)
	})
}

func TestAnAttemptThatEndedInTimeIsNotSlowWhileItsOutcomeIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrack(defaults)
		tr.emit("w")
		f := tr.take()[0]
		f.slot.ended(true, false)
		time.Sleep(time.Minute)
		assert.Equal(t, 1, tr.fast)
		f.slot.release()
		assert.Zero(t, tr.fast+tr.slow+tr.waiting)
	})
}

func TestWhatIsDeliveredMakesRoomWhileItsOutcomeIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrack(limits{concurrency: 2, perWebhook: 32, perHost: 1})
		tr.claim("a", "b", "c", "d", "e", "f", "g")
		free := tr.free()
		next := func(n int) []*flight {
			t.Helper()
			fs := tr.take()
			require.Len(t, fs, n)
			for _, f := range fs {
				require.True(t, tr.join(f, f.WebhookID+".test"))
			}
			return fs
		}
		fs := next(2)
		fs[0].slot.ended(true, true)
		fs = append(fs, next(1)...)
		time.Sleep(2 * slowAfter)
		synctest.Wait()
		fs = append(fs, next(2)...) // the two that were under way are slow
		fs[1].slot.ended(true, true)
		assert.Equal(t, 1, tr.slow, "a slow one's place, too")
		fs[2].slot.ended(true, true)
		assert.Empty(t, tr.take(), "two outcomes wait to be stored already")
		assert.Equal(t, 1, tr.slow)
		fs[3].slot.ended(false, false)
		assert.Empty(t, tr.take(), "of a failure more has to be known")
		assert.Equal(t, free, tr.free()-tr.slow, "memory is bounded as before")

		for _, f := range fs {
			f.slot.release()
		}
		for _, f := range next(2) {
			f.answered(true)
		}
		assert.Empty(t, tr.hosts)
		assert.Zero(t, tr.fast+tr.slow+tr.waiting+tr.settling)
	})
}

func TestSlowAttemptsAreLimitedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrack(limits{concurrency: 1, perWebhook: 32, perHost: 1})
		for i := range slowFactor + 1 {
			tr.claim(string(rune('a' + i)))
			assert.Len(t, tr.take(), 1, "attempt %d", i)
			time.Sleep(2 * slowAfter)
			synctest.Wait()
		}
		tr.claim("z")
		assert.Empty(t, tr.take(), "the last one stays in a fast place")
	})
}

func TestAnAttemptThatHangsNarrowsItsLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrack(defaults)
		for tr.emit("w") != nil {
		}
		require.Len(t, tr.take(), startLimit)
		ln := tr.lane("w")
		time.Sleep(hangsAfter / 2)
		synctest.Wait()
		assert.Equal(t, startLimit, ln.limit, "a receiver may take its time")
		time.Sleep(hangsAfter)
		synctest.Wait()
		assert.Equal(t, 1, ln.limit)
		assert.Zero(t, ln.queued())
	})
}

// What a thousand receivers that hang may have must leave room for the others.
func TestWhilePlacesAreShortUnknownLanesAreNarrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrack(limits{concurrency: 4, perWebhook: 32, perHost: 4})
		proven := tr.lane("proven")
		proven.limit = 2 * startLimit
		tr.claim("proven")
		for i := range 3 {
			for range 6 {
				tr.claim(fmt.Sprint(i))
			}
		}
		tr.take()
		time.Sleep(slowAfter)
		synctest.Wait()
		assert.Equal(t, 1, tr.lane("0").limit, "many wait for slow ones")
		assert.Zero(t, tr.lane("0").queued())
		assert.Equal(t, 2*startLimit, proven.limit)
		tr.stored()

		for i := range slowFactor * 4 / 2 {
			tr.claim(fmt.Sprint("more", i))
			tr.take()
			time.Sleep(slowAfter)
			synctest.Wait()
		}
		assert.Equal(t, 1, tr.lane("new").limit, "many are slow")
	})
}

func TestWebhooksBehindOneHostShareALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrack(limits{concurrency: 8, perWebhook: 32, perHost: 2})
		var fs []*flight
		for i := range 4 {
			require.NotNil(t, tr.emit(fmt.Sprint(i)))
		}
		fs = tr.take()
		for i, f := range fs {
			assert.Equal(t, i < 2, tr.join(f, "shared.test"), "attempt %d", i)
		}
		assert.Equal(t, 2, tr.fast, "who waits for its host takes nobody's place")
		other := tr.emit("other")
		assert.Equal(t, []*flight{other}, tr.take())
		assert.True(t, tr.join(other, "other.test"))

		fs[0].answered(true)
		assert.Equal(t, fs[2:3], tr.take())
		assert.True(t, tr.join(fs[2], "shared.test"))
		time.Sleep(2 * hangsAfter) // those under way do
		synctest.Wait()
		assert.Equal(t, fs[3:4], tr.take(), "those that hang do not count")
		assert.True(t, tr.join(fs[3], "shared.test"))

		for _, f := range append(fs[1:], other) {
			f.answered(true)
		}
		assert.Empty(t, tr.hosts)
		assert.Zero(t, tr.fast+tr.slow+tr.waiting)
	})
}

func TestWhenLanesAreClosedAllThatWaitsIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrack(limits{concurrency: 2, perWebhook: 32, perHost: 1})
		for _, webhook := range []string{"a", "b", "c"} {
			require.NotNil(t, tr.emit(webhook))
		}
		promised := tr.tryTake("d")
		fs := tr.take()
		require.True(t, tr.join(fs[0], "shared.test"))
		require.False(t, tr.join(fs[1], "shared.test"))
		fs = append(fs, tr.take()...)
		tr.close()
		require.Len(t, tr.given, 1, "of the host's queue")
		tr.queue(&flight{Delivery: Delivery{Type: TypeOpen}, slot: promised})
		require.Len(t, tr.given, 2)
		assert.Nil(t, tr.tryTake("e"))
		for _, f := range append(tr.given, fs[0], fs[2]) {
			select {
			case <-tr.drained:
				t.Fatal("drained too early")
			default:
			}
			f.slot.release()
		}
		<-tr.drained
	})
}

func TestAClaimLearnsWhichLanesHaveMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTrack(defaults)
		full := make([]string, ahead(startLimit))
		for i := range full {
			full[i] = "full"
		}
		fs := tr.claim(append(full, "few")...)
		assert.True(t, tr.lane("full").backlog, "as many as it has room for: there may be more")
		assert.False(t, tr.lane("few").backlog)
		assert.Nil(t, tr.tryTake("full"), "what is older goes first")

		r := tr.reserve(500)
		assert.Equal(t, 0, r.lanes["full"])
		for i, f := range fs[:startLimit] {
			f.slot.release()
			assert.Equal(t, i == startLimit-1, tr.claims > 0, "a backlog asks for a claim when half of what waited is gone")
		}
		tr.mark("few") // emitted while the claim is under way
		tr.end(r, nil)
		assert.True(t, tr.lane("few").backlog)
		fs[len(fs)-1].slot.release()

		tr.end(tr.reserve(500), nil)
		assert.False(t, tr.lane("full").backlog, "nothing came where there was room")
		assert.False(t, tr.lane("few").backlog)
	})
}

func TestAnIdleLaneIsForgottenUnlessItFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, good := range []bool{true, false} {
			tr := newTrack(defaults)
			tr.emit("w")
			tr.take()[0].answered(good)
			assert.Equal(t, !good, tr.known["w"] != nil)
		}
	})
}

func TestAQueueKeepsItsOrder(t *testing.T) {
	var q fifo[int]
	for i := range 10 {
		q.push(i)
	}
	assert.Equal(t, 0, q.pop())
	assert.Equal(t, 1, q.pop())
	q.pushFirst(-1)
	assert.Equal(t, 9, q.popLast())
	for _, want := range []int{-1, 2, 3, 4, 5, 6, 7, 8} {
		assert.Equal(t, want, q.first())
		assert.Equal(t, want, q.pop())
	}
	assert.Zero(t, q.len())
	q.pushFirst(7)
	q.pushFirst(6)
	assert.Equal(t, 6, q.pop())
	assert.Equal(t, 7, q.pop())
}
