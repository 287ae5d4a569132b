package webhook

import (
	"context"
	"net/http"
	"time"
)

// An unblocker ends the wait of deliveries that stood in line for
// Options.OrderWait. The first of the line is canceled if a later one of the line
// replaces it; otherwise it leaves the line and keeps its schedule.
//
// An attempt that fails looks for deliveries that have waited so long. A sweep does
// it for those deliveries whose next attempt is far off. It leaves alone what is due
// soon: that may be leased, and then the request that is under way has to end before
// the next of the line begins.
type unblocker struct {
	store      Store
	lines      *lines
	opts       *Options
	notify     *notifier
	cache      *webhookCache
	outages    *outages
	background context.Context // of calls of the store
	stop       <-chan struct{}
	wake       func() // asks for a claim

	after Cursor // where the next sweep goes on, if there was too much for one
}

const (
	sweepMost  = time.Minute // the longest time between sweeps
	sweepPages = 20          // of lineRows, in one sweep
)

// run sweeps at intervals until stop is closed.
func (u *unblocker) run() {
	interval := max(min(sweepMost, u.opts.OrderWait/4), time.Millisecond)
	timer := time.NewTimer(jittered(interval))
	defer timer.Stop()
	for {
		select {
		case <-u.stop:
			return
		case <-timer.C:
			if err := u.sweep(); err != nil {
				u.notify.logError("looking for deliveries that wait for others", err)
			}
			timer.Reset(jittered(interval))
		}
	}
}

// sweep looks at the deliveries for which others have waited for OrderWait, and goes
// on where the last sweep ended.
func (u *unblocker) sweep() error {
	q := DeliveryQuery{
		All: true, States: []State{StatePending}, Blocking: now().Add(-u.opts.OrderWait),
		Oldest: true, After: u.after, Limit: lineRows, Brief: true,
	}
	u.after = Cursor{}
	for range sweepPages {
		ctx, cancel := u.opts.withStoreTimeout(u.background)
		ds, err := u.store.Deliveries(ctx, q)
		for i := 0; err == nil && i < len(ds); i++ {
			if ds[i].Due.After(u.opts.leaseEnd().Add(maxBatchWait)) || ds[i].Due.After(u.opts.leaseEnd()) && !u.batches(ctx, &ds[i]) {
				err = u.free(ctx, ds[i])
			}
		}
		cancel()
		if err != nil || len(ds) < lineRows {
			return err
		}
		q.After = ds[len(ds)-1].Cursor()
	}
	u.after = q.After
	return nil
}

// batches reports whether a delivery may gather with others, under a lease that is
// longer by that time.
func (u *unblocker) batches(ctx context.Context, d *Delivery) bool {
	t, err := u.cache.get(ctx, d.Account, d.WebhookID)
	return err != nil || t != nil && t.batches()
}

// afterFailure returns a function that frees the line behind a delivery whose
// attempt has failed, to be called once that is stored; nil if there is none that has
// waited for OrderWait.
func (u *unblocker) afterFailure(f *inflight) func() {
	if !f.InLine() || now().Sub(f.Joined) < u.opts.OrderWait {
		return nil // those behind it have waited no longer than it has
	}
	return func() {
		ctx, cancel := u.opts.withStoreTimeout(u.background)
		defer cancel()
		if f.change.State != StatePending {
			return
		}
		blocks, err := u.lines.blocks(ctx, &f.Delivery, DeliveryQuery{Blocking: now().Add(-u.opts.OrderWait)})
		if err == nil && blocks {
			err = u.free(ctx, f.changed())
		}
		if err != nil {
			u.notify.logError("looking for deliveries that wait for others", err)
		}
	}
}

// free ends the wait of those behind d, unless its webhook was not open for all of
// OrderWait: that time does not count.
func (u *unblocker) free(ctx context.Context, d Delivery) error {
	t, err := u.cache.get(ctx, d.Account, d.WebhookID)
	if err != nil || !t.open() || t.Health.failing() ||
		now().Sub(t.openSince()) < u.opts.OrderWait || u.outages.affect(d.WebhookID, u.opts.OrderWait) {
		return err
	}
	ds, err := u.store.Deliveries(ctx, DeliveryQuery{Account: d.Account, IDs: []string{d.ID}})
	if err != nil || len(ds) == 0 || ds[0].Lease != d.Lease || t.Health.Failures > 0 && unreachable(ds[0].Log) {
		return err
	}
	_, err = u.skip(ctx, ds[0])
	return err
}

// unreachable reports whether the last attempt got no answer, or one of a server in
// front of the receiver: that is no refusal of one delivery.
func unreachable(log []Attempt) bool {
	if len(log) == 0 {
		return true
	}
	switch log[len(log)-1].Status {
	case 0, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// skip lets those behind d go on, and returns what has become of d; nil if somebody
// else changed it since it was read. d has its body.
func (u *unblocker) skip(ctx context.Context, d Delivery) (*Delivery, error) {
	newer, err := u.lines.replacement(ctx, &d, StatePending)
	if err != nil {
		return nil, err
	}
	c := Change{ID: d.ID, Lease: d.Lease, State: StatePending, Due: d.Due, Attempts: d.Attempts, LeaveLine: true}
	if newer != nil {
		c = cancellation(d, replacedReason(newer))
	}
	lost, err := u.store.Apply(ctx, []Change{c})
	if err != nil || len(lost) > 0 {
		return nil, err
	}
	d.State, d.Due, d.Lease = c.State, c.Due, c.Lease+1
	d.PassedOver = c.LeaveLine
	u.notify.changed(d)
	u.wake()
	return &d, nil
}

// overtaken returns why a delivery that was passed over is not attempted any more: one
// that came later replaces it; "" if there is none.
func (u *unblocker) overtaken(ctx context.Context, d *Delivery) (reason string, err error) {
	newer, err := u.lines.replacement(ctx, d)
	if err != nil || newer == nil {
		return "", err
	}
	return replacedReason(newer), nil
}

// replacedReason says what replaced a delivery.
func replacedReason(newer *Delivery) string {
	return "Canceled: a newer event replaces it: " + string(newer.Type) + ", delivery " + newer.ID +
		", of " + newer.eventTime().Format("2006-01-02 15:04:05 MST") + "."
}
