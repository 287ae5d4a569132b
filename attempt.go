package webhook

import (
	"context"
	"errors"
	"time"
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
	batcher    *batcher
	tracker    *tracker
	outages    *outages
	requests   context.Context // of every request
	background context.Context // of calls of the store
	stopped    func() bool
	wake       func() // asks for a claim
}

// try decides what becomes of a delivery, making an attempt if its webhook still
// wants one, and notes the outcome in f.
func (at *attempter) try(f *inflight) disposition {
	leaseEnd := at.tracker.leaseEnd(f)
	t, err := at.endpoint(f.Account, f.WebhookID)
	if err != nil {
		at.notify.logError("reading webhooks", err)
		return abandon // given back, it would be claimed again at once
	}
	if d, over := at.withhold(f, t); over {
		return d
	}
	switch {
	case at.batcher.takes(t, f): // when it was claimed, its webhook got no batches
		at.batcher.gather(t, f)
		return parked
	case !f.slot.Acquire(t.host, at.opts.rateShare(t.RateLimit)):
		return parked
	case at.changedMeanwhile(f):
		return abandon
	case at.outages.holdsBack(f.WebhookID, at.opts.Timeout):
		f.giveBack(f.dueNow(now()))
	case t.Health.failing():
		return at.tryProbe(f, t, leaseEnd)
	}
	if d, over := at.begin(f, t); over {
		return d
	}
	at.attemptOnce(f, t, leaseEnd)
	return decided
}

// withhold decides what becomes of a delivery that is not to be attempted now. over is
// false for one that is.
func (at *attempter) withhold(f *inflight, t *endpoint) (d disposition, over bool) {
	switch {
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
	case now().Add(at.opts.Timeout).After(at.tracker.leaseEnd(f)): // it ends too soon
		return abandon, true
	case f.PassedOver && at.cancelOvertaken(f):
	default:
		return decided, false
	}
	return decided, true
}

// rereadAfter is how long a process holds a delivery until it reads it again before it
// sends it: somebody may have canceled or erased it meanwhile.
const rereadAfter = time.Second

// changedMeanwhile reports whether a delivery is not to be sent because it was changed, or
// may have been, while it waited for its turn.
func (at *attempter) changedMeanwhile(f *inflight) bool {
	if time.Since(f.since) < rereadAfter {
		return false
	}
	same, _ := at.reread([]*inflight{f})
	return len(same) == 0
}

// reread divides deliveries of one account into those that nobody has changed since they
// were leased, and those that somebody has changed or removed. If the store fails, all of
// them are gone, so that nothing is sent.
func (at *attempter) reread(fs []*inflight) (same, gone []*inflight) {
	ctx, cancel := at.opts.withStoreTimeout(at.background)
	defer cancel()
	ids := make([]string, len(fs))
	for i, f := range fs {
		ids[i] = f.ID
	}
	ds, err := at.store.Deliveries(ctx, DeliveryQuery{Account: fs[0].Account, IDs: ids, Brief: true})
	if err != nil {
		at.notify.logError("reading deliveries", err)
	}
	leases := make(map[string]int64, len(ds))
	for i := range ds {
		leases[ds[i].ID] = ds[i].Lease
	}
	for _, f := range fs {
		if lease, ok := leases[f.ID]; ok && lease == at.tracker.lease(f) {
			same = append(same, f)
		} else {
			gone = append(gone, f)
		}
	}
	return same, gone
}

// A disposition is what becomes of a delivery that was tried.
type disposition int

const (
	decided disposition = iota // the completer stores its outcome
	abandon                    // nothing is stored: the delivery is due again when its lease ends
	parked                     // it waits for an attempt at its host, for its webhook's rate, or for its batch
)

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
	ctx, ended := at.attemptHook(f.Delivery)
	f.slot.Sent()
	a := at.sender.send(ctx, t, &f.Delivery, leaseEnd)
	at.noteOutage(f.WebhookID, &a)

	switch {
	case a.delivered():
		f.finish(StateDelivered, &a.Attempt)
		f.after = at.recorder.observe(t, a.observation(t, f.probe))
	case a.aborted:
		f.giveBack(f.dueAgain())
		if f.begun { // the attempt is not to look like one that crashed
			f.change.Log = &a.Attempt
		}
	case a.senderFault && !t.costsAttempt(f):
		t.putOff(f, now(), &a.Attempt)
	case at.recorder.isGone(a.Status, t):
		f.fail(&a.Attempt)
		f.after = func() { at.recorder.disable(t.Webhook, "The receiver answered 410 Gone.", a.observation(t, f.probe)) }
	default:
		at.failed(f, t, a)
	}
	f.slot.Finish(a.delivered() || a.aborted || a.senderFault, a.delivered() && f.after == nil)
	ended(a.Attempt)
}

// attemptHook calls Hooks.Attempt. It returns the context of the request, and what to
// call with the result.
func (at *attempter) attemptHook(d Delivery) (ctx context.Context, ended func(Attempt)) {
	ctx, ended = at.requests, func(Attempt) {}
	h := at.opts.Hooks.Attempt
	if h == nil {
		return ctx, ended
	}
	at.notify.safely("Hooks.Attempt", func() {
		hookCtx, hookEnded := h(ctx, d)
		if hookCtx != nil {
			ctx = hookCtx
		}
		if hookEnded != nil {
			ended = func(a Attempt) { at.notify.safely("Hooks.Attempt", func() { hookEnded(a) }) }
		}
	})
	return ctx, ended
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
	delay, again := at.retry(f, at.sinceFirstAttempt)
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

// begin stores a note that an attempt begins, if the delivery may crash its process (see
// suspects). If there is to be no attempt, over is true, and d says what becomes of the
// delivery.
func (at *attempter) begin(f *inflight, t *endpoint) (d disposition, over bool) {
	if !at.opts.suspects(&f.Delivery, t) {
		return decided, false
	}
	ctx, cancel := at.opts.withStoreTimeout(at.background)
	defer cancel()
	ds, err := at.store.Deliveries(ctx, DeliveryQuery{Account: f.Account, IDs: []string{f.ID}})
	if err != nil {
		at.notify.logError("reading a delivery", err)
		return abandon, true
	}
	if len(ds) != 1 || unexplained(f.Lease, ds[0].Log) <= at.opts.maxUnexplained(t) {
		return decided, false
	}
	if begunInVain(ds[0].Log) >= maxBegun {
		f.fail(givenUp())
		return decided, true
	}
	lease := at.tracker.lease(f)
	lost, err := at.store.Apply(ctx, []Change{{
		ID: f.ID, Lease: lease, State: StatePending, Due: at.tracker.leaseEnd(f), Attempts: f.Attempts,
		Log: begun(),
	}})
	if err != nil {
		at.notify.logError("storing the beginning of an attempt", err)
	}
	if err != nil || len(lost) > 0 {
		return abandon, true
	}
	at.tracker.raise(f, lease+1)
	f.begun = true
	return decided, false
}

// tryProbe is try for a webhook that is failing. Its deliveries wait, but for
// one at a time among all processes, the probe. The webhook's document decides
// which: whoever can put its HeldUntil off to the end of a lease makes the probe,
// and should its process die, another does after that.
func (at *attempter) tryProbe(f *inflight, t *endpoint, leaseEnd time.Time) disposition {
	probe, err := at.holdForProbe(t)
	switch {
	case errors.Is(err, errHeld):
		f.giveBack(now().Add(at.opts.PollInterval))
		return decided
	case err != nil || now().Add(at.opts.Timeout).After(leaseEnd):
		return abandon
	}
	if d, over := at.begin(f, t); over {
		return d
	}
	f.probe = probe
	at.attemptOnce(f, t, leaseEnd)
	return decided
}

// holdForProbe puts off a failing webhook's HeldUntil to the end of a lease. It returns
// whether the next attempt is the probe; if not, the webhook does well again. The
// error is errHeld if somebody else makes the probe.
func (at *attempter) holdForProbe(t *endpoint) (probe bool, err error) {
	ctx, cancel := at.opts.withStoreTimeout(at.background)
	defer cancel()
	_, err = at.editor.update(ctx, t.Account, t.ID, func(w *Webhook) error {
		switch {
		case w.Disabled != "" || w.HeldUntil.After(now()):
			return errHeld
		case !w.Health.failing():
			return errUnchanged
		}
		w.HeldUntil = at.opts.leaseEnd()
		return nil
	})
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, errUnchanged):
		return false, nil
	case errors.Is(err, errHeld) || errors.Is(err, ErrNotFound):
		return false, errHeld
	}
	at.notify.logError("holding a webhook", err)
	return false, err
}

var errHeld = errors.New("the webhook is held")

// retry returns the wait before the next attempt of f, which has failed just
// now; ok is false if there is none. A policy that panics is replaced by the
// default one, so that the delivery ends.
func (at *attempter) retry(f *inflight, elapsed func(*inflight) time.Duration) (delay time.Duration, ok bool) {
	failed, decided := f.Attempts+1, false
	at.notify.safely("Options.Backoff", func() {
		delay, ok = retryDelay(at.opts.Backoff, failed, func() time.Duration { return elapsed(f) })
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
	if len(ds) != 1 {
		return 0
	}
	return sinceFirst(ds[0].Log, f.Attempts)
}
