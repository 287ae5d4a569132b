package webhook

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// recordInterval is how often a process stores what it has seen of one webhook,
// unless it is to be held or its hold to be ended.
const recordInterval = 10 * time.Second

// A healthRecorder gathers what attempts show of receivers, so that a webhook
// with thousands of attempts a second is written no more often than one with a
// few. It stores a first failure at once, and later observations together after an
// interval. Then it tells the owner of a warning or of the disabling.
type healthRecorder struct {
	opts       *Options
	notify     *notifier
	editor     *editor
	cache      *webhookCache
	background context.Context // of calls of the store
	stopped    func() bool

	mu      sync.Mutex // guards byID and closed, and the fields of a pending that say so
	byID    map[string]*pending
	closed  bool
	writing sync.WaitGroup // goroutines that store; finish waits for them
}

// A pending holds the observations of one webhook that are not stored yet. It ends
// after an interval without an observation.
type pending struct {
	write sync.Mutex // held while an observation is being stored
	timer *time.Timer

	// healthRecorder.mu guards these.
	webhook Webhook
	seen    observation // not stored yet
	run     int         // failures in a row, as far as is known here
	held    time.Time   // when these last became enough to hold it
}

// observe adds an observation. If it must be stored before the webhook's next
// attempt, observe returns the function that stores it, else nil.
func (r *healthRecorder) observe(t *endpoint, s observation) (store func()) {
	if current := r.cache.latest(t); current.Revision == t.Revision {
		t = current
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.byID[t.ID]
	switch {
	case r.closed:
		return nil
	case w == nil && s.failures+s.unkept == 0 && t.Health.Failures == 0:
		return nil // as always: the write of the tallies notes it
	case w == nil:
		w = &pending{webhook: t.Webhook, run: t.Health.Failures}
		r.byID[t.ID] = w
		r.writing.Go(func() { r.record(w) })
	}
	w.seen.add(s)
	well := !s.success.IsZero()
	urgent := s.probed || well && t.Health.failing() || s.hold.Sub(t.HeldUntil) >= time.Second
	if w.run += s.failures; well {
		w.run = 0
	}
	if w.run >= holdAfter && !t.Health.failing() && time.Since(w.held) >= recordInterval {
		w.held = time.Now()
		urgent = true
	}
	if !urgent {
		return nil
	}
	return func() { r.store(w) }
}

// record stores the observations, now and after each interval that has some.
func (r *healthRecorder) record(w *pending) {
	r.store(w)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	w.timer = time.AfterFunc(recordInterval, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		switch {
		case r.closed:
		case w.seen.empty():
			delete(r.byID, w.webhook.ID)
		default:
			r.writing.Go(func() { r.record(w) })
		}
	})
}

// store stores the observations of a webhook. If it fails, the next call stores them.
func (r *healthRecorder) store(w *pending) {
	w.write.Lock()
	defer w.write.Unlock()
	r.mu.Lock()
	s := w.seen
	w.seen = observation{}
	r.mu.Unlock()
	if s.empty() {
		return
	}
	stored, err := r.storeHealth(w.webhook, s)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.notify.logError("noting the health of a webhook", err)
		s.add(w.seen)
		w.seen = s
		return
	}
	w.run = w.seen.failures
	if w.seen.success.IsZero() {
		w.run += stored.Health.Failures
	}
}

// close has observe ignore observations, and stops the timers.
func (r *healthRecorder) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for _, w := range r.byID {
		if w.timer != nil {
			w.timer.Stop()
		}
	}
}

// finish closes the recorder and stores all observations.
func (r *healthRecorder) finish(ctx context.Context) error {
	r.close()
	done := make(chan struct{})
	go func() { // it ends once all is stored, or background has ended
		defer close(done)
		r.writing.Wait()
		for _, w := range r.byID {
			if r.background.Err() == nil {
				r.store(w)
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

// storeHealth stores an observation, tells the owner of the warning that follows or
// that the webhook is disabled, and returns the webhook as stored. It ignores an observation of
// the webhook as it was before an edit.
func (r *healthRecorder) storeHealth(w Webhook, s observation) (Webhook, error) {
	ctx, cancel := r.opts.withStoreTimeout(r.background)
	defer cancel()
	tell := 0
	noted, err := r.editor.update(ctx, w.Account, w.ID, func(stored *Webhook) error {
		tell = 0
		w = *stored
		stored.Discarded += s.unkept
		switch {
		case w.Disabled == "" && w.Revision == s.revision && stored.apply(s):
			tell = stored.Health.takeTelling(stored.evaluate(r.opts.DisableAfter, &r.opts.Hooks))
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
	r.notifyOwner(noted, tell)
	return noted, nil
}

// isGone reports whether the status of an answer disables the webhook. If that was edited
// since the attempt began, another receiver may have answered, and it does not.
func (r *healthRecorder) isGone(status int, t *endpoint) bool {
	if status != http.StatusGone {
		return false
	}
	ctx, cancel := r.opts.withStoreTimeout(r.background)
	defer cancel()
	current, err := r.cache.reread(ctx, t.Account, t.ID)
	return err != nil || current == nil || current.Revision == t.Revision
}

// disable disables a webhook at once because of what its receiver answered.
func (r *healthRecorder) disable(w Webhook, reason string, s observation) {
	w, ok := r.editor.amend("disabling a webhook", w, func(stored *Webhook) bool {
		if stored.Disabled != "" || stored.Revision != s.revision {
			return false
		}
		stored.apply(s)
		stored.autoDisable(reason)
		stored.Health.takeTelling(tellDisabled)
		return true
	})
	if ok {
		r.notifyOwner(w, tellDisabled)
	}
}

// tells reports whether there is a hook for what an owner is to be told.
func (r *healthRecorder) tells(what int) bool { return r.hook(what) != nil }

// hook returns what tells an owner something, or nil.
func (r *healthRecorder) hook(what int) func(Webhook) {
	switch h := r.opts.Hooks; {
	case what == tellRecovered:
		return h.Recovered
	case what == tellFailing:
		return h.Failing
	case what == tellDisabled:
		return h.Disabled
	case what > 0 && h.Warned != nil:
		return func(w Webhook) { h.Warned(w, what) }
	}
	return nil
}

// hookNames are the names of the hooks, for the log.
var hookNames = map[int]string{tellRecovered: "Recovered", tellFailing: "Failing", tellDisabled: "Disabled"}

// notifyOwner calls a hook, and only then notes that it was called: should the
// process die in between, another tells the owner again.
func (r *healthRecorder) notifyOwner(w Webhook, what int) {
	hook := r.hook(what)
	if hook == nil {
		return
	}
	r.notify.safely("Hooks."+cmp.Or(hookNames[what], "Warned"), func() { hook(w) })
	r.editor.amend("noting that an owner was told", w, func(stored *Webhook) bool {
		return stored.Health.told(what, &w.Health)
	})
}

// notifyLater tells the owner of a webhook what a process was to tell that may have
// died. It waits first: that process may just be slow.
func (r *healthRecorder) notifyLater(w Webhook) {
	time.AfterFunc(tellPatience, func() {
		if r.stopped() {
			return
		}
		what, pending := 0, false
		noted, ok := r.editor.amend("telling an owner", w, func(stored *Webhook) bool {
			h := &stored.Health
			what = h.untold()
			pending = what != 0 && r.tells(what)
			what = h.takeTelling(what)
			return what != 0 && pending
		})
		switch {
		case ok:
			r.notifyOwner(noted, what)
		case pending:
			r.notifyLater(w)
		}
	})
}
