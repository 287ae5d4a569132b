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

	taken := map[string][]endpointSlice{}
	for n := -1; n < endpointSlices; n++ { // the first ones warm up
		for i := range endpointModes {
			mode := endpointModes[(i+max(n, 0))%len(endpointModes)]
			s, err := e.slice(ctx, listener.Addr().String(), mode, b.Span/endpointSlices)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", mode, err)
			}
			if n >= 0 {
				taken[mode] = append(taken[mode], s)
			}
		}
	}
	return []row{{Phase: b.Phase, Measures: endpointMeasures(taken)}}, nil
}

// live reports whether the process also delivers.
func (e *endpoint) live() bool { return strings.HasSuffix(e.Phase, "live") }

// An endpointSlice is what a slice of one mode has measured.
type endpointSlice struct {
	rate float64 // requests a second
	cpu  float64 // CPU time of a request, in ms, of this process and the server
}

// endpointMeasures are the rate and the CPU time of the endpoint alone, and for each mode
// its ratios to the slice alone of the same turn: the quartiles of the rates, and the
// median of the requests that the same CPU time serves.
func endpointMeasures(taken map[string][]endpointSlice) measures {
	of := func(mode string, value func(s, alone endpointSlice) float64) (q1, q2, q3 float64) {
		var values []float64
		for i, s := range taken[mode] {
			values = append(values, value(s, taken["alone"][i]))
		}
		return quartiles(values)
	}
	m := measures{}
	_, m["events_per_s"], _ = of("alone", func(s, _ endpointSlice) float64 { return s.rate })
	_, m["cpu_ms_per_event"], _ = of("alone", func(s, _ endpointSlice) float64 { return s.cpu })
	for _, mode := range endpointModes[1:] {
		m[mode+"_q1"], m[mode], m[mode+"_q3"] = of(mode, func(s, alone endpointSlice) float64 { return s.rate / alone.rate })
		_, m[mode+"_cpu"], _ = of(mode, func(s, alone endpointSlice) float64 { return alone.cpu / s.cpu })
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

// slice has all callers ask for a mode, for a time, and then waits until what they left is
// done, whose CPU time counts too.
func (e *endpoint) slice(ctx context.Context, address, mode string, span time.Duration) (s endpointSlice, err error) {
	before, err := e.cpu()
	if err != nil {
		return s, err
	}
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
		return s, err
	}
	if err := e.settle(ctx); err != nil {
		return s, err
	}
	n := float64(answered.Load())
	if n == 0 {
		return s, fmt.Errorf("no request was answered in %s", span)
	}
	after, err := e.cpu()
	return endpointSlice{rate: n / took.Seconds(), cpu: ms(after-before) / n}, err
}

// cpu returns the CPU time that this process and the server have used.
func (e *endpoint) cpu() (time.Duration, error) {
	server, err := e.server.cpu()
	return ownCPU() + server, err
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
