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

// Schedule makes a list of delays a policy for Options.Backoff: the nth is the
// wait before the nth retry, give or take a tenth, and after the last one the
// delivery has failed. Without delays nothing is retried.
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
	return d + time.Duration((2*rand.Float64()-1)*jitter*float64(d))
}

// retryDelay returns the wait before the retry that follows the given number
// of failed attempts; ok is false when there is none. A policy holds state,
// and the next attempt may be another process's: it is made anew and replayed
// up to that attempt.
func retryDelay(policy func() backoff.BackOff, failed int) (delay time.Duration, ok bool) {
	b := policy()
	b.Reset()
	for range failed {
		if delay = b.NextBackOff(); delay == backoff.Stop {
			return 0, false
		}
	}
	return max(delay, 0), true
}
