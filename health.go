package webhook

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// What it takes to hold a webhook, and to switch it off.
const (
	// holdAfter is how many failures in a row hold a webhook. Its deliveries
	// wait then, without using up their schedules, and one at a time is
	// attempted, the probe: after probeFirst, and after twice as long each
	// time, up to probeMost.
	holdAfter  = 10
	probeFirst = time.Minute
	probeMost  = time.Hour

	// A webhook is switched off after Options.SwitchOffAfter of nothing but
	// failures, if there were enough of them, in enough different hours, that
	// they are no accident of one bad moment.
	offFailures = 20
	offHours    = 12

	// Its owner is told at these percents of the way there. The last warning
	// comes at least a twentieth of SwitchOffAfter before the end, six hours by
	// default, should the failures be so sparse that it would come later.
	warnFirst  = 50
	warnLast   = 90
	warnNotice = 20

	// successEvery is how much older than the last success the one noted may
	// be, so that a webhook that does well is written once an hour.
	successEvery = time.Hour
)

// failing reports whether the webhook failed so often that only probes are
// made.
func (h *Health) failing() bool { return h.Failures >= holdAfter }

// untold reports whether the Dispatcher switched the webhook off and its owner
// may not know: the process died in between.
func (h *Health) untold() bool { return h.SwitchedOff && h.Warned < 100 }

// probeDelay is how long a webhook is held after so many failed probes.
func probeDelay(probes int) time.Duration {
	delay := probeFirst
	for range probes {
		if delay *= 2; delay >= probeMost {
			return probeMost
		}
	}
	return delay
}

// heed changes w by what was seen of its receiver, and reports whether that
// is anything to store.
func (w *Webhook) heed(s sighting) (changed bool) {
	h := &w.Health
	switch {
	case s.success.IsZero():
	case h.Failures > 0 && !s.success.Before(h.Since):
		if h.failing() {
			w.Hold = time.Time{}
		}
		*h = Health{Success: s.success}
		changed = true
	case s.success.Sub(h.Success) >= successEvery:
		h.Success = s.success
		changed = true
	}
	if s.hold.Sub(w.Hold) >= time.Second {
		w.Hold = s.hold
		changed = true
	}
	if s.failures == 0 || s.last.Before(h.Success) { // by then it did well elsewhere
		return changed
	}
	held := h.failing()
	if h.Failures == 0 {
		h.Since = s.first
	}
	h.Failures += s.failures
	h.Reason = s.reason
	for _, at := range [...]time.Time{s.first, s.last} {
		if at.Truncate(time.Hour).After(h.Last.Truncate(time.Hour)) {
			h.Hours++
		}
		if at.After(h.Last) {
			h.Last = at
		}
	}
	switch {
	case held && s.probed: // instead of the hold that let it be the only one
		h.Probes++
		w.Hold = latest(s.hold, s.last.Add(probeDelay(h.Probes)))
	case !held && h.failing():
		w.Hold = latest(w.Hold, s.last.Add(probeFirst))
	}
	return true
}

// latest returns the later of two times.
func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// towardsOff returns how much of the way to being switched off a webhook has
// gone, in percent: as much as it has of each of the conditions.
func (h *Health) towardsOff(after time.Duration) int {
	if after < 0 || h.Failures == 0 {
		return 0
	}
	share := min(
		float64(h.Last.Sub(h.Since))/float64(after),
		float64(h.Failures)/offFailures,
		float64(h.Hours)/offHours,
	)
	return int(100 * min(share, 1))
}

// judge switches w off if it has failed for long enough and its owner was
// warned in time, where anybody is there to warn them. It returns what to tell
// the owner: the percents of a warning, 100 for the switching off, or 0.
func (w *Webhook) judge(after time.Duration, warns bool) (tell int) {
	h := &w.Health
	gone := h.towardsOff(after)
	warned := !warns || h.Warned >= warnLast && h.Last.Sub(h.WarnedAt) >= after/warnNotice
	switch {
	case gone == 100 && warned:
		w.giveUpOn(fmt.Sprintf("All attempts have failed since %s. %s", h.Since.Format("2 January 2006"), h.Reason))
		return 100
	case gone >= warnLast && h.Warned < warnLast:
		return warnLast
	case gone >= warnFirst && h.Warned < warnFirst:
		return warnFirst
	}
	return 0
}

// giveUpOn switches w off because of what its receiver answers.
func (w *Webhook) giveUpOn(reason string) {
	w.Health.SwitchedOff = true
	w.setOff(shorten(reason, maxName), now())
}

// shorten cuts a text to at most so many bytes.
func shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "")
}

// noteHealth stores what was seen of a webhook's receiver, and tells its owner
// what follows. What was seen of it as it was before an edit is left out. It
// returns the webhook as it is then.
func (d *Dispatcher) noteHealth(w Webhook, s sighting) (Webhook, error) {
	ctx, cancel := d.opts.withStoreTimeout(d.settling)
	defer cancel()
	tell := 0
	noted, err := d.update(ctx, w.Account, w.ID, func(stored *Webhook) error {
		tell = 0
		w = *stored
		stored.NotKept += s.unkept
		switch {
		case w.Off == "" && w.Revision == s.revision && stored.heed(s):
			tell = stored.judge(d.opts.SwitchOffAfter, d.opts.Hooks.Warned != nil)
		case s.unkept == 0:
			return errUnchanged
		}
		return nil
	})
	switch {
	case errors.Is(err, errUnchanged) || errors.Is(err, ErrNotFound):
		return w, nil
	case err != nil:
		return w, err
	}
	d.tellOwner(noted, tell)
	return noted, nil
}

// switchOff switches a webhook off at once because of what its receiver
// answered.
func (d *Dispatcher) switchOff(w Webhook, reason string, s sighting) {
	w, ok := d.amend("switching a webhook off", w, func(stored *Webhook) bool {
		if stored.Off != "" || stored.Revision != s.revision {
			return false
		}
		stored.heed(s)
		stored.giveUpOn(reason)
		return true
	})
	if ok {
		d.tellOwner(w, 100)
	}
}

// tellOwner calls a hook, and only then notes that it was called: should the
// process die in between, another tells the owner again.
func (d *Dispatcher) tellOwner(w Webhook, percent int) {
	switch {
	case percent == 100 && d.opts.Hooks.SwitchedOff != nil:
		d.notify.safely("Hooks.SwitchedOff", func() { d.opts.Hooks.SwitchedOff(w) })
	case percent > 0 && percent < 100 && d.opts.Hooks.Warned != nil:
		d.notify.safely("Hooks.Warned", func() { d.opts.Hooks.Warned(w, percent) })
	default:
		return
	}
	d.amend("noting that an owner was told", w, func(stored *Webhook) bool {
		h := &stored.Health
		if !h.Since.Equal(w.Health.Since) || h.SwitchedOff != w.Health.SwitchedOff || h.Warned >= percent {
			return false
		}
		h.Warned, h.WarnedAt = percent, now()
		return true
	})
}

// tellAgain tells the owner of a webhook that was switched off by a process
// which died before it could. It waits first: that process may just be slow.
func (d *Dispatcher) tellAgain(w Webhook) {
	time.AfterFunc(time.Minute, func() {
		ctx, cancel := d.opts.withStoreTimeout(d.settling)
		defer cancel()
		w, err := d.find(ctx, w.Account, w.ID)
		if err == nil && w.Health.untold() && !d.stopped() {
			d.tellOwner(w, 100)
		}
	})
}
