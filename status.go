package webhook

import (
	"context"
	"errors"
	"time"
)

// A Status describes what a Dispatcher is doing.
type Status struct {
	Attempts int       // under way, but for the slow ones; Options.Concurrency limits them
	Slow     int       // attempts under way for longer than a tenth of a second
	Waiting  int       // deliveries that are held until there is room for an attempt
	Answered time.Time // when the store last carried out a Claim or Apply; zero: not yet
	Queues   []Queue   // by WebhookID; a batch counts as one delivery
	Batched  int       // deliveries in batches, from when they are held until their outcome is stored

	// Outage is why nothing can be sent, when that is a failure of the sender's
	// own, such as a proxy that does not run; "": no such failure is known. It
	// holds no address. Paused is how many webhooks are attempted only now and
	// then, because of such a failure that may concern them alone.
	Outage string
	Paused int

	Buffered int // events that EmitBuffered holds in memory
	Dropped  int // events that EmitBuffered lost since New: see Hooks.Dropped
}

// A Queue says what a Dispatcher holds for a webhook. Status has one for each webhook
// that has attempts under way or more deliveries in the store, that did badly of late,
// or that is not far from its RateLimit.
type Queue struct {
	WebhookID string
	Attempts  int // under way, the slow ones too
	Waiting   int // deliveries that are held until there is room for an attempt
	Limit     int // of Attempts, between 1 and Options.PerWebhook, as it is now

	// RateLimit is how many attempts this process begins in a second at most; 0: there
	// is no limit.
	RateLimit float64
}

// Status returns what the Dispatcher is doing. It asks nothing of the store.
func (d *Dispatcher) Status() Status {
	l := d.limiter.Stats()
	s := Status{Attempts: l.Attempts, Slow: l.Slow, Waiting: l.Waiting}
	for _, q := range l.Queues {
		s.Queues = append(s.Queues, Queue{WebhookID: q.Webhook, Attempts: q.Attempts, Waiting: q.Waiting, Limit: q.Limit, RateLimit: q.Rate})
	}
	s.Batched = d.batcher.status()
	s.Outage, s.Paused = d.outages.status()
	s.Buffered, s.Dropped = d.buffer.status()
	s.Answered = d.heartbeat.lastAnswer()
	return s
}

// Ready returns nil while the Dispatcher delivers, else an error that says why it does
// not: it was not started, it was shut down, the store has not answered for the time of
// three polls (and at least five seconds), the loop that claims deliveries has stopped, or
// nothing can be sent (see Status.Outage). It asks nothing of the store, so you may call
// it as often as you like. A process that only emits is never ready.
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
	return d.heartbeat.ready(max(3*d.idleInterval(), 5*time.Second), d.opts.StoreTimeout)
}

// Backlog counts what is not finished, for metrics. Counting stops at a million.
// It takes as long as counting takes the store, a second for some hundreds of
// thousands of deliveries, so call it every few seconds at most. One count is under way
// at a time: callers who wait for its end share the next one. Where more than a hundred
// webhooks are held, it uses earlier counts for some of them.
func (d *Dispatcher) Backlog(ctx context.Context) (Backlog, error) {
	b, err := d.backlog.count(ctx)
	return b, wrap("Backlog", err)
}
