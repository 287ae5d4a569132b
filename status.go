package webhook

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// A Status is what a Dispatcher is doing at a moment.
type Status struct {
	Attempts int       // under way, but for the slow ones; Options.Concurrency limits them
	Slow     int       // attempts under way for longer than a tenth of a second
	Waiting  int       // deliveries that are held until there is room for an attempt
	Answered time.Time // when the store last carried out a Claim or Apply; zero: not yet
	Lanes    []Lane    // by WebhookID

	// Outage is why nothing can be sent, when that is a failure of the sender's
	// own, such as a proxy that does not run; "": no such failure is known. It
	// holds no address. Paused is how many webhooks are attempted only now and
	// then, because of such a failure that may concern them alone.
	Outage string
	Paused int
}

// A Lane is what a Dispatcher has under way for a webhook that has something
// under way, that has more in the store, or that did badly of late.
type Lane struct {
	WebhookID string
	Attempts  int // under way, the slow ones too
	Waiting   int // deliveries that are held until there is room for an attempt
	Limit     int // of Attempts, between 1 and Options.PerWebhook, as it is now
}

// Status returns what the Dispatcher is doing. It asks nothing of the store.
func (d *Dispatcher) Status() Status {
	l := d.limiter.Stats()
	s := Status{Attempts: l.Attempts, Slow: l.Slow, Waiting: l.Waiting}
	for _, q := range l.Queues {
		s.Lanes = append(s.Lanes, Lane{WebhookID: q.Webhook, Attempts: q.Attempts, Waiting: q.Waiting, Limit: q.Limit})
	}
	s.Outage, s.Paused = d.outages.status()
	d.vitals.mu.Lock()
	defer d.vitals.mu.Unlock()
	s.Answered = d.vitals.answered
	return s
}

// Ready returns nil while the Dispatcher delivers, else an error that says why
// it does not: it was not started, it was shut down, the store has not answered
// for longer than three polls and five seconds, the loop that claims deliveries
// has stopped, or nothing can be sent (see Status.Outage). It asks nothing of the store, so that it may be called
// as often as wanted; a process that only emits is never ready.
func (d *Dispatcher) Ready() error {
	d.mu.Lock()
	started := d.started
	d.mu.Unlock()
	switch {
	case !started:
		return errors.New("webhook: the Dispatcher was not started")
	case d.stopped():
		return errors.New("webhook: the Dispatcher was shut down")
	}
	if outage, _ := d.outages.status(); outage != "" {
		return errors.New("webhook: nothing can be sent: " + outage)
	}
	return d.vitals.ready(max(3*d.opts.PollInterval, 5*time.Second), d.opts.StoreTimeout)
}

// vitals are the signs by which a Dispatcher is known to be at work: the calls
// of Claim and Apply, without which nothing is delivered.
type vitals struct {
	mu       sync.Mutex
	turned   time.Time // when the claim loop last came round
	answered time.Time // when the store last carried out a call
	asked    time.Time // the first call since then; zero: there was none
	err      error     // of the last call that failed since then
}

// turn notes that the claim loop comes round.
func (v *vitals) turn() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.turned = time.Now()
}

// ask calls the store and notes how it went.
func (v *vitals) ask(call func() error) error {
	v.mu.Lock()
	if v.asked.IsZero() {
		v.asked = time.Now()
	}
	v.mu.Unlock()
	err := call()
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		v.err = err
		return err
	}
	v.answered, v.asked, v.err = time.Now(), time.Time{}, nil
	return nil
}

// ready returns an error if something has not happened for longer than
// patience. The claim loop waits for the store, which has a time of its own.
func (v *vitals) ready(patience, storeTimeout time.Duration) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if silent := time.Since(v.asked); !v.asked.IsZero() && silent > patience {
		if v.err != nil {
			return fmt.Errorf("webhook: the store has not answered for %s: %w", silent.Truncate(time.Second), v.err)
		}
		return fmt.Errorf("webhook: the store has not answered for %s", silent.Truncate(time.Second))
	}
	if still := time.Since(v.turned); still > patience+storeTimeout {
		return fmt.Errorf("webhook: nothing has been claimed for %s", still.Truncate(time.Second))
	}
	return nil
}
