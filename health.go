package webhook

import (
	"fmt"
	"strings"
	"time"

	"github.com/listhook/webhook/internal/validtext"
)

// What it takes to hold a webhook, and to disable it.
const (
	// holdAfter is how many failures in a row hold a webhook. Its deliveries
	// wait then, without using up their schedules, and one at a time is
	// attempted, the probe: after probeFirst, and after twice as long each
	// time, up to probeMost.
	holdAfter  = 10
	probeFirst = time.Minute
	probeMost  = time.Hour

	// A webhook is disabled after Options.DisableAfter of nothing but
	// failures, if there were enough of them, in enough different hours, that
	// they are no accident of one bad moment.
	disableFailures = 20
	disableHours    = 12

	// Its owner is told at these percents of the way there. The last warning
	// comes at least a twentieth of DisableAfter before the end, six hours by
	// default, should the failures be so sparse that it would come later.
	warnFirst  = 50
	warnLast   = 90
	warnNotice = 20

	// Long before, its owner is told that it fails: after so long, if there were so many
	// attempts.
	failingAfter    = time.Hour
	failingFailures = 3

	// What an owner is told, beside the percents of a warning.
	tellRecovered = -1
	tellFailing   = 1
	tellDisabled  = 100

	// tellPatience is how long a process may take to tell an owner before another one
	// does it: it may have died.
	tellPatience = time.Minute

	// outageAfter is for how long all attempts must fail until that counts as an
	// outage of the receiver's, even if there were few of them.
	outageAfter = 30 * time.Minute

	// successEvery is how much older than the last success the one noted may be.
	successEvery = time.Hour
)

// failing reports whether the webhook failed so often that only probes are
// made.
func (h *Health) failing() bool { return h.Failures >= holdAfter }

// untold returns what the owner is to be told and may not have been: the process that
// was to do it may have died. 0 is nothing.
func (h *Health) untold() int {
	if h.Telling == 0 && h.AutoDisabled && h.Warned < tellDisabled {
		return tellDisabled
	}
	return h.Telling
}

// takeTelling notes that this process tells the owner something, and returns what: 0 if
// another process does. Stored by compare and set, it lets one process tell.
func (h *Health) takeTelling(tell int) int {
	at := now()
	if tell == 0 || tell == h.Telling && at.Sub(h.TellingAt) < tellPatience {
		return 0
	}
	h.Telling, h.TellingAt = tell, at
	return tell
}

// told notes that the owner was told of tell when the health was as says. If h has
// changed since, told keeps what is newer. It reports whether it changed h.
func (h *Health) told(tell int, as *Health) (changed bool) {
	if h.Telling == tell && h.TellingAt.Equal(as.TellingAt) {
		h.Telling, h.TellingAt = 0, time.Time{}
		changed = true
	}
	if h.Since.Equal(as.Since) && h.AutoDisabled == as.AutoDisabled && h.Warned < tell {
		h.Warned, h.WarnedAt = tell, now()
		changed = true
	}
	return changed
}

// noteSuccess notes a success of a webhook that does well. The write of its tallies
// calls it, so that no success costs a write of its own.
func (h *Health) noteSuccess(at time.Time) {
	if h.Failures == 0 && at.Sub(h.Success) >= successEvery {
		h.Success = at
	}
}

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

// apply changes w by an observation of its receiver, and reports whether w has
// changed.
func (w *Webhook) apply(s observation) (changed bool) {
	h := &w.Health
	switch {
	case s.success.IsZero():
	case h.Failures > 0 && !s.success.Before(h.Since):
		if h.failing() {
			w.HeldUntil = time.Time{}
		}
		if h.failing() || s.success.Sub(h.Since) >= outageAfter {
			w.OpenSince = s.success
		}
		ownerKnows := h.Warned > 0 || h.Telling > 0
		if *h = (Health{Success: s.success}); ownerKnows {
			h.Telling = tellRecovered
		}
		changed = true
	case s.success.Sub(h.Success) >= successEvery:
		h.Success = s.success
		changed = true
	}
	if s.hold.Sub(w.HeldUntil) >= time.Second {
		w.HeldUntil = s.hold
		changed = true
	}
	if s.failures == 0 || s.last.Before(h.Success) { // another attempt succeeded after the failures
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
	case held && s.probed: // this hold replaces that of holdForProbe
		h.Probes++
		w.HeldUntil = latest(s.hold, s.last.Add(probeDelay(h.Probes)))
	case !held && h.failing():
		w.HeldUntil = latest(w.HeldUntil, s.last.Add(probeFirst))
	}
	return true
}

// disableProgress returns how close a webhook is to being disabled, in percent: the least
// share that it has reached of any condition.
func (h *Health) disableProgress(after time.Duration) int {
	if after < 0 || h.Failures == 0 {
		return 0
	}
	share := min(
		float64(h.Last.Sub(h.Since))/float64(after),
		float64(h.Failures)/disableFailures,
		float64(h.Hours)/disableHours,
	)
	return int(100 * min(share, 1))
}

// evaluate disables w if it has failed for long enough and its owner was
// warned in time, where anybody is there to warn them. It returns what to tell
// the owner: the percents of a warning, one of the constants, or 0.
func (w *Webhook) evaluate(after time.Duration, hooks *Hooks) (tell int) {
	h := &w.Health
	gone := h.disableProgress(after)
	warns := hooks.Warned != nil
	warned := !warns || h.Warned >= warnLast && h.Last.Sub(h.WarnedAt) >= after/warnNotice
	switch {
	case gone == 100 && warned:
		w.autoDisable(fmt.Sprintf("All attempts have failed since %s. %s", h.Since.Format("2 January 2006"), h.Reason))
		return tellDisabled
	case warns && gone >= warnLast && h.Warned < warnLast:
		return warnLast
	case warns && gone >= warnFirst && h.Warned < warnFirst:
		return warnFirst
	case hooks.Failing != nil && h.Warned < tellFailing && h.Failures >= failingFailures && h.Last.Sub(h.Since) >= failingAfter:
		return tellFailing
	case hooks.Recovered != nil && h.Telling == tellRecovered && h.Failures == 0:
		return tellRecovered
	}
	return 0
}

// autoDisable disables w because of what its receiver answers.
func (w *Webhook) autoDisable(reason string) {
	w.Health.AutoDisabled = true
	w.setDisabled(shorten(reason, validtext.MaxBytes), now())
}

// shorten cuts a text to at most so many bytes.
func shorten(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "")
}

// An observation sums up attempts at one webhook: a success, failures in a row, or a
// success and then failures.
type observation struct {
	success     time.Time // the last one; zero: none
	failures    int       // since
	first, last time.Time // of the failures
	reason      string    // of the last one
	hold        time.Time // the receiver wants to be left alone until then
	probed      bool      // one of these attempts was the probe
	revision    int64     // of the webhook that was attempted
	unkept      int       // events that it did not keep while it was disabled
}

func (s *observation) empty() bool { return s.success.IsZero() && s.failures == 0 && s.unkept == 0 }

// add adds a later observation to s. Observations of an earlier revision of the webhook
// do not count any more.
func (s *observation) add(later observation) {
	if later.empty() {
		return
	}
	unkept := s.unkept + later.unkept
	switch {
	case later.revision < s.revision: // of an attempt that began before an edit
		s.unkept = unkept
		return
	case later.revision > s.revision:
		*s = later
		s.unkept = unkept
		return
	}
	later.unkept = unkept
	later.hold = latest(s.hold, later.hold)
	later.probed = later.probed || s.probed
	if later.success.IsZero() {
		later.success = s.success
		if s.failures > 0 {
			later.first = s.first
		}
		if later.failures == 0 {
			later.last, later.reason = s.last, s.reason
		}
		later.failures += s.failures
	}
	*s = later
}
