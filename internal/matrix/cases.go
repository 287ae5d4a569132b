package matrix

import (
	"net/http"
	"strings"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/webhooktest"
)

// A misbehaviour is what a receiver does, and what must come of it.
type misbehaviour struct {
	name   string
	answer webhooktest.Answer
	tls    webhooktest.TLS
	http2  bool // the client and the receiver speak HTTP/2

	slow   bool // each attempt takes its whole time
	events int  // emitted one after the other; 0: one

	status    int    // of the last attempt
	delivered bool   // else it fails, after two attempts
	held      bool   // it waits for a held webhook, after one attempt
	gone      bool   // it fails, and the webhook is disabled
	response  string // what is kept of its body; "": that does not matter
	unreached bool   // no request reaches the receiver
}

// ok is short for what is delivered although it looks bad.
func ok(name string, a webhooktest.Answer) misbehaviour {
	return misbehaviour{name: name, answer: a, status: http.StatusOK, delivered: true}
}

// bad is short for an answer that fails with a status; 0: without an answer.
func bad(name string, status int, a webhooktest.Answer) misbehaviour {
	return misbehaviour{name: name, answer: a, status: status}
}

// slow makes attempts take their whole time.
func slow(m misbehaviour) misbehaviour {
	m.slow = true
	return m
}

// keeps says what the log keeps of the answer's body.
func (m misbehaviour) keeps(response string) misbehaviour {
	m.response = response
	return m
}

// thrice emits three events, since it is the second that suffers.
func (m misbehaviour) thrice() misbehaviour {
	m.events = 3
	return m
}

// misbehaviours are all that receivers do to us. elsewhere is a URL that
// nothing may be sent to.
func misbehaviours(elsewhere string) []misbehaviour {
	status, raw := webhooktest.Status, webhooktest.Raw
	in := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	binary := "é\x00\xff\xfe" + strings.Repeat("\x80", 100)

	all := []misbehaviour{
		ok("a good answer", status(200)),
		ok("hints first", status(200).Hints(3)),
		ok("a body that is no text", status(200).Body(binary)).keeps(binary),
		ok("a body that breaks off", status(200).Body("whole").Truncate()).keeps("wh"),
		slow(ok("a body that stalls", status(200).Body("whole").Stall())).keeps("wh"),
		slow(ok("a body that drips", status(200).Body(strings.Repeat("x", 1000)).Drip(10*time.Millisecond))),
		ok("a body without end", status(200).Body("x").Endless()),
		ok("a compressed bomb", status(200).Bomb()),
		ok("an early answer", status(200).Early()),
		ok("chunks that are none", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")),
		ok("an answer, and one more", status(200).Twice()).thrice(),
		ok("connections closed under reuse", status(200).CloseReused()).thrice(),
		ok("a large head", status(200).Header("X", strings.Repeat("x", 100_000))),
		ok("a head without end", webhooktest.EndlessHead()),
		ok("two lengths", raw("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx")),
		ok("a warning in the head", raw("HTTP/1.1 200 OK\r\n<b>Warning</b>: x\r\n\r\nok")),
		ok("a cookie", status(200).Header("Set-Cookie", "id=1; Path=/")),
		{name: "204 with a length", answer: raw("HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nbody"), status: 204, delivered: true},

		bad("500", 500, status(500)),
		bad("500 early", 500, status(500).Early()),
		slow(bad("500 with a body that stalls", 500, status(500).Body("whole").Stall())),
		bad("500 with a body that breaks off", 500, status(500).Body("whole").Truncate()),
		bad("500 with a body without end", 500, status(500).Endless()),
		bad("404", 404, status(404)),
		bad("999", 999, status(999)),
		bad("a redirect", 302, webhooktest.Redirect(elsewhere)),
		bad("a redirect that keeps the method", 307, status(307).Header("Location", elsewhere)),
		bad("a redirect to nowhere", 302, status(302)),
		bad("another protocol, then silence", 101, status(101).Header("Connection", "Upgrade").Header("Upgrade", "chat")),
		slow(bad("no answer", 0, webhooktest.Hang())),
		slow(bad("no reading", 0, webhooktest.Unread())),
		slow(bad("hints, then silence", 0, webhooktest.Func(hintAndHang))),
		bad("a closed connection", 0, webhooktest.Hangup()),
		bad("a reset connection", 0, webhooktest.Reset()),
		bad("half a head", 0, raw("HTTP/1.1 200 OK\r\nX-Half")),
		bad("a flood of hints", 0, status(200).Hints(5000)),
		bad("not HTTP", 0, raw("220 mail.example ESMTP\r\n")),
		bad("a large head of a failure", 500, status(500).Header("X", strings.Repeat("x", 100_000))),
		bad("a failure with two lengths", 500, raw("HTTP/1.1 500 No\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx")),

		{name: "410", answer: status(410), status: 410, gone: true},
		slow(misbehaviour{name: "410 with a body that stalls", answer: status(410).Stall(), status: 410, gone: true}),
		{name: "429 for two minutes", answer: status(429).Header("Retry-After", "120"), status: 429, held: true},
		{name: "503 until a date", answer: status(503).Header("Retry-After", in(time.Hour)), status: 503, held: true},
		{name: "503 for a thousand years", answer: status(503).Header("Retry-After", "31556952000"), status: 503, held: true},
		bad("503 until yesterday", 503, status(503).Header("Retry-After", in(-24*time.Hour))),
		bad("503 for a negative time", 503, status(503).Header("Retry-After", "-120")),
		bad("503 until soon", 503, status(503).Header("Retry-After", "soon")),
		bad("500 for two minutes", 500, status(500).Header("Retry-After", "120")),

		{name: "TLS as it should be", tls: webhooktest.TLSValid, status: 200, delivered: true},
		{name: "a stalled handshake", tls: webhooktest.TLSStalled, slow: true, unreached: true},
	}
	for _, kind := range []webhooktest.TLS{
		webhooktest.TLSExpired, webhooktest.TLSNotYetValid, webhooktest.TLSWrongHost, webhooktest.TLSSelfSigned,
		webhooktest.TLSOld, webhooktest.TLSClientAuth, webhooktest.TLSHangup, webhooktest.TLSMissing,
	} {
		all = append(all, misbehaviour{name: "TLS: " + string(kind), tls: kind, unreached: true})
	}
	for _, m := range []misbehaviour{
		ok("a good answer", status(200)),
		ok("a body that breaks off", status(200).Body("whole").Truncate()),
		slow(ok("a body that stalls", status(200).Body("whole").Stall())),
		ok("a body without end", status(200).Body("x").Endless()),
		ok("a compressed bomb", status(200).Bomb()), // which this client decompresses
		bad("500", 500, status(500)),
		slow(bad("no answer", 0, webhooktest.Hang())),
		bad("a reset stream", 0, webhooktest.Reset()),
	} {
		m.name, m.tls, m.http2 = "HTTP/2: "+m.name, webhooktest.TLSValid, true
		all = append(all, m)
	}
	return all
}

// hintAndHang keeps the client's hopes up.
func hintAndHang(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusEarlyHints)
	<-r.Context().Done()
}

// want returns the state and the attempts that a delivery comes to.
func (m *misbehaviour) want() (s webhook.State, attempts int) {
	switch {
	case m.delivered:
		return webhook.StateDelivered, 1
	case m.gone:
		return webhook.StateFailed, 1
	case m.held:
		return webhook.StatePending, 1
	}
	return webhook.StateFailed, 2
}
