package limiter

import "time"

// A Slot is the right to hold one delivery, from before it is leased until its
// outcome is stored. The package comment lists its steps.
type Slot[T any] struct {
	limiter   *Limiter[T]
	queue     *queue[T]
	webhook   string
	host      *host[T] // unless nil, the attempt counts against its limit
	item      T        // since Enqueue
	state     state
	sent      bool // the attempt is under way
	givenBack bool // the delivery returns to the store, to be claimed again
	sentAt    time.Time
}

// The state says which count of the Limiter a slot is in.
type state uint8

const (
	waiting state = iota
	fast
	slow
	storing
	released
)

// A host counts the attempts for all webhooks behind one host.
type host[T any] struct {
	name    string
	busy    int // attempts, except stalled ones
	waiting fifo[*Slot[T]]
}

// Enqueue has a leased delivery wait for its attempt. The Limiter calls start
// with the item when there is room, perhaps before Enqueue returns. Urgent
// deliveries go before the others of their webhook.
func (s *Slot[T]) Enqueue(item T, urgent bool) {
	l := s.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	s.item = item
	if l.closed {
		l.giveBack(item)
		return
	}
	s.queue.push(s, urgent)
	l.schedule(s.queue)
	l.startNext()
}

// startAttempt counts a waiting delivery as attempted. The caller holds mu.
func (s *Slot[T]) startAttempt() {
	s.state = fast
	s.limiter.waiting--
	s.queue.waiting--
	s.limiter.fast++
	s.queue.busy++
}

// AcquireHost counts the attempt that was started against its host's limit. It
// returns false if the host has no room: then the caller leaves the delivery,
// and the Limiter calls start with it again.
func (s *Slot[T]) AcquireHost(name string) bool {
	l := s.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.hosts[name]
	if h == nil {
		h = &host[T]{name: name}
		l.hosts[name] = h
	}
	if h.busy < l.config.PerHost {
		h.busy++
		s.host = h
		return true
	}
	s.state = waiting
	l.waiting++
	s.queue.waiting++
	l.fast--
	s.queue.busy--
	if l.closed {
		l.giveBack(s.item)
		return false
	}
	h.waiting.push(s)
	l.schedule(s.queue)
	l.startNext()
	return false
}

// releaseHost ends the counting of an attempt against its host's limit. The
// next delivery that waits for the host goes first in its queue. The caller
// holds mu, and calls startNext.
func (s *Slot[T]) releaseHost() {
	h := s.host
	if h == nil {
		return
	}
	s.host = nil
	h.busy--
	switch {
	case h.waiting.len() > 0:
		next := h.waiting.pop()
		next.queue.urgent.pushFirst(next)
		s.limiter.schedule(next.queue)
	case h.busy == 0:
		delete(s.limiter.hosts, h.name)
	}
}

// Sent starts the clock of an attempt: it is slow after a tenth of a second and
// stalled after a second.
func (s *Slot[T]) Sent() {
	l := s.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	s.sent, s.sentAt = true, time.Now()
	l.recent.push(s)
	if l.recent.len() == 1 {
		l.setTimer(slowAfter)
	}
}

// setTimer has checkAges called after a while. The caller holds mu.
func (l *Limiter[T]) setTimer(wait time.Duration) {
	if l.timer == nil {
		l.timer = time.AfterFunc(wait, l.checkAges)
		return
	}
	l.timer.Reset(wait)
}

// checkAges finds the attempts that have become slow or stalled.
func (l *Limiter[T]) checkAges() {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := takeOlder(&l.recent, slowAfter, (*Slot[T]).markSlow)
	if stalled := takeOlder(&l.aging, stalledAfter, (*Slot[T]).markStalled); next == 0 || stalled > 0 && stalled < next {
		next = stalled
	}
	if next > 0 {
		l.setTimer(max(next, slowAfter/2)) // not once for each attempt
	}
	l.startNext()
}

// takeOlder removes the attempts of that age, calls mark with those still under
// way, and returns how long it is until the next has that age; 0 if there is
// none.
func takeOlder[T any](attempts *fifo[*Slot[T]], age time.Duration, mark func(*Slot[T])) time.Duration {
	for attempts.len() > 0 {
		s := attempts.first()
		if left := age - time.Since(s.sentAt); left > 0 {
			return left
		}
		attempts.pop()
		if s.sent {
			mark(s)
		}
	}
	return 0
}

// markSlow frees the place of an attempt that has no answer yet. While places
// are short, its queue gets a limit of 1 at once, unless its receiver has
// proved to be good. The caller holds mu, and calls startNext.
func (s *Slot[T]) markSlow() {
	l := s.limiter
	l.aging.push(s)
	s.demote()
	if s.queue.limit <= l.config.startLimit() && (l.manySlow() || 2*l.waiting > l.config.maxWaiting()) {
		s.queue.limit = 1
		l.trim(s.queue)
	}
	l.wakeIfNeeded(s.queue)
}

// demote counts an attempt as slow, if there is room. The caller holds mu, and
// calls startNext.
func (s *Slot[T]) demote() {
	l := s.limiter
	if s.state == fast && l.slow < l.config.maxSlow() {
		s.state = slow
		l.fast--
		l.slow++
	}
}

// markStalled halves the limit of an attempt's queue: more attempts at once
// would not help a receiver that does not answer. The caller holds mu, and calls
// startNext.
func (s *Slot[T]) markStalled() {
	l := s.limiter
	s.queue.limit = max(s.queue.limit/2, 1)
	s.demote()
	if s.state == slow {
		s.releaseHost()
	}
	l.trim(s.queue)
	l.wakeIfNeeded(s.queue)
}

// Finish stops the clock of an attempt and adapts the limit of its queue. A good
// answer, before the attempt stalls, raises the limit by one while it is in full
// use; a bad one halves it. If the delivery succeeded, and only that is left to
// be stored, its place may be free at once.
func (s *Slot[T]) Finish(good, delivered bool) {
	l := s.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	s.sent = false
	switch {
	case !good:
		s.queue.limit = max(s.queue.limit/2, 1)
		l.trim(s.queue)
	case time.Since(s.sentAt) < stalledAfter && s.queue.busy >= s.queue.limit-1:
		s.queue.limit = min(s.queue.limit+1, l.config.PerWebhook)
	}
	if delivered && l.storing < l.config.Concurrency {
		s.markStoring()
	}
}

// markStoring frees the place of an attempt while its outcome is stored. At most
// Concurrency slots may do so, so that attempts stop when the store is slow or
// down. The caller holds mu.
func (s *Slot[T]) markStoring() {
	l := s.limiter
	if s.state == slow {
		l.slow--
	} else {
		l.fast--
	}
	s.state = storing
	l.storing++
	s.queue.busy--
	s.queue.storing++
	s.releaseHost()
	l.schedule(s.queue)
	l.startNext()
}

// Release ends the use of a slot. It may be called from any step.
func (s *Slot[T]) Release() {
	l := s.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	switch s.state {
	case waiting:
		l.waiting--
		s.queue.waiting--
	case fast:
		l.fast--
		s.queue.busy--
	case slow:
		l.slow--
		s.queue.busy--
	case storing:
		l.storing--
		s.queue.storing--
	}
	s.state = released
	if s.givenBack { // a claim may have come before it was stored
		s.queue.setBacklog()
	}
	s.releaseHost()
	l.signalDrained()
	l.signalRelief()
	l.schedule(s.queue)
	l.startNext()
	l.wakeIfNeeded(s.queue)
	l.forgetIdle(s.webhook, s.queue)
}
