package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"
)

// try decides what becomes of a flight, making an attempt if its webhook still
// wants one, and notes the outcome in f.
func (d *Dispatcher) try(f *flight) fate {
	leaseEnd := f.Due
	t, err := d.target(f.Account, f.WebhookID)
	switch {
	case err != nil:
		d.complain("reading webhooks", err)
		return dropped // given back, it would be claimed again at once
	case d.stopped():
		f.giveBack(due(f.Type, now()))
	case t == nil || t.Deleted:
		f.cancel("Canceled: the webhook was deleted.")
	case t.Hold.After(now()):
		// The store may know better already, and soon so does this process.
		f.giveBack(now().Add(d.opts.PollInterval))
	case t.Off != "":
		f.cancel("Canceled: the webhook is off: " + t.Off)
	case f.Lease > 2*int64(f.Attempts)+poisonLimit && d.deadly(f):
		f.fail(&Attempt{Start: now(), Reason: "Given up: it was begun many times, and no outcome could be stored."})
	case now().Add(d.opts.Timeout).After(leaseEnd):
		return dropped
	case !f.slot.AcquireHost(t.host):
		return waits
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

// deadly reports whether a delivery was begun so much more often than outcomes
// of it were stored that it must be what its processes die of. Being begun
// again by somebody sets the attempts back and raises the lease, so that the
// log has the last word: an entry may stand for three leases.
func (d *Dispatcher) deadly(f *flight) bool {
	ctx, cancel := bounded(d.settling)
	defer cancel()
	ds, err := d.store.Deliveries(ctx, DeliveryQuery{Account: f.Account, IDs: []string{f.ID}})
	if err != nil {
		d.complain("reading a delivery", err)
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
	ctx, cancel := bounded(d.settling)
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
		d.guard("Hooks.Attempt", func() {
			hookCtx, hookEnded := h(ctx, f.Delivery)
			if hookCtx != nil {
				ctx = hookCtx
			}
			ended = hookEnded
		})
	}
	f.slot.Sent()
	a := d.post(ctx, t, &f.Delivery, leaseEnd)

	switch {
	case a.delivered():
		f.finish(StateDelivered, &a.Attempt)
		f.after = d.see(t, a.seen(t, f.probe))
	case a.cut:
		f.giveBack(due(f.Type, now()))
	case a.Status == http.StatusGone:
		f.fail(&a.Attempt)
		f.after = func() { d.switchOff(t.Webhook, "The receiver answered 410 Gone.", a.seen(t, f.probe)) }
	default:
		d.failed(f, t, a)
	}
	f.slot.Finish(a.delivered() || a.cut, a.delivered() && f.after == nil)
	if ended != nil {
		told := a.Attempt
		d.guard("Hooks.Attempt", func() { ended(told) })
	}
}

// failed puts the next attempt in the schedule, or ends the delivery, and
// holds the webhook when the receiver asked for it.
func (d *Dispatcher) failed(f *flight, t *target, a answer) {
	if !a.ours {
		f.after = d.see(t, a.seen(t, f.probe))
	}
	delay, again := time.Hour, true // should the policy panic
	d.guard("Options.Backoff", func() { delay, again = retryDelay(d.opts.Backoff, f.Attempts+1) })
	if t.NoRetry || !again {
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

// cancellation ends a delivery that is not to be attempted any more.
func cancellation(d Delivery, reason string) Change {
	at := now()
	return Change{
		ID: d.ID, Lease: d.Lease, State: StateCanceled, Due: at, Attempts: d.Attempts,
		Log: &Attempt{Start: at, Reason: reason},
	}
}

// An answer is an attempt, and what else its answer asks for.
type answer struct {
	Attempt
	hold time.Duration // the receiver asked to be left alone for so long
	cut  bool          // we cut it short, so it counts for nothing
	ours bool          // it says nothing about the receiver
}

func (a *answer) delivered() bool { return a.Status >= 200 && a.Status < 300 }

// post makes one HTTP request, in the time that an attempt has. It never goes
// on the wire after the lease's end.
func (d *Dispatcher) post(ctx context.Context, t *target, del *Delivery, leaseEnd time.Time) (a answer) {
	began := time.Now()
	a.Start = clock(began)
	if t.broken != nil { // above all, nothing is sent unsigned that is to be signed
		d.complain("using a webhook", t.broken)
		a.ours = true
		a.Reason, a.Detail = "The webhook's settings cannot be used: edit and save it.", clean(t.broken.Error())
		return a
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	timeout := time.AfterFunc(d.opts.Timeout, func() { stop(errTimeout) })
	defer timeout.Stop()
	var at progress
	ctx = httptrace.WithClientTrace(ctx, at.trace(leaseEnd, stop))
	defer func() {
		if p := recover(); p != nil {
			d.opts.Logger.Error("webhook: the HTTP client panicked", "panic", fmt.Sprint(p))
			a.Detail = clean("panic: " + fmt.Sprint(p))
			if a.Status == 0 {
				a.ours = true
				a.Reason = "The sender could not make the request, which is no fault of the receiver's."
			}
		}
		a.Duration = time.Since(began).Truncate(time.Microsecond)
	}()

	resp, err := d.transport.RoundTrip(d.request(ctx, t, del, began))
	if err == nil && resp.Body == nil { // some transports of tests leave it out
		resp.Body = http.NoBody
	}
	if err != nil {
		a.cut = cutShort(ctx)
		a.Reason, a.Detail = explainError(ctx, err, at.phase(), d.opts.Timeout)
		return a
	}
	defer resp.Body.Close()
	a.Status = resp.StatusCode
	if !a.delivered() {
		a.Reason = explainStatus(resp.StatusCode)
	}
	if a.Response, err = readAnswer(resp); err != nil {
		a.cut = !a.delivered() && cutShort(ctx)
		a.Detail = clean("reading the answer's body: " + err.Error())
	}
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable {
		a.hold = retryAfter(resp.Header, time.Now())
	}
	return a
}

// errLeaseEnded is the cause of attempts that came too late to be sent.
var errLeaseEnded = errors.New("the lease ended before the request was sent")

// cutShort reports whether an attempt ended for a reason of ours.
func cutShort(ctx context.Context) bool {
	cause := context.Cause(ctx)
	return cause == errShutdown || cause == errLeaseEnded
}

// readAnswer keeps the beginning of an answer and reads some more of it, so
// that the connection can be used again, but never without end.
func readAnswer(resp *http.Response) ([]byte, error) {
	r := resp.Body
	switch {
	case resp.StatusCode == http.StatusSwitchingProtocols:
		return nil, nil // its body is the connection, which no context closes
	case r == http.NoBody:
		return nil, nil
	}
	buf := answers.Get().(*bytes.Buffer)
	defer answers.Put(buf)
	buf.Reset()
	_, err := buf.ReadFrom(io.LimitReader(r, keptResponse))
	kept := bytes.Clone(buf.Bytes())
	if err != nil || len(kept) < keptResponse {
		return kept, err
	}
	_, err = io.CopyN(io.Discard, r, readResponse-keptResponse)
	if err == io.EOF {
		err = nil
	}
	return kept, err
}

// answers are buffers that answers are read into: most are far shorter than what
// is kept at most.
var answers = sync.Pool{New: func() any { return new(bytes.Buffer) }}
