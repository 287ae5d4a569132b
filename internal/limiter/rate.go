package limiter

import (
	"math"
	"time"
)

const (
	// rateSlack is how much of a queue's rate is saved up while nothing begins, so that
	// a timer that is late costs nothing.
	rateSlack = time.Second / 10

	// rateAhead is how long before the rate allows its attempt a delivery may be held.
	// It covers the time of a claim. More would let webhooks that wait for their rates
	// take the slots of others.
	rateAhead = time.Second / 5

	// rateTick is what the times of claims are rounded up to, so that one claim serves
	// many queues.
	rateTick = time.Second / 20

	roundingError = 1e-6 // of tokens
)

// A bucket limits how often attempts begin, as a token bucket: an attempt takes a
// token. Tokens come at a rate, and at most 1 + rate × rateSlack are saved up. So in
// any T seconds at most 1 + rate × (T + rateSlack) attempts begin.
type bucket struct {
	rate   float64   // tokens a second; 0: there is no limit
	tokens float64   // saved up at that time
	at     time.Time // when tokens was computed
}

func (b *bucket) most() float64 { return 1 + b.rate*rateSlack.Seconds() }

// fill computes tokens for this moment.
func (b *bucket) fill() {
	now := time.Now()
	b.tokens = min(b.tokens+b.rate*now.Sub(b.at).Seconds(), b.most())
	b.at = now
}

// setRate changes the rate and keeps the tokens. A bucket that had no limit becomes
// full.
func (b *bucket) setRate(rate float64) {
	if b.fill(); b.rate == 0 {
		b.tokens = math.Inf(1)
	}
	b.rate = rate
	b.fill()
}

// full reports whether the bucket is the same as a new one.
func (b *bucket) full() bool {
	if b.rate == 0 {
		return true
	}
	b.fill()
	return b.tokens >= b.most()-roundingError
}

// after returns how many attempts may have begun once wait is over.
func (b *bucket) after(wait time.Duration) int {
	if b.rate == 0 {
		return math.MaxInt
	}
	b.fill()
	return int(b.tokens + b.rate*wait.Seconds() + roundingError)
}

// until returns how long it is until n attempts may begin. It is false if so many
// tokens are never saved up.
func (b *bucket) until(n int) (wait time.Duration, ok bool) {
	b.fill()
	missing := (float64(n) - b.tokens) / b.rate
	return time.Duration(math.Ceil(max(missing, 0) * float64(time.Second))), float64(n) <= b.most()
}

// take takes a token if there is one.
func (b *bucket) take() bool {
	if b.after(0) < 1 {
		return false
	}
	b.tokens--
	return true
}

// roomAt is the room of a new queue with a rate.
func roomAt(capacity int, rate float64, ahead time.Duration) int {
	var b bucket
	b.setRate(rate)
	return min(capacity, b.after(ahead))
}

// mayStart reports whether the queue's rate lets one more attempt begin.
func (q *queue[T]) mayStart() bool { return q.bucket.after(0) > q.starting }

// allowance is how many deliveries the queue may hold that have not begun: those that
// its rate lets begin soon.
func (q *queue[T]) allowance() int { return q.bucket.after(q.limiter.ahead) - q.starting }

// mayCall reports whether the queue's rate lets one more attempt begin than were called
// to their hosts.
func (q *queue[T]) mayCall() bool { return q.bucket.after(0)-q.starting > q.called }

// SetRate sets how many attempts of a webhook begin in a second; 0 is no limit. It
// does nothing for a webhook without a queue, whose rate TryAcquire or Acquire tells.
func (l *Limiter[T]) SetRate(webhook string, rate float64) {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	if q := l.queues[webhook]; q != nil && l.setRate(q, rate) {
		l.pool.startNext()
		l.wakeIfNeeded(q)
	}
}

// setRate sets the rate of a queue and reports whether that changed it. The caller
// holds mu, and calls the pool's startNext.
func (l *Limiter[T]) setRate(q *queue[T], rate float64) bool {
	if q.bucket.rate == rate {
		return false
	}
	q.bucket.setRate(rate)
	l.trim(q)
	l.pool.schedule(q)
	l.awaitRate(q)
	return true
}

// awaitRate has a queue that waits for its rate go on in time: start an attempt, or
// claim deliveries. The caller holds mu.
func (l *Limiter[T]) awaitRate(q *queue[T]) {
	if q.bucket.rate == 0 || l.closed {
		return
	}
	wait, ok := q.bucket.until(q.starting + 1)
	if q.len() == 0 {
		if wait -= l.ahead; !q.backlog || q.waiting > 0 {
			return
		}
	}
	if wait <= 0 || !ok { // it needs no time, or an attempt has to end first
		return
	}
	at := time.Now().Add(wait)
	if q.len() == 0 {
		at = at.Add(rateTick - at.Sub(l.pool.began)%rateTick)
	}
	switch {
	case !q.wakeAt.IsZero() && !at.Before(q.wakeAt):
		return
	case q.timer == nil:
		q.timer = time.AfterFunc(time.Until(at), func() { l.resume(q) })
	default:
		q.timer.Reset(time.Until(at))
	}
	q.wakeAt = at
}

// resume lets a queue go on that has waited for its rate.
func (l *Limiter[T]) resume(q *queue[T]) {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	q.wakeAt = time.Time{}
	if l.closed {
		return
	}
	l.pool.schedule(q)
	l.pool.startNext()
	l.wakeIfNeeded(q)
	l.awaitRate(q)
}
