package webhook

import (
	"context"
	"sync"
	"time"
)

// A sighting is what attempts have shown of a webhook's receiver: a success,
// failures in a row, or a success and then failures.
type sighting struct {
	success     time.Time // the last one; zero: none
	failures    int       // since
	first, last time.Time // of the failures
	reason      string    // of the last one
	hold        time.Time // the receiver wants to be left alone until then
	probed      bool      // one of these attempts was the probe
	revision    int64     // of the webhook that was attempted
	unkept      int       // events that it did not keep while it was off
}

func (s *sighting) empty() bool { return s.success.IsZero() && s.failures == 0 && s.unkept == 0 }

// add takes over what was seen after s.
func (s *sighting) add(later sighting) {
	if later.empty() {
		return
	}
	later.unkept += s.unkept
	if later.revision != s.revision {
		*s = later
		return
	}
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

// seen returns what one attempt has shown.
func (a *answer) seen(t *target, probe bool) sighting {
	at := storeTime(a.Start.Add(a.Duration))
	s := sighting{revision: t.Revision, probed: probe}
	if a.delivered() {
		s.success = at
		return s
	}
	s.failures, s.first, s.last, s.reason = 1, at, at, a.Reason
	if a.hold > 0 {
		s.hold = at.Add(a.hold)
	}
	return s
}

// sightingInterval is how often a process writes what it has seen of one
// webhook, unless it is to be held or its hold to be ended.
const sightingInterval = 10 * time.Second

// sightings gather what attempts show, so that a webhook with thousands of
// attempts a second is written no more often than one with a few: what is new
// is written at once, and what follows it after an interval, together.
type sightings struct {
	mu      sync.Mutex
	byID    map[string]*watch
	closed  bool
	writing sync.WaitGroup
}

// A watch is what was seen of one webhook lately. It ends after an interval in
// which nothing was.
type watch struct {
	write sync.Mutex // held while seen is being stored
	timer *time.Timer

	// Under sightings.mu:
	webhook Webhook
	seen    sighting  // what is not stored yet
	run     int       // failures in a row, as far as is known here
	held    time.Time // when these last became enough to hold it
}

// see notes what an attempt has shown, or that an event was not kept. It
// returns a function if that is to be stored before the webhook's next attempt.
func (d *Dispatcher) see(t *target, s sighting) (store func()) {
	if current := d.registry.latest(t); current.Revision == t.Revision {
		t = current
	}
	ss := &d.sightings
	ss.mu.Lock()
	defer ss.mu.Unlock()
	w := ss.byID[t.ID]
	switch {
	case ss.closed:
		return nil
	case w == nil && s.failures+s.unkept == 0 && t.Health.Failures == 0 && s.success.Sub(t.Health.Success) < successEvery:
		return nil // as always
	case w == nil:
		w = &watch{webhook: t.Webhook, run: t.Health.Failures}
		ss.byID[t.ID] = w
		ss.writing.Go(func() { d.watchOn(w) })
	}
	w.seen.add(s)
	well := !s.success.IsZero()
	urgent := s.probed || well && t.Health.failing() || s.hold.Sub(t.Hold) >= time.Second
	if w.run += s.failures; well {
		w.run = 0
	}
	if w.run >= holdAfter && !t.Health.failing() && time.Since(w.held) >= sightingInterval {
		w.held = time.Now()
		urgent = true
	}
	if !urgent {
		return nil
	}
	return func() { d.storeSeen(w) }
}

// watchOn stores what was seen, now and after each interval in which something
// was.
func (d *Dispatcher) watchOn(w *watch) {
	d.storeSeen(w)
	ss := &d.sightings
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.closed {
		return
	}
	w.timer = time.AfterFunc(sightingInterval, func() {
		ss.mu.Lock()
		defer ss.mu.Unlock()
		switch {
		case ss.closed:
		case w.seen.empty():
			delete(ss.byID, w.webhook.ID)
		default:
			ss.writing.Go(func() { d.watchOn(w) })
		}
	})
}

// storeSeen stores what was seen of a webhook. What could not be stored is
// kept for the next time.
func (d *Dispatcher) storeSeen(w *watch) {
	w.write.Lock()
	defer w.write.Unlock()
	ss := &d.sightings
	ss.mu.Lock()
	s := w.seen
	w.seen = sighting{}
	ss.mu.Unlock()
	if s.empty() {
		return
	}
	stored, err := d.noteHealth(w.webhook, s)
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if err != nil {
		d.notify.logError("noting the health of a webhook", err)
		s.add(w.seen)
		w.seen = s
		return
	}
	w.run = w.seen.failures
	if w.seen.success.IsZero() {
		w.run += stored.Health.Failures
	}
}

// close ends the noting.
func (ss *sightings) close() {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.closed = true
	for _, w := range ss.byID {
		if w.timer != nil {
			w.timer.Stop()
		}
	}
}

// endSightings stores what was seen of all webhooks, at the end.
func (d *Dispatcher) endSightings(ctx context.Context) error {
	d.sightings.close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.sightings.writing.Wait()
		for _, w := range d.sightings.byID {
			if d.settling.Err() == nil {
				d.storeSeen(w)
			}
		}
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
