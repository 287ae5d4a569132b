package webhook

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/listhook/webhook/internal/diagnose"
)

// A sender makes attempts: it sends requests and reads their answers.
type sender struct {
	opts       *Options
	notify     *notifier
	transport  http.RoundTripper
	plainHTTP1 bool         // connections without TLS speak HTTP/1
	resolved   atomic.Int64 // when a name server last answered, in Unix seconds
}

// resolverLately is how long ago a name server that works has answered.
const resolverLately = time.Minute

// A result is an attempt, and what else follows from its answer.
type result struct {
	Attempt
	hold        time.Duration // the receiver asked to be left alone for so long
	aborted     bool          // we cut it short, so it counts for nothing
	senderFault bool          // it says nothing about the receiver

	scope diagnose.Scope // of a senderFault
	cause string         // of it, for the operator
}

func (a *result) delivered() bool { return a.Status >= 200 && a.Status < 300 }

// send makes an attempt: one HTTP request, in the time that an attempt has. It
// never goes on the wire after the lease's end.
func (s *sender) send(ctx context.Context, t *endpoint, del *Delivery, leaseEnd time.Time) (a result) {
	began := time.Now()
	a.Start = storeTime(began)
	if t.broken != nil { // above all, nothing is sent unsigned that is to be signed
		if t.Unreadable() != "" {
			s.notify.unreadable(&t.Webhook)
		} else {
			s.notify.logError("using a webhook", t.broken)
		}
		a.explainBroken(t)
		return a
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	timeout := time.AfterFunc(s.opts.Timeout, func() { stop(diagnose.ErrTimeout) })
	defer timeout.Stop()
	x := &exchange{sent: del.Body}
	x.trace.PlainHTTP1 = s.plainHTTP1
	ctx = httptrace.WithClientTrace(ctx, x.trace.Hooks(leaseEnd, stop))
	defer func() {
		if p := recover(); p != nil {
			a.explainPanic(p, s.opts.Logger)
		}
		a.Duration = time.Since(began).Truncate(time.Microsecond)
	}()

	req := s.request(ctx, t, del, began)
	resp, err := s.roundTrip(x, req, t, &a)
	switch {
	case err != nil:
		s.noteFailure(ctx, x, req, del, err, &a)
	case resp == nil || resp.StatusCode < 100 || resp.StatusCode > 999:
		a.explain(noStatus(x, resp))
	default:
		noteAnswer(ctx, resp, del, &a)
	}
	return a
}

// roundTrip sends a request, and once more if its connection turned out to be closed.
func (s *sender) roundTrip(x *exchange, req *http.Request, t *endpoint, a *result) (*http.Response, error) {
	resp, err := s.transport.RoundTrip(x.bind(req))
	if err != nil && !t.NoRetry && x.trace.Resendable(req.Context(), err) {
		a.Resends = 1
		resp, err = s.transport.RoundTrip(x.bindAgain(req))
	}
	if x.trace.LookedUp() {
		s.resolved.Store(time.Now().Unix())
	}
	return resp, err
}

// noStatus says why there is neither an error nor an answer with a status. It closes the
// answer.
func noStatus(x *exchange, resp *http.Response) diagnose.Failure {
	if resp != nil {
		if resp.Body != nil {
			_ = resp.Body.Close()
		}
		if f, ok := x.trace.NoStatus(resp.StatusCode); ok {
			return f
		}
	}
	return diagnose.Sender("the HTTP client returned no answer and no error", "the HTTP client returned neither an error nor an answer with a status")
}

// noteFailure notes in a why a request got no answer, or only the beginning of one.
func (s *sender) noteFailure(ctx context.Context, x *exchange, req *http.Request, del *Delivery, err error, a *result) {
	if a.Status = x.trace.Status(err); a.Status == 0 {
		a.aborted = diagnose.CutShort(ctx)
		a.explain(x.trace.Explain(ctx, err, s.opts.Timeout, s.facts(req, err)))
		return
	}
	a.Detail = diagnose.Clean("reading the head of the answer: " + err.Error())
	if !a.delivered() {
		a.Reason = diagnose.Status(a.Status, del.ContentType())
	}
}

// noteAnswer reads an answer, and notes in a what it says.
func noteAnswer(ctx context.Context, resp *http.Response, del *Delivery, a *result) {
	if resp.Body == nil { // some transports of tests leave it out
		resp.Body = http.NoBody
	}
	defer resp.Body.Close()
	a.Status = resp.StatusCode
	if !a.delivered() {
		a.Reason = diagnose.Status(resp.StatusCode, del.ContentType())
	}
	var err error
	if a.Response, err = readAnswer(resp); err != nil {
		a.aborted = !a.delivered() && diagnose.CutShort(ctx)
		a.Detail = diagnose.Clean("reading the answer's body: " + err.Error())
	}
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable {
		a.hold = diagnose.RetryAfter(resp.Header, time.Now())
	}
}

// explainBroken notes that the stored settings of a webhook cannot be used.
func (a *result) explainBroken(t *endpoint) {
	a.senderFault = true
	a.Code, a.Reason = string(diagnose.CodeSender), cmp.Or(t.Unreadable(), explainSettings(t.broken))
	a.Detail = diagnose.Clean(t.broken.Error())
}

// explainPanic notes that the HTTP client panicked. An answer that it gave before counts.
func (a *result) explainPanic(p any, log *slog.Logger) {
	log.Error("webhook: the HTTP client panicked", "panic", fmt.Sprint(p))
	failure := diagnose.Sender("the HTTP client panicked", "panic: "+fmt.Sprint(p))
	a.Detail = failure.Detail
	if a.Status == 0 {
		a.explain(failure)
	}
}

// explainSettings says why a stored webhook cannot be attempted.
func explainSettings(err error) string {
	var bad *InvalidError
	if errors.As(err, &bad) && bad.Field == "URL" {
		return "The webhook's settings cannot be used: the URL " + bad.Reason + ". Edit and save it."
	}
	return "The webhook's settings cannot be used: edit and save it."
}

// explain notes why there was no answer.
func (a *result) explain(f diagnose.Failure) {
	a.Code, a.Reason, a.Detail = string(f.Code), f.Sentence, f.Detail
	a.senderFault, a.scope, a.cause = f.Scope != diagnose.ScopeNone, f.Scope, f.Cause
}

// An exchange is one attempt's use of the transport.
//
// A connection that was idle may turn out to be closed when it is used again.
// As long as no byte of the request has left, net/http takes another one by
// itself, however often. Once a byte may have left, the receiver may have the
// request: then the exchange decides whether it is sent again, once at most. So
// a request has no Idempotency-Key, with which net/http sends it again for each
// idle connection that there is, and its GetBody refuses what HTTP/2 would send
// again.
type exchange struct {
	trace diagnose.Trace
	sent  []byte // the body
	body  bytes.Reader
}

// bind gives a request its body.
func (x *exchange) bind(req *http.Request) *http.Request {
	x.body.Reset(x.sent)
	req.Body, req.GetBody = io.NopCloser(&x.body), x.again
	return req
}

// bindAgain gives a request that failed its body anew. It asks for a connection
// of its own: other idle ones may be closed too.
func (x *exchange) bindAgain(req *http.Request) *http.Request {
	again := *req
	again.Body, again.GetBody = io.NopCloser(bytes.NewReader(x.sent)), x.again
	again.Close = x.trace.HTTP1()
	return &again
}

// again is the request's GetBody.
func (x *exchange) again() (io.ReadCloser, error) {
	if x.trace.MayHaveLeft() {
		return nil, diagnose.ErrSent
	}
	return io.NopCloser(bytes.NewReader(x.sent)), nil
}

const (
	keptResponse = 16 << 10 // bytes of an answer that are kept
	readResponse = 64 << 10 // bytes of an answer that are read
)

// readAnswer keeps the beginning of an answer and reads some more of it, so
// that the connection can be used again, but never without end.
func readAnswer(resp *http.Response) ([]byte, error) {
	r := resp.Body
	switch {
	case resp.StatusCode == http.StatusSwitchingProtocols:
		return nil, nil // its body is the connection, which no context closes
	case r == http.NoBody:
		return nil, nil
	}
	buf := answerBuffers.Get().(*bytes.Buffer)
	defer answerBuffers.Put(buf)
	buf.Reset()
	_, err := buf.ReadFrom(io.LimitReader(r, keptResponse))
	kept := bytes.Clone(buf.Bytes())
	if err != nil || len(kept) < keptResponse {
		return kept, err
	}
	_, err = io.CopyN(io.Discard, r, readResponse-keptResponse)
	if err == io.EOF {
		err = nil
	}
	return kept, err
}

// answerBuffers are buffers into which answers are read. Most answers are far shorter
// than keptResponse.
var answerBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// request builds what goes over the wire, but for the body.
func (s *sender) request(ctx context.Context, t *endpoint, del *Delivery, at time.Time) *http.Request {
	h := make(http.Header, len(t.header)+10)
	h["Accept"] = acceptAny
	maps.Copy(h, t.header)
	values := [...]string{
		s.opts.UserAgent, del.ID, strconv.FormatInt(at.Unix(), 10), strconv.Itoa(del.Attempts + 1),
		string(del.Type), t.signer.Header(del.ID, at, del.Body), "", "",
	}
	if del.Type != "" { // a batch says it of each event
		values[len(values)-2] = strconv.FormatInt(del.eventTime().UnixMilli(), 10)
	}
	if del.Sequence > 0 {
		values[len(values)-1] = strconv.FormatInt(del.Sequence, 10)
	}
	for i, name := range [...]string{
		"User-Agent", HeaderID, HeaderTimestamp, HeaderAttempt, HeaderEvent, HeaderSignature,
		HeaderEventTime, HeaderSequence,
	} {
		if values[i] != "" {
			h[name] = values[i : i+1 : i+1]
		}
	}
	h["Content-Type"] = contentTypes[del.ContentType()]
	req := (&http.Request{}).WithContext(ctx)
	req.Method, req.URL, req.Host, req.Header = http.MethodPost, t.url, t.url.Host, h
	req.Proto, req.ProtoMajor, req.ProtoMinor = "HTTP/1.1", 1, 1
	req.ContentLength = int64(len(del.Body))
	return req
}

// acceptAny is sent unless the webhook's owner set an Accept: firewalls for web
// applications, such as those with OWASP's rules, refuse requests without one.
var acceptAny = []string{"*/*"}

// contentTypes have nothing after them: one captured receiver refuses more.
var contentTypes = map[string][]string{typeForm: {typeForm}, typeJSON: {typeJSON}}

// facts returns what Explain wants to know of the sender after err.
func (s *sender) facts(req *http.Request, err error) diagnose.Facts {
	f := diagnose.Facts{ResolverWorks: time.Since(time.Unix(s.resolved.Load(), 0)) < resolverLately}
	var roots *x509.CertPool
	switch t := s.transport.(type) {
	case *guardedTransport:
		f.Proxied = t.proxied
		if t.tls != nil {
			roots = t.tls.RootCAs
		}
	case *http.Transport:
		if t.Proxy != nil {
			proxy, err := t.Proxy(req)
			f.Proxied = err == nil && proxy != nil
			f.ProxyTLS = f.Proxied && proxy.Scheme == "https"
		}
		if t.TLSClientConfig != nil {
			roots = t.TLSClientConfig.RootCAs
		}
	}
	if errors.As(err, new(x509.UnknownAuthorityError)) {
		if roots == nil {
			roots, _ = x509.SystemCertPool()
		}
		f.NoRoots = roots == nil || roots.Equal(x509.NewCertPool())
	}
	f.Offline = errors.Is(err, syscall.ENETUNREACH) && offline()
	return f
}

// offline reports whether the machine has no route to any public address. It sends
// nothing: the addresses are for documentation, and connecting a UDP socket only
// looks for a route.
func offline() bool {
	for _, addr := range []string{"192.0.2.1:9", "[2001:db8::1]:9"} {
		if c, err := net.Dial("udp", addr); err == nil {
			_ = c.Close()
			return false
		}
	}
	return true
}
