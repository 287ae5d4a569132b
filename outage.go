package webhook

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/listhook/webhook/internal/diagnose"
)

// Failures of the sender's own, such as a proxy that does not run, say nothing
// about receivers: they use up no attempt and have no effect on a webhook's
// Health.
const (
	// ownFailures is for how long after a delivery was emitted. After that they
	// use up attempts, so that no delivery is attempted for ever. See costsAttempt.
	ownFailures = 3 * 24 * time.Hour

	// While nothing can be sent, one attempt is made after each pause. Pauses
	// double from the first to the last. Those of one webhook are as long as
	// those between probes: see probeDelay.
	outageFirst = time.Second
	outageMost  = time.Minute
)

// costsAttempt reports whether a failure of the sender's own uses up an attempt of a
// delivery. Deliveries of a webhook that cannot be read wait for its key, however long
// that takes: nobody has refused them, and an attempt costs no request.
func (t *endpoint) costsAttempt(f *inflight) bool {
	return time.Since(f.Created) >= ownFailures && t.Unreadable() == ""
}

// unreadableLeases is after how many leases the log of a delivery says no more that its
// webhook cannot be read. That may go on for months, and a log has no limit.
const unreadableLeases = 50

// putOff gives a delivery back after a failure of the sender's own.
func (t *endpoint) putOff(f *inflight, at time.Time, log *Attempt) {
	f.giveBack(f.dueNow(at))
	if t.Unreadable() == "" || f.Lease < unreadableLeases {
		f.change.Log = log
	}
}

// An outage is a time in which attempts fail because of the sender.
type outage struct {
	failures int       // of trials
	until    time.Time // no attempt before it
	trial    bool      // there is one, until then
	cause    string
}

// fail notes a failure. Those of attempts that began before the outage did, or
// before its pause, change nothing: many fail together.
func (o *outage) fail(cause string, pause func(failures int) time.Duration) {
	if o.failures == 0 || o.trial || !now().Before(o.until) {
		o.until, o.trial = now().Add(pause(o.failures)), false
		o.failures++
	}
	o.cause = cause
}

// holdsBack reports whether an attempt has to wait.
func (o *outage) holdsBack() bool { return o != nil && o.failures > 0 && now().Before(o.until) }

// begin notes that an attempt begins. The first one after a pause is a trial, whose end the
// others wait for.
func (o *outage) begin(timeout time.Duration) {
	if o != nil && o.failures > 0 {
		o.until, o.trial = now().Add(timeout), true
	}
}

// room is how many attempts may be begun now, at most so many.
func (o *outage) room(most int) int {
	switch {
	case o.failures == 0:
		return most
	case now().Before(o.until):
		return 0
	}
	return min(most, 1)
}

// outagePause is the pause of all attempts after so many failures.
func outagePause(failures int) time.Duration {
	return min(outageFirst<<min(failures, 10), outageMost)
}

// outages hold attempts of this process back while they would fail because of the
// sender. The zero value holds back nothing.
type outages struct {
	active atomic.Bool // there is one

	mu   sync.Mutex
	all  outage
	byID map[string]*outage // by webhook

	ended time.Time // when the last outage ended
}

// maxOutages bounds how many webhooks' outages are remembered.
const maxOutages = 4096

// failed notes a failure of the sender's own.
func (os *outages) failed(webhook string, scope diagnose.Scope, cause string) {
	os.mu.Lock()
	defer os.mu.Unlock()
	os.active.Store(true)
	if scope == diagnose.ScopeAll {
		os.all.fail(cause, outagePause)
		return
	}
	if os.byID == nil {
		os.byID = map[string]*outage{}
	}
	o := os.byID[webhook]
	if o == nil {
		if len(os.byID) >= maxOutages {
			maps.DeleteFunc(os.byID, func(_ string, o *outage) bool { return !now().Before(o.until) })
		}
		o = &outage{}
		os.byID[webhook] = o
	}
	o.fail(cause, probeDelay)
}

// worked notes an attempt that did not fail because of the sender. It reports
// whether that ends an outage.
func (os *outages) worked(webhook string) bool {
	if !os.active.Load() {
		return false
	}
	os.mu.Lock()
	defer os.mu.Unlock()
	ended := os.all.failures > 0 || os.byID[webhook] != nil
	if ended {
		os.ended = now()
	}
	os.all = outage{}
	delete(os.byID, webhook)
	os.active.Store(len(os.byID) > 0)
	return ended
}

// holdsBack reports whether an attempt for a webhook has to wait. Otherwise it may be the
// trial of an outage of all, of the webhook's own, or of both.
func (os *outages) holdsBack(webhook string, timeout time.Duration) bool {
	if !os.active.Load() {
		return false
	}
	os.mu.Lock()
	defer os.mu.Unlock()
	own := os.byID[webhook]
	if os.all.holdsBack() || own.holdsBack() {
		return true
	}
	os.all.begin(timeout)
	own.begin(timeout)
	return false
}

// claimable is how many deliveries may be claimed, at most so many.
func (os *outages) claimable(most int) int {
	if !os.active.Load() {
		return most
	}
	os.mu.Lock()
	defer os.mu.Unlock()
	return os.all.room(most)
}

// leaveOut changes the room of webhooks with an outage of their own: none during a pause,
// and after it one delivery, for the trial.
func (os *outages) leaveOut(room map[string]int) {
	if !os.active.Load() {
		return
	}
	os.mu.Lock()
	defer os.mu.Unlock()
	for id, o := range os.byID {
		room[id] = o.room(1)
	}
}

// affect reports whether attempts for a webhook fail because of the sender, or did
// within the given time.
func (os *outages) affect(webhook string, within time.Duration) bool {
	os.mu.Lock()
	defer os.mu.Unlock()
	return os.all.failures > 0 || os.byID[webhook] != nil || !os.ended.IsZero() && now().Sub(os.ended) < within
}

// status returns why nothing can be sent, and how many webhooks are paused.
func (os *outages) status() (cause string, paused int) {
	os.mu.Lock()
	defer os.mu.Unlock()
	return os.all.cause, len(os.byID)
}
