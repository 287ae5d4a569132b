package webhook

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/listhook/webhook/internal/groupcommit"
)

const (
	// settleWait is the first wait after outcomes could not be stored. It
	// doubles up to settleMost.
	settleWait = 50 * time.Millisecond
	settleMost = 5 * time.Second

	// maxLinger is how long outcomes wait at most, after some were stored, for
	// more of them: nobody waits for an outcome but its slot.
	maxLinger = 5 * time.Millisecond

	// settleTries is how often one outcome is refused, while others are
	// stored, before it is given up. The delivery comes due again when its
	// lease ends.
	settleTries = 5
)

// settle stores the outcomes of a group. What could not be stored joins the
// next group, so that it goes on until all are: the slots that they hold keep
// new attempts from beginning while the store is down.
func (d *Dispatcher) settle(group []*flight) {
	group = slices.DeleteFunc(group, d.overtaken)
	errs := groupcommit.Bisect(group, d.settlePart, isRefusal)
	if errs == nil {
		d.settlePause.Store(0)
		return
	}
	var refused []*flight
	for i, f := range group {
		if errs[i] != nil {
			refused = append(refused, f)
			d.notify.logError("storing outcomes", errs[i])
		}
	}
	if len(refused) < len(group) { // it is not the store that is down
		time.AfterFunc(settleMost, func() { d.outcomes.Add(d.dropRefused(refused)...) })
		return
	}
	pause := min(max(2*time.Duration(d.settlePause.Load()), settleWait), settleMost)
	d.settlePause.Store(int64(pause))
	select {
	case <-d.settling.Done():
		for _, f := range refused {
			d.end(f)
		}
	case <-time.After(pause/2 + rand.N(pause)):
		d.outcomes.Add(refused...)
	}
}

// dropRefused gives up outcomes that the store refused often while it stored
// others, and returns the rest.
func (d *Dispatcher) dropRefused(refused []*flight) []*flight {
	return slices.DeleteFunc(refused, func(f *flight) bool {
		f.refusals++
		if f.refusals < settleTries {
			return false
		}
		d.opts.Logger.Error("webhook: the store refuses the outcome of a delivery; it will be delivered again",
			"delivery", f.ID, "webhook", f.WebhookID)
		d.end(f)
		return true
	})
}

// overtaken lets go of a flight if this process has begun with the delivery's
// next attempt, and reports whether it has.
func (d *Dispatcher) overtaken(f *flight) bool {
	lease := d.flights.overtaken(f)
	switch {
	case lease == 0:
		return false
	case f.unsure && lease == f.change.Lease+2: // one for the outcome, one for the claim
		d.notify.changed(f.changed())
		d.conclude(f)
	default:
		d.end(f)
		d.notify.lost(f.Delivery)
	}
	return true
}

// settlePart stores outcomes in one call.
func (d *Dispatcher) settlePart(part []*flight) error {
	ctx, cancel := d.opts.withStoreTimeout(d.settling)
	defer cancel()
	changes := make([]Change, len(part))
	for i, f := range part {
		f.change.Lease = d.flights.lease(f)
		changes[i] = f.change
	}
	var lost []string
	err := d.vitals.ask(func() (err error) {
		lost, err = d.store.Apply(ctx, changes)
		return durable(ctx, err)
	})
	if err != nil {
		for _, f := range part {
			f.unsure = true // it may have been carried out: the next call may be one of a part of these
		}
		return err
	}
	for _, f := range part {
		switch {
		case len(lost) == 0 || !slices.Contains(lost, f.ID):
			d.notify.changed(f.changed())
			d.conclude(f)
		case d.overtaken(f):
		case d.flights.lease(f) != f.change.Lease:
			d.outcomes.Add(f) // claimed again meanwhile, by this process
		case f.unsure:
			d.settleUnsure(ctx, f)
		default:
			d.end(f)
			d.notify.lost(f.Delivery)
		}
	}
	return nil
}

// settleUnsure finds out whether an outcome that now counts as lost is the one
// that is stored: an earlier call made it, and its acknowledgement was lost.
func (d *Dispatcher) settleUnsure(ctx context.Context, f *flight) {
	ds, err := d.store.Deliveries(ctx, DeliveryQuery{Account: f.Account, IDs: []string{f.ID}, Brief: true})
	switch {
	case err != nil:
		d.notify.logError("reading a delivery", err)
		time.AfterFunc(settleWait, func() { d.outcomes.Add(f) }) // and then ask again
	case len(ds) == 1 && ds[0].Lease == f.change.Lease+1 &&
		ds[0].State == f.change.State && ds[0].Attempts == f.change.Attempts:
		d.notify.changed(f.changed())
		d.conclude(f)
	default:
		d.end(f)
		d.notify.lost(f.Delivery)
	}
}

// conclude lets go of a flight whose outcome is stored, after what follows
// from the outcome.
func (d *Dispatcher) conclude(f *flight) {
	if f.after == nil {
		d.end(f)
		return
	}
	go func() {
		f.after()
		d.end(f)
	}()
}

// changed returns the delivery as the stored outcome left it.
func (f *flight) changed() Delivery {
	c := f.Delivery
	c.State, c.Due, c.Attempts, c.Lease = f.change.State, f.change.Due, f.change.Attempts, f.change.Lease+1
	return c
}
