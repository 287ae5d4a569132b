package webhook

import "time"

// A slot is the right to hold one delivery. The delivery waits, is attempted,
// counts as slow once the attempt has gone on for a while, and has its outcome
// stored; then the slot is given back. While a success is being stored, others
// may have its place among the attempts.
type slot struct {
	lanes   *lanes
	lane    *lane
	webhook string
	host    *host // unless nil, the attempt counts against its limit
	state   slotState
	trying  bool // the attempt is under way
	since   time.Time
}

type slotState uint8

const (
	slotWaiting slotState = iota
	slotFast
	slotSlow
	slotSettling
	slotGiven // back
)

// A host is what is known of the attempts for all webhooks behind one host.
type host struct {
	name  string
	busy  int           // attempts, but for the slow ones
	queue fifo[*flight] // deliveries that wait for it
}

// begins counts a delivery that waited as attempted. The caller holds mu.
func (s *slot) begins() {
	s.state = slotFast
	s.lanes.waiting--
	s.lane.waiting--
	s.lanes.fast++
	s.lane.busy++
}

// join counts the attempt that f is about to make against its host's limit, or
// has f wait for the host and returns false.
func (l *lanes) join(f *flight, name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.hosts[name]
	if h == nil {
		h = &host{name: name}
		l.hosts[name] = h
	}
	s := f.slot
	if h.busy < l.perHost {
		h.busy++
		s.host = h
		return true
	}
	s.state = slotWaiting
	l.waiting++
	s.lane.waiting++
	l.fast--
	s.lane.busy--
	if l.closed {
		l.giveBack(f)
		return false
	}
	h.queue.push(f)
	l.offer(s.lane)
	l.advance()
	return false
}

// leave ends an attempt's counting against its host's limit, and lets one that
// waits for the host go first in its lane. The caller holds mu, and calls
// advance.
func (s *slot) leave() {
	h := s.host
	if h == nil {
		return
	}
	s.host = nil
	h.busy--
	switch {
	case h.queue.len() > 0:
		f := h.queue.pop()
		f.slot.lane.urgent.pushFirst(f)
		s.lanes.offer(f.slot.lane)
	case h.busy == 0:
		delete(s.lanes.hosts, h.name)
	}
}

// began starts the clock of an attempt.
func (s *slot) began() {
	l := s.lanes
	l.mu.Lock()
	defer l.mu.Unlock()
	s.trying, s.since = true, time.Now()
	l.young.push(s)
	if l.young.len() == 1 {
		l.tick(slowAfter)
	}
}

// tick calls age after a while. The caller holds mu.
func (l *lanes) tick(wait time.Duration) {
	if l.clock == nil {
		l.clock = time.AfterFunc(wait, l.age)
		return
	}
	l.clock.Reset(wait)
}

// age makes attempts slow, and those that go on hang.
func (l *lanes) age() {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := aged(&l.young, slowAfter, (*slot).slowed)
	if hangs := aged(&l.slowing, hangsAfter, (*slot).hangs); next == 0 || hangs > 0 && hangs < next {
		next = hangs
	}
	if next > 0 {
		l.tick(max(next, slowAfter/2)) // not for each attempt that begins
	}
	l.advance()
}

// aged takes the attempts out that began so long ago, calls then on those that
// go on, and returns how long it is until the next; 0: there is none.
func aged(attempts *fifo[*slot], after time.Duration, then func(*slot)) time.Duration {
	for attempts.len() > 0 {
		s := attempts.first()
		if left := after - time.Since(s.since); left > 0 {
			return left
		}
		attempts.pop()
		if s.trying {
			then(s)
		}
	}
	return 0
}

// slowed lets others have the place of an attempt that has no answer yet. While
// places are short, a lane that has not done well so far narrows at once. The
// caller holds mu, and calls advance.
func (s *slot) slowed() {
	l := s.lanes
	l.slowing.push(s)
	s.yield()
	if s.lane.limit <= l.first() && (l.manySlow() || 2*l.waiting > l.ahead()) {
		s.lane.limit = 1
		l.trim(s.lane)
	}
	l.wake(s.lane)
}

// yield moves an attempt over to the slow ones, if there is room. The caller
// holds mu, and calls advance.
func (s *slot) yield() {
	l := s.lanes
	if s.state == slotFast && l.slow < l.slowest() {
		s.state = slotSlow
		l.fast--
		l.slow++
	}
}

// hangs narrows the lane of an attempt: more attempts at once would not help a
// receiver that does not answer. The caller holds mu, and calls advance.
func (s *slot) hangs() {
	l := s.lanes
	s.lane.limit = max(s.lane.limit/2, 1)
	s.yield()
	if s.state == slotSlow {
		s.leave()
	}
	l.trim(s.lane)
	l.wake(s.lane)
}

// ended stops the clock of an attempt and lets its lane learn: a good answer
// before it hangs widens it while all of it is used, a failure halves it. What is
// delivered, and only has to be stored so, may make room for others.
func (s *slot) ended(good, delivered bool) {
	l := s.lanes
	l.mu.Lock()
	defer l.mu.Unlock()
	s.trying = false
	switch {
	case !good:
		s.lane.limit = max(s.lane.limit/2, 1)
		l.trim(s.lane)
	case time.Since(s.since) < hangsAfter && s.lane.busy >= s.lane.limit-1:
		s.lane.limit = min(s.lane.limit+1, l.perWebhook)
	}
	if delivered && l.settling < l.concurrency {
		s.settles()
	}
}

// settles lets others have the place of an attempt while its outcome is being
// stored. Only as many may as may be attempted at once: when they are all taken,
// the store is down or slow, and attempts are to stop. The caller holds mu.
func (s *slot) settles() {
	l := s.lanes
	if s.state == slotSlow {
		l.slow--
	} else {
		l.fast--
	}
	s.state = slotSettling
	l.settling++
	s.lane.busy--
	s.lane.settling++
	s.leave()
	l.offer(s.lane)
	l.advance()
}

// release gives the slot back.
func (s *slot) release() {
	l := s.lanes
	l.mu.Lock()
	defer l.mu.Unlock()
	switch s.state {
	case slotWaiting:
		l.waiting--
		s.lane.waiting--
	case slotFast:
		l.fast--
		s.lane.busy--
	case slotSlow:
		l.slow--
		s.lane.busy--
	case slotSettling:
		l.settling--
		s.lane.settling--
	}
	s.state = slotGiven
	s.leave()
	l.drain()
	l.ease()
	l.offer(s.lane)
	l.advance()
	l.wake(s.lane)
	l.forget(s.webhook, s.lane)
}
