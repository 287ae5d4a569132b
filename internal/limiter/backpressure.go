package limiter

import (
	"slices"
	"time"
)

// Throttle waits throttleEach for each delivery, but no longer than throttleMax.
const (
	throttleEach = time.Millisecond
	throttleMax  = 50 * time.Millisecond
)

// Throttle delays the emitting of n events while the limiter is saturated.
// Without it, callers that emit faster than the process delivers, on the same
// cores, would send ever more deliveries through the store's queue. That costs a
// third write for each, and all of them would arrive later.
func (l *Limiter[T]) Throttle(n int) {
	l.pool.mu.Lock()
	if !l.saturated() {
		l.pool.mu.Unlock()
		return
	}
	if l.relief == nil {
		l.relief = make(chan struct{})
		l.pool.throttled = append(l.pool.throttled, l)
	}
	relief := l.relief
	l.pool.mu.Unlock()
	timeout := time.NewTimer(min(time.Duration(n)*throttleEach, throttleMax))
	defer timeout.Stop()
	select {
	case <-relief:
	case <-timeout.C:
	}
}

// saturated reports whether half of the deliveries that may be held are, or the
// store is known to have more than there is room for. The caller holds mu.
func (l *Limiter[T]) saturated() bool {
	return !l.closed && (l.claimedFull || l.free(2) <= 0)
}

// signalRelief ends the wait of Throttle in the limiters that are not saturated. The
// caller holds mu.
func (p *Pool[T]) signalRelief() {
	p.throttled = slices.DeleteFunc(p.throttled, func(l *Limiter[T]) bool {
		if l.saturated() {
			return false
		}
		close(l.relief)
		l.relief = nil
		return true
	})
}
