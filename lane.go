package webhook

import (
	"maps"
	"sync"
	"time"
)

// lanes bounds the attempts under way: in all, and per webhook, each webhook
// having a lane whose limit adapts to how its receiver answers.
//
// An attempt takes a slot before it begins and gives it back when its outcome
// is stored, which bounds memory and stops attempts while the store is down. A
// slot older than a second counts as slow, against a limit of its own.
type lanes struct {
	maxFast, maxSlow int
	start, max       int // limits of a lane: at first, and at the most

	mu         sync.Mutex
	fast, slow int // slots taken
	closed     bool
	drained    chan struct{} // closed once closed is set and no slot is taken
	starved    bool          // the last claim found no end: any lane may have a backlog
	known      map[string]*lane
	freed      func() // called when a slot came free that a backlog waits for
}

// A lane is what is known of the attempts for one webhook.
type lane struct {
	limit   int
	busy    int
	backlog bool // the store is known to hold due deliveries for it
	marked  bool // so, since the last claim began
}

// A slot is the right to one attempt.
type slot struct {
	lanes   *lanes
	lane    *lane
	webhook string
	slow    bool
	given   bool // back
	timer   *time.Timer
}

// maxKnown bounds how many idle lanes are remembered: those of receivers that
// failed, since an idle lane that is as wide as a new one is forgotten at once.
const maxKnown = 4096

func newLanes(concurrency, perWebhook int, freed func()) *lanes {
	return &lanes{
		maxFast: concurrency, maxSlow: slowFactor * concurrency,
		start: min(startLimit, perWebhook), max: perWebhook,
		known: map[string]*lane{}, freed: freed, drained: make(chan struct{}),
	}
}

func (l *lanes) lane(webhook string) *lane {
	ln := l.known[webhook]
	if ln == nil {
		ln = &lane{limit: l.start}
		if len(l.known) >= maxKnown {
			maps.DeleteFunc(l.known, func(_ string, ln *lane) bool { return ln.busy == 0 })
		}
		l.known[webhook] = ln
	}
	return ln
}

// tryTake takes a slot for a delivery that is about to be emitted, or returns
// nil: it is to be claimed in its turn. One slot of each lane and an eighth of
// all are left to what waits in the store already, so that retries and other
// processes' events never starve behind new ones.
func (l *lanes) tryTake(webhook string) *slot {
	l.mu.Lock()
	defer l.mu.Unlock()
	ln := l.lane(webhook)
	if l.closed || ln.backlog || ln.busy >= ln.limit-1 || l.fast >= l.maxFast-(l.maxFast+7)/8 {
		return nil
	}
	l.fast++
	return l.take(webhook)
}

// take takes a slot. The caller holds mu and has counted it as fast.
func (l *lanes) take(webhook string) *slot {
	ln := l.lane(webhook)
	ln.busy++
	return &slot{lanes: l, lane: ln, webhook: webhook}
}

// mark notes that the store holds due deliveries for a webhook.
func (l *lanes) mark(webhook string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ln := l.lane(webhook)
	ln.backlog, ln.marked = true, true
}

// A room is what a claim may bring: n slots, held until end.
type room struct {
	n, each int
	lanes   map[string]int
}

// begin holds all free slots for a claim, one at a time. What it found must be
// told to end.
func (l *lanes) begin(most int) room {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := room{n: min(most, l.maxFast-l.fast), each: l.start, lanes: map[string]int{}}
	if l.closed || r.n <= 0 {
		return room{}
	}
	l.fast += r.n
	for id, ln := range l.known {
		if ln.busy > 0 || ln.backlog || ln.limit < l.start {
			r.lanes[id] = max(ln.limit-ln.busy, 0)
		}
		ln.marked = false
	}
	return r
}

// end takes a slot for each claimed delivery, gives back those held beyond,
// and notes which lanes have a backlog left.
func (l *lanes) end(r room, claimed []string) []*slot {
	l.mu.Lock()
	defer l.mu.Unlock()
	slots := make([]*slot, len(claimed))
	count := map[string]int{}
	for i, id := range claimed {
		slots[i] = l.take(id)
		count[id]++
	}
	l.fast += len(claimed) - r.n
	l.drain()
	l.starved = len(claimed) >= r.n
	if l.starved {
		return slots
	}
	for id, free := range r.lanes {
		if ln := l.known[id]; ln != nil && count[id] < free && !ln.marked {
			ln.backlog = false
			l.forget(id, ln)
		}
	}
	for id, n := range count {
		free, limited := r.lanes[id]
		if !limited {
			free = r.each
		}
		if n >= free {
			l.known[id].backlog = true
		}
	}
	return slots
}

// abort gives back what begin held, after a claim that failed.
func (l *lanes) abort(r room) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fast -= r.n
	l.drain()
}

// drain tells whoever closed the lanes that the last slot was given back. The
// caller holds mu.
func (l *lanes) drain() {
	if l.closed && l.fast+l.slow == 0 {
		select {
		case <-l.drained:
		default:
			close(l.drained)
		}
	}
}

// began starts the second after which an attempt counts as slow.
func (s *slot) began() { s.timer = time.AfterFunc(slowAfter, s.slowed) }

// slowed moves an attempt over to the slow ones, and narrows its lane: more
// attempts at once would not help a receiver that does not answer.
func (s *slot) slowed() {
	l := s.lanes
	l.mu.Lock()
	defer l.mu.Unlock()
	s.lane.limit = max(s.lane.limit/2, 1)
	if l.slow < l.maxSlow && !s.given {
		s.slow = true
		l.slow++
		l.fast--
		l.wake(s.lane)
	}
}

// ended stops the clock of an attempt and lets its lane learn: a good answer
// within the second widens it while all of it is used, a failure halves it.
func (s *slot) ended(good bool) {
	fast := s.timer.Stop()
	l := s.lanes
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !good:
		s.lane.limit = max(s.lane.limit/2, 1)
	case fast && s.lane.busy >= s.lane.limit-1:
		s.lane.limit = min(s.lane.limit+1, l.max)
	}
}

// release gives the slot back.
func (s *slot) release() {
	l := s.lanes
	l.mu.Lock()
	defer l.mu.Unlock()
	s.given = true
	s.lane.busy--
	if s.slow {
		l.slow--
	} else {
		l.fast--
	}
	l.drain()
	l.wake(s.lane)
	l.forget(s.webhook, s.lane)
}

// forget drops a lane that is as good as one not known yet. The caller holds
// mu.
func (l *lanes) forget(webhook string, ln *lane) {
	if ln.busy == 0 && !ln.backlog && ln.limit >= l.start {
		delete(l.known, webhook)
	}
}

// wake tells of a slot that came free if somebody waits for it. The caller
// holds mu.
func (l *lanes) wake(ln *lane) {
	if (l.starved || ln.backlog) && !l.closed {
		l.freed()
	}
}

// close ends the handing out of slots.
func (l *lanes) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.drain()
}
