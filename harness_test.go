package webhook_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// A receiver is a transport that answers by itself, so that days of retries
// run in a bubble of synctest. answer may block until the request's context is
// done.
type receiver struct {
	answer func(*http.Request) (*http.Response, error)

	mu   sync.Mutex
	got  []received
	busy int
	peak int
}

type received struct {
	At     time.Time
	URL    string
	Header http.Header
	Body   []byte
	Form   url.Values // of a body that is one
}

func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	var form url.Values
	if req.Header.Get("Content-Type") != "application/json" {
		if form, err = url.ParseQuery(string(body)); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	r.got = append(r.got, received{time.Now(), req.URL.String(), req.Header.Clone(), body, form})
	r.busy++
	r.peak = max(r.peak, r.busy)
	answer := r.answer
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.busy--
	}()
	if answer == nil {
		return status(200)(req)
	}
	return answer(req)
}

func (r *receiver) requests() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received(nil), r.got...)
}

func (r *receiver) set(answer func(*http.Request) (*http.Response, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

// status answers with a code, and header fields in pairs.
func status(code int, header ...string) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) {
		h := http.Header{}
		for i := 0; i+1 < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{
			StatusCode: code, Header: h, Request: req,
			Body: io.NopCloser(bytes.NewReader([]byte("answer"))),
		}, nil
	}
}

// hang answers when the request is given up.
func hang(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
}

// A harness is a Dispatcher with a receiver of the test's.
type harness struct {
	*webhook.Dispatcher
	t        *testing.T
	ctx      context.Context
	store    webhook.Store
	receiver *receiver
}

// rarely returns the options of a Dispatcher that polls once a minute, for tests of days.
func rarely() *webhook.Options { return &webhook.Options{PollInterval: time.Minute} }

func newHarness(t *testing.T, opts *webhook.Options) *harness {
	return newHarnessOn(t, &memstore.Store{}, opts)
}

// newHarnessOn is newHarness on a store of the test's own.
func newHarnessOn(t *testing.T, store webhook.Store, opts *webhook.Options) *harness {
	r := &harness{t: t, ctx: t.Context(), store: store, receiver: &receiver{}}
	r.Dispatcher = r.another(opts)
	return r
}

// another returns one more dispatcher on the same store and receiver.
func (r *harness) another(opts *webhook.Options) *webhook.Dispatcher {
	d, err := webhook.New(r.store, &http.Client{Transport: r.receiver}, opts)
	require.NoError(r.t, err)
	return d
}

func (r *harness) start() *harness {
	require.NoError(r.t, r.Start())
	r.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = r.Shutdown(ctx)
	})
	return r
}

// put adds a webhook for everything, but for what change does to it.
func (r *harness) put(change func(*webhook.Webhook)) webhook.Webhook {
	w := everything()
	if change != nil {
		change(&w)
	}
	w, err := r.AddWebhook(r.ctx, w)
	require.NoError(r.t, err)
	return w
}

func everything() webhook.Webhook {
	return webhook.Webhook{Settings: webhook.Settings{
		Name: "all", URL: "https://receiver.test/hook?key=s3cret",
		Events: webhook.EventTypes(), Sources: webhook.Sources(),
	}}
}

func open(id string) webhook.Open {
	return webhook.Open{
		Meta:       webhook.Meta{ID: id, Lists: []string{"12"}, Source: webhook.SourcePublic},
		Subscriber: webhook.Subscriber{ID: "1", Email: "a@example.com", Fields: map[string]string{"7": "test value"}},
		Campaign:   webhook.Campaign{ID: "3", Name: "News"},
	}
}

func (r *harness) emit(events ...webhook.Event) { require.NoError(r.t, r.Emit(r.ctx, events...)) }

// log returns all deliveries, oldest first.
func (r *harness) log() []webhook.Delivery {
	ds, err := r.store.Deliveries(r.ctx, webhook.DeliveryQuery{All: true, Oldest: true})
	require.NoError(r.t, err)
	return ds
}

// bubble runs a test with a clock of its own, in which waiting takes no time.
func bubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }
