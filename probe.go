package webhook

import "errors"

// mayAttempt reports whether a flight of a webhook that is failing may be
// attempted: it may if it is the probe, of which there is one at a time among
// all processes. The webhook's document decides which: whoever can put its
// Hold off to the end of a lease makes the probe, and should its process die,
// another does after that.
func (d *Dispatcher) mayAttempt(f *flight, t *target) bool {
	ctx, cancel := bounded(d.settling)
	defer cancel()
	_, err := d.update(ctx, t.Account, t.ID, func(w *Webhook) error {
		switch {
		case w.Off != "" || w.Hold.After(now()):
			return errHeld
		case !w.Health.failing():
			return errUnchanged
		}
		w.Hold = d.leaseEnd()
		return nil
	})
	switch {
	case err == nil:
		f.probe = true
		return true
	case err == errUnchanged: // it does well again
		return true
	case err != errHeld && !errors.Is(err, ErrNotFound):
		d.complain("holding a webhook", err)
	}
	return false
}

var errHeld = errors.New("the webhook is held")

// narrow lets a lane have no more than one attempt under way, as is enough for
// probes, until it does well.
func (l *lanes) narrow(webhook string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lane(webhook).limit = 1
}

// learned is called with each webhook that the registry takes note of.
func (d *Dispatcher) learned(w *Webhook) {
	if w.Health.failing() && w.Off == "" {
		d.lanes.narrow(w.ID)
	}
	if w.Health.untold() && !w.Deleted && d.opts.Hooks.SwitchedOff != nil {
		d.tellAgain(*w)
	}
}
