package otelwebhook

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/listhook/webhook"
)

// Attributes. Those of HTTP are OpenTelemetry's semantic conventions'.
const (
	method      = attribute.Key("http.request.method")
	statusCode  = attribute.Key("http.response.status_code")
	resendCount = attribute.Key("http.request.resend_count")
	errorType   = attribute.Key("error.type")

	eventType  = attribute.Key("listhook.event.type")
	deliveryID = attribute.Key("listhook.delivery.id")
	webhookID  = attribute.Key("listhook.webhook.id")
	state      = attribute.Key("listhook.delivery.state")
	percentage = attribute.Key("listhook.warning.percent")
	limit      = attribute.Key("listhook.queue.limit")
	speed      = attribute.Key("listhook.attempt.speed")
)

// Hooks returns hooks for webhook.Options. They report, and also call those of own. A
// panic in one of own is logged, and everything is reported all the same.
func (t *Telemetry) Hooks(own webhook.Hooks) webhook.Hooks {
	h := own
	h.Carrier = func(ctx context.Context) map[string]string {
		return t.carrier(ctx, own.Carrier)
	}
	h.Attempt = func(ctx context.Context, d webhook.Delivery) (context.Context, func(webhook.Attempt)) {
		ctx, ended := t.attempt(ctx, d)
		if own.Attempt == nil {
			return ctx, ended
		}
		var ownEnded func(webhook.Attempt)
		t.safely("Attempt", func() {
			ownCtx, f := own.Attempt(ctx, d)
			if ownCtx != nil {
				ctx = ownCtx
			}
			ownEnded = f
		})
		return ctx, func(a webhook.Attempt) {
			if ownEnded != nil {
				t.safely("Attempt", func() { ownEnded(a) })
			}
			ended(a)
		}
	}
	h.Enqueued = func(ds []webhook.Delivery) {
		for _, d := range ds {
			t.enqueued.Add(context.Background(), 1, metric.WithAttributes(eventType.String(string(d.Type))))
		}
		if own.Enqueued != nil {
			t.safely("Enqueued", func() { own.Enqueued(ds) })
		}
	}
	h.Buffered = func(e webhook.Event) {
		t.buffered.Add(context.Background(), 1, metric.WithAttributes(eventType.String(string(e.Type()))))
		if own.Buffered != nil {
			t.safely("Buffered", func() { own.Buffered(e) })
		}
	}
	h.Dropped = func(es []webhook.Event, err error) {
		for _, e := range es {
			t.dropped.Add(context.Background(), 1, metric.WithAttributes(
				eventType.String(string(e.Type())), errorType.String(whyDropped(err))))
		}
		if own.Dropped != nil {
			t.safely("Dropped", func() { own.Dropped(es, err) })
		}
	}
	h.Changed = func(d webhook.Delivery) {
		t.outcomes.Add(context.Background(), 1, metric.WithAttributes(
			eventType.String(string(d.Type)), state.String(string(d.State))))
		if own.Changed != nil {
			t.safely("Changed", func() { own.Changed(d) })
		}
	}
	h.Lost = func(d webhook.Delivery) {
		t.lost.Add(context.Background(), 1)
		if own.Lost != nil {
			t.safely("Lost", func() { own.Lost(d) })
		}
	}
	// A Dispatcher without the hook Warned disables webhooks without a warning. An
	// app that has no such hook must keep that.
	if own.Warned != nil {
		h.Warned = func(w webhook.Webhook, percent int) {
			t.warnings.Add(context.Background(), 1, metric.WithAttributes(percentage.Int(percent)))
			t.safely("Warned", func() { own.Warned(w, percent) })
		}
	}
	h.Disabled = func(w webhook.Webhook) {
		t.disabled.Add(context.Background(), 1)
		if own.Disabled != nil {
			t.safely("Disabled", func() { own.Disabled(w) })
		}
	}
	return h
}

// whyDropped returns in a word why EmitBuffered lost events.
func whyDropped(err error) string {
	switch {
	case errors.Is(err, webhook.ErrBufferFull):
		return "full"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "shutdown"
	}
	return "refused"
}

// safely calls a hook of the app's and survives its panic.
func (t *Telemetry) safely(name string, call func()) {
	defer func() {
		if p := recover(); p != nil {
			t.logger.Error("otelwebhook: Hooks."+name+" panicked", "panic", fmt.Sprint(p))
		}
	}()
	call()
}

// carrier returns the carrier of a delivery: the app's own, with the caller's trace
// context.
func (t *Telemetry) carrier(ctx context.Context, own func(context.Context) map[string]string) map[string]string {
	kept := map[string]string{}
	if own != nil {
		t.safely("Carrier", func() { maps.Copy(kept, own(ctx)) })
	}
	if trace.SpanContextFromContext(ctx).IsValid() {
		t.propagator.Inject(ctx, propagation.MapCarrier(kept))
	}
	if len(kept) == 0 {
		return nil
	}
	return kept
}

// attempt begins the span of an attempt. It is a trace of its own, linked to that of
// the emit: hours may lie between the two, and one emit may have a million attempts.
func (t *Telemetry) attempt(ctx context.Context, d webhook.Delivery) (context.Context, func(webhook.Attempt)) {
	attributes := []attribute.KeyValue{
		method.String(http.MethodPost), eventType.String(string(d.Type)),
		deliveryID.String(d.ID), webhookID.String(d.WebhookID),
	}
	if d.Attempts > 0 {
		attributes = append(attributes, resendCount.Int(d.Attempts))
	}
	options := []trace.SpanStartOption{
		trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...),
	}
	emitted := trace.SpanContextFromContext(t.propagator.Extract(context.Background(), propagation.MapCarrier(d.Carrier)))
	if emitted.IsValid() {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: emitted}))
	}
	ctx, span := t.tracer.Start(ctx, http.MethodPost, options...)
	return ctx, func(a webhook.Attempt) {
		about := []attribute.KeyValue{method.String(http.MethodPost), eventType.String(string(d.Type))}
		if a.Status != 0 {
			about = append(about, statusCode.Int(a.Status))
			span.SetAttributes(statusCode.Int(a.Status))
		}
		if failure := a.Failure(); failure != "" {
			about = append(about, errorType.String(failure))
			span.SetAttributes(errorType.String(failure))
			span.SetStatus(codes.Error, "")
		}
		t.duration.Record(ctx, a.Duration.Seconds(), metric.WithAttributes(known(about)...))
		span.End()
	}
}

// known replaces a status that no standard names, since receivers could answer 900
// different ones.
func known(attributes []attribute.KeyValue) []attribute.KeyValue {
	for i, a := range attributes {
		switch {
		case a.Key == statusCode && http.StatusText(int(a.Value.AsInt64())) == "":
			attributes[i] = statusCode.Int(int(a.Value.AsInt64()) / 100 * 100)
		case a.Key == errorType:
			if code, err := strconv.Atoi(a.Value.AsString()); err == nil && http.StatusText(code) == "" {
				attributes[i] = errorType.String(strconv.Itoa(code / 100 * 100))
			}
		}
	}
	return attributes
}
