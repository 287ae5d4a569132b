package webhook

import (
	"sync"
	"sync/atomic"
)

// workers have the deliveries of one Dispatcher attempted, by goroutines that all
// Dispatchers of a Pool share.
type workers struct {
	attempter  *attempter
	completer  *completer
	tracker    *tracker
	goroutines *goroutines
}

// start has a delivery attempted.
func (ws *workers) start(f *inflight) { ws.goroutines.start(job{ws, f}) }

// giveBack makes a delivery due again for whoever claims it next.
func (ws *workers) giveBack(f *inflight) {
	if f.batch != nil {
		members := ws.attempter.batcher.begin(f.batch)
		for _, f := range members {
			f.giveBack(f.dueAgain())
		}
		ws.completer.add(members...)
		return
	}
	f.giveBack(f.dueAgain())
	ws.completer.add(f)
}

// A job is a delivery that is to be attempted.
type job struct {
	workers *workers
	f       *inflight
}

func (j job) run() {
	ws, f := j.workers, j.f
	if f.batch != nil {
		ws.runBatch(f.batch)
		return
	}
	switch ws.attempter.try(f) {
	case decided:
		f.slot.Decided()
		ws.completer.add(f)
	case abandon:
		ws.tracker.release(f)
	case parked:
	}
}

// runBatch has a batch attempted.
func (ws *workers) runBatch(b *batch) {
	done, dropped, parked := ws.attempter.tryBatch(b)
	if !parked {
		b.slot.Decided()
	}
	for _, f := range dropped {
		ws.tracker.release(f)
	}
	ws.completer.addBatch(b, done)
}

// goroutines do jobs, one after the other, so that each keeps the stack that it has
// grown. At most so many wait for a job. A burst of slow attempts may leave eight
// times as many: the others end. All end once no Dispatcher uses them.
type goroutines struct {
	most    int
	idle    chan job     // to goroutines that wait for a job
	waiting atomic.Int64 // goroutines that receive from idle

	mu    sync.Mutex    // guards all below
	users int           // Dispatchers that run
	done  chan struct{} // closed once none runs
}

func newGoroutines(most int) *goroutines {
	return &goroutines{most: most, idle: make(chan job), done: make(chan struct{})}
}

// join counts a Dispatcher that is to run.
func (g *goroutines) join() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.users++; g.users == 1 {
		g.done = make(chan struct{})
	}
}

// leave counts a Dispatcher that runs no more, and starts nothing.
func (g *goroutines) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.users--; g.users == 0 {
		close(g.done)
	}
}

// running returns how many Dispatchers run.
func (g *goroutines) running() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.users
}

// start has a free goroutine do a job, or else a new one.
func (g *goroutines) start(j job) {
	select {
	case g.idle <- j:
	default:
		g.mu.Lock()
		done := g.done
		g.mu.Unlock()
		go g.run(j, done)
	}
}

func (g *goroutines) run(j job, done <-chan struct{}) {
	for more := true; more; g.waiting.Add(-1) {
		j.run()
		if more = g.waiting.Add(1) <= int64(g.most); more {
			select {
			case j = <-g.idle:
			case <-done:
				more = false
			}
		}
	}
}
