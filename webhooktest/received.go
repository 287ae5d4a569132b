package webhooktest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/listhook/webhook"
)

// ErrUnread is the Err of a request that was answered without being read, as
// Answer.Early and Unread do.
var ErrUnread = errors.New("webhooktest: the request was not read")

// Received is a request that came.
type Received struct {
	// Events are what it brings, by value: each a webhook.Subscribe and so on, as
	// webhook.ParseRequest returns them. One, unless the webhook gets batches; nil if
	// Err is not.
	Events []webhook.Event

	// Err is why it was refused: ParseRequest's error, such as
	// webhook.ErrSignature, or ErrUnread.
	Err error

	Header     http.Header
	Body       []byte // byte for byte
	RequestURI string // path and query
	At         time.Time
}

// String describes the request without personal data.
func (r Received) String() string {
	what := "a request"
	switch len(r.Events) {
	case 0:
	case 1:
		what = string(r.Events[0].Type())
	default:
		what = fmt.Sprintf("%d events", len(r.Events))
	}
	text := fmt.Sprintf("%s %s, attempt %s", what, r.Header.Get(webhook.HeaderID), r.Header.Get(webhook.HeaderAttempt))
	if r.Err != nil {
		text += ": " + r.Err.Error()
	}
	return text
}

// Received returns all requests in order of arrival, refused ones too.
func (r *Receiver) Received() []Received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.received)
}

// Wait waits until n events have come, and returns all requests so far that brought
// events, in order of arrival. Each attempt counts; refused requests do not. Wait ends
// the test with t.Fatal if they do not come within Options.Patience.
func (r *Receiver) Wait(t testing.TB, n int) []Received {
	t.Helper()
	var requests []Received
	r.await(t, fmt.Sprintf("%d events", n), func(all []Received) bool {
		requests = slices.DeleteFunc(slices.Clone(all), func(got Received) bool { return got.Err != nil })
		events := 0
		for _, got := range requests {
			events += len(got.Events)
		}
		return events >= n
	})
	return requests
}

// WaitFor waits for a request that match accepts, and returns the first one. It may
// have come before the call, and may have been refused. WaitFor ends the test with
// t.Fatal if none comes within Options.Patience.
func (r *Receiver) WaitFor(t testing.TB, match func(Received) bool) Received {
	t.Helper()
	var found Received
	r.await(t, "a matching request", func(all []Received) bool {
		i := slices.IndexFunc(all, match)
		if i >= 0 {
			found = all[i]
		}
		return i >= 0
	})
	return found
}

// await waits until done accepts the requests so far.
func (r *Receiver) await(t testing.TB, what string, done func([]Received) bool) {
	t.Helper()
	patience := r.opts.Patience
	if patience == 0 {
		patience = 10 * time.Second
	}
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		all, news := r.sofar()
		if done(all) {
			return
		}
		select {
		case <-news:
		case <-timeout.C:
			t.Fatalf("webhooktest: waited %s for %s; %s", patience, what, list(all))
		}
	}
}

// None fails the test if a request has come, or comes within the given time. After
// Dispatcher.Shutdown no more can come, so 0 is enough.
func (r *Receiver) None(t testing.TB, within time.Duration) {
	t.Helper()
	timeout := time.NewTimer(within)
	defer timeout.Stop()
	all, news := r.sofar()
	if len(all) == 0 && within > 0 {
		select {
		case <-news:
			all, _ = r.sofar()
		case <-timeout.C:
		}
	}
	if len(all) > 0 {
		t.Errorf("webhooktest: nothing was to come, but %s", list(all))
	}
}

// sofar returns all requests, and a channel that is closed when another one comes.
func (r *Receiver) sofar() ([]Received, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.received), r.news
}

// list describes requests, for the message of a failed test.
func list(all []Received) string {
	if len(all) == 0 {
		return "nothing came"
	}
	lines := []string{fmt.Sprintf("%d came:", len(all))}
	for _, got := range all {
		lines = append(lines, got.String())
	}
	return strings.Join(lines, "\n\t")
}
