package account

import (
	"math"
	"sync"
	"time"
)

// rates bounds how often each account calls, in this process: a bucket of
// tokens for each that called within the last seconds.
type rates struct {
	perSecond float64

	mu      sync.Mutex
	buckets map[string]bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

// reserve is how many seconds' worth of calls an account may make at once.
const reserve = 5

// take takes one call's token, or returns in how many whole seconds there will
// be one.
func (r *rates) take(account string, now time.Time) (ok bool, seconds int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	full := r.perSecond * reserve
	b, known := r.buckets[account]
	if known {
		b.tokens = min(full, b.tokens+now.Sub(b.at).Seconds()*r.perSecond)
	} else {
		b.tokens = full
	}
	b.at = now
	if ok = b.tokens >= 1; ok {
		b.tokens--
	} else {
		seconds = int(math.Ceil((1 - b.tokens) / r.perSecond))
	}
	if len(r.buckets) >= 10_000 {
		r.forget(now)
	}
	if r.buckets == nil {
		r.buckets = map[string]bucket{}
	}
	r.buckets[account] = b
	return ok, seconds
}

// forget drops the buckets that are full again: they say nothing.
func (r *rates) forget(now time.Time) {
	for account, b := range r.buckets {
		if now.Sub(b.at).Seconds() >= reserve {
			delete(r.buckets, account)
		}
	}
}
