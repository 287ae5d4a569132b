package webhook

import (
	"sync"
	"time"

	"github.com/listhook/webhook/internal/limiter"
)

// An inflight is a delivery that this process holds: from its lease until its
// outcome is stored.
type inflight struct {
	Delivery
	lease      int64 // under tracker.mu: it follows later claims
	slot       *limiter.Slot[*inflight]
	probe      bool      // of a webhook that is failing
	change     Change    // the outcome
	after      func()    // called once the outcome is stored, unless nil
	uncertain  bool      // a call that failed may have stored the outcome
	superseded int64     // under tracker.mu: the lease of a later inflight of this process; 0: there is none
	reclaimed  *inflight // under tracker.mu: the same delivery, claimed once more by this process; nil: it was not
	refusals   int       // of the outcome, while others' were stored
}

func (f *inflight) size() (rows, bytes int) {
	if f.change.Log != nil {
		bytes = len(f.change.Log.Response) + len(f.change.Log.Detail)
	}
	return 1, bytes
}

// A tracker knows the deliveries that this process holds.
type tracker struct {
	mu   sync.Mutex // guards all below, and the fields of an inflight that say so
	byID map[string]*inflight
	used time.Time // when the last one was let go
}

// usedSince reports whether a delivery is held, or was since a time.
func (tr *tracker) usedSince(t time.Time) bool {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return len(tr.byID) > 0 || tr.used.After(t)
}

// add notes f, unless the delivery is held already: its lease had run out and
// this process claimed it again. Then the older inflight goes on under the new
// lease, so that nothing is sent twice and its outcome is not lost.
//
// When attempts have been used up meanwhile, an outcome was stored: the older
// inflight's, without this process knowing it yet, or another process's. Then f
// is the next attempt, and the older inflight has nothing to store any more.
//
// The tracker keeps f in both cases: if the older inflight's outcome was stored
// before f was claimed, f is attempted once the older one is released.
//
// A claim whose answer is late may bring an older lease than the tracker has. The
// holder of the newer lease has the delivery, so add releases f's slot.
func (tr *tracker) add(f *inflight) (added bool) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if held := tr.byID[f.ID]; held != nil {
		if f.Lease <= held.lease {
			f.slot.Release()
			return false
		}
		if held.reclaimed != nil { // whose lease ended when f's began
			held.reclaimed.slot.Release()
			held.reclaimed = nil
		}
		if f.Attempts <= held.Attempts {
			held.lease, held.reclaimed = f.Lease, f
			return false
		}
		held.superseded = f.Lease
	}
	f.lease = f.Lease
	tr.byID[f.ID] = f
	return true
}

// superseded returns the lease of the inflight that came after f; 0: none did.
func (tr *tracker) superseded(f *inflight) int64 {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return f.superseded
}

// forget drops f and returns the inflight that waits for its end, or nil.
func (tr *tracker) forget(f *inflight) (reclaimed *inflight) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if tr.byID[f.ID] == f {
		delete(tr.byID, f.ID)
	}
	tr.used = time.Now()
	return f.reclaimed
}

// lease returns what f's outcome must name now.
func (tr *tracker) lease(f *inflight) int64 {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return f.lease
}

// hold adds a delivery that was leased for this process. The limiter starts it as
// soon as there is room.
func (tr *tracker) hold(f *inflight) {
	if tr.add(f) {
		f.slot.Enqueue(f, f.urgent())
	}
}

// release lets go of a delivery. If this process claimed it once more after its
// outcome was stored, as when somebody asked for it again, it is attempted again.
func (tr *tracker) release(f *inflight) {
	reclaimed := tr.forget(f)
	f.slot.Release()
	switch {
	case reclaimed == nil:
	case reclaimed.Lease == f.change.Lease: // the outcome was stored under its lease
		reclaimed.slot.Release()
	default:
		tr.hold(reclaimed)
	}
}

// changed returns the delivery as the stored outcome left it.
func (f *inflight) changed() Delivery {
	d := f.Delivery
	d.State, d.Due, d.Attempts, d.Lease = f.change.State, f.change.Due, f.change.Attempts, f.change.Lease+1
	return d
}

// giveBack makes the delivery due again without using up an attempt.
func (f *inflight) giveBack(due time.Time) {
	f.change = Change{ID: f.ID, State: StatePending, Due: due, Attempts: f.Attempts}
}

// finish ends the delivery after an attempt.
func (f *inflight) finish(s State, a *Attempt) {
	f.change = Change{ID: f.ID, State: s, Due: now(), Attempts: f.Attempts + 1, Log: a}
}

func (f *inflight) fail(a *Attempt) { f.finish(StateFailed, a) }

func (f *inflight) cancel(reason string) { f.change = cancellation(f.Delivery, reason) }
