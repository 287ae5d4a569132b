package webhook

import "time"

// How long a group of emissions waits while lanes are crowded: so long for each
// of them, and no longer than this in all.
const (
	paceEach = time.Millisecond
	paceMost = 50 * time.Millisecond
)

// pace has n emissions wait while lanes are crowded. Callers who emit faster
// than is delivered, on the same cores, would have ever more go through the
// store's queue, a third write for each, and all of it arrive later.
func (l *lanes) pace(n int) {
	l.mu.Lock()
	if !l.crowded() {
		l.mu.Unlock()
		return
	}
	eased := make(chan struct{})
	l.eased = eased
	l.mu.Unlock()
	timeout := time.NewTimer(min(time.Duration(n)*paceEach, paceMost))
	defer timeout.Stop()
	select {
	case <-eased:
	case <-timeout.C:
	}
}

// crowded reports whether half of what may be held is, or more is to be delivered
// than there is room for. The caller holds mu.
func (l *lanes) crowded() bool {
	return !l.closed && (l.starved || l.free() <= l.held()/2)
}

// ease ends pace's wait once lanes are not crowded. The caller holds mu.
func (l *lanes) ease() {
	if l.eased != nil && !l.crowded() {
		close(l.eased)
		l.eased = nil
	}
}
