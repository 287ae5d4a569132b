package webhooktest

import (
	"bytes"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// An Answer is how a Receiver answers a request: well, as by Status(204), or
// badly, as by Reset() or Status(200).Stall(). The zero value is a 200 without
// a body. Methods return a changed copy. If several of them change how the answer is
// sent, the last one counts.
type Answer struct {
	status int
	header http.Header
	body   []byte

	early    bool // do not read the request
	delay    time.Duration
	hints    int
	manner   func(*exchange, Answer) // nil: as it should be
	sequence *sequence
}

// Status answers with a status, and its text as the body.
func Status(code int) Answer {
	return Answer{status: code, body: []byte(http.StatusText(code) + "\n")}
}

// Redirect answers 302 with a URL to go to.
func Redirect(to string) Answer { return Status(http.StatusFound).Header("Location", to) }

// Sequence gives each of answers in turn, one to each request, and then the
// last one for ever.
func Sequence(answers ...Answer) Answer {
	if len(answers) == 0 {
		return Answer{}
	}
	return Answer{sequence: &sequence{answers: slices.Clone(answers)}}
}

// Func lets h answer. It can read the request's body.
func Func(h http.HandlerFunc) Answer {
	return Answer{manner: func(x *exchange, _ Answer) { h(x.w, x.req) }}
}

// Header adds a header field, such as Retry-After. A value of 100,000 bytes is
// a head that is too large for webhook.NewClient.
func (a Answer) Header(name, value string) Answer {
	if a.header = a.header.Clone(); a.header == nil {
		a.header = http.Header{}
	}
	a.header.Add(name, value)
	return a
}

// Body sets the body.
func (a Answer) Body(text string) Answer {
	a.body = []byte(text)
	return a
}

// After waits before anything is sent.
func (a Answer) After(d time.Duration) Answer {
	a.delay = d
	return a
}

// Early answers without reading the request.
func (a Answer) Early() Answer {
	a.early = true
	return a
}

// Hints sends so many informational answers (103 Early Hints) first.
func (a Answer) Hints(n int) Answer {
	a.hints = n
	return a
}

// A sequence counts how often it was used.
type sequence struct {
	answers []Answer

	mu   sync.Mutex
	used int
}

// next returns the answer to the next request.
func (a Answer) next() Answer {
	for s := a.sequence; s != nil; s = a.sequence {
		s.mu.Lock()
		a = s.answers[min(s.used, len(s.answers)-1)]
		s.used++
		s.mu.Unlock()
	}
	return a
}

// send answers one request.
func (a Answer) send(x *exchange) {
	if !x.pause(a.delay) {
		return
	}
	for range a.hints {
		x.w.WriteHeader(http.StatusEarlyHints)
	}
	if a.manner != nil {
		a.manner(x, a)
		return
	}
	a.plain(x)
}

// plain answers as it should be.
func (a Answer) plain(x *exchange) {
	a.head(x, len(a.body))
	_, _ = x.w.Write(a.body)
}

// code returns the status.
func (a Answer) code() int {
	if a.status == 0 {
		return http.StatusOK
	}
	return a.status
}

// head sends the head of an answer. A negative length of the body is not sent.
func (a Answer) head(x *exchange, length int) {
	h := x.w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	maps.Copy(h, a.header)
	if length >= 0 && bodyAllowed(a.code()) {
		h.Set("Content-Length", strconv.Itoa(length))
	}
	x.w.WriteHeader(a.code())
}

// bodyAllowed reports whether an answer may have a body (RFC 9110, 6.4.1).
func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// raw returns the answer's bytes in HTTP/1.1, for a body of the given length.
func (a Answer) raw(length int) []byte {
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 " + strconv.Itoa(a.code()) + " " + http.StatusText(a.code()) + "\r\n")
	_ = a.header.Write(&b)
	b.WriteString("Content-Length: " + strconv.Itoa(length) + "\r\n\r\n")
	b.Write(a.body)
	return b.Bytes()
}
