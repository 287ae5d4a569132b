package otelwebhook

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/listhook/webhook"
)

// queueTimeout is how long one sample of the store may take.
const queueTimeout = 10 * time.Second

// Observe reports at each collection what d has under way, and the store's queue as
// it was sampled last, at intervals of QueueInterval: collecting waits for no
// database. If several processes share a store, each reports the same queue.
//
// Call stop before d is shut down, or with it. An error is the meter's.
func (t *Telemetry) Observe(d *webhook.Dispatcher) (stop func() error, err error) {
	var errs []error
	gauge := func(name, unit, description string) metric.Int64ObservableGauge {
		g, err := t.meter.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(description))
		errs = append(errs, err)
		return g
	}
	active := gauge("listhook.attempts.active", "{attempt}", "Attempts under way in this process.")
	held := gauge("listhook.deliveries.held", "{delivery}", "Deliveries that this process holds until there is room for an attempt.")
	queues := gauge("listhook.queues", "{webhook}", "Webhooks that this process knows, by the limit of their attempts; 1: slow or failing.")
	ready := gauge("listhook.ready", "{dispatcher}", "1 while this process delivers, else 0.")
	inBuffer := gauge("listhook.buffer.events", "{event}", "Events that this process holds in memory and has yet to store.")
	pending := gauge("listhook.queue.pending", "{delivery}", "Deliveries in the store that are not finished, but for the parked ones.")
	parked := gauge("listhook.queue.parked", "{delivery}", "Deliveries that wait for their webhook, which is held, or is disabled and keeps them.")
	due := gauge("listhook.queue.due", "{delivery}", "Those of them that are due and that no process has claimed.")
	age, err := t.meter.Float64ObservableGauge("listhook.queue.age", metric.WithUnit("s"),
		metric.WithDescription("How long the first of the due deliveries has been due."))
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}

	q := &queue{d: d}
	registration, err := t.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s := d.Status()
		o.ObserveInt64(active, int64(s.Attempts), metric.WithAttributes(speed.String("fast")))
		o.ObserveInt64(active, int64(s.Slow), metric.WithAttributes(speed.String("slow")))
		o.ObserveInt64(held, int64(s.Waiting))
		o.ObserveInt64(inBuffer, int64(s.Buffered))
		byLimit := map[int]int64{1: 0}
		for _, l := range s.Queues {
			byLimit[l.Limit]++
		}
		for n, count := range byLimit {
			o.ObserveInt64(queues, count, metric.WithAttributes(limit.Int(n)))
		}
		isReady := int64(1)
		if d.Ready() != nil {
			isReady = 0
		}
		o.ObserveInt64(ready, isReady)
		if sample, ok := q.last(); ok {
			o.ObserveInt64(pending, int64(sample.Pending))
			o.ObserveInt64(parked, int64(sample.Parked))
			o.ObserveInt64(due, int64(sample.Due))
			o.ObserveFloat64(age, sample.Age.Seconds())
		}
		return nil
	}, active, held, queues, ready, inBuffer, pending, parked, due, age)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var sampling sync.WaitGroup
	if t.interval > 0 {
		sampling.Go(func() { q.sample(ctx, t.interval) })
	}
	return func() error {
		cancel()
		sampling.Wait()
		return registration.Unregister()
	}, nil
}

// A queue samples the backlog of the store.
type queue struct {
	d *webhook.Dispatcher

	mu      sync.Mutex
	current webhook.Backlog
	known   bool
}

// last returns the last sample. It reports false if the store failed then.
func (q *queue) last() (webhook.Backlog, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.current, q.known
}

// sample asks the store at intervals.
func (q *queue) sample(ctx context.Context, interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		s, err := q.ask(ctx)
		q.mu.Lock()
		q.current, q.known = s, err == nil // a gap is better than an old number
		q.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (q *queue) ask(ctx context.Context) (webhook.Backlog, error) {
	ctx, cancel := context.WithTimeout(ctx, queueTimeout)
	defer cancel()
	return q.d.Backlog(ctx)
}
