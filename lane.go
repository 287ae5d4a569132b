package webhook

import (
	"maps"
	"sync"
	"time"
)

// lanes decides how many deliveries this process holds, and when each of them
// is attempted. Each webhook has a lane, whose limit of attempts under way
// adapts to how its receiver answers; other limits are of all lanes and of all
// webhooks behind one host.
//
// Whoever wants to lease deliveries asks for slots first, which bounds memory.
// What is leased waits in its lane until there is room for one more attempt: a
// few times what may be under way, so that slots which come free are filled
// without asking the store, and many at once are claimed when it is asked. A
// slot is given back when the outcome is stored, which stops attempts while
// the store is down.
type lanes struct {
	limits
	begin    func(*flight) // makes an attempt; must not block
	giveBack func(*flight) // gives a delivery back to the store; must not block
	freed    func()        // asks for a claim

	mu         sync.Mutex
	fast, slow int // attempts under way
	waiting    int // slots taken, of deliveries that wait
	claiming   int // slots held for what a claim may bring
	settling   int // slots taken, of what is delivered and is stored so
	closed     bool
	drained    chan struct{} // closed once closed is set and no slot is taken
	starved    bool          // the last claim found no end: any lane may have a backlog
	eased      chan struct{} // unless nil: closed once they are not crowded any more
	known      map[string]*lane
	hosts      map[string]*host
	turns      fifo[*lane] // those with something that waits and room for it
	young      fifo[*slot] // attempts by when they began, until they are slow
	slowing    fifo[*slot] // the same of those that are, until they hang
	clock      *time.Timer // for the first of both
}

// limits of what lanes let through.
type limits struct {
	concurrency int // attempts under way, but for the slow ones
	perWebhook  int // of one webhook
	perHost     int // of all webhooks behind one host, but for the slow ones
}

// slowest is how many slow attempts may be under way: what is slower stays
// among the others.
func (l limits) slowest() int { return slowFactor * l.concurrency }

// ahead is how many deliveries may wait.
func (l limits) ahead() int { return aheadFactor * l.concurrency }

// held is how many deliveries may be held, but for those of slow attempts.
func (l limits) held() int { return l.concurrency + l.ahead() }

// first is the limit with which a lane begins, as a rule.
func (l limits) first() int { return min(startLimit, l.perWebhook) }

// A lane is what is known of the attempts for one webhook.
type lane struct {
	limit    int // of busy
	busy     int // attempts under way
	waiting  int // slots taken, of deliveries that wait
	settling int // the same of those that are delivered, and are stored so
	urgent   fifo[*flight]
	others   fifo[*flight]
	inTurn   bool // it is in turns
	backlog  bool // the store is known to hold due deliveries for it
	marked   bool // so, since the last claim began
}

// ahead is how many deliveries a lane may hold. One that is as narrow as can
// be has nothing wait: it is slow or fails, and another process, or what is
// urgent, may come first.
func ahead(limit int) int {
	if limit == 1 {
		return 1
	}
	return (1 + laneFactor) * limit
}

// held is how many deliveries the lane holds.
func (ln *lane) held() int { return ln.busy + ln.waiting + ln.settling }

// room is how many more deliveries the lane may hold.
func (ln *lane) room() int { return max(ahead(ln.limit)-ln.held(), 0) }

// queued is how many of those that wait are here.
func (ln *lane) queued() int { return ln.urgent.len() + ln.others.len() }

// next takes the delivery out that is to be attempted next. There must be one.
func (ln *lane) next() *flight {
	if ln.urgent.len() > 0 {
		return ln.urgent.pop()
	}
	return ln.others.pop()
}

// last takes the delivery out that would be attempted last. There must be one.
func (ln *lane) last() *flight {
	if ln.others.len() > 0 {
		return ln.others.popLast()
	}
	return ln.urgent.popLast()
}

// maxKnown bounds how many idle lanes are remembered: those of receivers that
// failed, since an idle lane that is as wide as a new one is forgotten at once.
const maxKnown = 4096

func newLanes(l limits) *lanes {
	return &lanes{limits: l, known: map[string]*lane{}, hosts: map[string]*host{}, drained: make(chan struct{})}
}

func (l *lanes) lane(webhook string) *lane {
	ln := l.known[webhook]
	if ln == nil {
		ln = &lane{limit: l.start()}
		if len(l.known) >= maxKnown {
			maps.DeleteFunc(l.known, func(_ string, ln *lane) bool { return ln.held() == 0 })
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
	if l.closed || ln.backlog || ln.room() <= 1 || l.free() <= (l.held()+7)/8 {
		return nil
	}
	return l.take(webhook, ln)
}

// start is the limit of a lane that is not known yet, at present. The caller
// holds mu.
func (l *lanes) start() int {
	if l.manySlow() {
		return 1
	}
	return l.first()
}

// manySlow reports whether more than half of the slow places are taken. The
// caller holds mu.
func (l *lanes) manySlow() bool { return 2*l.slow > l.slowest() }

// taken is how many of the slots for deliveries that are held have one. The
// caller holds mu.
func (l *lanes) taken() int { return l.fast + l.waiting + l.settling }

// free is how many more deliveries may be held. The caller holds mu.
func (l *lanes) free() int { return l.held() - l.taken() - l.claiming }

// take takes a slot. The caller holds mu.
func (l *lanes) take(webhook string, ln *lane) *slot {
	l.waiting++
	ln.waiting++
	return &slot{lanes: l, lane: ln, webhook: webhook}
}

// mark notes that the store is about to hold due deliveries for a webhook.
func (l *lanes) mark(webhook string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lane(webhook).mark()
}

// hungry notes that the store holds due deliveries for a webhook, since a claim
// that began after mark may have come too early for them, and reports whether
// they should be claimed now: the lane will not ask for them by itself.
func (l *lanes) hungry(webhook string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	ln := l.lane(webhook)
	ln.mark()
	return l.wants(ln)
}

// mark notes that the lane has a backlog, whatever a claim that is under way
// finds. The caller holds mu.
func (ln *lane) mark() { ln.backlog, ln.marked = true, true }

// wants reports whether a lane has a backlog and should be filled up: when half
// of what may wait is gone, so that claims are of many. The caller holds mu.
func (l *lanes) wants(ln *lane) bool {
	return ln.backlog && ln.waiting <= ln.limit && ln.room() > 0
}

// A room is what a claim may bring: n deliveries, for which slots are held
// until end.
type room struct {
	n, each int
	lanes   map[string]int
}

// reserve holds slots for a claim, one at a time. What it found must be told to
// end.
func (l *lanes) reserve(most int) room {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := room{n: min(most, l.free()), each: ahead(l.start()), lanes: map[string]int{}}
	if l.closed || r.n <= 0 {
		return room{}
	}
	l.claiming += r.n
	for id, ln := range l.known {
		if ln.held() > 0 || ln.backlog || ln.limit < l.first() {
			r.lanes[id] = ln.room()
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
	l.claiming -= r.n
	slots := make([]*slot, len(claimed))
	count := map[string]int{}
	for i, id := range claimed {
		slots[i] = l.take(id, l.lane(id))
		count[id]++
	}
	l.drain()
	l.starved = len(claimed) >= r.n
	l.ease()
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

// abort gives back what reserve held, after a claim that failed.
func (l *lanes) abort(r room) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.claiming -= r.n
	l.drain()
	l.ease()
}

// queue has a leased delivery wait for its attempt, at most until there is
// room.
func (l *lanes) queue(f *flight) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		l.giveBack(f)
		return
	}
	ln := f.slot.lane
	if urgent(f.Type) {
		ln.urgent.push(f)
	} else {
		ln.others.push(f)
	}
	l.offer(ln)
	l.advance()
}

// offer gives a lane a turn if it has use for one. The caller holds mu, and
// calls advance.
func (l *lanes) offer(ln *lane) {
	if !ln.inTurn && ln.busy < ln.limit && ln.queued() > 0 {
		ln.inTurn = true
		l.turns.push(ln)
	}
}

// advance begins attempts, a lane at a time, while there is room. The caller
// holds mu.
func (l *lanes) advance() {
	for l.fast < l.concurrency && l.turns.len() > 0 && !l.closed {
		ln := l.turns.pop()
		ln.inTurn = false
		if ln.busy >= ln.limit || ln.queued() == 0 {
			continue
		}
		f := ln.next()
		f.slot.begins()
		l.offer(ln)
		l.begin(f)
	}
}

// trim gives back what waits in a lane that has become narrower. The caller
// holds mu.
func (l *lanes) trim(ln *lane) {
	for ln.queued() > 0 && ln.busy+ln.queued() > ahead(ln.limit) {
		f := ln.last()
		ln.mark()
		l.giveBack(f)
	}
}

// forget drops a lane that is as good as one not known yet. The caller holds
// mu.
func (l *lanes) forget(webhook string, ln *lane) {
	if ln.held() == 0 && !ln.backlog && ln.limit >= l.first() {
		delete(l.known, webhook)
	}
}

// wake asks for a claim if somebody waits for what came free. The caller holds
// mu.
func (l *lanes) wake(ln *lane) {
	if !l.closed && (l.wants(ln) || l.starved && l.free() >= l.held()/4) {
		l.freed()
	}
}

// drain tells whoever closed the lanes that the last slot was given back. The
// caller holds mu.
func (l *lanes) drain() {
	if l.closed && l.taken()+l.slow+l.claiming == 0 {
		select {
		case <-l.drained:
		default:
			close(l.drained)
		}
	}
}

// close ends the handing out of slots, and gives back what waits.
func (l *lanes) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	for _, ln := range l.known {
		for ln.queued() > 0 {
			l.giveBack(ln.next())
		}
	}
	for _, h := range l.hosts {
		for h.queue.len() > 0 {
			l.giveBack(h.queue.pop())
		}
	}
	l.drain()
	l.ease()
}
