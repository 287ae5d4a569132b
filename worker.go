package webhook

import "sync/atomic"

// workers are goroutines that make attempts. Each ends after close, or when
// enough others wait for an attempt to make.
type workers struct {
	attempter   *attempter
	completer   *completer
	tracker     *tracker
	concurrency int
	idle        chan *inflight // to goroutines that wait for an attempt to make
	waiting     atomic.Int64   // goroutines that receive from idle
}

// close ends the goroutines that wait. Nothing may be started after it.
func (ws *workers) close() { close(ws.idle) }

// start has a free worker make an attempt, or else a new one.
func (ws *workers) start(f *inflight) {
	select {
	case ws.idle <- f:
	default:
		go ws.run(f)
	}
}

// giveBack makes a delivery due again for whoever claims it next.
func (ws *workers) giveBack(f *inflight) {
	f.giveBack(f.dueAgain())
	ws.completer.add(f)
}

// run makes attempts, one after the other, until close. A goroutine keeps the stack
// that it has grown for the next attempt. At most Concurrency goroutines wait for
// one. A burst of slow attempts may leave eight times as many: the others end.
func (ws *workers) run(f *inflight) {
	for more := true; more; ws.waiting.Add(-1) {
		switch ws.attempter.try(f) {
		case decided:
			ws.completer.add(f)
		case abandon:
			ws.tracker.release(f)
		case parked:
		}
		more = ws.waiting.Add(1) <= int64(ws.concurrency)
		if more {
			f, more = <-ws.idle
		}
	}
}
