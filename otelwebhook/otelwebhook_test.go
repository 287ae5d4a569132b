package otelwebhook_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
	"github.com/listhook/webhook/otelwebhook"
	"github.com/listhook/webhook/webhooktest"
)

// A harness is a Telemetry with what it reported.
type harness struct {
	*otelwebhook.Telemetry
	t      *testing.T
	spans  *tracetest.SpanRecorder
	tracer trace.Tracer
	reader *metric.ManualReader
	store  webhook.Store
}

func newHarness(t *testing.T) *harness {
	r := &harness{t: t, spans: tracetest.NewSpanRecorder(), reader: metric.NewManualReader(), store: &memstore.Store{}}
	traces := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r.spans))
	r.tracer = traces.Tracer("test")
	telemetry, err := otelwebhook.New(&otelwebhook.Options{
		TracerProvider: traces,
		MeterProvider:  metric.NewMeterProvider(metric.WithReader(r.reader)),
		QueueInterval:  5 * time.Millisecond,
	})
	require.NoError(t, err)
	r.Telemetry = telemetry
	return r
}

func (r *harness) dispatcher(receiver *webhooktest.Receiver, own webhook.Hooks) *webhook.Dispatcher {
	d, err := webhook.New(r.store, receiver.Client(), &webhook.Options{
		Hooks: r.Hooks(own), Backoff: webhook.Schedule(time.Millisecond), PollInterval: 5 * time.Millisecond,
	})
	require.NoError(r.t, err)
	r.t.Cleanup(func() { assert.NoError(r.t, d.Shutdown(context.Background())) })
	return d
}

// value returns what a metric has for attributes, or 0.
func (r *harness) value(name string, attributes ...attribute.KeyValue) float64 {
	r.t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(r.t, r.reader.Collect(r.t.Context(), &all))
	want := attribute.NewSet(attributes...)
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != name {
				continue
			}
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					if p.Attributes.Equals(&want) {
						return float64(p.Value)
					}
				}
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					if p.Attributes.Equals(&want) {
						return float64(p.Value)
					}
				}
			case metricdata.Gauge[float64]:
				for _, p := range data.DataPoints {
					if p.Attributes.Equals(&want) {
						return p.Value
					}
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					if p.Attributes.Equals(&want) {
						return float64(p.Count)
					}
				}
			}
		}
	}
	return 0
}

func put(t *testing.T, d *webhook.Dispatcher, receiver *webhooktest.Receiver) webhook.Webhook {
	w, err := d.AddWebhook(t.Context(), webhook.Webhook{Settings: webhook.Settings{
		URL: receiver.URL(), Events: webhook.EventTypes(), Sources: webhook.Sources(),
	}})
	require.NoError(t, err)
	return w
}

func open(id string) webhook.Open {
	return webhook.Open{
		Meta:       webhook.Meta{ID: id, Source: webhook.SourcePublic},
		Subscriber: webhook.Subscriber{ID: "1", Email: "a@example.com"},
		Campaign:   webhook.Campaign{ID: "3", Name: "News"},
	}
}

var typeOpen = attribute.String("listhook.event.type", "open")

func TestAttemptsAreLinkedToTheEmitOfAnotherProcess(t *testing.T) {
	r := newHarness(t)
	receiver := webhooktest.NewReceiver(t, &webhooktest.Options{
		Answer: webhooktest.Sequence(webhooktest.Status(503), webhooktest.Status(200)),
	})
	emitter := r.dispatcher(receiver, webhook.Hooks{})
	w := put(t, emitter, receiver)
	ctx, span := r.tracer.Start(t.Context(), "a subscriber opens")
	require.NoError(t, emitter.Emit(ctx, open("1")))
	span.End()

	other := r.dispatcher(receiver, webhook.Hooks{})
	require.NoError(t, other.Start())
	receiver.Wait(t, 2)
	require.EventuallyWithT(t, func(t *assert.CollectT) { assert.Len(t, r.spans.Ended(), 3) }, 10*time.Second, time.Millisecond)

	for i, attempt := range r.spans.Ended()[1:] {
		assert.Equal(t, "POST", attempt.Name())
		assert.Equal(t, trace.SpanKindClient, attempt.SpanKind())
		assert.False(t, attempt.Parent().IsValid())
		require.Len(t, attempt.Links(), 1)
		assert.Equal(t, span.SpanContext().TraceID(), attempt.Links()[0].SpanContext.TraceID())
		assert.Equal(t, span.SpanContext().SpanID(), attempt.Links()[0].SpanContext.SpanID())
		is := attempt.Attributes()
		assert.Contains(t, is, attribute.String("http.request.method", "POST"))
		assert.Contains(t, is, attribute.String("listhook.webhook.id", w.ID))
		assert.Contains(t, is, typeOpen)
		for _, a := range is {
			assert.NotContains(t, a.Value.String(), receiver.URL(), "URLs are secrets")
		}
		if i == 0 {
			assert.Equal(t, codes.Error, attempt.Status().Code)
			assert.Contains(t, is, attribute.Int("http.response.status_code", 503))
			assert.Contains(t, is, attribute.String("error.type", "503"))
		} else {
			assert.Equal(t, codes.Unset, attempt.Status().Code)
			assert.Contains(t, is, attribute.Int("http.request.resend_count", 1))
		}
	}
}

func TestWithoutATraceOfTheCallersNothingIsKept(t *testing.T) {
	r := newHarness(t)
	h := r.Hooks(webhook.Hooks{})
	assert.Nil(t, h.Carrier(t.Context()))
	h = r.Hooks(webhook.Hooks{Carrier: func(context.Context) map[string]string { return map[string]string{"a": "b"} }})
	ctx, span := r.tracer.Start(t.Context(), "x")
	defer span.End()
	kept := h.Carrier(ctx)
	assert.Equal(t, "b", kept["a"])
	assert.Contains(t, kept["traceparent"], span.SpanContext().TraceID().String())
}

func TestMetricsOfAttemptsAndOutcomes(t *testing.T) {
	r := newHarness(t)
	receiver := webhooktest.NewReceiver(t, &webhooktest.Options{
		Answer: webhooktest.Sequence(webhooktest.Reset(), webhooktest.Status(599), webhooktest.Status(200)),
	})
	d := r.dispatcher(receiver, webhook.Hooks{})
	put(t, d, receiver)
	require.NoError(t, d.Start())
	for _, id := range []string{"1", "2"} {
		require.NoError(t, d.Emit(t.Context(), open(id)))
		require.Eventually(t, func() bool {
			n, err := d.Count(t.Context(), webhook.DeliveryQuery{All: true, States: []webhook.State{webhook.StatePending}})
			return err == nil && n == 0
		}, 10*time.Second, time.Millisecond)
	}
	require.NoError(t, d.Shutdown(t.Context())) // an outcome is told after it is stored

	post := attribute.String("http.request.method", "POST")
	assert.EqualValues(t, 2, r.value("listhook.deliveries.enqueued", typeOpen))
	assert.EqualValues(t, 1, r.value("http.client.request.duration", post, typeOpen,
		attribute.Int("http.response.status_code", 500), attribute.String("error.type", "500")), "any of nine hundred would be a series")
	assert.EqualValues(t, 1, r.value("http.client.request.duration", post, typeOpen, attribute.String("error.type", "reset")))
	assert.EqualValues(t, 1, r.value("http.client.request.duration", post, typeOpen, attribute.Int("http.response.status_code", 200)))
	assert.EqualValues(t, 1, r.value("listhook.deliveries.changed", typeOpen, attribute.String("listhook.delivery.state", "failed")))
	assert.EqualValues(t, 1, r.value("listhook.deliveries.changed", typeOpen, attribute.String("listhook.delivery.state", "delivered")))
	assert.EqualValues(t, 1, r.value("listhook.deliveries.changed", typeOpen, attribute.String("listhook.delivery.state", "pending")))
}

func TestTheAppsOwnHooksAreCalledAsWell(t *testing.T) {
	r := newHarness(t)
	var called []string
	note := func(name string) { called = append(called, name) }
	type key struct{}
	h := r.Hooks(webhook.Hooks{
		Enqueued: func([]webhook.Delivery) { note("Enqueued") },
		Attempt: func(ctx context.Context, _ webhook.Delivery) (context.Context, func(webhook.Attempt)) {
			note("Attempt")
			return context.WithValue(ctx, key{}, 1), func(webhook.Attempt) { note("ended") }
		},
		Changed:  func(webhook.Delivery) { note("Changed") },
		Lost:     func(webhook.Delivery) { note("Lost") },
		Warned:   func(webhook.Webhook, int) { note("Warned") },
		Disabled: func(webhook.Webhook) { note("Disabled") },
	})
	h.Enqueued([]webhook.Delivery{{}})
	ctx, ended := h.Attempt(t.Context(), webhook.Delivery{})
	assert.Equal(t, 1, ctx.Value(key{}))
	assert.True(t, trace.SpanContextFromContext(ctx).IsValid())
	ended(webhook.Attempt{Status: 200})
	h.Changed(webhook.Delivery{State: webhook.StateFailed})
	h.Lost(webhook.Delivery{})
	h.Warned(webhook.Webhook{}, 50)
	h.Disabled(webhook.Webhook{})
	assert.Equal(t, []string{"Enqueued", "Attempt", "ended", "Changed", "Lost", "Warned", "Disabled"}, called)
	assert.EqualValues(t, 1, r.value("listhook.leases.lost"))
	assert.EqualValues(t, 1, r.value("listhook.webhooks.warned", attribute.Int("listhook.warning.percent", 50)))
	assert.EqualValues(t, 1, r.value("listhook.webhooks.disabled"))

	assert.Nil(t, r.Hooks(webhook.Hooks{}).Warned, "a Dispatcher with this hook disables only who was warned")
	h = r.Hooks(webhook.Hooks{Attempt: func(context.Context, webhook.Delivery) (context.Context, func(webhook.Attempt)) { return nil, nil }})
	ctx, ended = h.Attempt(t.Context(), webhook.Delivery{})
	assert.NotNil(t, ctx)
	ended(webhook.Attempt{Status: 200})
}

// failing is a store of which one call fails.
type failing struct {
	webhook.Store
	err error
}

func (f *failing) Count(ctx context.Context, q webhook.DeliveryQuery) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return f.Store.Count(ctx, q)
}

func TestObserve(t *testing.T) {
	r := newHarness(t)
	receiver := webhooktest.NewReceiver(t, &webhooktest.Options{Answer: webhooktest.Hang()})
	emitter := r.dispatcher(receiver, webhook.Hooks{})
	put(t, emitter, receiver)
	for _, id := range []string{"1", "2", "3", "4", "5", "6"} {
		require.NoError(t, emitter.Emit(t.Context(), open(id)))
	}
	// An urgent one is due a year before it happened.
	require.NoError(t, emitter.Emit(t.Context(), webhook.Unsubscribe{
		Meta: webhook.Meta{Source: webhook.SourcePublic}, Subscriber: webhook.Subscriber{ID: "1", Email: "a@example.com"},
	}))

	idle := newHarness(t)
	stopIdle, err := idle.Observe(emitter)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return idle.value("listhook.queue.due") == 7 }, 10*time.Second, time.Millisecond)
	assert.EqualValues(t, 7, idle.value("listhook.queue.pending"))
	time.Sleep(20 * time.Millisecond)
	age := idle.value("listhook.queue.age")
	assert.Greater(t, age, 0.0)
	assert.Less(t, age, 3600.0)
	assert.EqualValues(t, 0, idle.value("listhook.ready"), "it only emits")
	require.NoError(t, stopIdle())

	d, err := webhook.New(r.store, receiver.Client(), &webhook.Options{Timeout: time.Minute})
	require.NoError(t, err)
	require.NoError(t, d.Start())
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = d.Shutdown(ctx)
	})
	stop, err := r.Observe(d)
	require.NoError(t, err)
	fast, slow := attribute.String("listhook.attempt.speed", "fast"), attribute.String("listhook.attempt.speed", "slow")
	require.Eventually(t, func() bool { return r.value("listhook.attempts.active", slow) == 4 }, 10*time.Second, time.Millisecond)
	assert.EqualValues(t, 0, r.value("listhook.attempts.active", fast))
	assert.EqualValues(t, 1, r.value("listhook.ready"))
	require.Eventually(t, func() bool {
		return r.value("listhook.queues", attribute.Int("listhook.queue.limit", 1)) == 1
	}, 10*time.Second, time.Millisecond, "the queue of a receiver that hangs is narrow")
	assert.EqualValues(t, 7, r.value("listhook.queue.pending"))
	require.NoError(t, stop())
	assert.EqualValues(t, 0, r.value("listhook.queue.pending"), "nothing is reported any more")
}

func TestAPausedWebhookIsNoQueue(t *testing.T) {
	r := newHarness(t)
	receiver := webhooktest.NewReceiver(t, nil)
	d := r.dispatcher(receiver, webhook.Hooks{})
	w := put(t, d, receiver)
	w.Disabled, w.KeepEvents = "Moving house.", true
	w, err := d.UpdateWebhook(t.Context(), w)
	require.NoError(t, err)
	for _, id := range []string{"1", "2", "3"} {
		require.NoError(t, d.Emit(t.Context(), open(id)))
	}
	stop, err := r.Observe(d)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return r.value("listhook.queue.parked") == 3 }, 10*time.Second, time.Millisecond)
	assert.Zero(t, r.value("listhook.queue.pending"))
	assert.Zero(t, r.value("listhook.queue.due"))
	assert.Zero(t, r.value("listhook.queue.age"))

	w.Disabled = ""
	_, err = d.UpdateWebhook(t.Context(), w)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return r.value("listhook.queue.due") == 3 }, 10*time.Second, time.Millisecond)
	assert.Zero(t, r.value("listhook.queue.parked"))
	require.NoError(t, stop())
}

func TestWhileTheStoreIsDownTheQueueIsAGap(t *testing.T) {
	r := newHarness(t)
	store := &failing{Store: r.store, err: errors.New("down")}
	r.store = store
	receiver := webhooktest.NewReceiver(t, nil)
	d := r.dispatcher(receiver, webhook.Hooks{})
	stop, err := r.Observe(d)
	require.NoError(t, err)
	defer func() { assert.NoError(t, stop()) }()
	time.Sleep(20 * time.Millisecond)
	var all metricdata.ResourceMetrics
	require.NoError(t, r.reader.Collect(t.Context(), &all))
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			assert.NotContains(t, m.Name, "listhook.queue.")
		}
	}
}

func TestAPanicOfTheAppsHooksLosesNothing(t *testing.T) {
	r := newHarness(t)
	receiver := webhooktest.NewReceiver(t, &webhooktest.Options{
		Answer: webhooktest.Sequence(webhooktest.Status(503), webhooktest.Status(200), webhooktest.Status(410)),
	})
	d := r.dispatcher(receiver, webhook.Hooks{
		Carrier:  func(context.Context) map[string]string { panic("Carrier") },
		Enqueued: func([]webhook.Delivery) { panic("Enqueued") },
		Attempt:  func(context.Context, webhook.Delivery) (context.Context, func(webhook.Attempt)) { panic("Attempt") },
		Changed:  func(webhook.Delivery) { panic("Changed") },
		Disabled: func(webhook.Webhook) { panic("Disabled") },
	})
	w := put(t, d, receiver)
	require.NoError(t, d.Start())
	ctx, span := r.tracer.Start(t.Context(), "a subscriber opens")
	for _, id := range []string{"1", "2"} {
		require.NoError(t, d.Emit(ctx, open(id)))
		require.Eventually(t, func() bool {
			n, err := d.Count(t.Context(), webhook.DeliveryQuery{All: true, States: []webhook.State{webhook.StatePending}})
			return err == nil && n == 0
		}, 10*time.Second, time.Millisecond)
	}
	span.End()
	require.EventuallyWithT(t, func(t *assert.CollectT) { assert.Len(t, r.spans.Ended(), 4) }, 10*time.Second, time.Millisecond)
	attempts := 0
	for _, s := range r.spans.Ended() {
		if s.Name() != "POST" {
			continue
		}
		attempts++
		require.Len(t, s.Links(), 1, "the trace context was kept")
		assert.Equal(t, span.SpanContext().TraceID(), s.Links()[0].SpanContext.TraceID())
	}
	assert.Equal(t, 3, attempts)
	assert.EqualValues(t, 2, r.value("listhook.deliveries.enqueued", typeOpen))
	require.Eventually(t, func() bool { return r.value("listhook.webhooks.disabled") == 1 }, 10*time.Second, time.Millisecond)
	stored, err := d.Webhook(t.Context(), "", w.ID)
	require.NoError(t, err)
	assert.NotEmpty(t, stored.Disabled)

	ended := func(webhook.Attempt) { panic("ended") }
	h := r.Hooks(webhook.Hooks{Attempt: func(ctx context.Context, _ webhook.Delivery) (context.Context, func(webhook.Attempt)) {
		return ctx, ended
	}})
	before := len(r.spans.Ended())
	_, told := h.Attempt(t.Context(), webhook.Delivery{})
	told(webhook.Attempt{Status: 200})
	assert.Len(t, r.spans.Ended(), before+1)
}

func TestTheBufferIsCounted(t *testing.T) {
	r := newHarness(t)
	store := &downStore{Store: r.store}
	r.store = store
	var buffered, dropped int
	own := webhook.Hooks{
		Buffered: func(webhook.Event) { buffered++ },
		Dropped:  func(es []webhook.Event, _ error) { dropped += len(es) },
	}
	d, err := webhook.New(r.store, nil, &webhook.Options{Hooks: r.Hooks(own), Buffer: webhook.BufferOptions{
		Events: 2, Wait: time.Hour, WhenFull: webhook.WhenFullDrop,
	}})
	require.NoError(t, err)
	stop, err := r.Observe(d)
	require.NoError(t, err)
	defer func() { assert.NoError(t, stop()) }()

	for range 2 {
		require.NoError(t, d.EmitBuffered(t.Context(), open("")))
	}
	require.ErrorIs(t, d.EmitBuffered(t.Context(), open("")), webhook.ErrBufferFull)
	assert.EqualValues(t, 2, r.value("listhook.buffer.events"))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, d.Shutdown(ended), context.Canceled)

	assert.EqualValues(t, 2, r.value("listhook.events.buffered", typeOpen))
	assert.EqualValues(t, 1, r.value("listhook.events.dropped", typeOpen, attribute.String("error.type", "full")))
	assert.EqualValues(t, 2, r.value("listhook.events.dropped", typeOpen, attribute.String("error.type", "shutdown")))
	assert.Zero(t, r.value("listhook.buffer.events"))
	assert.Equal(t, []int{2, 3}, []int{buffered, dropped}, "the app's own hooks are called too")
}

// A downStore does not know its webhooks.
type downStore struct{ webhook.Store }

func (*downStore) Webhooks(context.Context, webhook.WebhookQuery) ([]webhook.Webhook, error) {
	return nil, errors.New("the database is down")
}
