package otelwebhook_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
	"github.com/listhook/webhook/otelwebhook"
)

// An app gives its own providers, or sets them globally: otel.SetTracerProvider
// and otel.SetMeterProvider. Here spans go to a recorder, to be looked at.
func Example() {
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer receiver.Close()
	spans := tracetest.NewSpanRecorder()
	traces := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))

	telemetry, err := otelwebhook.New(&otelwebhook.Options{
		TracerProvider: traces,
		MeterProvider:  metric.NewMeterProvider(metric.WithReader(metric.NewManualReader())),
	})
	if err != nil {
		log.Fatal(err)
	}
	attempted := make(chan struct{})
	own := webhook.Hooks{Changed: func(webhook.Delivery) { close(attempted) }}
	hooks, err := webhook.New(&memstore.Store{}, receiver.Client(), &webhook.Options{Hooks: telemetry.Hooks(own)})
	if err != nil {
		log.Fatal(err)
	}
	stop, err := telemetry.Observe(hooks)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = stop() }()

	ctx := context.Background()
	_, err = hooks.AddWebhook(ctx, webhook.Webhook{Settings: webhook.Settings{
		URL: receiver.URL, Events: webhook.EventTypes(), Sources: webhook.Sources(),
	}})
	if err != nil {
		log.Fatal(err)
	}
	if err := hooks.Start(); err != nil {
		log.Fatal(err)
	}
	ctx, request := traces.Tracer("app").Start(ctx, "GET /unsubscribe")
	err = hooks.Emit(ctx, webhook.Unsubscribe{
		Meta:       webhook.Meta{Source: webhook.SourcePublic},
		Subscriber: webhook.Subscriber{ID: "4711", Email: "ann@example.com"},
	})
	request.End()
	if err != nil {
		log.Fatal(err)
	}
	<-attempted
	if err := hooks.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}

	for _, span := range spans.Ended() {
		if len(span.Links()) > 0 {
			fmt.Println(span.Name(), "linked to the span of the emit:", span.Links()[0].SpanContext.SpanID() == request.SpanContext().SpanID())
		}
	}
	// Output: POST linked to the span of the emit: true
}
