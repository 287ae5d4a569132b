//go:build unix

package crash

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/listhook/webhook"
)

// The receiver's webhooks, by the last part of their URLs.
const (
	steady = "steady" // answers well
	flaky  = "flaky"  // answers one attempt in five with 500
	once   = "once"   // the same, and is not to be sent anything again

	// These get batches, and answer as flaky does.
	batched     = "batched"
	batchedJSON = "batchedjson"
)

// batchSize is how many events a batch has at most.
const batchSize = 25

// takesBatches reports whether a webhook does.
func takesBatches(webhook string) bool { return strings.HasPrefix(webhook, batched) }

// A receiver is the customers' side: it records every request, and answers as
// its script says. It lives in the test's process, so its record is complete
// whatever happens to the senders.
type receiver struct {
	url    string
	secret webhook.Secret

	mu       sync.Mutex
	meet     func(*request) // called before answering, may block; nil: nothing
	arrivals map[string][]*request
	broken   []string // what no sender of ours sends
}

// A request is one arrival of a delivery.
type request struct {
	delivery string
	batch    string // the webhook-id of the request that brought several; "": it came alone
	webhook  string // by the name of its URL
	event    string // the event's ID, from the body
	attempt  int
	by       string // the sender's name
	sequence int64  // of its key; 0: it has none
	status   int    // that was answered
	start    time.Time
	end      time.Time // zero: it was not answered yet
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	secret := webhook.NewSecret()
	r := &receiver{secret: secret, arrivals: map[string][]*request{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.url = "http://" + l.Addr().String() + "/"
	// Senders are killed in the midst of a request: that is no news.
	server := &http.Server{Handler: r, ErrorLog: log.New(io.Discard, "", 0)}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) })
	t.Cleanup(func() {
		_ = server.Close()
		serving.Wait()
	})
	return r
}

// ServeHTTP records and answers a request.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if takesBatches(path.Base(req.URL.Path)) {
		r.answer(w, r.readBatch(req))
		return
	}
	got, status := r.read(req)
	if status != 0 {
		w.WriteHeader(status)
		return
	}
	r.answer(w, []*request{got})
}

// answer records what a request brought and answers it. Without anything, it has not
// arrived, or nobody sends that.
func (r *receiver) answer(w http.ResponseWriter, brought []*request) {
	if len(brought) == 0 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	for _, got := range brought {
		if meet := r.begin(got); meet != nil {
			meet(got)
		}
	}
	r.mu.Lock()
	for _, got := range brought {
		got.end = time.Now() // before the sender can know, and go on
	}
	r.mu.Unlock()
	w.WriteHeader(brought[0].status)
}

// readBatch returns the deliveries of a request that is whole and rightly signed, each as
// a request.
func (r *receiver) readBatch(req *http.Request) (brought []*request) {
	start, id := time.Now(), req.Header.Get(webhook.HeaderID)
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil // its sender died
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	events, err := webhook.ParseRequest(req, &webhook.ReceiveOptions{Secrets: []webhook.Secret{r.secret}, Tolerance: time.Hour})
	attempt, err2 := strconv.Atoi(req.Header.Get(webhook.HeaderAttempt))
	if err := errors.Join(err, err2); err != nil {
		r.refuse(err.Error())
		return nil
	}
	name := path.Base(req.URL.Path)
	for _, e := range events {
		m := webhook.MetaOf(e)
		got := &request{
			delivery: m.ID, webhook: name, event: subscriberOf(e).ID, attempt: attempt, by: req.UserAgent(),
			sequence: m.Sequence, status: script(name, id, attempt), start: start,
		}
		if m.ID != id {
			got.batch = id
		}
		if subscriberOf(e).Email != got.event+"@example.com" {
			r.refuse(fmt.Sprintf("%+v", e))
			return nil
		}
		brought = append(brought, got)
	}
	return brought
}

// subscriberOf returns whom an event is about.
func subscriberOf(e webhook.Event) webhook.Subscriber {
	switch e := e.(type) {
	case webhook.Open:
		return e.Subscriber
	case webhook.Click:
		return e.Subscriber
	case webhook.Unsubscribe:
		return e.Subscriber
	}
	return webhook.Subscriber{}
}

// refuse notes what no sender of ours sends.
func (r *receiver) refuse(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken = append(r.broken, what)
}

// read returns a request that is whole and rightly signed. One whose sender
// died while sending it has not arrived, and gets the status returned.
func (r *receiver) read(req *http.Request) (*request, int) {
	got := &request{
		delivery: req.Header.Get(webhook.HeaderID), webhook: path.Base(req.URL.Path),
		by: req.UserAgent(), start: time.Now(),
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, http.StatusBadRequest
	}
	form, err := url.ParseQuery(string(body))
	if err == nil {
		err = webhook.Verify(req.Header, body, &webhook.ReceiveOptions{Secrets: []webhook.Secret{r.secret}, Tolerance: time.Hour})
	}
	if err == nil {
		got.attempt, err = strconv.Atoi(req.Header.Get(webhook.HeaderAttempt))
	}
	if text := req.Header.Get(webhook.HeaderSequence); text != "" && err == nil {
		got.sequence, err = strconv.ParseInt(text, 10, 64)
	}
	got.event = form.Get("subscriber[id]")
	if err != nil || got.event == "" || form.Get("subscriber[email]") != got.event+"@example.com" {
		r.refuse(string(body))
		return nil, http.StatusBadRequest
	}
	got.status = script(got.webhook, got.delivery, got.attempt)
	return got, 0
}

func (r *receiver) begin(got *request) (meet func(*request)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.arrivals[got.delivery] = append(r.arrivals[got.delivery], got)
	return r.meet
}

// script says how an attempt is answered. The same attempt gets the same
// answer however often it comes, so that what a delivery comes to does not
// depend on who was killed when.
func script(webhook, delivery string, attempt int) int {
	if webhook == steady {
		return http.StatusOK
	}
	h := fnv.New32a()
	_, _ = io.WriteString(h, delivery+strconv.Itoa(attempt))
	if h.Sum32()%5 == 0 {
		return http.StatusInternalServerError
	}
	return http.StatusOK
}

// meets lets f look at each request before it is answered; it may block.
func (r *receiver) meets(f func(*request)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.meet = f
}

// of returns copies of the requests with a delivery, in order of arrival.
func (r *receiver) of(delivery string) []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []request
	for _, got := range r.arrivals[delivery] {
		list = append(list, *got)
	}
	return list
}

// all returns the deliveries that came, and how many requests in all.
func (r *receiver) all() (deliveries []string, requests int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, list := range r.arrivals {
		deliveries = append(deliveries, id)
		requests += len(list)
	}
	return deliveries, requests
}

// refused returns what came that no sender of ours sends.
func (r *receiver) refused() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.broken
}

// putWebhooks adds the named webhooks of the receiver.
func (r *receiver) putWebhooks(t *testing.T, s webhook.Store, names ...string) {
	t.Helper()
	d, err := webhook.New(s, webhook.NewClient(&webhook.ClientOptions{AllowHosts: []string{"127.0.0.1"}}), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		w := webhook.Webhook{ID: name, Settings: webhook.Settings{
			Name: name, URL: r.url + name, Secrets: []webhook.Secret{r.secret},
			Events: webhook.EventTypes(), Sources: webhook.Sources(), NoRetry: strings.HasPrefix(name, once),
		}}
		if takesBatches(name) {
			w.Batch, w.BatchWait = batchSize, 200*time.Millisecond
		}
		if name == batchedJSON {
			w.Format = webhook.FormatJSON
		}
		if _, err := d.AddWebhook(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
}
