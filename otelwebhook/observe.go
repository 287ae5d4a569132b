package otelwebhook

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
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
// An app with several databases observes the Dispatcher of each by one Telemetry: what
// they count is added up, the age is the greatest, and listhook.ready is 1 if all of them
// are. While one of the stores does not answer, the queue of none is reported.
//
// Call stop before d is shut down, or with it. An error is the meter's.
func (t *Telemetry) Observe(d *webhook.Dispatcher) (stop func() error, err error) {
	q := &queue{d: d}
	if err := t.add(q); err != nil {
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
		return t.remove(q)
	}, nil
}

// observed are the queues of the Dispatchers that are observed. The meter keeps the last
// value of a gauge, so all of them are reported together.
type observed struct {
	mu           sync.Mutex
	registration metric.Registration // nil: none is observed
	queues       atomic.Pointer[[]*queue]
}

// all returns the queues. It takes no lock, because the meter holds one of its own when
// it reports them.
func (o *observed) all() []*queue {
	if queues := o.queues.Load(); queues != nil {
		return *queues
	}
	return nil
}

func (t *Telemetry) add(q *queue) error {
	t.observed.mu.Lock()
	defer t.observed.mu.Unlock()
	if t.observed.registration == nil {
		registration, err := t.register()
		if err != nil {
			return err
		}
		t.observed.registration = registration
	}
	queues := append(slices.Clone(t.observed.all()), q)
	t.observed.queues.Store(&queues)
	return nil
}

func (t *Telemetry) remove(q *queue) error {
	t.observed.mu.Lock()
	defer t.observed.mu.Unlock()
	queues := slices.DeleteFunc(slices.Clone(t.observed.all()), func(other *queue) bool { return other == q })
	t.observed.queues.Store(&queues)
	if len(queues) > 0 || t.observed.registration == nil {
		return nil
	}
	registration := t.observed.registration
	t.observed.registration = nil
	return registration.Unregister()
}

// register makes the meter report the observed Dispatchers.
func (t *Telemetry) register() (metric.Registration, error) {
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
	return t.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		all := t.observed.all()
		if len(all) == 0 {
			return nil
		}
		sum, isReady := total(all)
		o.ObserveInt64(active, int64(sum.Attempts), metric.WithAttributes(speed.String("fast")))
		o.ObserveInt64(active, int64(sum.Slow), metric.WithAttributes(speed.String("slow")))
		o.ObserveInt64(held, int64(sum.Waiting))
		o.ObserveInt64(inBuffer, int64(sum.Buffered))
		byLimit := map[int]int64{1: 0}
		for _, l := range sum.Queues {
			byLimit[l.Limit]++
		}
		for n, count := range byLimit {
			o.ObserveInt64(queues, count, metric.WithAttributes(limit.Int(n)))
		}
		o.ObserveInt64(ready, isReady)
		if sample, ok := backlog(all); ok {
			o.ObserveInt64(pending, int64(sample.Pending))
			o.ObserveInt64(parked, int64(sample.Parked))
			o.ObserveInt64(due, int64(sample.Due))
			o.ObserveFloat64(age, sample.Age.Seconds())
		}
		return nil
	}, active, held, queues, ready, inBuffer, pending, parked, due, age)
}

// total adds up what the Dispatchers have under way. ready is 1 if all of them deliver.
func total(all []*queue) (sum webhook.Status, ready int64) {
	ready = 1
	for _, q := range all {
		s := q.d.Status()
		sum.Attempts += s.Attempts
		sum.Slow += s.Slow
		sum.Waiting += s.Waiting
		sum.Buffered += s.Buffered
		sum.Queues = append(sum.Queues, s.Queues...)
		if q.d.Ready() != nil {
			ready = 0
		}
	}
	return sum, ready
}

// backlog adds up the last samples. It reports false if one is not known.
func backlog(all []*queue) (sum webhook.Backlog, known bool) {
	for _, q := range all {
		b, ok := q.last()
		if !ok {
			return webhook.Backlog{}, false
		}
		sum.Pending += b.Pending
		sum.Due += b.Due
		sum.Parked += b.Parked
		sum.Age = max(sum.Age, b.Age)
	}
	return sum, true
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
