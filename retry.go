package webhook

import (
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// defaultDelays are the waits before the second to the tenth attempt: the
// example schedule of Standard Webhooks, some three days in all. The first
// attempt is at once.
var defaultDelays = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
	10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

// jitter is how much of a delay of Schedule is left to chance, so that what
// failed together does not come back together.
const jitter = 0.1

// Schedule turns a list of delays into a policy for Options.Backoff: the nth is the
// wait before the nth retry, give or take a tenth, and after the last one the delivery
// has failed. Without delays nothing is retried.
func Schedule(delays ...time.Duration) func() backoff.BackOff {
	return func() backoff.BackOff { return &schedule{delays: delays} }
}

type schedule struct {
	delays []time.Duration
	next   int
}

func (s *schedule) Reset() { s.next = 0 }

func (s *schedule) NextBackOff() time.Duration {
	if s.next >= len(s.delays) {
		return backoff.Stop
	}
	d := s.delays[s.next]
	s.next++
	// A delay near the longest that there is would else become a negative one.
	jittered := float64(d) * (1 + (2*rand.Float64()-1)*jitter)
	return time.Duration(min(jittered, float64(maxDelay)))
}

// maxDelay is the longest wait between two attempts.
const maxDelay = 365 * 24 * time.Hour

// retryDelay returns the wait before the retry that follows the given number
// of failed attempts; ok is false when there is none. A policy holds state,
// and the next attempt may be another process's: it is made anew and replayed
// up to that attempt. Where it asks how much time has passed since the first
// attempt, elapsed says so.
func retryDelay(policy func() backoff.BackOff, failed int, elapsed func() time.Duration) (delay time.Duration, ok bool) {
	b := policy()
	clock := &replayClock{at: time.Now()}
	timed, _ := b.(*backoff.ExponentialBackOff)
	if timed != nil {
		timed.Clock, timed.Stop = clock, backoff.Stop
	}
	b.Reset()
	for n := range failed {
		if n == failed-1 && timed != nil && timed.MaxElapsedTime > 0 {
			clock.at = clock.at.Add(elapsed())
		}
		if delay = b.NextBackOff(); delay == backoff.Stop {
			return 0, false
		}
	}
	return min(max(delay, 0), maxDelay), true
}

// A replayClock is the clock of a policy that is replayed.
type replayClock struct{ at time.Time }

func (c *replayClock) Now() time.Time { return c.at }

// jittered shortens an interval by up to a tenth, so that processes started together
// do not act together. A pool that looks after connections which nobody used for
// a second, as pgx's does, has nothing to do at a poll interval of one.
func jittered(interval time.Duration) time.Duration {
	return interval - time.Duration(rand.Float64()*float64(interval)/10)
}

// sinceFirst returns how long ago the first of so many attempts began, the last of a log.
func sinceFirst(log []Attempt, attempts int) time.Duration {
	if len(log) == 0 || attempts == 0 {
		return 0
	}
	return max(now().Sub(log[max(len(log)-attempts, 0)].Start), 0)
}
