package webhook

import (
	"context"
	"errors"
	"time"
)

// tryProbe is try for a webhook that is failing. Its deliveries wait, but for
// one at a time among all processes, the probe. The webhook's document decides
// which: whoever can put its Hold off to the end of a lease makes the probe,
// and should its process die, another does after that.
func (d *Dispatcher) tryProbe(f *flight, t *target, leaseEnd time.Time) fate {
	ctx, cancel := d.opts.withStoreTimeout(d.settling)
	_, err := d.update(ctx, t.Account, t.ID, func(w *Webhook) error {
		switch {
		case w.Off != "" || w.Hold.After(now()):
			return errHeld
		case !w.Health.failing():
			return errUnchanged
		}
		w.Hold = d.opts.leaseEnd()
		return nil
	})
	cancel()
	switch {
	case err == nil:
		f.probe = true
	case errors.Is(err, errUnchanged): // it does well again
	case errors.Is(err, errHeld) || errors.Is(err, ErrNotFound):
		f.giveBack(now().Add(d.opts.PollInterval))
		return decided
	default:
		d.notify.logError("holding a webhook", err)
		return dropped
	}
	if now().Add(d.opts.Timeout).After(leaseEnd) {
		return dropped
	}
	d.attemptOnce(f, t, leaseEnd)
	return decided
}

var errHeld = errors.New("the webhook is held")

// EndHold has a webhook attempted at once that is held because its receiver
// failed or asked to wait, for an owner who has mended it. One that is failing
// gets a probe, and the others follow when that succeeds; its Health stays as
// it is. A webhook that is not held, or off, is left alone. EndHold returns the
// webhook as it is then, or ErrNotFound if there is none in the account.
func (d *Dispatcher) EndHold(ctx context.Context, account, webhook string) (Webhook, error) {
	w, err := d.update(ctx, account, webhook, func(w *Webhook) error {
		if w.Off != "" || !w.Hold.After(now()) {
			return errUnchanged
		}
		w.Hold = time.Time{}
		return nil
	})
	if errors.Is(err, errUnchanged) {
		w, err = d.find(ctx, account, webhook)
	}
	return w, wrap("EndHold", err)
}

// learned is called with each webhook that the registry takes note of.
func (d *Dispatcher) learned(w *Webhook) {
	if w.Health.failing() && w.Off == "" {
		d.limiter.Narrow(w.ID)
	}
	if w.Health.untold() && !w.Deleted && d.opts.Hooks.SwitchedOff != nil {
		d.tellAgain(*w)
	}
}
