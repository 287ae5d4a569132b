package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/listhook/webhook"
)

// A receiver stands for a customer's server. It has a port of its own, since webhooks
// may reach every address on a port that they may reach. It keeps the requests for
// the inbox page.
type receiver struct {
	mu     sync.Mutex
	came   []received // the latest first
	count  int        // of all that came
	answer int        // the status to answer with
	secret string     // of the webhook, as the visitor pasted it; "": not known
}

// A received is a request that came.
type received struct {
	N         int // the first is 1
	At        time.Time
	Event     string // its type
	Who       string // the subscriber's address; "": the event has none
	ID        string // of the delivery
	Attempt   string
	Again     bool // a request with this ID came before
	Answered  int
	Signature string // the result of its check, in words
	Trusted   bool   // the signature is valid
	Headers   []pair
	Fields    []pair // of the body
}

type pair struct{ Name, Value string }

// kept is how many requests the inbox shows.
const kept = 100

// ServeHTTP implements http.Handler.
func (rc *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Error(w, "Events are POSTed here.", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		http.Error(w, "The body is cut off or too large.", http.StatusBadRequest)
		return
	}
	got := received{
		At: time.Now(), ID: r.Header.Get(webhook.HeaderID), Attempt: r.Header.Get(webhook.HeaderAttempt),
		Headers: headerPairs(r.Header),
	}
	if r.Header.Get("Content-Type") == "application/json" { // by the webhook's format
		got.readJSON(body)
	} else {
		got.readForm(string(body))
	}

	rc.mu.Lock()
	defer rc.mu.Unlock()
	got.Signature, got.Trusted = checkSignature(r.Header, body, rc.secret)
	got.Again = slices.ContainsFunc(rc.came, func(before received) bool { return before.ID == got.ID })
	got.Answered = cmp.Or(rc.answer, http.StatusOK)
	rc.count++
	got.N = rc.count
	rc.came = slices.Insert(rc.came, 0, got)
	rc.came = rc.came[:min(len(rc.came), kept)]
	w.WriteHeader(got.Answered)
	_, _ = io.WriteString(w, http.StatusText(got.Answered))
}

// checkSignature checks a request's signature, and describes the result.
func checkSignature(h http.Header, body []byte, secret string) (verdict string, trusted bool) {
	switch {
	case h.Get(webhook.HeaderSignature) == "":
		return "not signed", false
	case secret == "":
		return "signed; paste the secret to check it", false
	}
	err := webhook.Verify(h, body, &webhook.ReceiveOptions{Secrets: []webhook.Secret{{Key: secret}}})
	switch {
	case errors.Is(err, webhook.ErrSignature):
		return "signed with another secret", false
	case err != nil:
		return strings.TrimPrefix(err.Error(), "webhook: "), false
	}
	return "signature valid", true
}

// formPairs returns a form's fields as PHP names them, in their order.
func (got *received) readForm(body string) {
	got.Fields = formPairs(body)
	for _, field := range got.Fields {
		switch field.Name {
		case "type":
			got.Event = field.Value
		case "subscriber[email]", "contact[email]":
			got.Who = field.Value
		}
	}
}

func (got *received) readJSON(body []byte) {
	var event struct {
		Type    string
		Contact struct{ Email string }
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &event) != nil || json.Unmarshal(body, &fields) != nil {
		return
	}
	got.Event, got.Who = event.Type, event.Contact.Email
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		got.Fields = append(got.Fields, pair{name, string(fields[name])})
	}
}

func formPairs(body string) []pair {
	var pairs []pair
	for field := range strings.SplitSeq(body, "&") {
		name, value, _ := strings.Cut(field, "=")
		if name == "" {
			continue
		}
		pairs = append(pairs, pair{unescape(name), unescape(value)})
	}
	return pairs
}

func unescape(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}

func headerPairs(h http.Header) []pair {
	var pairs []pair
	for name, values := range h {
		pairs = append(pairs, pair{name, strings.Join(values, ", ")})
	}
	slices.SortFunc(pairs, func(a, b pair) int { return strings.Compare(a.Name, b.Name) })
	return pairs
}

// An inbox is the part of a receiver that the page shows.
type inbox struct {
	URL    string
	Came   []received
	Count  int
	Answer int
	Secret string
}

func (rc *receiver) inbox() inbox {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	return inbox{Came: slices.Clone(rc.came), Count: rc.count, Answer: cmp.Or(rc.answer, http.StatusOK), Secret: rc.secret}
}

// configure sets the receiver's answer, and the secret that it checks signatures with.
func (rc *receiver) configure(answer int, secret string) error {
	if secret != "" {
		err := webhook.Verify(nil, nil, &webhook.ReceiveOptions{Secrets: []webhook.Secret{{Key: secret}}})
		var invalid *webhook.InvalidError
		if errors.As(err, &invalid) {
			return errInput("That is no secret: it begins with whsec_ and is shown once, when a webhook is added.")
		}
	}
	if !slices.Contains([]int{http.StatusOK, http.StatusInternalServerError, http.StatusGone}, answer) {
		return errInput("Choose what to answer.")
	}
	rc.mu.Lock()
	defer rc.mu.Unlock()
	rc.answer, rc.secret = answer, secret
	return nil
}

func (rc *receiver) clear() {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	rc.came = nil
}
