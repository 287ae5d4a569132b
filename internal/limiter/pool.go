package limiter

import (
	"sync"
	"time"
)

// Config holds the limits of a Pool. All must be positive.
type Config struct {
	Concurrency int // attempts under way, except slow ones
	PerHost     int // attempts under way to one host, except stalled ones
}

// maxSlow is how many attempts may count as slow. Beyond it, slow attempts keep
// their place among the others.
func (c Config) maxSlow() int { return slowFactor * c.Concurrency }

// maxWaiting is how many deliveries may wait.
func (c Config) maxWaiting() int { return waitFactor * c.Concurrency }

// maxHeld is how many deliveries may be held, except those of slow attempts.
func (c Config) maxHeld() int { return c.Concurrency + c.maxWaiting() }

// minShare is the least share of a limiter, however many there are.
const minShare = 4

// A Pool is what the Limiters of a process share: the limits on all attempts and on
// those to one host, and the turns of their queues. The same limits hold for each
// Limiter, which counts its deliveries until their outcomes are stored. The Pool
// counts a delivery only while it waits or is under way, and not while it needs its
// store. So a store that hangs stops the attempts at its own deliveries only.
//
// Together the Limiters hold as many deliveries as one may. But each may hold its
// share, which is an equal part of that: one that fills the pool does not starve the
// others.
type Pool[T any] struct {
	config Config
	began  time.Time

	mu         sync.Mutex // guards all below, and the fields of limiters, queues, hosts and slots
	limiters   int        // that are not closed
	active     int        // limiters that hold a slot
	fast, slow int        // attempts under way
	waiting    int        // slots of deliveries that wait
	reserved   int        // slots held for claims, except stalled ones
	claims     fifo[*claim]
	hosts      map[string]*host[T]
	turns      fifo[*queue[T]] // queues that have a delivery waiting and room to start it
	throttled  []*Limiter[T]   // those with relief set
	starting   fifo[*Slot[T]]  // deliveries started of late, the oldest first
	recent     fifo[*Slot[T]]  // attempts that are not slow yet, the oldest first
	aging      fifo[*Slot[T]]  // slow attempts that are not stalled yet, the oldest first
	timer      *time.Timer     // for the first slot in starting, recent or aging
}

// NewPool returns a Pool without a Limiter.
func NewPool[T any](c Config) *Pool[T] {
	return &Pool[T]{config: c, began: time.Now(), hosts: map[string]*host[T]{}}
}

// free is how many more deliveries may be held. The caller holds mu.
func (p *Pool[T]) free() int {
	p.expireClaims()
	return p.config.maxHeld() - p.fast - p.waiting - p.reserved
}

// share is how many deliveries a limiter may hold whatever the others do. The
// caller holds mu.
func (p *Pool[T]) share(l *Limiter[T]) int {
	n := p.active
	if !l.isActive() {
		n++
	}
	return max(p.config.maxHeld()/n, minShare)
}

// isActive reports whether a limiter holds a slot. The caller holds mu.
func (l *Limiter[T]) isActive() bool { return l.held()+l.slow > 0 }

// activate counts a limiter that is about to take a slot. The caller holds mu.
func (p *Pool[T]) activate(l *Limiter[T]) {
	if !l.isActive() {
		p.active++
	}
}

// A claim is a reservation as it counts in a Pool.
type claim struct {
	slots int // 0: it does not count any more
	began time.Time
}

// reserve counts slots that are held for a claim. The caller holds mu.
func (p *Pool[T]) reserve(slots int) *claim {
	c := &claim{slots, time.Now()}
	p.reserved += slots
	p.claims.push(c)
	return c
}

// endClaim stops the counting of a claim; nil is none. The caller holds mu.
func (p *Pool[T]) endClaim(c *claim) {
	if c != nil {
		p.reserved -= c.slots
		c.slots = 0
	}
}

// expireClaims stops the counting of claims that have stalled, so that a store that
// hangs takes no room from others. What such a claim brings in the end may exceed
// the pool's limit. The caller holds mu.
func (p *Pool[T]) expireClaims() {
	for p.claims.len() > 0 {
		c := p.claims.first()
		if c.slots > 0 && time.Since(c.began) < stalledAfter {
			return
		}
		p.endClaim(p.claims.pop())
	}
}

// schedule gives a queue a turn if it can use one. The caller holds mu, and
// calls startNext.
func (p *Pool[T]) schedule(q *queue[T]) {
	if !q.inTurns && q.busy < q.limit && q.len() > 0 && q.mayStart() {
		q.inTurns = true
		p.turns.push(q)
	}
}

// startNext starts attempts, one for each queue in turn, while there is room.
// The caller holds mu.
func (p *Pool[T]) startNext() {
	for p.fast < p.config.Concurrency && p.turns.len() > 0 {
		q := p.turns.pop()
		l := q.limiter
		if l.fast >= p.config.Concurrency { // its store is behind
			l.parked.push(q)
			continue
		}
		q.inTurns = false
		if q.busy >= q.limit || q.len() == 0 || l.closed || !q.mayStart() {
			l.awaitRate(q)
			continue
		}
		s := q.pop()
		s.startAttempt()
		p.schedule(q)
		l.awaitRate(q)
		l.start(s.item)
	}
}

// setTimer has checkAges called after a while. The caller holds mu.
func (p *Pool[T]) setTimer(wait time.Duration) {
	if p.timer == nil {
		p.timer = time.AfterFunc(wait, p.checkAges)
		return
	}
	p.timer.Reset(wait)
}

// checkAges finds the attempts that have become slow or stalled, and deliveries
// that were started and not sent.
func (p *Pool[T]) checkAges() {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := time.Duration(0)
	for _, wait := range []time.Duration{
		takeOlder(&p.starting, slowAfter, (*Slot[T]).startTime, (*Slot[T]).markHeldUp),
		takeOlder(&p.recent, slowAfter, (*Slot[T]).sendTime, (*Slot[T]).markSlow),
		takeOlder(&p.aging, stalledAfter, (*Slot[T]).sendTime, (*Slot[T]).markStalled),
	} {
		if wait > 0 && (next == 0 || wait < next) {
			next = wait
		}
	}
	if next > 0 {
		p.setTimer(max(next, slowAfter/2)) // not once for each attempt
	}
	p.startNext()
}

// takeOlder removes the slots of that age, calls mark with each, and returns how
// long it is until the next has that age; 0 if there is none.
func takeOlder[T any](slots *fifo[*Slot[T]], age time.Duration, since func(*Slot[T]) time.Time, mark func(*Slot[T])) time.Duration {
	for slots.len() > 0 {
		s := slots.first()
		if left := age - time.Since(since(s)); left > 0 {
			return left
		}
		slots.pop()
		mark(s)
	}
	return 0
}
