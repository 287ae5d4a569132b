// Package otelwebhook tells OpenTelemetry what a webhook.Dispatcher does: a
// span for each attempt, linked to the one in which the event was emitted, and
// metrics of attempts, outcomes and queues.
//
//	telemetry, err := otelwebhook.New(nil)
//	hooks, err := webhook.New(store, nil, &webhook.Options{Hooks: telemetry.Hooks(webhook.Hooks{})})
//	stop, err := telemetry.Observe(hooks)
//
// No URL, host, address, account or text of a receiver's becomes an attribute. They
// are customers' data, and there are too many of them for metrics. docs/telemetry.md
// lists the metrics, with alert rules and a dashboard for Prometheus.
package otelwebhook

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// scope is the name of the instrumentation.
const scope = "github.com/listhook/webhook/otelwebhook"

// Options configure a Telemetry. The zero value of every field is its default.
type Options struct {
	// TracerProvider makes the spans: otel.GetTracerProvider by default.
	TracerProvider trace.TracerProvider

	// MeterProvider makes the metrics: otel.GetMeterProvider by default.
	MeterProvider metric.MeterProvider

	// Propagator writes the caller's trace context into a delivery's Carrier, and
	// reads it from there: propagation.TraceContext by default. Baggage would be
	// stored for as long as the delivery.
	Propagator propagation.TextMapPropagator

	// QueueInterval is how often Observe asks the store how much is due: every
	// 15 s by default. Counting hundreds of thousands takes a database half a
	// second. Negative: never.
	QueueInterval time.Duration

	// Logger gets the panics of the app's own hooks: slog.Default() by default.
	Logger *slog.Logger
}

// Telemetry is what a Dispatcher reports to, or several of one process.
type Telemetry struct {
	tracer     trace.Tracer
	meter      metric.Meter
	propagator propagation.TextMapPropagator
	interval   time.Duration
	logger     *slog.Logger
	observed   observed
	instruments
}

// New returns a Telemetry. opts may be nil. An error is the meter's.
func New(opts *Options) (*Telemetry, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.TracerProvider == nil {
		o.TracerProvider = otel.GetTracerProvider()
	}
	if o.MeterProvider == nil {
		o.MeterProvider = otel.GetMeterProvider()
	}
	if o.Propagator == nil {
		o.Propagator = propagation.TraceContext{}
	}
	if o.QueueInterval == 0 {
		o.QueueInterval = 15 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	t := &Telemetry{
		tracer:     o.TracerProvider.Tracer(scope),
		meter:      o.MeterProvider.Meter(scope),
		propagator: o.Propagator,
		interval:   o.QueueInterval,
		logger:     o.Logger,
	}
	return t, t.make(t.meter)
}

// instruments are those of the hooks.
type instruments struct {
	duration                 metric.Float64Histogram
	enqueued, outcomes, lost metric.Int64Counter
	warnings, disabled       metric.Int64Counter
	buffered, dropped        metric.Int64Counter
}

// make makes them.
func (i *instruments) make(m metric.Meter) error {
	var errs []error
	counter := func(name, unit, description string) metric.Int64Counter {
		c, err := m.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(description))
		errs = append(errs, err)
		return c
	}
	var err error
	i.duration, err = m.Float64Histogram("http.client.request.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of attempts, to the end of the answer's body."),
		// Those of the semantic conventions for HTTP.
		metric.WithExplicitBucketBoundaries(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10))
	errs = append(errs, err)
	i.enqueued = counter("listhook.deliveries.enqueued", "{delivery}", "Deliveries that Emit made durable.")
	i.buffered = counter("listhook.events.buffered", "{event}", "Events that EmitBuffered took into its buffer.")
	i.dropped = counter("listhook.events.dropped", "{event}", "Events that EmitBuffered lost.")
	i.outcomes = counter("listhook.deliveries.changed", "{delivery}", "Outcomes that were stored; pending: there will be another attempt.")
	i.lost = counter("listhook.leases.lost", "{delivery}", "Outcomes that were not stored because somebody else had taken over the delivery.")
	i.warnings = counter("listhook.webhooks.warned", "{webhook}", "Warnings that a webhook is about to be disabled.")
	i.disabled = counter("listhook.webhooks.disabled", "{webhook}", "Webhooks disabled because of what their receivers answered.")
	if err := errors.Join(errs...); err != nil {
		return err
	}
	// Rare counters begin with 0. Otherwise the first lost lease would be a series
	// that begins with 1, and Prometheus would see no increase.
	i.lost.Add(context.Background(), 0)
	i.disabled.Add(context.Background(), 0)
	return nil
}
