package webhook

import (
	"sync"

	"github.com/listhook/webhook/internal/limiter"
)

// A flight is a delivery that this process holds: from its lease until its
// outcome is stored.
type flight struct {
	Delivery
	lease    int64 // follows what is claimed again, under flights.mu
	slot     *limiter.Slot[*flight]
	probe    bool    // of a webhook that is failing
	change   Change  // the outcome
	after    func()  // what follows once it is stored; nil: nothing
	unsure   bool    // whether an earlier call stored the outcome
	overtook int64   // under flights.mu: the lease of a later flight of this process; 0: there is none
	again    *flight // under flights.mu: the same delivery, claimed once more by this process; nil: it was not
	refusals int     // of the outcome, while others' were stored
}

func (f *flight) size() (rows, bytes int) {
	if f.change.Log != nil {
		bytes = len(f.change.Log.Response) + len(f.change.Log.Detail)
	}
	return 1, bytes
}

// flights are those of a Dispatcher, by the delivery's ID.
type flights struct {
	mu   sync.Mutex
	byID map[string]*flight
}

// add notes f, unless the delivery is held already: its lease had run out and
// this process claimed it again. Then the older flight goes on under the new
// lease, so that nothing is sent twice and its outcome is not lost.
//
// When attempts have been used up meanwhile, an outcome was stored: the older
// flight's, without this process knowing it yet, or another process's. Then f
// is the next attempt, and the older flight has nothing to store any more.
//
// f is kept all the same: what was stored before it was claimed, and is only
// not let go of yet, leaves it to be attempted. See end.
//
// A claim that was answered late may bring an older lease than the one that is
// held. Whoever took the newer one has the delivery, so f is let go of: leases
// only grow.
func (fs *flights) add(f *flight) (added bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if held := fs.byID[f.ID]; held != nil {
		if f.Lease <= held.lease {
			f.slot.Release()
			return false
		}
		if held.again != nil { // whose lease ended when f's began
			held.again.slot.Release()
			held.again = nil
		}
		if f.Attempts <= held.Attempts {
			held.lease, held.again = f.Lease, f
			return false
		}
		held.overtook = f.Lease
	}
	f.lease = f.Lease
	fs.byID[f.ID] = f
	return true
}

// overtaken returns the lease of the flight that came after f; 0: none did.
func (fs *flights) overtaken(f *flight) int64 {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return f.overtook
}

// remove forgets f and returns the flight that waits for its end, or nil.
func (fs *flights) remove(f *flight) (again *flight) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.byID[f.ID] == f {
		delete(fs.byID, f.ID)
	}
	return f.again
}

// lease returns what f's outcome must name now.
func (fs *flights) lease(f *flight) int64 {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return f.lease
}

// hold takes charge of a delivery that was leased for this process: it is
// attempted as soon as there is room.
func (d *Dispatcher) hold(f *flight) {
	if d.flights.add(f) {
		f.slot.Enqueue(f, f.urgent())
	}
}

// begin makes an attempt.
func (d *Dispatcher) begin(f *flight) {
	select {
	case d.idle <- f:
	default:
		go d.fly(f)
	}
}

// giveBack makes a delivery due again for whoever claims it next.
func (d *Dispatcher) giveBack(f *flight) {
	f.giveBack(f.dueAgain())
	d.outcomes.Add(f)
}

// fly makes attempts, one after the other, until Shutdown. The stack that a
// goroutine has grown is worth keeping for the next attempt, but no more than
// Concurrency of them wait for one: after a burst of slow attempts, of which
// there may be eight times as many, the others end.
func (d *Dispatcher) fly(f *flight) {
	for more := true; more; d.waitingWorkers.Add(-1) {
		switch d.try(f) {
		case decided:
			d.outcomes.Add(f)
		case dropped:
			d.end(f)
		case waits:
		}
		more = d.waitingWorkers.Add(1) <= int64(d.opts.Concurrency)
		if more {
			f, more = <-d.idle
		}
	}
}

// end lets go of a flight. If the delivery was claimed once more after what was
// stored of it, as when somebody asked for it again, it is attempted once more.
func (d *Dispatcher) end(f *flight) {
	again := d.flights.remove(f)
	f.slot.Release()
	switch {
	case again == nil:
	case again.Lease == f.change.Lease: // the outcome was stored under its lease
		again.slot.Release()
	default:
		d.hold(again)
	}
}
