package webhook

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/listhook/webhook/internal/limiter"
)

// An inflight is a delivery that this process holds: from its lease until its
// outcome is stored.
type inflight struct {
	Delivery
	since      time.Time                // when this process got it
	lease      int64                    // under tracker.mu, as is leaseEnd: they follow later claims
	leaseEnd   time.Time                // when the lease ends
	slot       *limiter.Slot[*inflight] // nil: it goes in a batch
	batch      *batch                   // that it goes in; nil: it is attempted alone, or joins one
	seat       *endpoint                // whose batch it is to join, with a place that the batcher keeps for it; nil: it has none
	cost       int                      // what it counts for in the batcher
	probe      bool                     // of a webhook that is failing
	begun      bool                     // a note that the attempt began is stored
	change     Change                   // the outcome
	after      func()                   // called once the outcome is stored, unless nil
	uncertain  bool                     // a call that failed may have stored the outcome
	superseded int64                    // under tracker.mu: the lease of a later inflight of this process; 0: there is none
	reclaimed  *inflight                // under tracker.mu: the same delivery, claimed once more by this process; nil: it was not
	refusals   int                      // of the outcome, while others' were stored
}

func (f *inflight) size() (rows, bytes int) {
	if f.change.Log != nil {
		bytes = f.change.Log.size()
	}
	return 1, bytes
}

// A batch is several deliveries of a webhook that go in one request.
type batch struct {
	account, webhook string
	slot             *limiter.Slot[*inflight] // of the request, once it waits for its turn

	members []*inflight // batcher.mu guards it until the batch has begun
	size    batchSize   // under batcher.mu: that of members
	since   time.Time   // when this process got the first of them; guarded as members is
	queued  bool        // under batcher.mu: it waits for its turn, or has begun
	all     []*inflight // members when it began

	answered *inflight    // whose outcome has the answer, until it is added; nil: none has
	unstored atomic.Int64 // the others of its request whose outcomes are not stored or lost
	anyLost  atomic.Bool  // one of these was lost

	held  atomic.Int64 // members that are not released
	after func()       // called before the slot is released, unless nil
	ended func()       // called once it is
}

// leave releases one member. The last one releases the slot of the request.
func (b *batch) leave() {
	if b.held.Add(-1) > 0 {
		return
	}
	if b.after == nil {
		b.release()
		return
	}
	go func() { // it ends once after has: within the store's time
		b.after()
		b.release()
	}()
}

func (b *batch) release() {
	b.slot.Release()
	b.ended()
}

// leave releases what holds a place for f: its slot, or that of its batch.
func (f *inflight) leave() {
	switch {
	case f.batch != nil:
		f.batch.leave()
	case f.slot != nil:
		f.slot.Release()
	}
}

// A tracker knows the deliveries that this process holds.
type tracker struct {
	mu   sync.Mutex // guards all below, and the fields of an inflight that say so
	byID map[string]*inflight
	used time.Time // when the last one was let go

	join   func(*inflight) bool // has a delivery go in a batch; false: it goes alone, and has a slot
	giveUp func(*endpoint)      // returns a seat
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
// holder of the newer lease has the delivery, so add drops f.
func (tr *tracker) add(f *inflight) (added bool) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if held := tr.byID[f.ID]; held != nil {
		if f.Lease <= held.lease {
			tr.drop(f)
			return false
		}
		if held.reclaimed != nil { // whose lease ended when f's began
			tr.drop(held.reclaimed)
			held.reclaimed = nil
		}
		if f.Attempts <= held.Attempts {
			held.lease, held.leaseEnd, held.reclaimed = f.Lease, f.Due, f
			return false
		}
		held.superseded = f.Lease
	}
	f.since, f.lease, f.leaseEnd = time.Now(), f.Lease, f.Due
	tr.byID[f.ID] = f
	return true
}

// drop lets go of f, which is not attempted.
func (tr *tracker) drop(f *inflight) {
	if f.seat != nil {
		tr.giveUp(f.seat)
		f.seat = nil
	}
	f.leave()
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

// raise sets what f's outcome must name, after a change that left f leased.
func (tr *tracker) raise(f *inflight, lease int64) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	f.lease = max(f.lease, lease)
}

// leaseEnd returns when the lease of f ends: the first of several.
func (tr *tracker) leaseEnd(fs ...*inflight) (end time.Time) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for i, f := range fs {
		if i == 0 || f.leaseEnd.Before(end) {
			end = f.leaseEnd
		}
	}
	return end
}

// hold adds a delivery that was leased for this process. The limiter starts it, or the
// batch that it joins, as soon as there is room.
func (tr *tracker) hold(f *inflight) {
	if tr.add(f) && !tr.join(f) {
		f.slot.Enqueue(f, f.urgent())
	}
}

// release lets go of a delivery. If this process claimed it once more after its
// outcome was stored, as when somebody asked for it again, it is attempted again.
func (tr *tracker) release(f *inflight) {
	reclaimed := tr.forget(f)
	f.leave()
	switch {
	case reclaimed == nil:
	case reclaimed.Lease == f.change.Lease: // the outcome was stored under its lease
		tr.drop(reclaimed)
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
