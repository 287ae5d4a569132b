package limiter

import "time"

// A Slot is the right to hold one delivery, from before it is leased until its
// outcome is stored. The package comment lists its steps.
type Slot[T any] struct {
	limiter   *Limiter[T]
	queue     *queue[T]
	webhook   string
	host      *host[T] // unless nil, the attempt counts against its host's limit
	calledBy  *host[T] // unless nil, the host at which it waited has a place for it
	item      T        // since Enqueue
	state     state
	pooled    bool // it counts in the pool too
	starting  bool // it counts in the queue's starting
	token     bool // it has a token of its queue's rate, and has not used it
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

// setState moves a slot to another state. If that frees a place for an attempt, parked
// queues get their turns again. The caller holds mu, and calls the pool's startNext.
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
	s.limiter.pool.callWaiting(s.endCall())
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
	if s.queue.bucket.rate > 0 { // a claim may have brought more than the rate allows
		s.limiter.trim(s.queue)
	}
	p.schedule(s.queue)
	p.startNext()
	s.limiter.awaitRate(s.queue)
}

// startAttempt counts a waiting delivery as attempted. The caller holds mu.
func (s *Slot[T]) startAttempt() {
	p := s.limiter.pool
	if s.calledBy != nil {
		s.queue.called--
	}
	s.setState(fast)
	s.startedAt, s.sent, s.starting = time.Now(), false, true
	s.queue.starting++
	p.starting.push(s)
	if p.starting.len() == 1 && p.recent.len() == 0 {
		p.setTimer(slowAfter)
	}
}

// Acquire counts the attempt that was started against its host's limit, and against
// the rate of its webhook; a rate of 0 is no limit. It returns false if the host has no
// room, or the attempt would be too soon: then the caller leaves the delivery, and the
// Limiter calls start with it again.
func (s *Slot[T]) Acquire(name string, rate float64) (acquired bool) {
	l, q, p := s.limiter, s.queue, s.limiter.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	s.endStart()
	l.setRate(q, rate)
	defer l.awaitRate(q)
	calledBy, h := s.endCall(), p.host(name)
	hasRoom := h.busy < p.config.PerHost
	acquired = hasRoom && q.bucket.take()
	if acquired {
		h.busy++
		s.host, s.token = h, true
	} else {
		s.setState(waiting)
		s.joinPool()
		switch {
		case l.closed:
			s.returnToStore()
		case !hasRoom:
			h.waiting.push(s)
		default:
			q.urgent.pushFirst(s)
			l.trim(q)
		}
		p.schedule(q)
	}
	p.callWaiting(h)
	if calledBy != h { // the webhook leads to another host now
		p.callWaiting(calledBy)
	}
	p.startNext()
	return acquired
}

// endStart ends the counting of an attempt as one that has no token yet. The caller
// holds mu.
func (s *Slot[T]) endStart() {
	if s.starting {
		s.starting = false
		s.queue.starting--
	}
}

// returnToken returns the token of an attempt that was not made. The caller holds mu,
// and calls the pool's schedule and startNext.
func (s *Slot[T]) returnToken() {
	s.endStart()
	if s.token {
		s.token = false
		s.queue.bucket.tokens++
	}
}

// Sent starts the clock of an attempt: it is slow after a tenth of a second and
// stalled after a second.
func (s *Slot[T]) Sent() {
	p := s.limiter.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	s.joinPool()
	s.sent, s.sentAt, s.token = true, time.Now(), false
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

// FinishBatch is Finish for a request that brings several deliveries. It keeps its place
// until all outcomes are stored, and the limit of its queue grows no further than that of
// a new one: what a process that dies repeats is bounded by it.
func (s *Slot[T]) FinishBatch(good bool) {
	l := s.limiter
	s.Finish(good, false)
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	if s.queue.limit > l.startLimit() {
		s.queue.limit = l.startLimit()
		l.trim(s.queue)
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
	s.returnToken()
	if s.pooled {
		s.leavePool()
	}
	p.schedule(s.queue)
	p.startNext()
}

// Release ends the use of a slot. It may be called from any step.
func (s *Slot[T]) Release() {
	l := s.limiter
	p := l.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	s.leavePool()
	s.returnToken()
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
	l.awaitRate(s.queue)
	l.forgetIdle(s.webhook, s.queue)
}
