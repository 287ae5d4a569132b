package webhook

import (
	"net/http"
	"time"
)

// tryBatch is try for the deliveries of a batch whose turn has come, in one request. It
// returns in done the deliveries that have an outcome to store, and in dropped those that
// have none: they come due again when their leases end. If parked is true, the others wait
// for an attempt at their host.
func (at *attempter) tryBatch(b *batch) (done, dropped []*inflight, parked bool) {
	members := at.batcher.begin(b)
	t, err := at.endpoint(b.account, b.webhook)
	if err != nil {
		at.notify.logError("reading webhooks", err)
		return nil, members, false
	}
	rest := make([]*inflight, 0, len(members))
	for _, f := range members {
		switch d, over := at.withhold(f, t); {
		case !over:
			rest = append(rest, f)
		case d == decided:
			done = append(done, f)
		default:
			dropped = append(dropped, f)
		}
	}
	b.members = rest
	switch {
	case len(rest) == 0:
		return done, dropped, false
	case !t.batches():
		at.batcher.dissolve(b, rest)
		return done, dropped, false
	case !b.slot.Acquire(t.host, at.opts.rateShare(t.RateLimit)):
		return done, dropped, true
	}
	if time.Since(b.since) >= rereadAfter {
		var gone []*inflight
		rest, gone = at.reread(rest)
		if dropped = append(dropped, gone...); len(rest) == 0 {
			return done, dropped, false
		}
	}
	if at.outages.holdsBack(b.webhook, at.opts.Timeout) {
		for _, f := range rest {
			f.giveBack(f.dueNow(now()))
		}
		return append(done, rest...), dropped, false
	}
	probe := false
	if t.Health.failing() {
		switch probe, err = at.holdForProbe(t); {
		case err == errHeld:
			for _, f := range rest {
				f.giveBack(now().Add(at.opts.PollInterval))
			}
			return append(done, rest...), dropped, false
		case err != nil || now().Add(at.opts.Timeout).After(at.tracker.leaseEnd(rest...)):
			return done, append(dropped, rest...), false
		}
	}
	at.attemptBatch(b, rest, t, probe)
	return append(done, rest...), dropped, false
}

// attemptBatch makes an attempt at a batch and decides what its answer means for each
// delivery.
func (at *attempter) attemptBatch(b *batch, fs []*inflight, t *endpoint, probe bool) {
	ds := make([]*Delivery, len(fs))
	for i, f := range fs {
		ds[i] = &f.Delivery
	}
	request := batchRequest(ds)
	ctx, ended := at.attemptHook(fs[0].Delivery)
	b.slot.Sent()
	a := at.sender.send(ctx, t, &request, at.tracker.leaseEnd(fs...))
	at.noteOutage(b.webhook, &a)
	entries := batchLog(&a.Attempt, request.ID, fs)

	switch {
	case a.delivered():
		for i, f := range fs {
			f.finish(StateDelivered, entries[i])
		}
		b.after = at.recorder.observe(t, a.observation(t, probe))
	case a.aborted:
		for _, f := range fs {
			f.giveBack(f.dueAgain())
		}
	case a.Status == http.StatusRequestEntityTooLarge && len(fs) > 1:
		at.batcher.reduce(b.webhook, len(fs))
		for i, f := range fs {
			f.giveBack(f.dueNow(now()))
			f.change.Log = entries[i]
		}
	case at.recorder.isGone(a.Status, t):
		for i, f := range fs {
			f.fail(entries[i])
		}
		b.after = func() { at.recorder.disable(t.Webhook, "The receiver answered 410 Gone.", a.observation(t, probe)) }
	default:
		at.failedBatch(b, fs, entries, t, a, probe)
	}
	tooLarge := a.Status == http.StatusRequestEntityTooLarge && len(fs) > 1
	b.slot.FinishBatch(a.delivered() || a.aborted || a.senderFault || tooLarge)
	ended(a.Attempt)
}

// batchLog returns the entry of each delivery's log for an attempt at a batch. The first
// one has the answer and the members; the others name that one.
func batchLog(a *Attempt, request string, fs []*inflight) []*Attempt {
	first, other := *a, *a
	first.Batch, other.Batch = request, request
	other.First = fs[0].ID
	other.dropAnswer()
	entries := make([]*Attempt, len(fs))
	for i, f := range fs {
		first.Members = append(first.Members, f.ID)
		entries[i] = &other
	}
	entries[0] = &first
	return entries
}

// failedBatch is failed for a batch: each delivery uses up an attempt of its own
// schedule, and those at the same attempt become due together. A failure of the sender's
// own uses up the attempts of old deliveries alone.
func (at *attempter) failedBatch(b *batch, fs []*inflight, entries []*Attempt, t *endpoint, a result, probe bool) {
	if !a.senderFault {
		b.after = at.recorder.observe(t, a.observation(t, probe))
	}
	failed := now()
	elapsed := at.sinceFirstAttempts(fs)
	due := map[int]time.Time{} // by attempts
	for i, f := range fs {
		if a.senderFault && !t.costsAttempt(f) {
			t.putOff(f, failed, entries[i])
			continue
		}
		if t.NoRetry {
			f.fail(entries[i])
			continue
		}
		f.after = at.unblocker.afterFailure(f)
		delay, again := at.retry(f, elapsed)
		if !again {
			f.fail(entries[i])
			continue
		}
		next, ok := due[f.Attempts]
		if !ok {
			next = storeTime(failed.Add(max(delay, a.hold)))
			due[f.Attempts] = next
		}
		f.change = Change{ID: f.ID, State: StatePending, Due: next, Attempts: f.Attempts + 1, Log: entries[i]}
	}
}

// sinceFirstAttempts returns sinceFirstAttempt for deliveries of one webhook, whose logs
// are read together, if a policy asks.
func (at *attempter) sinceFirstAttempts(fs []*inflight) func(*inflight) time.Duration {
	var logs map[string][]Attempt
	return func(f *inflight) time.Duration {
		if logs == nil {
			logs = map[string][]Attempt{}
			ctx, cancel := at.opts.withStoreTimeout(at.background)
			defer cancel()
			ids := make([]string, len(fs))
			for i, f := range fs {
				ids[i] = f.ID
			}
			ds, err := at.store.Deliveries(ctx, DeliveryQuery{Account: f.Account, IDs: ids})
			if err != nil {
				at.notify.logError("reading deliveries", err)
			}
			for _, d := range ds {
				logs[d.ID] = d.Log
			}
		}
		return sinceFirst(logs[f.ID], f.Attempts)
	}
}
