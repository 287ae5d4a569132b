package webhook

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/listhook/webhook/internal/diagnose"
)

// An attempter decides what becomes of a delivery whose turn has come, and makes
// the attempt.
type attempter struct {
	opts       *Options
	store      Store
	notify     *notifier
	cache      *webhookCache
	editor     *editor
	sender     *sender
	recorder   *healthRecorder
	unblocker  *unblocker
	outages    *outages
	requests   context.Context // of every request
	background context.Context // of calls of the store
	stopped    func() bool
	wake       func() // asks for a claim
}

// try decides what becomes of a delivery, making an attempt if its webhook still
// wants one, and notes the outcome in f.
func (at *attempter) try(f *inflight) disposition {
	leaseEnd := f.Due
	t, err := at.endpoint(f.Account, f.WebhookID)
	switch {
	case err != nil:
		at.notify.logError("reading webhooks", err)
		return abandon // given back, it would be claimed again at once
	case at.stopped():
		f.giveBack(f.dueAgain())
	case t == nil || t.Deleted:
		f.cancel("Canceled: the webhook was deleted.")
	case t.Disabled != "" && t.KeepEvents: // it waits until the webhook is enabled
		f.giveBack(f.dueAgain())
	case t.HeldUntil.After(now()):
		// The store may know better already, and soon so does this process.
		f.giveBack(now().Add(at.opts.PollInterval))
	case t.Disabled != "":
		f.cancel("Canceled: the webhook is off: " + t.Disabled)
	case f.Lease > 2*int64(f.Attempts)+poisonLimit && at.isPoison(f):
		f.fail(&Attempt{
			Start: now(), Code: string(diagnose.CodeGivenUp),
			Reason: "Given up: it was begun many times, and no outcome could be stored.",
		})
	case now().Add(at.opts.Timeout).After(leaseEnd):
		return abandon
	case f.leftLine() && at.cancelOvertaken(f):
	case !f.slot.AcquireHost(t.host):
		return parked
	case at.outages.holdsBack(f.WebhookID, at.opts.Timeout):
		f.giveBack(f.dueNow(now()))
	case t.Health.failing():
		return at.tryProbe(f, t, leaseEnd)
	default:
		at.attemptOnce(f, t, leaseEnd)
	}
	return decided
}

// A disposition is what becomes of a delivery that was tried.
type disposition int

const (
	decided disposition = iota // the completer stores its outcome
	abandon                    // nothing is stored: the delivery is due again when its lease ends
	parked                     // it waits for an attempt at its host
)

// poisonLimit is how many leases beyond twice the attempts a delivery may have
// before it is given up.
const poisonLimit = 50

// isPoison reports whether a delivery has been leased so often without an outcome
// that it probably crashes its process. Redeliver resets Attempts and raises Lease,
// so the log decides: an entry may stand for three leases.
func (at *attempter) isPoison(f *inflight) bool {
	ctx, cancel := at.opts.withStoreTimeout(at.background)
	defer cancel()
	ds, err := at.store.Deliveries(ctx, DeliveryQuery{Account: f.Account, IDs: []string{f.ID}})
	if err != nil {
		at.notify.logError("reading a delivery", err)
	}
	return len(ds) == 1 && f.Lease > 3*int64(len(ds[0].Log))+poisonLimit
}

// cancelOvertaken cancels a delivery that left its line if a later one replaces it.
// If the store cannot say, it is attempted.
func (at *attempter) cancelOvertaken(f *inflight) bool {
	ctx, cancel := at.opts.withStoreTimeout(at.background)
	defer cancel()
	reason, err := at.unblocker.overtaken(ctx, &f.Delivery)
	if err != nil {
		at.notify.logError("reading a line", err)
	}
	if reason != "" {
		f.cancel(reason)
	}
	return reason != ""
}

// endpoint looks up a webhook. If the cache says that it wants no attempt, endpoint
// reads it again: the store that let its delivery be claimed may know better.
func (at *attempter) endpoint(account, id string) (*endpoint, error) {
	t, ok := at.cache.known(account, id)
	if ok && t.open() {
		return t, nil
	}
	ctx, cancel := at.opts.withStoreTimeout(at.background)
	defer cancel()
	if !ok {
		t, err := at.cache.get(ctx, account, id)
		if err != nil || t.open() {
			return t, err
		}
	}
	return at.cache.reread(ctx, account, id)
}

// attemptOnce makes an attempt and decides what its answer means.
func (at *attempter) attemptOnce(f *inflight, t *endpoint, leaseEnd time.Time) {
	ctx, ended := at.requests, (func(Attempt))(nil)
	if h := at.opts.Hooks.Attempt; h != nil {
		at.notify.safely("Hooks.Attempt", func() {
			hookCtx, hookEnded := h(ctx, f.Delivery)
			if hookCtx != nil {
				ctx = hookCtx
			}
			ended = hookEnded
		})
	}
	f.slot.Sent()
	a := at.sender.send(ctx, t, &f.Delivery, leaseEnd)
	at.noteOutage(f.WebhookID, &a)

	switch {
	case a.delivered():
		f.finish(StateDelivered, &a.Attempt)
		f.after = at.recorder.observe(t, a.observation(t, f.probe))
	case a.aborted:
		f.giveBack(f.dueAgain())
	case a.senderFault && time.Since(f.Created) < ownFailures:
		f.giveBack(f.dueNow(now()))
		f.change.Log = &a.Attempt
	case a.Status == http.StatusGone:
		f.fail(&a.Attempt)
		f.after = func() { at.recorder.disable(t.Webhook, "The receiver answered 410 Gone.", a.observation(t, f.probe)) }
	default:
		at.failed(f, t, a)
	}
	f.slot.Finish(a.delivered() || a.aborted || a.senderFault, a.delivered() && f.after == nil)
	if ended != nil {
		told := a.Attempt
		at.notify.safely("Hooks.Attempt", func() { ended(told) })
	}
}

// failed puts the next attempt in the schedule, or ends the delivery, and
// holds the webhook when the receiver asked for it.
func (at *attempter) failed(f *inflight, t *endpoint, a result) {
	if !a.senderFault {
		f.after = at.recorder.observe(t, a.observation(t, f.probe))
	}
	if t.NoRetry {
		f.fail(&a.Attempt)
		return
	}
	f.after = both(f.after, at.unblocker.afterFailure(f))
	delay, again := at.retry(f)
	if !again {
		f.fail(&a.Attempt)
		return
	}
	f.change = Change{
		ID: f.ID, State: StatePending, Due: now().Add(max(delay, a.hold)), Attempts: f.Attempts + 1, Log: &a.Attempt,
	}
}

// both returns a function that calls first and then second. Either may be nil.
func both(first, second func()) func() {
	switch {
	case first == nil:
		return second
	case second == nil:
		return first
	}
	return func() { first(); second() }
}

// observation returns what one attempt has shown.
func (a *result) observation(t *endpoint, probe bool) observation {
	ended := storeTime(a.Start.Add(a.Duration))
	s := observation{revision: t.Revision, probed: probe}
	if a.delivered() {
		s.success = ended
		return s
	}
	s.failures, s.first, s.last, s.reason = 1, ended, ended, a.Reason
	if a.hold > 0 {
		s.hold = ended.Add(a.hold)
	}
	return s
}

// noteOutage notes whether an attempt failed because of the sender.
func (at *attempter) noteOutage(webhook string, a *result) {
	switch {
	case a.aborted:
	case a.senderFault:
		at.outages.failed(webhook, a.scope, a.cause)
		if a.cause != "" {
			at.notify.logError("sending", errors.New(a.cause))
		}
	case at.outages.worked(webhook):
		at.wake()
	}
}

// tryProbe is try for a webhook that is failing. Its deliveries wait, but for
// one at a time among all processes, the probe. The webhook's document decides
// which: whoever can put its HeldUntil off to the end of a lease makes the probe,
// and should its process die, another does after that.
func (at *attempter) tryProbe(f *inflight, t *endpoint, leaseEnd time.Time) disposition {
	ctx, cancel := at.opts.withStoreTimeout(at.background)
	_, err := at.editor.update(ctx, t.Account, t.ID, func(w *Webhook) error {
		switch {
		case w.Disabled != "" || w.HeldUntil.After(now()):
			return errHeld
		case !w.Health.failing():
			return errUnchanged
		}
		w.HeldUntil = at.opts.leaseEnd()
		return nil
	})
	cancel()
	switch {
	case err == nil:
		f.probe = true
	case errors.Is(err, errUnchanged): // it does well again
	case errors.Is(err, errHeld) || errors.Is(err, ErrNotFound):
		f.giveBack(now().Add(at.opts.PollInterval))
		return decided
	default:
		at.notify.logError("holding a webhook", err)
		return abandon
	}
	if now().Add(at.opts.Timeout).After(leaseEnd) {
		return abandon
	}
	at.attemptOnce(f, t, leaseEnd)
	return decided
}

var errHeld = errors.New("the webhook is held")

// retry returns the wait before the next attempt of f, which has failed just
// now; ok is false if there is none. A policy that panics is replaced by the
// default one, so that the delivery ends.
func (at *attempter) retry(f *inflight) (delay time.Duration, ok bool) {
	failed, decided := f.Attempts+1, false
	at.notify.safely("Options.Backoff", func() {
		delay, ok = retryDelay(at.opts.Backoff, failed, func() time.Duration { return at.sinceFirstAttempt(f) })
		decided = true
	})
	if !decided {
		return retryDelay(Schedule(defaultDelays...), failed, nil)
	}
	return delay, ok
}

// sinceFirstAttempt returns how long ago the present schedule of f had its first
// attempt, according to the log. If the store cannot say, it is 0: the delivery
// is tried again rather than ended.
func (at *attempter) sinceFirstAttempt(f *inflight) time.Duration {
	if f.Attempts == 0 {
		return 0
	}
	ctx, cancel := at.opts.withStoreTimeout(at.background)
	defer cancel()
	ds, err := at.store.Deliveries(ctx, DeliveryQuery{Account: f.Account, IDs: []string{f.ID}})
	if err != nil {
		at.notify.logError("reading a delivery", err)
	}
	if len(ds) != 1 || len(ds[0].Log) == 0 {
		return 0
	}
	log := ds[0].Log
	return max(now().Sub(log[max(len(log)-f.Attempts, 0)].Start), 0)
}
