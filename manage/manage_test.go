package manage

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// A harness is a handler on a dispatcher that is not started: what is emitted
// waits. Who asks is said by the header User or by the key, which are words:
// "ann" manages the account acme, "bob" may view it, "eve" manages evil, and
// "op" is the operator.
type harness struct {
	*webhook.Dispatcher
	http.Handler
	t        *testing.T
	store    webhook.Store
	receiver atomic.Pointer[transport] // see receive
}

var people = map[string]Access{
	"ann": {Account: "acme", Manage: true, User: "ann@example.com"},
	"bob": {Account: "acme", View: true, User: "Bob Jones"},
	"eve": {Account: "evil", Manage: true},
	"op":  {Operator: true},
	"log": {Account: "acme", Manage: true, LogOnly: true},
}

func newHarness(t *testing.T, change ...func(*Options)) *harness {
	return newHarnessOn(t, &memstore.Store{}, change...)
}

func newHarnessOn(t *testing.T, store webhook.Store, change ...func(*Options)) *harness {
	return newHarnessWith(t, store, nil, change...)
}

func newHarnessWith(t *testing.T, store webhook.Store, dispatching *webhook.Options, change ...func(*Options)) *harness {
	r := &harness{t: t, store: store}
	r.receive(answer(200, "thanks"))
	if dispatching == nil {
		dispatching = &webhook.Options{SearchKey: bytes.Repeat([]byte("k"), 32)}
	}
	d, err := webhook.New(store, &http.Client{Transport: transport(func(req *http.Request) (*http.Response, error) {
		return (*r.receiver.Load())(req)
	})}, dispatching)
	require.NoError(t, err)
	r.Dispatcher = d
	opts := &Options{
		Session: func(req *http.Request) (Access, error) { return people[req.Header.Get("User")], nil },
		Key:     func(_ context.Context, key string) (Access, error) { return people[key], nil },
		Lists: func(_ context.Context, account string) ([]List, error) {
			if account != "acme" {
				return []List{{"66", "Theirs"}}, nil
			}
			return []List{{"12", "Newsletter"}, {"13", "Offers"}}, nil
		},
		Fields: func(context.Context, string) ([]Field, error) {
			return []Field{{ID: "7", Title: "City"}, {ID: "13", Title: "Colours", Type: "checkbox"}, {ID: "8", Title: "Born", Type: "date"}}, nil
		},
		Campaigns: func(context.Context, string) ([]Campaign, error) {
			return []Campaign{{ID: "13", Name: "January newsletter", Status: webhook.CampaignCompleted}, {ID: "34", Name: "Offers", Type: webhook.CampaignSplit}}, nil
		},
		Rate:   10_000,
		Logger: slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(opts)
	}
	r.Handler, err = Handler(d, opts)
	require.NoError(t, err)
	return r
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, body string) transport {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, Header: http.Header{}, Request: r, Body: io.NopCloser(strings.NewReader(body)),
		}, nil
	}
}

// receive says what answers deliveries from here on. A started dispatcher may
// be sending meanwhile.
func (r *harness) receive(f transport) { r.receiver.Store(&f) }

// put adds a webhook of acme's past the handler.
func (r *harness) put(change func(*webhook.Webhook)) webhook.Webhook {
	w := webhook.Webhook{Account: "acme", Settings: webhook.Settings{
		Name: "CRM", URL: "https://crm.example.com/hook", Events: webhook.EventTypes(), Sources: webhook.Sources(),
	}}
	if change != nil {
		change(&w)
	}
	w, err := r.AddWebhook(r.t.Context(), w)
	require.NoError(r.t, err)
	return w
}

// emit emits an event of acme's list 12, and returns its newest delivery.
func (r *harness) emit(id string) webhook.Delivery {
	e := webhook.Sample(webhook.TypeOpen).(webhook.Open)
	e.ID, e.Account = id, "acme"
	require.NoError(r.t, r.Emit(r.t.Context(), e))
	ds, err := r.Deliveries(r.t.Context(), webhook.DeliveryQuery{Account: "acme", Limit: 1})
	require.NoError(r.t, err)
	require.Len(r.t, ds, 1)
	return ds[0]
}

// line emits events of types about one subscriber, and returns their deliveries in that
// order.
func (r *harness) line(types ...webhook.EventType) []webhook.Delivery {
	for i, t := range types {
		m := webhook.Meta{ID: fmt.Sprint("line", i), Account: "acme", Source: webhook.SourcePublic, Lists: []string{"13"}}
		s := webhook.Subscriber{ID: "7", Email: "jane@example.com"}
		var e webhook.Event = webhook.Update{Meta: m, Subscriber: s}
		switch t {
		case webhook.TypeSubscribe:
			e = webhook.Subscribe{Meta: m, Subscriber: s}
		case webhook.TypeUnsubscribe:
			e = webhook.Unsubscribe{Meta: m, Subscriber: s}
		}
		require.NoError(r.t, r.Emit(r.t.Context(), e))
	}
	ds, err := r.Deliveries(r.t.Context(), webhook.DeliveryQuery{Account: "acme"})
	require.NoError(r.t, err)
	line := make([]webhook.Delivery, len(types))
	for _, d := range ds {
		for i := range line {
			if d.EventID == fmt.Sprint("line", i) {
				line[i] = d
			}
		}
	}
	return line
}

// as asks for a page; a form makes it a POST.
func (r *harness) as(user, target string, form url.Values) *httptest.ResponseRecorder {
	method, body := "GET", ""
	if form != nil {
		method, body = "POST", form.Encode()
	}
	req := httptest.NewRequestWithContext(r.t.Context(), method, target, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("User", user)
	return r.do(req)
}

func (r *harness) do(req *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	r.isDocumented(req, w.Code)
	return w
}

func TestEveryPageRenders(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	d := r.emit("e1")
	for _, target := range []string{
		"/", "/add", "/webhooks/" + w.ID, "/webhooks/" + w.ID + "/edit", "/webhooks/" + w.ID + "/delete",
		"/webhooks/" + w.ID + "/off", "/webhooks/" + w.ID + "/resend", "/deliveries", "/deliveries/" + d.ID,
		"/explain", "/explain?event=open&source=public&list=12", "/samples", "/samples?format=current",
	} {
		got := r.as("ann", target, nil)
		assert.Equal(t, 200, got.Code, target)
		assert.Contains(t, got.Body.String(), "</html>", target)
	}
	for _, target := range []string{"/operator", "/operator/webhook?account=acme&id=" + w.ID} {
		assert.Equal(t, 200, r.as("op", target, nil).Code, target)
	}
}
