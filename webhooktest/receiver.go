// Package webhooktest receives webhooks in the tests of apps that send them. A
// Receiver is a real server that keeps the requests for the test to look at. It
// misbehaves when told to, as customers' receivers do.
//
//	r := webhooktest.NewReceiver(t, nil)
//	d, err := webhook.New(memstore.New(), r.Client(), nil)
//	// … add a webhook with r.URL(), start d, and let the app do something …
//	got := r.Wait(t, 1)[0].Events[0].(webhook.Subscribe)
package webhooktest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/listhook/webhook"
)

// Options configure a Receiver. The zero value of every field is its default.
type Options struct {
	// Answer is how requests are answered: 200 by default.
	Answer Answer

	// Secrets are those of the webhook: a request that is not signed by one of
	// them is answered 401. By default signatures are not looked at.
	Secrets []webhook.Secret

	// TLS makes the receiver's URL begin with https://, and says what is wrong
	// with it. By default it is http://.
	TLS TLS

	// HTTP2 offers HTTP/2 beside HTTP/1.1, over TLS. The library's own client
	// does not take it up.
	HTTP2 bool

	// Patience is how long Wait and WaitFor wait: 10 s by default.
	Patience time.Duration
}

// A Receiver is an HTTP server on the loopback interface that receives
// webhooks. It is safe for concurrent use.
type Receiver struct {
	opts    Options
	url     string
	client  *http.Client
	server  *http.Server
	parsing *webhook.ReceiveOptions

	closing sync.Once
	closed  chan struct{}
	serving sync.WaitGroup // the accepting goroutine, connections and requests

	mu       sync.Mutex
	answer   Answer
	received []Received
	news     chan struct{}     // closed when something was received
	hijacked map[net.Conn]bool // nil: closed
}

// NewReceiver starts a receiver and closes it when the test ends. opts may be
// nil.
func NewReceiver(t testing.TB, opts *Options) *Receiver {
	t.Helper()
	r := &Receiver{
		opts:     *cmp.Or(opts, &Options{}),
		client:   webhook.NewClient(ClientOptions()),
		closed:   make(chan struct{}),
		news:     make(chan struct{}),
		hijacked: map[net.Conn]bool{},
	}
	r.answer = r.opts.Answer
	r.parsing = &webhook.ReceiveOptions{
		Secrets: r.opts.Secrets, Unsigned: len(r.opts.Secrets) == 0, BodyLimit: bodyLimit,
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("webhooktest: %v", err)
	}
	r.server = &http.Server{
		Handler:     http.HandlerFunc(r.serve),
		ErrorLog:    log.New(io.Discard, "", 0), // errors are intended here
		ConnState:   r.follow,
		ConnContext: countRequests,
		Protocols:   new(http.Protocols),
	}
	r.server.Protocols.SetHTTP1(true)
	scheme := "http"
	if r.opts.TLS != "" {
		scheme = "https"
	}
	r.url = scheme + "://" + listener.Addr().String() + "/webhook"
	if r.opts.TLS != "" && r.opts.TLS != TLSMissing {
		r.server.Protocols.SetHTTP2(r.opts.HTTP2)
		r.server.TLSConfig = r.opts.TLS.config(r.closed)
		r.serving.Go(func() { _ = r.server.ServeTLS(listener, "", "") })
	} else {
		r.serving.Go(func() { _ = r.server.Serve(listener) })
	}
	t.Cleanup(r.Close)
	return r
}

// bodyLimit is far above what an app would send.
const bodyLimit = 64 << 20

// URL returns the URL of a webhook of this receiver.
func (r *Receiver) URL() string { return r.url }

// Client returns a client that may send to this receiver, and to any other of
// the test's: webhook.NewClient(ClientOptions()).
func (r *Receiver) Client() *http.Client { return r.client }

// ClientOptions returns options of a client that may send to receivers: it
// reaches the loopback interface and trusts their certificates.
func ClientOptions() *webhook.ClientOptions {
	return &webhook.ClientOptions{
		AllowHosts: []string{"127.0.0.1"},
		TLS:        &tls.Config{RootCAs: trustedRoots()},
	}
}

// AnswerWith changes how requests are answered from now on.
func (r *Receiver) AnswerWith(a Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = a
}

// Close stops the receiver. It ends every connection, so that nothing hangs any
// longer, and refuses new ones. Received still returns the requests.
func (r *Receiver) Close() {
	r.closing.Do(func() {
		close(r.closed)
		_ = r.server.Close()
		r.mu.Lock()
		for c := range r.hijacked {
			_ = c.Close()
		}
		r.hijacked = nil
		r.mu.Unlock()
	})
	r.serving.Wait()
	r.client.CloseIdleConnections()
}

// follow lets Close wait for connections.
func (r *Receiver) follow(_ net.Conn, s http.ConnState) {
	switch s {
	case http.StateNew:
		r.serving.Add(1)
	case http.StateClosed, http.StateHijacked:
		r.serving.Done()
	}
}

// serve receives one request.
func (r *Receiver) serve(w http.ResponseWriter, req *http.Request) {
	r.serving.Add(1)
	defer r.serving.Done()
	r.mu.Lock()
	a := r.answer.next()
	r.mu.Unlock()
	x := &exchange{Receiver: r, w: w, req: req, nth: nthRequest(req.Context())}
	defer x.end()
	got := Received{Header: req.Header.Clone(), RequestURI: req.RequestURI, At: time.Now()}
	if a.early {
		got.Err = ErrUnread
		r.record(got)
		a.send(x)
		return
	}
	var body bytes.Buffer
	req.Body = io.NopCloser(io.TeeReader(req.Body, &body))
	got.Events, got.Err = webhook.ParseRequest(req, r.parsing)
	_, _ = io.Copy(io.Discard, io.LimitReader(req.Body, bodyLimit)) // the rest of a refused request
	got.Body = body.Bytes()
	req.Body = io.NopCloser(bytes.NewReader(got.Body))
	r.record(got)
	if got.Err != nil {
		http.Error(w, got.Err.Error(), refusal(got.Err))
		return
	}
	a.send(x)
}

// refusal is the answer that ParseRequest advises for its errors.
func refusal(err error) int {
	switch {
	case errors.Is(err, webhook.ErrSignature) || errors.Is(err, webhook.ErrTimestamp):
		return http.StatusUnauthorized
	case errors.Is(err, webhook.ErrTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, webhook.ErrContentType):
		return http.StatusUnsupportedMediaType
	}
	return http.StatusBadRequest
}

// record keeps what was received and tells those who wait.
func (r *Receiver) record(got Received) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.received = append(r.received, got)
	close(r.news)
	r.news = make(chan struct{})
}

type countKey struct{}

// countRequests gives each connection a count of its requests.
func countRequests(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, countKey{}, new(atomic.Int64))
}

// nthRequest returns the number of a request on its connection, from 1.
func nthRequest(ctx context.Context) int64 { return ctx.Value(countKey{}).(*atomic.Int64).Add(1) }
