package limiter

import (
	"maps"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A rated has a limiter whose webhooks have rates, and a store with any number of
// deliveries for each.
type rated struct {
	*testLimiter
	rates  map[string]float64
	begun  map[string][]time.Duration // when attempts of each webhook began
	claims int                        // that brought something
	held   int                        // deliveries that waited, summed over the steps
	next   int                        // which webhook has the next turn
	start  time.Time
}

func newRated(c Config, rates map[string]float64) *rated {
	return &rated{testLimiter: newTestLimiter(c), rates: rates, begun: map[string][]time.Duration{}, start: time.Now()}
}

// run has deliveries claimed and sent for a while, each in no time.
func (r *rated) run(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Millisecond) {
		r.step()
	}
}

// step claims once if the limiter asked for it, and makes the attempts that it started.
func (r *rated) step() {
	synctest.Wait()
	r.pool.mu.Lock()
	asked := r.wakes > 0
	r.wakes = 0
	r.pool.mu.Unlock()
	if asked {
		r.claimAll()
	}
	r.attempt()
	r.pool.mu.Lock() // which orders all reads above before what timers write
	defer r.pool.mu.Unlock()
	r.held += r.waiting
}

// claimAll claims as many deliveries of each webhook as there is room for.
func (r *rated) claimAll() {
	res := r.Reserve(500)
	var webhooks []string
	names := slices.Sorted(maps.Keys(r.rates))
	for i := range names { // they take turns
		webhook := names[(r.next+i)%len(names)]
		room, named := res.Room[webhook]
		if !named {
			room = res.Each
		}
		for range min(room, res.Limit-len(webhooks)) {
			webhooks = append(webhooks, webhook)
		}
	}
	r.next += 7
	if len(webhooks) > 0 {
		r.claims++
	}
	for i, s := range r.Fill(res, webhooks) {
		s.Enqueue(&delivery{webhooks[i], s}, false)
	}
	r.store()
}

// attempt makes the attempts that were started.
func (r *rated) attempt() {
	for again := true; again; {
		ds := r.take()
		again = len(ds) > 0
		for _, d := range ds {
			if !d.slot.Acquire(d.webhook+".test", r.rates[d.webhook]) {
				continue
			}
			d.slot.Sent()
			r.begun[d.webhook] = append(r.begun[d.webhook], time.Since(r.start))
			d.answered(true)
		}
		r.store()
	}
}

// take returns the deliveries started since its last call.
func (l *testLimiter) take() []*delivery {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	ds := l.started
	l.started = nil
	return ds
}

// most returns the most attempts that may begin in a time.
func most(rate float64, d time.Duration) int {
	return int(1 + rate*(d+rateSlack).Seconds() + 1e-6)
}

// The promise: of any attempts, those from the i-th to the j-th are no more than may
// begin in the time between them.
func assertRate(t *testing.T, rate float64, begun []time.Duration) {
	t.Helper()
	for i := range begun {
		for j := i; j < len(begun); j++ {
			if n := j - i + 1; n > most(rate, begun[j]-begun[i]) {
				require.Fail(t, "too many attempts", "%d from %s to %s at a rate of %v", n, begun[i], begun[j], rate)
			}
		}
	}
}

func TestAttemptsKeepToTheRateOfTheirWebhook(t *testing.T) {
	for _, c := range []struct {
		rate float64
		for_ time.Duration
	}{
		{0.01, 300 * time.Second}, {0.5, 100 * time.Second}, {1, 60 * time.Second},
		{3.3, 30 * time.Second}, {10, 10 * time.Second}, {100, 5 * time.Second}, {1000, 2 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRated(defaults, map[string]float64{"w": c.rate})
			r.claimAll()
			r.run(c.for_)
			assertRate(t, c.rate, r.begun["w"])
			want := c.rate * c.for_.Seconds()
			assert.InDelta(t, want, len(r.begun["w"]), 2+want/10, "at a rate of %v the rate is used", c.rate)
			assert.LessOrEqual(t, r.claims, 3+int(min(want, 20*c.for_.Seconds())), "at a rate of %v claims wait too", c.rate)
		})
	}
}

func TestAWebhookThatWaitsForItsRateTakesNoSlotsOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRated(Config{Concurrency: 8, PerHost: 8}, map[string]float64{})
		for i := range 100 {
			r.rates[string(rune('A'+i))] = 0.1
		}
		for range 20 { // what is claimed before the rates are known is given back
			r.claimAll()
			r.attempt()
		}
		assert.Zero(t, r.waiting+r.fast)
		var free []*delivery
		for d := r.emit("free"); d != nil; d = r.emit("free") {
			free = append(free, d)
		}
		assert.Len(t, free, capacity(startLimit)-1, "a webhook without a rate has all the slots of its queue")
		for n := 0; n < len(free); {
			ds := r.send()
			require.NotEmpty(t, ds)
			for _, d := range ds {
				d.answered(true)
			}
			n += len(ds)
		}

		r.held = 0
		r.run(time.Minute)
		perMillisecond := 100 * 0.1 * rateAhead.Seconds()
		assert.LessOrEqual(t, float64(r.held), perMillisecond*60_000, "each is held for a fifth of a second before it begins")
		for _, begun := range r.begun {
			assertRate(t, 0.1, begun)
			assert.GreaterOrEqual(t, len(begun), 6)
		}
	})
}

func TestAClaimLeavesOutWebhooksThatWaitForTheirRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRated(defaults, map[string]float64{"w": 0.5})
		r.claimAll()
		r.attempt()
		require.Len(t, r.begun["w"], 1)
		r.wakes = 0
		for range 10 {
			res := r.Reserve(500)
			room, named := res.Room["w"]
			assert.True(t, named)
			assert.Zero(t, room)
			r.Fill(res, nil)
			assert.False(t, r.NoteBacklog("w"), "nobody claims for it")
			time.Sleep(150 * time.Millisecond)
			synctest.Wait()
		}
		r.pool.mu.Lock() // which orders what is read here and what timers write
		assert.Zero(t, r.wakes)
		r.pool.mu.Unlock()
		time.Sleep(400 * time.Millisecond)
		synctest.Wait()
		assert.Equal(t, 1, r.wakes, "once there is room, a claim follows by itself")
		assert.Equal(t, 1, r.Reserve(500).Room["w"])
	})
}

func TestEmittedDeliveriesBeyondTheRateWaitInTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLimiter(defaults)
		emit := func() *delivery {
			s := l.TryAcquire("w", 10)
			if s == nil {
				return nil
			}
			d := &delivery{"w", s}
			s.Enqueue(d, false)
			return d
		}
		n := 0
		for emit() != nil {
			n++
		}
		assert.Equal(t, 3, n, "2 may begin now, 2 more in the next fifth of a second, and one slot is left to claims")
		assert.Len(t, l.send(), 2)
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		assert.Empty(t, l.send(), "those that were started have not begun")
	})
}

func TestATokenThatWasNotUsedIsReturned(t *testing.T) {
	for name, unused := range map[string]func(*delivery){
		"decided before the attempt": func(d *delivery) { d.slot.Decided(); d.slot.Release() },
		"given up at its host":       func(d *delivery) { d.slot.Acquire("h.test", 0.1); d.slot.Decided(); d.slot.Release() },
		"released":                   func(d *delivery) { d.slot.Acquire("h.test", 0.1); d.slot.Release() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newTestLimiter(defaults)
				l.TryAcquire("w", 0.1)
				l.claim("w")
				for range 20 {
					require.Len(t, l.started, 1)
					d := l.started[0]
					l.started = nil
					unused(d)
					l.claim("w")
				}
				require.Len(t, l.started, 1)
				d := l.started[0]
				l.started = nil
				require.True(t, d.slot.Acquire("h.test", 0.1))
				d.slot.Sent()
				d.answered(true)
				l.claim("w")
				assert.Empty(t, l.started, "the one that was sent has used it")
			})
		})
	}
}

func TestANewRateHoldsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLimiter(defaults)
		l.TryAcquire("w", 0.001)
		l.claim("w")
		d := l.started[0]
		l.started = nil
		require.True(t, d.slot.Acquire("h.test", 0.001))
		d.slot.Sent()
		d.answered(true)
		l.ExpectBacklog("w")
		assert.False(t, l.NoteBacklog("w"))

		l.wakes = 0
		l.SetRate("w", 100)
		synctest.Wait()
		time.Sleep(50 * time.Millisecond)
		synctest.Wait()
		assert.NotZero(t, l.wakes, "raised: nobody waits for what was left of a thousand seconds")

		l.claim("w", "w", "w", "w", "w")
		l.SetRate("w", 0.001)
		assert.NotEmpty(t, l.givenBack, "lowered: what cannot begin soon is given back")
		l.store()

		l.SetRate("w", 0)
		l.wakes = 0
		l.claim("w", "w", "w")
		assert.GreaterOrEqual(t, len(l.send()), 3, "taken away: they begin at once")
	})
}

func TestCloseGivesBackWhatWaitsForItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLimiter(defaults)
		l.TryAcquire("w", 10)
		l.claim("w", "w", "w")
		l.Close()
		assert.NotEmpty(t, l.givenBack)
		n := len(l.started)
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.Len(t, l.started, n, "nothing starts afterwards")
	})
}

func TestAQueueIsRememberedUntilItsRateLetsItBeginAsANewOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRated(defaults, map[string]float64{"w": 0.5})
		r.claimAll()
		r.attempt()
		r.rates = nil
		r.run(time.Second)
		assert.Equal(t, []QueueStats{{Webhook: "w", Limit: r.limit("w"), Rate: 0.5}}, r.Stats().Queues)
		r.run(2 * time.Second) // the claim of then finds none
		assert.Empty(t, r.Stats().Queues)
	})
}

func TestABucketKeepsToItsRateHoweverItIsChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bucket
		assert.Equal(t, math.MaxInt, b.after(0), "without a rate there is no limit")
		assert.True(t, b.full())
		b.setRate(20)
		assert.Equal(t, 3, b.after(0), "one, and what comes in a tenth of a second")
		assert.True(t, b.full())
		for range 3 {
			assert.True(t, b.take())
		}
		assert.False(t, b.take())
		b.setRate(1)
		assert.False(t, b.take(), "a change of the rate gives no token")
		wait, ok := b.until(1)
		assert.True(t, ok)
		assert.Equal(t, time.Second, wait)
		time.Sleep(wait)
		assert.True(t, b.take())
		_, ok = b.until(2)
		assert.False(t, ok, "so many are never saved up")
	})
}
