package limiter

import "time"

// A queue holds the deliveries of one webhook. Its fields are guarded by the
// pool's mu.
type queue[T any] struct {
	limiter    *Limiter[T]
	limit      int // of busy
	busy       int // attempts under way
	waiting    int // slots of deliveries that wait, in this queue or for a host
	storing    int // slots of deliveries that succeeded, while that is stored
	urgent     fifo[*Slot[T]]
	others     fifo[*Slot[T]]
	inTurns    bool // it is in Pool.turns or Limiter.parked
	backlog    bool // the store may hold due deliveries
	newBacklog bool // backlog was set since the last claim began, which may have missed them

	bucket   bucket      // of its rate
	starting int         // attempts that were started and have no token yet
	called   int         // deliveries that were called to their hosts, and not started yet
	timer    *time.Timer // nil: it never waited for its rate
	wakeAt   time.Time   // when timer fires; zero: it does not
}

// capacity returns how many deliveries a queue may hold at a limit. At a limit
// of 1 (a slow or failing receiver) none may wait, so that other processes and
// urgent deliveries can go first.
func capacity(limit int) int {
	if limit == 1 {
		return 1
	}
	return (1 + queueFactor) * limit
}

// held is how many deliveries the queue holds.
func (q *queue[T]) held() int { return q.busy + q.waiting + q.storing }

// room is how many more deliveries the queue may hold.
func (q *queue[T]) room() int {
	return max(min(capacity(q.limit)-q.held(), q.allowance()-q.waiting), 0)
}

// len is how many deliveries could be started. Those that wait for a host are
// not among them.
func (q *queue[T]) len() int { return q.urgent.len() + q.others.len() }

// push adds a delivery at the end.
func (q *queue[T]) push(s *Slot[T], urgent bool) {
	if urgent {
		q.urgent.push(s)
	} else {
		q.others.push(s)
	}
}

// pop removes the delivery that is attempted next. There must be one.
func (q *queue[T]) pop() *Slot[T] {
	if q.urgent.len() > 0 {
		return q.urgent.pop()
	}
	return q.others.pop()
}

// popLast removes the delivery that would be attempted last. There must be one.
func (q *queue[T]) popLast() *Slot[T] {
	if q.others.len() > 0 {
		return q.others.popLast()
	}
	return q.urgent.popLast()
}

// setBacklog records that the store may hold due deliveries, even if a claim
// that is under way finds none.
func (q *queue[T]) setBacklog() {
	q.backlog, q.newBacklog = true, true
	q.limiter.awaitRate(q)
}

// needsClaim reports whether the queue has a backlog and should be filled from
// it: when half of those that may wait are gone, so that each claim is of many.
func (q *queue[T]) needsClaim() bool {
	return q.backlog && q.waiting <= min(q.limit, q.allowance()/2) && q.room() > 0
}
