// Package diagnose finds out why an HTTP request got no answer, or a bad one, and
// says it three ways: a Code for counting, a sentence that tells the customer
// what to do, and a detail for the operator.
//
// A Trace follows one request through net/http, so that Explain knows how far it
// came: the same error means one thing while the host's name is looked up, and
// another while the answer is awaited. Status explains an answer that is no
// success, and RetryAfter reads how long its sender wants to be left alone.
//
// Sentences are made of words of this package, numbers and dates alone, so that
// nothing of the receiver's and no address, URL or secret gets into them.
package diagnose

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"github.com/listhook/webhook/internal/egress"
	"github.com/listhook/webhook/internal/httpconn"
)

// Causes of the end of a request's context.
var (
	ErrTimeout    = errors.New("the attempt's time is over")                  // it took too long
	ErrShutdown   = errors.New("the dispatcher shut down")                    // Shutdown cut it short
	ErrLeaseEnded = errors.New("the lease ended before the request was sent") // it came too late to be sent
)

// ErrSent is the error of a request's GetBody that keeps a transport from
// sending the request once more.
var ErrSent = errors.New("the receiver gave up a request that it may have read")

// CutShort reports whether the request of ctx ended for a reason of the
// sender's, so that the attempt does not count.
func CutShort(ctx context.Context) bool {
	cause := context.Cause(ctx)
	return cause == ErrShutdown || cause == ErrLeaseEnded
}

// A Trace follows one request: it records how far the request has come. The
// zero value is ready. Its methods are called from the transport's goroutines.
type Trace struct {
	// PlainHTTP1 says that connections without TLS speak HTTP/1.
	PlainHTTP1 bool

	hooks httptrace.ClientTrace
	at    atomic.Int32

	handshakes atomic.Int32 // of TLS, begun

	mu       sync.Mutex
	conn     net.Conn // the request's; nil: it has none yet
	reused   bool     // the connection was used before
	wrote    bool     // the head was written to the connection, or to its buffer
	answered bool     // a byte of an answer came
	lookedUp bool     // the name server answered
}

// LookedUp reports whether a name server answered for the request.
func (t *Trace) LookedUp() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lookedUp
}

// HTTP1 reports whether the request's connection is known to speak HTTP/1.
func (t *Trace) HTTP1() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.http1()
}

// http1 is HTTP1 for a caller who holds mu.
func (t *Trace) http1() bool {
	switch c := t.conn.(type) {
	case nil:
		return false
	case *httpconn.Conn:
		return true
	case *tls.Conn:
		return c.ConnectionState().NegotiatedProtocol != "h2"
	}
	return t.PlainHTTP1
}

// head returns what is known of the answer's head beside what net/http tells of
// it, which is nothing if the head cannot be read.
func (t *Trace) head() httpconn.Head {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c, ok := t.conn.(*httpconn.Conn); ok {
		return c.Head()
	}
	return httpconn.Head{}
}

// Status returns the status of an answer that the transport failed to read with
// err, because its head breaks HTTP or is too large; 0: it is not known. A head
// that broke off has none: the answer did not come. A proxy's answer is not the
// receiver's.
func (t *Trace) Status(err error) int {
	if errors.As(err, new(*egress.ProxyError)) {
		return 0
	}
	if head := t.head(); head.Complete || headTooLarge(err) {
		return head.Status
	}
	return 0
}

// MayHaveLeft reports, when the transport is about to send the request again,
// whether a byte of it may have left already. Over HTTP/1, net/http sends a
// request without an Idempotency-Key again only if none has.
func (t *Trace) MayHaveLeft() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.wrote && !t.http1()
}

// Resendable reports whether the request may be sent once more after err: the
// connection had been used before and gave no byte of an answer, so that it is
// likely to have been closed while it was idle. A stream of HTTP/2 that was
// reset is an answer, unless the transport would have sent the request again.
func (t *Trace) Resendable(ctx context.Context, err error) bool {
	var reset streamError
	if ctx.Err() != nil || isTimeout(ctx, err) || errors.As(err, &reset) {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.reused && !t.answered
}

type phase int32

const (
	phaseConnection phase = iota // waiting for a free connection
	phaseLookup
	phaseConnect
	phaseTLS
	phaseSend
	phaseAnswer
)

func (t *Trace) phase() phase { return phase(t.at.Load()) }

// enter notes a phase, unless the attempt is further on: a connection that was
// begun for it goes on being made when another one came free first.
func (t *Trace) enter(next phase) {
	for {
		at := t.at.Load()
		if at >= int32(next) || t.at.CompareAndSwap(at, int32(next)) {
			return
		}
	}
}

// restart is for when another connection is needed, since the first was closed
// just when it was used again.
func (t *Trace) restart() {
	t.at.Store(int32(phaseConnection))
	t.handshakes.Store(0)
	t.connected(nil, false)
}

// connected notes which connection the request got; nil: none yet.
func (t *Trace) connected(conn net.Conn, reused bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conn, t.reused, t.wrote = conn, reused, false
}

// note sets what has happened with the connection.
func (t *Trace) note(happened *bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*happened = true
}

// Hooks returns the hooks of a request. They stop it if the lease has ended by the time
// there is a connection: a process that was frozen must not send what is no
// longer its own.
func (t *Trace) Hooks(leaseEnd time.Time, stop context.CancelCauseFunc) *httptrace.ClientTrace {
	t.hooks = httptrace.ClientTrace{
		GetConn:  func(string) { t.restart() },
		DNSStart: func(httptrace.DNSStartInfo) { t.enter(phaseLookup) },
		ConnectStart: func(string, string) {
			if t.phase() == phaseLookup {
				t.note(&t.lookedUp)
			}
			t.enter(phaseConnect)
		},
		TLSHandshakeStart: func() {
			t.handshakes.Add(1)
			t.enter(phaseTLS)
		},
		GotConn: func(got httptrace.GotConnInfo) {
			t.enter(phaseSend)
			t.connected(got.Conn, got.Reused)
			if !time.Now().After(leaseEnd) {
				return
			}
			stop(ErrLeaseEnded)
			if got.Conn != nil { // the transport writes meanwhile
				_ = got.Conn.SetWriteDeadline(time.Unix(1, 0))
			}
		},
		WroteHeaders: func() { t.note(&t.wrote) },
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			if info.Err == nil { // it is told of requests that were cut short too
				t.enter(phaseAnswer)
			}
		},
		GotFirstResponseByte: func() { t.note(&t.answered) },
	}
	return &t.hooks
}
