package webhook

import (
	"net/http"
	"time"

	"github.com/listhook/webhook/internal/diagnose"
)

// try decides what becomes of a flight, making an attempt if its webhook still
// wants one, and notes the outcome in f.
func (d *Dispatcher) try(f *flight) fate {
	leaseEnd := f.Due
	t, err := d.target(f.Account, f.WebhookID)
	switch {
	case err != nil:
		d.notify.logError("reading webhooks", err)
		return dropped // given back, it would be claimed again at once
	case d.stopped():
		f.giveBack(f.dueAgain())
	case t == nil || t.Deleted:
		f.cancel("Canceled: the webhook was deleted.")
	case t.Off != "" && t.Keep: // it waits until the webhook is on
		f.giveBack(f.dueAgain())
	case t.Hold.After(now()):
		// The store may know better already, and soon so does this process.
		f.giveBack(now().Add(d.opts.PollInterval))
	case t.Off != "":
		f.cancel("Canceled: the webhook is off: " + t.Off)
	case f.Lease > 2*int64(f.Attempts)+poisonLimit && d.deadly(f):
		f.fail(&Attempt{
			Start: now(), Code: string(diagnose.CodeGivenUp),
			Reason: "Given up: it was begun many times, and no outcome could be stored.",
		})
	case now().Add(d.opts.Timeout).After(leaseEnd):
		return dropped
	case !f.slot.AcquireHost(t.host):
		return waits
	case d.outages.holdsBack(f.WebhookID, d.opts.Timeout):
		f.giveBack(due(f.Type, now()))
	case t.Health.failing():
		return d.tryProbe(f, t, leaseEnd)
	default:
		d.attemptOnce(f, t, leaseEnd)
	}
	return decided
}

// A fate is what becomes of a flight that was tried.
type fate int

const (
	decided fate = iota // its outcome is to be stored
	dropped             // it is let go of without a word to the store, until its lease ends
	waits               // for an attempt at its host
)

// poisonLimit is how many leases beyond twice the attempts a delivery may have
// before it is given up.
const poisonLimit = 50

// deadly reports whether a delivery was begun so much more often than outcomes
// of it were stored that it must be what its processes die of. Being begun
// again by somebody sets the attempts back and raises the lease, so that the
// log has the last word: an entry may stand for three leases.
func (d *Dispatcher) deadly(f *flight) bool {
	ctx, cancel := d.opts.withStoreTimeout(d.settling)
	defer cancel()
	ds, err := d.store.Deliveries(ctx, DeliveryQuery{Account: f.Account, IDs: []string{f.ID}})
	if err != nil {
		d.notify.logError("reading a delivery", err)
	}
	return len(ds) == 1 && f.Lease > 3*int64(len(ds[0].Log))+poisonLimit
}

// target looks up a webhook. One that wants no attempt, as it is remembered, is
// read again: what it was claimed by may be newer.
func (d *Dispatcher) target(account, id string) (*target, error) {
	t, ok := d.registry.known(account, id)
	if ok && t.open() {
		return t, nil
	}
	ctx, cancel := d.opts.withStoreTimeout(d.settling)
	defer cancel()
	if !ok {
		t, err := d.registry.get(ctx, account, id)
		if err != nil || t.open() {
			return t, err
		}
	}
	return d.registry.reread(ctx, account, id)
}

// open reports whether t is there and wants attempts now.
func (t *target) open() bool {
	return t != nil && !t.Deleted && t.Off == "" && !t.Hold.After(now())
}

// attemptOnce makes an attempt and decides what its answer means.
func (d *Dispatcher) attemptOnce(f *flight, t *target, leaseEnd time.Time) {
	ctx, ended := d.attempts, (func(Attempt))(nil)
	if h := d.opts.Hooks.Attempt; h != nil {
		d.notify.safely("Hooks.Attempt", func() {
			hookCtx, hookEnded := h(ctx, f.Delivery)
			if hookCtx != nil {
				ctx = hookCtx
			}
			ended = hookEnded
		})
	}
	f.slot.Sent()
	a := d.post(ctx, t, &f.Delivery, leaseEnd)
	d.noteOutage(f.WebhookID, &a)

	switch {
	case a.delivered():
		f.finish(StateDelivered, &a.Attempt)
		f.after = d.see(t, a.seen(t, f.probe))
	case a.cut:
		f.giveBack(f.dueAgain())
	case a.ours && time.Since(f.Created) < ownFailures:
		f.giveBack(due(f.Type, now()))
		f.change.Log = &a.Attempt
	case a.Status == http.StatusGone:
		f.fail(&a.Attempt)
		f.after = func() { d.switchOff(t.Webhook, "The receiver answered 410 Gone.", a.seen(t, f.probe)) }
	default:
		d.failed(f, t, a)
	}
	f.slot.Finish(a.delivered() || a.cut || a.ours, a.delivered() && f.after == nil)
	if ended != nil {
		told := a.Attempt
		d.notify.safely("Hooks.Attempt", func() { ended(told) })
	}
}

// failed puts the next attempt in the schedule, or ends the delivery, and
// holds the webhook when the receiver asked for it.
func (d *Dispatcher) failed(f *flight, t *target, a answer) {
	if !a.ours {
		f.after = d.see(t, a.seen(t, f.probe))
	}
	if t.NoRetry {
		f.fail(&a.Attempt)
		return
	}
	delay, again := d.retry(f)
	if !again {
		f.fail(&a.Attempt)
		return
	}
	f.change = Change{
		ID: f.ID, State: StatePending, Due: now().Add(max(delay, a.hold)), Attempts: f.Attempts + 1, Log: &a.Attempt,
	}
}

// giveBack makes the delivery due again without using up an attempt.
func (f *flight) giveBack(due time.Time) {
	f.change = Change{ID: f.ID, State: StatePending, Due: due, Attempts: f.Attempts}
}

// finish ends the delivery after an attempt.
func (f *flight) finish(s State, a *Attempt) {
	f.change = Change{ID: f.ID, State: s, Due: now(), Attempts: f.Attempts + 1, Log: a}
}

func (f *flight) fail(a *Attempt) { f.finish(StateFailed, a) }

func (f *flight) cancel(reason string) { f.change = cancellation(f.Delivery, reason) }
