package webhook_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
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
	Form   url.Values
}

func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.got = append(r.got, received{time.Now(), req.URL.String(), req.Header.Clone(), form})
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

// A rig is a running dispatcher with a receiver of the test's.
type rig struct {
	*webhook.Dispatcher
	t        *testing.T
	ctx      context.Context
	store    webhook.Store
	receiver *receiver
}

func newRig(t *testing.T, opts *webhook.Options) *rig {
	r := &rig{t: t, ctx: t.Context(), store: &memstore.Store{}, receiver: &receiver{}}
	r.Dispatcher = r.another(opts)
	return r
}

// another returns one more dispatcher on the same store and receiver.
func (r *rig) another(opts *webhook.Options) *webhook.Dispatcher {
	d, err := webhook.New(r.store, &http.Client{Transport: r.receiver}, opts)
	require.NoError(r.t, err)
	return d
}

func (r *rig) start() *rig {
	require.NoError(r.t, r.Start())
	r.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = r.Shutdown(ctx)
	})
	return r
}

// put adds a webhook for everything, but for what change does to it.
func (r *rig) put(change func(*webhook.Webhook)) webhook.Webhook {
	w := everything()
	if change != nil {
		change(&w)
	}
	w, err := r.PutWebhook(r.ctx, w)
	require.NoError(r.t, err)
	return w
}

func everything() webhook.Webhook {
	return webhook.Webhook{
		Name: "all", URL: "https://receiver.test/hook?key=s3cret",
		Events: webhook.EventTypes(), Sources: webhook.Sources(),
	}
}

func open(id string) webhook.Open {
	return webhook.Open{
		Meta:       webhook.Meta{ID: id, Lists: []string{"12"}, Source: webhook.SourcePublic},
		Subscriber: webhook.Subscriber{ID: "1", Email: "a@example.com", Fields: map[string]string{"7": "test value"}},
		Campaign:   webhook.Campaign{ID: "3", Name: "News"},
	}
}

func (r *rig) emit(events ...webhook.Event) { require.NoError(r.t, r.Emit(r.ctx, events...)) }

// log returns all deliveries, oldest first.
func (r *rig) log() []webhook.Delivery {
	ds, err := r.store.Deliveries(r.ctx, webhook.DeliveryQuery{All: true, Oldest: true})
	require.NoError(r.t, err)
	return ds
}

// bubble runs a test with a clock of its own, in which waiting takes no time.
func bubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }

func TestAnEventReachesItsWebhook(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil).start()
		w := r.put(nil)
		began := time.Now()
		r.emit(open("e1"))
		synctest.Wait()

		got := r.receiver.requests()
		require.Len(t, got, 1)
		assert.Equal(t, began, got[0].At, "the first attempt is at once")
		assert.Equal(t, "test value", got[0].Form.Get("subscriber[fields][7]"))
		assert.Equal(t, "open", got[0].Form.Get("type"))
		assert.Equal(t, "12", got[0].Form.Get("list"))
		assert.Equal(t, "application/x-www-form-urlencoded", got[0].Header.Get("Content-Type"))

		log := r.log()
		require.Len(t, log, 1)
		d := log[0]
		assert.Equal(t, d.ID, got[0].Header.Get("webhook-id"))
		assert.Equal(t, "1", got[0].Header.Get("webhook-attempt"))
		assert.Equal(t, "open", got[0].Header.Get("webhook-event"))
		assert.Equal(t, w.ID, d.WebhookID)
		assert.Equal(t, webhook.StateDelivered, d.State)
		assert.Equal(t, 1, d.Attempts)
		require.Len(t, d.Log, 1)
		assert.Equal(t, 200, d.Log[0].Status)
		assert.Equal(t, "answer", string(d.Log[0].Response))
		assert.Empty(t, d.Log[0].Reason)
	})
}

func TestAFailureIsTriedAgainOnTheSchedule(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil).start()
		r.receiver.set(status(500))
		r.put(nil)
		began := time.Now()
		r.emit(open("e1"))
		time.Sleep(5 * 24 * time.Hour)

		got := r.receiver.requests()
		require.Len(t, got, 10)
		wants := []time.Duration{
			0, 5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
			10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
		}
		last := began
		for i, want := range wants {
			gap := got[i].At.Sub(last)
			last = got[i].At
			assert.InDelta(t, want.Seconds(), gap.Seconds(), 0.1*want.Seconds()+1.2, "before attempt %d", i+1)
			assert.Equal(t, fmt.Sprint(i+1), got[i].Header.Get("webhook-attempt"))
			assert.Equal(t, got[0].Header.Get("webhook-id"), got[i].Header.Get("webhook-id"))
		}
		log := r.log()
		require.Len(t, log, 1)
		assert.Equal(t, webhook.StateFailed, log[0].State)
		assert.Equal(t, 10, log[0].Attempts)
		assert.Len(t, log[0].Log, 10)
	})
}

func TestEmittingTwiceDeliversOncePerWebhook(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, nil).start()
		r.put(nil)
		r.put(nil)
		r.emit(open("same"), open("same"))
		r.emit(open("same"))
		synctest.Wait()
		assert.Len(t, r.receiver.requests(), 2)
		assert.Len(t, r.log(), 2)
	})
}

func TestInvalidEventsAreRefusedWhetherOrNotAnybodyListens(t *testing.T) {
	r := newRig(t, nil)
	bad := open("e1")
	bad.Subscriber.Fields = map[string]string{"a]b": "x"}
	var invalid *webhook.InvalidError
	require.ErrorAs(t, r.Emit(r.ctx, open("e0"), bad), &invalid)
	assert.Contains(t, invalid.Field, "events[1].Subscriber.Fields")
	require.ErrorAs(t, r.Emit(r.ctx, nil), &invalid)
	require.ErrorAs(t, r.Emit(r.ctx, (*webhook.Open)(nil)), &invalid)
}

func TestStartAfterShutdownIsRefused(t *testing.T) {
	r := newRig(t, nil)
	require.NoError(t, r.Start())
	require.Error(t, r.Start())
	require.NoError(t, r.Shutdown(r.ctx))
	require.ErrorIs(t, r.Start(), webhook.ErrClosed)
	require.NoError(t, r.Shutdown(r.ctx))
	require.False(t, errors.Is(r.Emit(r.ctx, open("after")), webhook.ErrClosed))
}
