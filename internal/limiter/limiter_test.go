package limiter

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A testLimiter records what its Limiter asks for, which it does with its mutex
// held.
type testLimiter struct {
	*Limiter[*delivery]
	started   []*delivery
	givenBack []*delivery
	stored    int // of those given back
	wakes     int
}

type delivery struct {
	webhook string
	slot    *Slot[*delivery]
}

func newTestLimiter(c Config) *testLimiter { return newTestLimiterIn(NewPool[*delivery](c), 32) }

// newTestLimiterIn returns one of several limiters in a pool.
func newTestLimiterIn(p *Pool[*delivery], perWebhook int) *testLimiter {
	l := new(testLimiter)
	l.Limiter = New(p, perWebhook, time.Hour,
		func(d *delivery) { l.started = append(l.started, d) },
		func(d *delivery) { l.givenBack = append(l.givenBack, d) },
		func() { l.wakes++ })
	return l
}

// defaults are those of webhook.Options.
var defaults = Config{Concurrency: 256, PerHost: 128}

// emit leases a delivery that was just emitted, or returns nil.
func (l *testLimiter) emit(webhook string) *delivery { return l.add(webhook, false) }

func (l *testLimiter) emitUrgent(webhook string) *delivery { return l.add(webhook, true) }

func (l *testLimiter) add(webhook string, urgent bool) *delivery {
	s := l.TryAcquire(webhook, 0)
	if s == nil {
		return nil
	}
	d := &delivery{webhook, s}
	s.Enqueue(d, urgent)
	return d
}

// claim leases a delivery of each webhook.
func (l *testLimiter) claim(webhooks ...string) []*delivery {
	var ds []*delivery
	for i, s := range l.Fill(l.Reserve(500), webhooks) {
		d := &delivery{webhooks[i], s}
		s.Enqueue(d, false)
		ds = append(ds, d)
	}
	return ds
}

// send returns the deliveries started since its last call, after it has sent
// them.
func (l *testLimiter) send() []*delivery {
	l.pool.mu.Lock()
	ds := l.started
	l.started = nil
	l.pool.mu.Unlock()
	for _, d := range ds {
		d.slot.Sent()
	}
	return ds
}

// store stores the deliveries that were given back.
func (l *testLimiter) store() {
	l.pool.mu.Lock()
	ds := l.givenBack
	l.givenBack = nil
	l.pool.mu.Unlock()
	for _, d := range ds {
		d.slot.Release()
	}
	l.stored += len(ds)
}

func (l *testLimiter) limit(webhook string) int {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	return l.queue(webhook).limit
}

func (d *delivery) answered(good bool) {
	d.slot.Finish(good, false)
	d.slot.Release()
}

func TestALimitGrowsWithGoodAnswersAndHalvesWithBadOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLimiter(defaults)
		for l.emit("w") != nil {
		}
		for range 100 { // the limit is always in full use
			for _, d := range l.send() {
				d.answered(true)
				for l.emit("w") != nil {
				}
			}
		}
		q := l.queue("w")
		assert.Equal(t, 32, q.limit)
		for want := 16; want >= 1; want /= 2 {
			ds := l.send()
			require.NotEmpty(t, ds)
			ds[0].slot.Finish(false, false)
			assert.Equal(t, want, q.limit)
			assert.LessOrEqual(t, q.len(), max(capacity(want)-q.busy, 0), "deliveries above the capacity are given back")
			l.store()
			l.claim("w")
			for _, d := range ds {
				d.slot.Release()
			}
		}
		assert.NotZero(t, l.stored)
		q.backlog = false
		assert.Nil(t, l.emit("w"), "a queue with a limit of 1 is for probes, which are claimed")
	})
}

func TestDeliveriesWaitInTheirQueueUntilThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLimiter(defaults)
		var ds []*delivery
		for d := l.emit("w"); d != nil; d = l.emit("w") {
			ds = append(ds, d)
		}
		assert.Len(t, ds, capacity(startLimit)-1, "one slot is left to claims")
		assert.Equal(t, ds[:startLimit], l.send())
		assert.NotNil(t, l.emit("other"), "another webhook has a queue of its own")
		l.send()
		ds[0].slot.Release()
		assert.Equal(t, ds[startLimit:startLimit+1], l.send(), "in the order in which they came")
	})
}

func TestUrgentDeliveriesGoFirstInTheirQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLimiter(defaults)
		for range startLimit {
			l.emit("w")
		}
		first := l.send()
		l.emit("w")
		unsubscribe := l.emitUrgent("w")
		bounce := l.emitUrgent("w")
		first[0].slot.Release()
		first[1].slot.Release()
		assert.Equal(t, []*delivery{unsubscribe, bounce}, l.send())
	})
}

func TestQueuesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLimiter(Config{Concurrency: 1, PerHost: 2})
		l.claim("a", "a", "a", "b", "c")
		var order string
		for ds := l.send(); len(ds) > 0; ds = l.send() {
			for _, d := range ds {
				order += d.webhook
				d.slot.Release()
			}
		}
		assert.Equal(t, "aabca", order, "the second of a was in its turn before b and c came")
	})
}

func TestASlowAttemptLeavesItsPlaceToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLimiter(Config{Concurrency: 8, PerHost: 8})
		for i := range 8 {
			require.NotNil(t, l.emit(string(rune('a'+i))))
		}
		ds := l.send()
		require.Len(t, ds, 8)
		waits := l.emit("z")
		assert.Empty(t, l.send())
		time.Sleep(slowAfter)
		synctest.Wait()
		assert.Equal(t, []*delivery{waits}, l.send())
		assert.Equal(t, 8, l.slow)
		for _, d := range ds {
			d.answered(false)
		}
		assert.Equal(t, 0, l.slow)
		assert.Equal(t, 1, l.fast)
	})
}

func TestAnAttemptThatEndedInTimeIsNotSlowWhileItsOutcomeIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLimiter(defaults)
		l.emit("w")
		d := l.send()[0]
		d.slot.Finish(true, false)
		time.Sleep(time.Minute)
		assert.Equal(t, 1, l.fast)
		d.slot.Release()
		assert.Zero(t, l.fast+l.slow+l.waiting)
	})
}

func TestASuccessFreesItsPlaceWhileItIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLimiter(Config{Concurrency: 2, PerHost: 1})
		l.claim("a", "b", "c", "d", "e", "f", "g")
		free := l.free(0)
		next := func(n int) []*delivery {
			t.Helper()
			ds := l.send()
			require.Len(t, ds, n)
			for _, d := range ds {
				require.True(t, d.slot.Acquire(d.webhook+".test", 0))
			}
			return ds
		}
		ds := next(2)
		ds[0].slot.Finish(true, true)
		ds = append(ds, next(1)...)
		time.Sleep(2 * slowAfter)
		synctest.Wait()
		ds = append(ds, next(2)...) // the two that were under way are slow
		ds[1].slot.Finish(true, true)
		assert.Equal(t, 1, l.slow, "a slow one's place, too")
		ds[2].slot.Finish(true, true)
		assert.Empty(t, l.send(), "two outcomes wait to be stored already")
		assert.Equal(t, 1, l.slow)
		ds[3].slot.Finish(false, false)
		assert.Empty(t, l.send(), "a failure keeps its place until it is stored")
		assert.Equal(t, free, l.free(0)-l.slow, "memory is bounded as before")

		for _, d := range ds {
			d.slot.Release()
		}
		for _, d := range next(2) {
			d.answered(true)
		}
		assert.Empty(t, l.pool.hosts)
		assert.Zero(t, l.fast+l.slow+l.waiting+l.storing)
	})
}

func TestSlowAttemptsAreLimitedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLimiter(Config{Concurrency: 1, PerHost: 1})
		for i := range slowFactor + 1 {
			l.claim(string(rune('a' + i)))
			assert.Len(t, l.send(), 1, "attempt %d", i)
			time.Sleep(2 * slowAfter)
			synctest.Wait()
		}
		l.claim("z")
		assert.Empty(t, l.send(), "the last one stays in a fast place")
	})
}

func TestAStalledAttemptNarrowsItsQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLimiter(defaults)
		for l.emit("w") != nil {
		}
		require.Len(t, l.send(), startLimit)
		time.Sleep(stalledAfter / 2)
		synctest.Wait()
		assert.Equal(t, startLimit, l.limit("w"), "a receiver may take its time")
		time.Sleep(stalledAfter)
		synctest.Wait()
		assert.Equal(t, 1, l.limit("w"))
		assert.Zero(t, l.queue("w").len())
	})
}

// A thousand receivers that hang must leave room for the others.
func TestWhilePlacesAreShortNewQueuesAreNarrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLimiter(Config{Concurrency: 4, PerHost: 4})
		proven := l.queue("proven")
		proven.limit = 2 * startLimit
		l.claim("proven")
		for i := range 3 {
			for range 6 {
				l.claim(fmt.Sprint(i))
			}
		}
		l.send()
		time.Sleep(slowAfter)
		synctest.Wait()
		assert.Equal(t, 1, l.limit("0"), "many wait for slow ones")
		assert.Zero(t, l.queue("0").len())
		assert.Equal(t, 2*startLimit, proven.limit)
		l.store()

		for i := range slowFactor * 4 / 2 {
			l.claim(fmt.Sprint("more", i))
			l.send()
			time.Sleep(slowAfter)
			synctest.Wait()
		}
		assert.Equal(t, 1, l.limit("new"), "many are slow")
	})
}

func TestWebhooksBehindOneHostShareALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLimiter(Config{Concurrency: 8, PerHost: 2})
		var ds []*delivery
		for i := range 4 {
			require.NotNil(t, l.emit(fmt.Sprint(i)))
		}
		ds = l.send()
		for i, d := range ds {
			assert.Equal(t, i < 2, d.slot.Acquire("shared.test", 0), "attempt %d", i)
		}
		assert.Equal(t, 2, l.fast, "deliveries that wait for their host take no place")
		other := l.emit("other")
		assert.Equal(t, []*delivery{other}, l.send())
		assert.True(t, other.slot.Acquire("other.test", 0))

		ds[0].answered(true)
		assert.Equal(t, ds[2:3], l.send())
		assert.True(t, ds[2].slot.Acquire("shared.test", 0))
		time.Sleep(2 * stalledAfter) // the attempts under way stall
		synctest.Wait()
		assert.Equal(t, ds[3:4], l.send(), "stalled attempts do not count")
		assert.True(t, ds[3].slot.Acquire("shared.test", 0))

		for _, d := range append(ds[1:], other) {
			d.answered(true)
		}
		assert.Empty(t, l.pool.hosts)
		assert.Zero(t, l.fast+l.slow+l.waiting)
	})
}

func TestCloseGivesBackAllThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLimiter(Config{Concurrency: 2, PerHost: 1})
		for _, webhook := range []string{"a", "b", "c"} {
			require.NotNil(t, l.emit(webhook))
		}
		promised := l.TryAcquire("d", 0)
		ds := l.send()
		require.True(t, ds[0].slot.Acquire("shared.test", 0))
		require.False(t, ds[1].slot.Acquire("shared.test", 0))
		ds = append(ds, l.send()...)
		l.Close()
		require.Len(t, l.givenBack, 1, "the one that waits for its host")
		promised.Enqueue(&delivery{"d", promised}, false)
		require.Len(t, l.givenBack, 2)
		assert.Nil(t, l.TryAcquire("e", 0))
		for _, d := range append(l.givenBack, ds[0], ds[2]) {
			select {
			case <-l.Drained():
				t.Fatal("drained too early")
			default:
			}
			d.slot.Release()
		}
		<-l.Drained()
	})
}

func TestStatsNameTheQueuesThatMatter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLimiterIn(NewPool[*delivery](Config{Concurrency: 8, PerHost: 8}), 4)
		assert.Zero(t, l.Stats())
		for range 6 {
			l.emit("b")
		}
		l.Narrow("a")
		require.Len(t, l.send(), 4)
		assert.Equal(t, Stats{Attempts: 4, Waiting: 2, Queues: []QueueStats{
			{Webhook: "a", Limit: 1},
			{Webhook: "b", Attempts: 4, Waiting: 2, Limit: 4},
		}}, l.Stats())
		time.Sleep(slowAfter)
		synctest.Wait()
		s := l.Stats()
		assert.Equal(t, 4, s.Slow)
		assert.Zero(t, s.Attempts)
	})
}
