package webhook

import (
	"math/rand/v2"
	"slices"
	"time"
)

const (
	// settleWait is the first wait after outcomes could not be stored. It
	// doubles up to settleMost.
	settleWait = 50 * time.Millisecond
	settleMost = 5 * time.Second

	// settleTries is how often one outcome is refused, while others are
	// stored, before it is given up. The delivery comes due again when its
	// lease ends.
	settleTries = 5
)

// settle stores the outcomes of a group. It goes on until all are stored: the
// slots that they hold keep new attempts from beginning while the store is
// down. What is refused while others are stored is tried again by itself.
func (d *Dispatcher) settle(group []*flight) {
	for wait := settleWait; len(group) > 0; wait = min(2*wait, settleMost) {
		errs := halve(group, d.settlePart)
		if errs == nil {
			return
		}
		var refused []*flight
		for i, f := range group {
			if errs[i] != nil {
				d.complain("storing outcomes", errs[i])
				refused = append(refused, f)
			}
		}
		if len(refused) < len(group) {
			d.retrySettling(refused)
			return
		}
		group = refused
		select {
		case <-d.settling.Done():
			for _, f := range group {
				d.end(f)
			}
			return
		case <-time.After(wait/2 + rand.N(wait)):
		}
	}
}

// retrySettling puts off outcomes that the store refused alone.
func (d *Dispatcher) retrySettling(refused []*flight) {
	for _, f := range refused {
		if f.failures++; f.failures >= settleTries {
			d.opts.Logger.Error("webhook: the store refuses the outcome of a delivery; it will be delivered again",
				"delivery", f.ID, "webhook", f.WebhookID)
			d.end(f)
			continue
		}
		time.AfterFunc(time.Second, func() { d.outcomes.add(f) })
	}
}

// settlePart stores outcomes in one call.
func (d *Dispatcher) settlePart(part []*flight) error {
	ctx, cancel := bounded(d.settling)
	defer cancel()
	changes := make([]Change, len(part))
	for i, f := range part {
		f.change.Lease = d.flights.lease(f)
		changes[i] = f.change
	}
	lost, err := d.store.Apply(ctx, changes)
	if err != nil {
		return err
	}
	for _, f := range part {
		if len(lost) == 0 || !slices.Contains(lost, f.ID) {
			d.tellChanged(f.changed())
			d.conclude(f)
			continue
		}
		if d.flights.lease(f) != f.change.Lease {
			d.outcomes.add(f) // claimed again meanwhile, by this process
			continue
		}
		d.end(f)
		d.tellLost(f.Delivery)
	}
	return nil
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

func (d *Dispatcher) tellChanged(c Delivery) {
	if d.opts.Hooks.Changed != nil {
		d.guard("Hooks.Changed", func() { d.opts.Hooks.Changed(c) })
	}
}

func (d *Dispatcher) tellLost(l Delivery) {
	d.opts.Logger.Warn("webhook: an outcome was lost: somebody else had taken over the delivery",
		"delivery", l.ID, "webhook", l.WebhookID)
	if d.opts.Hooks.Lost != nil {
		d.guard("Hooks.Lost", func() { d.opts.Hooks.Lost(l) })
	}
}
