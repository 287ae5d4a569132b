package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/listhook/webhook"
)

// A transacter is a subject with a database in which the app has rows of its own.
type transacter interface {
	// inTx writes one row of the app's in a transaction, which then, if not nil, may
	// add to before it is committed.
	inTx(ctx context.Context, then func(webhook.Outbox) error) error
}

// The app's table, and one row of it.
const (
	endpointTable = "create table if not exists endpoint_rows (n bigint)"
	endpointRow   = "insert into endpoint_rows (n) values "
)

// endpointSlices is how often each way to emit is measured.
const endpointSlices = 20

// endpointModes are what the endpoint does beside writing its row, in the order in
// which they take turns.
var endpointModes = []string{"alone", "wants", "buffered", "emit", "emittx"}

// An endpoint is an address of an app that writes one row of the app's in a
// transaction, and emits an event in one of several ways.
type endpoint struct {
	*bench
	db     transacter
	hooks  *webhook.Dispatcher
	number atomic.Int64
}

// serve does what a request asks for.
func (e *endpoint) serve(ctx context.Context, mode string) error {
	event := func() webhook.Event {
		o := event{number: int(e.number.Add(1)), at: time.Now()}.open()
		o.Time = time.Time{}
		return o
	}
	if mode == "emittx" {
		return e.db.inTx(ctx, func(tx webhook.Outbox) error { return e.hooks.EmitTx(ctx, tx, event()) })
	}
	if err := e.db.inTx(ctx, nil); err != nil {
		return err
	}
	switch mode {
	case "wants":
		if e.hooks.Wants(ctx, account(0), webhook.TypeClick, webhook.SourcePublic) {
			return fmt.Errorf("somebody wants clicks")
		}
	case "buffered":
		return e.hooks.EmitBuffered(ctx, event())
	case "emit":
		return e.hooks.Emit(ctx, event())
	}
	return nil
}

// runEndpoint measures how many requests an endpoint answers, in slices of all modes by
// turns. What a slice leaves to be stored or delivered is finished before the next.
func runEndpoint(ctx context.Context, b *bench) ([]row, error) {
	e := &endpoint{bench: b, db: b.subject.(transacter), hooks: b.subject.(library).library().dispatcher}
	if e.live() {
		if err := b.subject.start(ctx); err != nil {
			return nil, err
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := e.serve(r.Context(), r.URL.Path[1:]); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})}
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close() }()

	rates := map[string][]float64{}
	for n := -1; n < endpointSlices; n++ { // the first ones warm up
		for i := range endpointModes {
			mode := endpointModes[(i+max(n, 0))%len(endpointModes)]
			rate, err := e.slice(ctx, listener.Addr().String(), mode, b.Span/endpointSlices)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", mode, err)
			}
			if n >= 0 {
				rates[mode] = append(rates[mode], rate)
			}
		}
	}
	return []row{{Phase: b.Phase, Measures: endpointMeasures(rates)}}, nil
}

// live reports whether the process also delivers.
func (e *endpoint) live() bool { return strings.HasSuffix(e.Phase, "live") }

// endpointMeasures are the rate of the endpoint alone, and for each mode the quartiles
// of its ratio to the slice alone of the same turn.
func endpointMeasures(rates map[string][]float64) measures {
	m := measures{}
	_, m["events_per_s"], _ = quartiles(rates["alone"])
	for _, mode := range endpointModes[1:] {
		ratios := make([]float64, len(rates[mode]))
		for i := range ratios {
			ratios[i] = rates[mode][i] / rates["alone"][i]
		}
		m[mode+"_q1"], m[mode], m[mode+"_q3"] = quartiles(ratios)
	}
	return m
}

// quartiles returns the first quartile, the median and the third quartile.
func quartiles(values []float64) (q1, q2, q3 float64) {
	sorted := slices.Sorted(slices.Values(values))
	at := func(p float64) float64 {
		place := p * float64(len(sorted)-1)
		i := int(place)
		if i+1 == len(sorted) {
			return sorted[i]
		}
		return sorted[i] + (place-float64(i))*(sorted[i+1]-sorted[i])
	}
	return at(0.25), at(0.5), at(0.75)
}

// slice has all callers ask for a mode, for a time, and returns how many requests were
// answered in a second.
func (e *endpoint) slice(ctx context.Context, address, mode string, span time.Duration) (rate float64, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var answered atomic.Int64
	var callers sync.WaitGroup
	began := time.Now()
	for range e.Callers {
		callers.Go(func() {
			n, err := ask(ctx, address, mode, began.Add(span))
			answered.Add(int64(n))
			if err != nil {
				cancel(err)
			}
		})
	}
	callers.Wait()
	took := time.Since(began)
	if err := context.Cause(ctx); err != nil {
		return 0, err
	}
	return float64(answered.Load()) / took.Seconds(), e.settle(ctx)
}

// ask sends one request after another on a connection, until a time. It is written by
// hand to cost less than the endpoint.
func ask(ctx context.Context, address, mode string, until time.Time) (n int, err error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(until.Add(time.Minute)); err != nil {
		return 0, err
	}
	request := []byte("GET /" + mode + " HTTP/1.1\r\nHost: app\r\n\r\n")
	answer := bufio.NewReader(conn)
	for time.Now().Before(until) && ctx.Err() == nil {
		if _, err := conn.Write(request); err != nil {
			return n, err
		}
		status, err := answer.ReadString('\n')
		if err != nil {
			return n, err
		}
		if !strings.HasPrefix(status, "HTTP/1.1 204") {
			body, _ := answer.Peek(answer.Buffered())
			return n, fmt.Errorf("the endpoint answered %s %s", strings.TrimSpace(status), body)
		}
		for line := status; strings.TrimSpace(line) != ""; {
			if line, err = answer.ReadString('\n'); err != nil {
				return n, err
			}
		}
		n++
	}
	return n, nil
}

// settle waits until nothing is buffered and, if the process delivers, nothing pending.
func (e *endpoint) settle(ctx context.Context) error {
	for {
		if e.hooks.Status().Buffered == 0 {
			if !e.live() {
				return nil
			}
			backlog, err := e.hooks.Backlog(ctx)
			if err != nil || backlog.Pending == 0 {
				return err
			}
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
