// Package limiter is a concurrency limiter for requests to many webhooks: it
// decides how many deliveries a process holds, and when each is attempted. It
// knows nothing of stores, requests or events.
//
// Each webhook has a queue with a limit on its attempts under way. The limit
// adapts to the receiver, as the congestion window of TCP does (additive
// increase, multiplicative decrease): it grows by one after a fast good answer
// while it is in full use, and halves after a failure or when an attempt
// stalls. Two further limits span all queues: Config.Concurrency counts all
// attempts, and Config.PerHost those to one host. Queues take turns, so that a
// long one delays no other.
//
// A webhook may have a rate, in attempts a second. A queue that is at its rate has no
// turn until a timer gives it one, and no room but for the deliveries that begin
// within a fifth of a second. The others wait in the store, where claims leave them,
// so they hold no slot.
//
// A Limiter has the queues of one store. The Limiters of a process share a Pool,
// which has the two limits and the turns. What only waits for a store counts in its
// Limiter and not in the Pool, so that a store that hangs stops no other.
//
// A delivery needs a Slot before it is leased, which bounds memory. TryAcquire
// takes one for a delivery that is new. Reserve holds slots for a claim, which
// learns only from the store how many deliveries there are; Fill turns them
// into slots and Cancel returns them. A queue holds a few times as many
// deliveries as its limit, so that places which come free are filled without
// asking the store, and so that one claim brings many.
//
// A slot then goes through these steps:
//
//	slot.Enqueue(item, urgent)     // waits; then the limiter calls start(item)
//	slot.Acquire(host, rate)       // false: it waits again, for the host or its rate
//	slot.Sent()                    // the attempt begins; after a while it is slow
//	slot.Finish(good, delivered)   // it ended; a success may free its place now
//	slot.Decided()                 // only the store is still needed
//	slot.Release()                 // its outcome is stored
//
// A slot is taken until the outcome is stored, so attempts stop while the store
// is down. A queue that becomes narrower returns deliveries to the store: the
// limiter calls giveBack(item), and the caller releases the slot once the
// delivery is stored as due.
package limiter

import (
	"maps"
	"slices"
	"time"
)

const (
	startLimit   = 4                // attempts under way for a webhook that is not known yet
	slowFactor   = 8                // slow attempts allowed, as a multiple of Concurrency
	waitFactor   = 4                // waiting deliveries allowed, as a multiple of Concurrency
	queueFactor  = 2                // waiting deliveries allowed in a queue, as a multiple of its limit
	slowAfter    = time.Second / 10 // age from which an attempt is slow
	stalledAfter = time.Second      // age from which an attempt is stalled
)

// maxKnown bounds how many idle queues are remembered. Those are of receivers
// that failed: an idle queue whose limit is that of a new one is forgotten at
// once.
const maxKnown = 4096

// A Limiter limits attempts at deliveries of type T. It is safe for concurrent
// use.
type Limiter[T any] struct {
	pool       *Pool[T]
	perWebhook int           // attempts under way for one webhook
	ahead      time.Duration // how long a delivery is held before its webhook's rate lets it begin
	start      func(T)
	giveBack   func(T)
	wake       func()

	// The pool's mu guards all below, and the fields of queues and slots.
	fast, slow  int // attempts under way, or ended while the outcome is stored
	waiting     int // slots of deliveries that wait
	reserved    int // slots held for claims
	storing     int // slots of deliveries that succeeded, while that is stored
	pooled      int // slots that count in the pool, except those of slow attempts
	closed      bool
	drained     chan struct{} // closed once closed is set and no slot is taken
	claimedFull bool          // the last claim brought all it had room for: any queue may have a backlog
	relief      chan struct{} // unless nil: closed once the limiter is not saturated
	queues      map[string]*queue[T]
	parked      fifo[*queue[T]] // queues whose turn came while fast was at its limit
}

// New returns a Limiter in a pool, with a limit on the attempts under way for each
// webhook. A delivery that is held waits for its webhook's rate no longer than maxWait,
// which must be positive. New calls none of the functions. The Limiter calls start with a
// delivery to attempt now, giveBack with one to return to the store, and wake when the
// store should be asked for more. It calls them with the pool's mutex held, so none may
// block or call a Limiter.
func New[T any](p *Pool[T], perWebhook int, maxWait time.Duration, start, giveBack func(T), wake func()) *Limiter[T] {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limiters++
	return &Limiter[T]{
		pool: p, perWebhook: perWebhook, ahead: min(rateAhead, maxWait), start: start, giveBack: giveBack, wake: wake,
		queues: map[string]*queue[T]{}, drained: make(chan struct{}),
	}
}

// queue returns the queue of a webhook, a new one if it is not known. The caller
// holds mu.
func (l *Limiter[T]) queue(webhook string) *queue[T] {
	q := l.queues[webhook]
	if q == nil {
		q = &queue[T]{limiter: l, limit: l.newLimit()}
		if len(l.queues) >= maxKnown {
			maps.DeleteFunc(l.queues, func(_ string, q *queue[T]) bool { return q.held() == 0 && q.bucket.full() })
		}
		l.queues[webhook] = q
	}
	return q
}

// TryAcquire takes a slot for a new delivery of a webhook. It returns nil if
// there is no room, or if older deliveries of the webhook are in the store: then
// the delivery must wait there to be claimed. One slot of each queue and an
// eighth of all are left to claims, so that retries and other processes' events
// never starve behind new ones. The rate is how many attempts of the webhook begin in
// a second; 0 is no limit.
func (l *Limiter[T]) TryAcquire(webhook string, rate float64) *Slot[T] {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	q := l.queue(webhook)
	if l.setRate(q, rate) {
		l.pool.startNext()
	}
	if l.closed || q.backlog || q.room() <= 1 || l.free(8) <= 0 {
		return nil
	}
	return l.newSlot(webhook, q)
}

// Room returns for how many requests of a webhook TryAcquire would take a slot now.
func (l *Limiter[T]) Room(webhook string, rate float64) int {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	q := l.queues[webhook]
	if q != nil && l.setRate(q, rate) {
		l.pool.startNext()
	}
	room := 0
	switch {
	case l.closed || q != nil && q.backlog:
	case q == nil:
		room = roomAt(capacity(l.newLimit()), rate, l.ahead)
	default:
		room = q.room()
	}
	return max(min(room-1, l.free(8)), 0)
}

// TakeSlot takes a slot whether or not there is room: for deliveries that are leased
// already. After Close, Enqueue gives them back.
func (l *Limiter[T]) TakeSlot(webhook string) *Slot[T] {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	return l.newSlot(webhook, l.queue(webhook))
}

// newLimit is the limit of a queue that is not known yet: 1 while many attempts
// are slow. The caller holds mu.
func (l *Limiter[T]) newLimit() int {
	if l.manySlow() {
		return 1
	}
	return l.startLimit()
}

// startLimit is the limit of a new queue, unless many attempts are slow.
func (l *Limiter[T]) startLimit() int { return min(startLimit, l.perWebhook) }

// manySlow reports whether more than half of the places for slow attempts are
// taken. The caller holds mu.
func (l *Limiter[T]) manySlow() bool { return 2*max(l.slow, l.pool.slow) > l.pool.config.maxSlow() }

// manyWaiting reports whether more than half of the deliveries that may wait do.
// The caller holds mu.
func (l *Limiter[T]) manyWaiting() bool {
	return 2*max(l.waiting, l.pool.waiting) > l.pool.config.maxWaiting()
}

// held is how many deliveries are held, except those of slow attempts. The
// caller holds mu.
func (l *Limiter[T]) held() int { return l.fast + l.waiting + l.storing }

// free is how many more deliveries may be held if one part of all is left free: parts of
// 8 leaves an eighth, and parts of 0 nothing. The pool's limit holds for all limiters
// together, but each may hold its share whatever the others do. The caller holds mu.
func (l *Limiter[T]) free(parts int) int {
	most := l.pool.config.maxHeld()
	own := most - left(most, parts) - l.held() - l.reserved
	return min(own, max(l.pool.free()-left(most, parts), l.freeOfShare(parts)))
}

// freeOfShare is how many more deliveries may be held of the limiter's share. The
// caller holds mu.
func (l *Limiter[T]) freeOfShare(parts int) int {
	share := l.pool.share(l)
	return share - left(share, parts) - l.pooled - l.reserved
}

// left is one part in so many of n, rounded up; of 0 parts it is nothing.
func left(n, parts int) int {
	if parts == 0 {
		return 0
	}
	return (n + parts - 1) / parts
}

// newSlot takes a slot. The caller holds mu.
func (l *Limiter[T]) newSlot(webhook string, q *queue[T]) *Slot[T] {
	l.pool.activate(l)
	l.waiting++
	q.waiting++
	s := &Slot[T]{limiter: l, queue: q, webhook: webhook}
	s.joinPool()
	return s
}

// Narrow sets the limit of a webhook's queue to 1, as is enough for probes. It
// grows again with good answers.
func (l *Limiter[T]) Narrow(webhook string) {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	q := l.queue(webhook)
	q.limit = 1
	l.trim(q)
}

// unpark gives queues their turn again while fewer attempts are under way than may
// be. The caller holds mu, and calls the pool's startNext.
func (l *Limiter[T]) unpark() {
	for n := l.pool.config.Concurrency - l.fast; n > 0 && l.parked.len() > 0; n-- {
		l.pool.turns.push(l.parked.pop())
	}
}

// trim gives back the deliveries that a queue has no room for since it became
// narrower, or its rate less. The caller holds mu.
func (l *Limiter[T]) trim(q *queue[T]) {
	for q.len() > 0 && (q.busy+q.len() > capacity(q.limit) || q.len() > q.allowance()) {
		s := q.popLast()
		s.givenBack = true
		s.leavePool()
		q.setBacklog()
		l.giveBack(s.item)
	}
}

// forgetIdle drops a queue that is the same as a new one. The caller holds mu.
func (l *Limiter[T]) forgetIdle(webhook string, q *queue[T]) {
	if l.isLikeNew(q) {
		delete(l.queues, webhook)
	}
}

// isLikeNew reports whether a queue is the same as a new one. The caller holds mu.
func (l *Limiter[T]) isLikeNew(q *queue[T]) bool {
	return q.held() == 0 && !q.backlog && q.limit >= l.startLimit() && q.bucket.full()
}

// wakeIfNeeded asks for a claim if the store has deliveries for the places that
// came free. The caller holds mu.
func (l *Limiter[T]) wakeIfNeeded(q *queue[T]) {
	if !l.closed && (q.needsClaim() || l.claimedFull && l.free(4) >= 0) {
		l.wake()
	}
}

// Close gives back the deliveries that wait, and starts no more attempts. From
// then on TryAcquire and Reserve return nothing, and Enqueue gives back.
func (l *Limiter[T]) Close() {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	l.pool.limiters--
	var held []*Slot[T]
	for _, h := range l.pool.hosts { // before a place comes free that one of them would be called to
		held = append(held, h.waiting.remove(func(s *Slot[T]) bool { return s.limiter == l })...)
	}
	for _, q := range l.queues {
		for q.len() > 0 {
			held = append(held, q.pop())
		}
		if q.timer != nil {
			q.timer.Stop()
		}
	}
	for _, s := range held {
		s.returnToStore()
	}
	l.signalDrained()
	l.pool.signalRelief()
	l.pool.startNext()
}

// Drained returns a channel that is closed when, after Close, the last slot is
// released.
func (l *Limiter[T]) Drained() <-chan struct{} { return l.drained }

// signalDrained closes drained if nothing is held after Close. The caller holds
// mu.
func (l *Limiter[T]) signalDrained() {
	if l.closed && l.held()+l.slow+l.reserved == 0 {
		select {
		case <-l.drained:
		default:
			close(l.drained)
		}
	}
}

// Stats is what a Limiter holds at one moment.
type Stats struct {
	Attempts int          // under way, except slow ones
	Slow     int          // attempts under way that are slow
	Waiting  int          // deliveries that wait
	Queues   []QueueStats // by Webhook: those that differ from a new one
}

// QueueStats is what the queue of a webhook holds at one moment.
type QueueStats struct {
	Webhook  string
	Attempts int     // under way, slow ones included
	Waiting  int     // deliveries that wait
	Limit    int     // of Attempts
	Rate     float64 // attempts that begin in a second; 0: there is no limit
}

// Stats returns what the Limiter holds now.
func (l *Limiter[T]) Stats() Stats {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	s := Stats{Attempts: l.fast, Slow: l.slow, Waiting: l.waiting}
	for _, webhook := range slices.Sorted(maps.Keys(l.queues)) {
		if q := l.queues[webhook]; !l.isLikeNew(q) {
			s.Queues = append(s.Queues, QueueStats{webhook, q.busy, q.waiting, q.limit, q.bucket.rate})
		}
	}
	return s
}
