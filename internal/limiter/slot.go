package limiter

import "time"

// A Slot is the right to hold one delivery, from before it is leased until its
// outcome is stored. The package comment lists its steps.
type Slot[T any] struct {
	limiter   *Limiter[T]
	queue     *queue[T]
	webhook   string
	host      *host[T] // unless nil, the attempt counts against its host's limit
	item      T        // since Enqueue
	state     state
	pooled    bool // it counts in the pool too
	sent      bool // the attempt is under way
	givenBack bool // the delivery returns to the store, to be claimed again
	startedAt time.Time
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

// count adds n to the counts of a slot's state. The caller holds mu.
func (s *Slot[T]) count(n int) {
	l, q := s.limiter, s.queue
	switch s.state {
	case waiting:
		l.waiting += n
		q.waiting += n
	case fast:
		l.fast += n
		q.busy += n
	case slow:
		l.slow += n
		q.busy += n
	case storing:
		l.storing += n
		q.storing += n
	}
	if s.pooled {
		s.countInPool(n)
	}
}

// countInPool adds n to the pool's counts of a slot's state. The caller holds mu.
func (s *Slot[T]) countInPool(n int) {
	p := s.limiter.pool
	switch s.state {
	case waiting:
		p.waiting += n
	case fast:
		p.fast += n
	case slow:
		p.slow += n
		return
	default:
		return
	}
	s.limiter.pooled += n
}

// setState moves a slot to another state, and calls for the queues that have a place
// by that. The caller holds mu, and calls the pool's startNext.
func (s *Slot[T]) setState(to state) {
	wasFast := s.state == fast
	s.count(-1)
	s.state = to
	s.count(1)
	if wasFast {
		s.limiter.unpark()
	}
}

// joinPool counts a slot in the pool. The caller holds mu.
func (s *Slot[T]) joinPool() {
	if !s.pooled {
		s.pooled = true
		s.countInPool(1)
	}
}

// leavePool ends the counting of a slot in the pool, since it only waits for its
// store. The caller holds mu, and calls the pool's startNext.
func (s *Slot[T]) leavePool() {
	if s.pooled {
		s.countInPool(-1)
		s.pooled = false
	}
	s.releaseHost()
}

// returnToStore gives a waiting delivery back. The caller holds mu.
func (s *Slot[T]) returnToStore() {
	s.leavePool()
	s.limiter.giveBack(s.item)
}

// Enqueue has a leased delivery wait for its attempt. The Limiter calls start
// with the item when there is room, perhaps before Enqueue returns. Urgent
// deliveries go before the others of their webhook.
func (s *Slot[T]) Enqueue(item T, urgent bool) {
	p := s.limiter.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	s.item = item
	if s.limiter.closed {
		s.returnToStore()
		return
	}
	s.queue.push(s, urgent)
	p.schedule(s.queue)
	p.startNext()
}

// startAttempt counts a waiting delivery as attempted. The caller holds mu.
func (s *Slot[T]) startAttempt() {
	p := s.limiter.pool
	s.setState(fast)
	s.startedAt, s.sent = time.Now(), false
	p.starting.push(s)
	if p.starting.len() == 1 && p.recent.len() == 0 {
		p.setTimer(slowAfter)
	}
}

// AcquireHost counts the attempt that was started against its host's limit. It
// returns false if the host has no room: then the caller leaves the delivery,
// and the Limiter calls start with it again.
func (s *Slot[T]) AcquireHost(name string) bool {
	p := s.limiter.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.hosts[name]
	if h == nil {
		h = &host[T]{name: name}
		p.hosts[name] = h
	}
	if h.busy < p.config.PerHost {
		h.busy++
		s.host = h
		return true
	}
	s.setState(waiting)
	s.joinPool()
	if s.limiter.closed {
		s.returnToStore()
		return false
	}
	h.waiting.push(s)
	p.schedule(s.queue)
	p.startNext()
	return false
}

// releaseHost ends the counting of an attempt against its host's limit. The
// next delivery that waits for the host goes first in its queue. The caller
// holds mu, and calls the pool's startNext.
func (s *Slot[T]) releaseHost() {
	h := s.host
	if h == nil {
		return
	}
	s.host = nil
	h.busy--
	switch p := s.limiter.pool; {
	case h.waiting.len() > 0:
		next := h.waiting.pop()
		next.queue.urgent.pushFirst(next)
		p.schedule(next.queue)
	case h.busy == 0:
		delete(p.hosts, h.name)
	}
}

// Sent starts the clock of an attempt: it is slow after a tenth of a second and
// stalled after a second.
func (s *Slot[T]) Sent() {
	p := s.limiter.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	s.joinPool()
	s.sent, s.sentAt = true, time.Now()
	p.recent.push(s)
	if p.recent.len() == 1 {
		p.setTimer(slowAfter)
	}
}

func (s *Slot[T]) startTime() time.Time { return s.startedAt }
func (s *Slot[T]) sendTime() time.Time  { return s.sentAt }

// markHeldUp leaves the pool if the delivery has not been sent since it was
// started: it waits for its store. The caller holds mu, and calls the pool's
// startNext.
func (s *Slot[T]) markHeldUp() {
	if s.state == fast && s.sentAt.Before(s.startedAt) {
		s.leavePool()
	}
}

// markSlow frees the place of an attempt that has no answer yet. While places
// are short, its queue gets a limit of 1 at once, unless its receiver has
// proved to be good. The caller holds mu, and calls the pool's startNext.
func (s *Slot[T]) markSlow() {
	if !s.sent {
		return
	}
	l := s.limiter
	l.pool.aging.push(s)
	s.demote()
	if s.queue.limit <= l.startLimit() && (l.manySlow() || l.manyWaiting()) {
		s.queue.limit = 1
		l.trim(s.queue)
	}
	l.wakeIfNeeded(s.queue)
}

// demote counts an attempt as slow, if there is room. The caller holds mu, and
// calls the pool's startNext.
func (s *Slot[T]) demote() {
	l := s.limiter
	if most := l.pool.config.maxSlow(); s.state == fast && max(l.slow, l.pool.slow) < most {
		s.setState(slow)
	}
}

// markStalled halves the limit of an attempt's queue: more attempts at once
// would not help a receiver that does not answer. The caller holds mu, and calls
// the pool's startNext.
func (s *Slot[T]) markStalled() {
	if !s.sent {
		return
	}
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
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	s.sent = false
	switch {
	case !good:
		s.queue.limit = max(s.queue.limit/2, 1)
		l.trim(s.queue)
	case time.Since(s.sentAt) < stalledAfter && s.queue.busy >= s.queue.limit-1:
		s.queue.limit = min(s.queue.limit+1, l.perWebhook)
	}
	if delivered && l.storing < l.pool.config.Concurrency {
		s.markStoring()
	}
}

// markStoring frees the place of an attempt while its outcome is stored. At most
// Concurrency slots of a Limiter may do so, so that attempts stop when the store is
// slow or down. The caller holds mu.
func (s *Slot[T]) markStoring() {
	p := s.limiter.pool
	s.leavePool()
	s.setState(storing)
	p.schedule(s.queue)
	p.startNext()
}

// Decided says that a delivery only waits for its store now. It keeps its place in
// its Limiter until Release, but none in the pool.
func (s *Slot[T]) Decided() {
	p := s.limiter.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.pooled {
		s.leavePool()
		p.startNext()
	}
}

// Release ends the use of a slot. It may be called from any step.
func (s *Slot[T]) Release() {
	l := s.limiter
	p := l.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	s.leavePool()
	s.sent = false
	wasActive := l.isActive()
	s.setState(released)
	if wasActive && !l.isActive() {
		p.active--
	}
	if s.givenBack { // a claim may have come before it was stored
		s.queue.setBacklog()
	}
	l.signalDrained()
	p.signalRelief()
	p.schedule(s.queue)
	p.startNext()
	l.wakeIfNeeded(s.queue)
	l.forgetIdle(s.webhook, s.queue)
}
