// Package matrix tries every misbehaviour of a receiver on stores: what is
// stored afterwards, how much memory it took, and what is left behind. It runs
// in the tests of this repository, for each store.
package matrix

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/webhooktest"
)

// Stores are functions by name. Each opens a store, which closes with the test. It may
// be on a database that others of the test's stores were on: each misbehaviour has an
// account of its own.
type Stores map[string]func(t *testing.T) webhook.Store

// Run runs the matrix on stores: each misbehaviour on all of them at once, since most
// of it is waiting.
func Run(t *testing.T, stores Stores) {
	elsewhere := webhooktest.NewReceiver(t, nil)
	all := misbehaviours(elsewhere.URL())
	for _, m := range all {
		stores.leaveNothing(t, m.name, m.run)
	}
	for _, m := range all {
		if m.slow {
			stores.leaveNothing(t, "Shutdown meanwhile: "+m.name, m.runShutdown)
		}
	}
	elsewhere.None(t, 0)
}

// leaveNothing runs a test on each store, and fails if goroutines, descriptors or
// memory are left behind or too much of it was needed.
func (s Stores) leaveNothing(t *testing.T, name string, test func(*testing.T, webhook.Store)) {
	goroutines, descriptors := runtime.NumGoroutine(), openDescriptors()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	t.Run(name, func(t *testing.T) {
		for name, open := range s {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, open(t))
			})
		}
	})
	runtime.ReadMemStats(&after)
	if taken := after.TotalAlloc - before.TotalAlloc; taken > uint64(len(s))*memoryLimit {
		t.Errorf("%s: %d MiB were allocated: an answer's length must not matter", name, taken>>20)
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		moreGoroutines, moreDescriptors := runtime.NumGoroutine()-goroutines, openDescriptors()-descriptors
		if moreGoroutines <= 0 && moreDescriptors <= 0 {
			return
		}
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%s: left %d goroutines and %d descriptors behind\n%s",
				name, moreGoroutines, moreDescriptors, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// memoryLimit is what one case may allocate for a store, the receiver and the store
// included.
const memoryLimit = 64 << 20

// openDescriptors counts this process's where the system tells.
func openDescriptors() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}

// A trial is one webhook of a misbehaving receiver, and what delivers to it.
type trial struct {
	*misbehaviour
	t        *testing.T
	account  string
	store    webhook.Store
	receiver *webhooktest.Receiver
	client   *http.Client
	begun    chan struct{} // an attempt began
	answered chan struct{} // the beginning of an answer came
	changed  chan webhook.Delivery
}

// secret is in the webhook's URL and headers, and may be nowhere else.
const secret = "s3cret"

func (m *misbehaviour) start(t *testing.T, store webhook.Store) *trial {
	signing := []webhook.Secret{webhook.NewSecret()}
	r := webhooktest.NewReceiver(t, &webhooktest.Options{Answer: m.answer, TLS: m.tls, HTTP2: m.http2, Secrets: signing})
	tr := &trial{
		misbehaviour: m, t: t, account: t.Name(), store: store, receiver: r, client: r.Client(),
		begun: make(chan struct{}, 100), answered: make(chan struct{}, 100), changed: make(chan webhook.Delivery, 100),
	}
	if m.http2 {
		transport := &http.Transport{TLSClientConfig: webhooktest.ClientOptions().TLS, ForceAttemptHTTP2: true}
		t.Cleanup(transport.CloseIdleConnections)
		tr.client = &http.Client{Transport: transport}
	}
	d := tr.dispatcher(0)
	w, err := d.AddWebhook(t.Context(), webhook.Webhook{Account: tr.account, Settings: webhook.Settings{
		URL: r.URL() + "?key=" + secret, Headers: map[string]string{"Authorization": "Bearer " + secret},
		Events: webhook.EventTypes(), Sources: webhook.Sources(), Secrets: signing,
	}})
	must(t, err)
	t.Cleanup(func() { // what is pending, too
		if err := d.DeleteWebhook(context.Background(), tr.account, w.ID); err != nil {
			t.Error(err)
		}
	})
	return tr
}

// dispatcher returns one that was not started, with a timeout.
func (tr *trial) dispatcher(timeout time.Duration) *webhook.Dispatcher {
	tr.t.Helper()
	d, err := webhook.New(tr.store, tr.client, &webhook.Options{
		Timeout: timeout, PollInterval: 20 * time.Millisecond, Backoff: webhook.Schedule(time.Millisecond),
		Hooks: webhook.Hooks{
			Attempt: func(ctx context.Context, _ webhook.Delivery) (context.Context, func(webhook.Attempt)) {
				tr.begun <- struct{}{}
				return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
					GotFirstResponseByte: func() { tr.answered <- struct{}{} },
				}), nil
			},
			Changed: func(d webhook.Delivery) { tr.changed <- d },
		},
	})
	must(tr.t, err)
	return d
}

func (tr *trial) emit(d *webhook.Dispatcher, id string) {
	tr.t.Helper()
	must(tr.t, d.Emit(tr.t.Context(), webhook.Open{
		Meta:       webhook.Meta{Account: tr.account, ID: id, Source: webhook.SourcePublic},
		Subscriber: webhook.Subscriber{ID: "1", Email: "test@test.com"},
	}))
}

// settle waits for an outcome to be stored.
func (tr *trial) settle() webhook.Delivery {
	tr.t.Helper()
	select {
	case d := <-tr.changed:
		return d
	case <-time.After(20 * time.Second):
		tr.t.Fatal("no outcome was stored")
	}
	panic("unreachable")
}

// deliveries returns the log, oldest first.
func (tr *trial) deliveries() []webhook.Delivery {
	tr.t.Helper()
	ds, err := tr.store.Deliveries(tr.t.Context(), webhook.DeliveryQuery{Account: tr.account, Oldest: true})
	must(tr.t, err)
	return ds
}

// run lets the misbehaviour happen and checks what came of it.
func (m *misbehaviour) run(t *testing.T, store webhook.Store) {
	tr := m.start(t, store)
	timeout := 5 * time.Second
	if m.slow {
		timeout = 200 * time.Millisecond
	}
	d := tr.dispatcher(timeout)
	must(t, d.Start())
	state, attempts := m.want()
	events := max(m.events, 1)
	for i := range events {
		tr.emit(d, string(rune('a'+i)))
		for range attempts {
			tr.settle()
		}
	}
	must(t, d.Shutdown(t.Context()))

	ds := tr.deliveries()
	if len(ds) != events {
		t.Fatalf("%d deliveries of %d events", len(ds), events)
	}
	for _, got := range ds {
		if got.State != state || got.Attempts != attempts || len(got.Log) != attempts {
			t.Errorf("it is %s after %d attempts, %d of them in the log; want %s after %d",
				got.State, got.Attempts, len(got.Log), state, attempts)
		}
		for _, a := range got.Log {
			tr.checkAttempt(a)
			if !m.slow && a.Duration >= timeout {
				t.Errorf("it took the whole time: %s", a.Detail)
			}
		}
	}
	tr.checkWebhook()
	tr.checkReceived(attempts * events)
}

// address is what no customer may read: a URL, an address, a host with a port.
var address = regexp.MustCompile(`://|\d+\.\d+\.\d+\.\d+|:\d|\[`)

func (tr *trial) checkAttempt(a webhook.Attempt) {
	tr.t.Helper()
	t := tr.t
	if a.Status != tr.status {
		t.Errorf("the log says status %d, want %d: %s", a.Status, tr.status, a.Detail)
	}
	if (a.Reason == "") != tr.delivered {
		t.Errorf("the reason is %q", a.Reason)
	}
	if address.MatchString(a.Reason) || strings.Contains(a.Reason+a.Detail, secret) {
		t.Errorf("the log tells too much: %q, %q", a.Reason, a.Detail)
	}
	if len(a.Response) > 16<<10 {
		t.Errorf("%d bytes of the answer are kept", len(a.Response))
	}
	if tr.response != "" && string(a.Response) != tr.response {
		t.Errorf("%q is kept of the answer, want %q", a.Response, tr.response)
	}
	if a.Start.IsZero() || a.Duration <= 0 {
		t.Errorf("it began %s and took %s", a.Start, a.Duration)
	}
}

// checkWebhook checks what the answer did to the webhook.
func (tr *trial) checkWebhook() {
	tr.t.Helper()
	ws, err := tr.store.Webhooks(tr.t.Context(), webhook.WebhookQuery{Account: tr.account})
	must(tr.t, err)
	if len(ws) != 1 {
		tr.t.Fatalf("%d webhooks are stored", len(ws))
	}
	if off := ws[0].Disabled != ""; off != tr.gone {
		tr.t.Errorf("the webhook is off: %t (%q)", off, ws[0].Disabled)
	}
	hold := time.Until(ws[0].HeldUntil)
	if held := hold > time.Minute; held != tr.held {
		tr.t.Errorf("the webhook is held: %t (%s)", held, hold)
	}
	if hold > 24*time.Hour {
		tr.t.Errorf("the webhook is held for %s", hold)
	}
}

// checkReceived checks that the receiver got as many requests as the log says.
// Those whose connection was closed under reuse are sent twice.
func (tr *trial) checkReceived(requests int) {
	tr.t.Helper()
	if tr.unreached {
		tr.receiver.None(tr.t, 0)
		return
	}
	got := slices.DeleteFunc(tr.receiver.Received(), func(r webhooktest.Received) bool {
		return r.Err != nil && !errors.Is(r.Err, webhooktest.ErrUnread)
	})
	if len(got) < requests || len(got) > requests && tr.name != "connections closed under reuse" {
		tr.t.Errorf("the receiver got %d requests that are valid, want %d; all: %v", len(got), requests, tr.receiver.Received())
	}
	for _, r := range got {
		if r.Header.Get("Cookie") != "" {
			tr.t.Error("the receiver got its cookie back")
		}
	}
}

// runShutdown shuts down while the misbehaviour goes on: what was cut short is
// given back and uses up nothing, but what was answered 2xx is delivered.
func (m *misbehaviour) runShutdown(t *testing.T, store webhook.Store) {
	tr := m.start(t, store)
	d := tr.dispatcher(10 * time.Second)
	must(t, d.Start())
	tr.emit(d, "a")
	<-tr.begun
	if !m.unreached {
		tr.receiver.WaitFor(t, func(webhooktest.Received) bool { return true })
	}
	if m.delivered {
		<-tr.answered
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := d.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown returned %v", err)
	}
	tr.settle()
	ds := tr.deliveries()
	if len(ds) != 1 {
		t.Fatalf("%d deliveries of one event", len(ds))
	}
	if m.delivered {
		if got := ds[0]; got.State != webhook.StateDelivered || got.Attempts != 1 || len(got.Log) != 1 {
			t.Errorf("it is %s after %d attempts, though it was answered", got.State, got.Attempts)
		}
		return
	}
	got := ds[0]
	if got.State != webhook.StatePending || got.Attempts != 0 || len(got.Log) != 0 || got.Due.After(time.Now()) {
		t.Errorf("it is %s after %d attempts, due %s", got.State, got.Attempts, got.Due)
	}
	if m.tls != "" {
		return
	}
	tr.receiver.AnswerWith(webhooktest.Status(http.StatusOK))
	next := tr.dispatcher(10 * time.Second)
	must(t, next.Start())
	if got := tr.settle(); got.State != webhook.StateDelivered || got.Attempts != 1 {
		t.Errorf("the next process left it %s after %d attempts", got.State, got.Attempts)
	}
	must(t, next.Shutdown(t.Context()))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
