package limiter

import "time"

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
	l.mu.Lock()
	if !l.saturated() {
		l.mu.Unlock()
		return
	}
	if l.relief == nil {
		l.relief = make(chan struct{})
	}
	relief := l.relief
	l.mu.Unlock()
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
	return !l.closed && (l.claimedFull || l.free() <= l.config.maxHeld()/2)
}

// signalRelief ends the wait of Throttle if the limiter is not saturated. The
// caller holds mu.
func (l *Limiter[T]) signalRelief() {
	if l.relief != nil && !l.saturated() {
		close(l.relief)
		l.relief = nil
	}
}
