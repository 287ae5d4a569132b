package diagnose

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/listhook/webhook/internal/httpconn"
	"github.com/listhook/webhook/internal/netguard"
)

// The reasons here are read by customers. Each says in one sentence what went
// wrong and what to do, and is made of words of ours, numbers and dates alone:
// no address, URL or text of the receiver's gets into it.

// A Code is a Failure in one word, for counting.
type Code string

// The codes of failures without an answer. Those of answers are their statuses.
const (
	CodeAddress              Code = "address" // the URL may not be requested
	CodeLookup               Code = "lookup"  // of the host's name
	CodeLookupTimeout        Code = "lookup_timeout"
	CodeConnect              Code = "connect"
	CodeConnectTimeout       Code = "connect_timeout"
	CodeRefused              Code = "refused"
	CodeUnreachable          Code = "unreachable"
	CodeCertificate          Code = "certificate"
	CodeCertificateExpired   Code = "certificate_expired"
	CodeCertificateHost      Code = "certificate_host"
	CodeCertificateUntrusted Code = "certificate_untrusted"
	CodeTLS                  Code = "tls" // of the handshake
	CodeTLSTimeout           Code = "tls_timeout"
	CodeSendTimeout          Code = "send_timeout"
	CodeAnswerTimeout        Code = "answer_timeout"
	CodeReset                Code = "reset"
	CodeClosed               Code = "closed"
	CodeNotHTTP              Code = "not_http"
	CodeHeadInvalid          Code = "head_invalid"
	CodeHeadTooLarge         Code = "head_too_large"
	CodeBroken               Code = "broken"
	CodeSender               Code = "sender"   // no fault of the receiver's
	CodeCanceled             Code = "canceled" // no attempt was made
	CodeGivenUp              Code = "given_up" // no attempt was made
	CodeBegun                Code = "begun"    // an attempt began
)

// A Failure says why an attempt got no answer.
type Failure struct {
	Code     Code
	Sentence string // for the customer
	Detail   string // for the operator only: it may hold addresses

	Scope Scope
	Cause string // of a failure of the sender's, for its log: without an address
}

// Sentences of the sender's own failures.
const (
	senderFailed = "The sender could not make the request, which is no fault of the receiver's."
	senderCut    = "The sender cut the attempt short, which is no fault of the receiver's."
)

// Sender returns the Failure of a request that the sender could not make.
func Sender(cause, detail string) Failure {
	return Failure{CodeSender, senderFailed, Clean(detail), ScopeWebhook, cause}
}

// Explain says why an attempt that t followed ended with err instead of an
// answer. ctx is the request's context, and timeout the attempt's time.
func (t *Trace) Explain(ctx context.Context, err error, timeout time.Duration, facts Facts) Failure {
	for {
		var wrapped *url.Error // its text holds the URL
		if !errors.As(err, &wrapped) {
			break
		}
		err = wrapped.Err
	}
	detail := err.Error()
	if !CutShort(ctx) {
		if scope, cause := t.fault(ctx, err, facts); scope != ScopeNone {
			sentence := senderFailed
			if cause == causeCanceled {
				sentence = senderCut
			}
			return Failure{CodeSender, sentence, Clean(detail), scope, cause}
		}
	}
	code, sentence := t.explain(ctx, err, timeout)
	var refused refusal
	if errors.As(err, &refused) && code == CodeAddress {
		detail = refused.Detail()
	}
	return Failure{Code: code, Sentence: sentence, Detail: Clean(detail)}
}

// NoStatus returns the Failure of an answer whose status is no number from 100 to 999, as
// net/http passes on 000 and 099; ok is false if no answer came over a connection, so that
// the client has made the status up.
func (t *Trace) NoStatus(status int) (f Failure, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Failure{Code: CodeHeadInvalid, Sentence: invalidHead, Detail: fmt.Sprintf("the answer has the status %03d", status)}, t.answered
}

// A refusal is an error around a *netguard.Refusal. Detail tells the operator
// why the URL may not be requested.
type refusal interface {
	error
	Detail() string
}

func (t *Trace) explain(ctx context.Context, err error, timeout time.Duration) (Code, string) {
	at := t.phase()
	var refused *netguard.Refusal
	if errors.As(err, &refused) {
		return CodeAddress, "The URL " + refused.Reason + ": webhooks are sent to public hosts on the usual ports only."
	}
	switch {
	case isTimeout(ctx, err):
		if context.Cause(ctx) != ErrTimeout {
			timeout = 0
		}
		return explainTimeout(at, timeout)
	case CutShort(ctx) || errors.Is(err, context.Canceled):
		return CodeSender, senderCut
	}
	if code, sentence := explainTLS(err, at); code != "" {
		return code, sentence
	}
	if at < phaseTLS {
		return explainConnecting(err)
	}
	return explainBroken(err, t.head())
}

// Status says why an answer with this HTTP status, to a request of this content
// type, is a failure.
func Status(status int, contentType string) string {
	answer := strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return "The receiver redirected to another URL (" + answer + "), and redirects are not followed: enter the final URL."
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return "The receiver refused access (" + answer + "): check the key or password that it expects, and whether a firewall or bot protection blocks requests."
	case http.StatusNotFound:
		return "The receiver found nothing at the URL (" + answer + "): check its path."
	case http.StatusMethodNotAllowed:
		return "The receiver does not accept POST requests at the URL (" + answer + "): check its path, or make it accept them."
	case http.StatusGone:
		return "The receiver answered 410 Gone, which switches the webhook off: switch it on again when the receiver is back."
	case http.StatusRequestEntityTooLarge:
		return "The receiver does not accept requests of this size (" + answer + "): raise its limit."
	case http.StatusUnsupportedMediaType:
		return "The receiver does not accept the webhook's format (" + answer + "): make it accept " + contentType + ", or choose another format."
	case http.StatusTooManyRequests:
		return "The receiver asked for fewer requests (" + answer + "): raise its limit if deliveries come too slowly."
	case http.StatusServiceUnavailable:
		return "The receiver is not available (" + answer + "): check whether it is overloaded or in maintenance."
	}
	switch {
	case status == http.StatusBadGateway, status == http.StatusGatewayTimeout, status >= 520 && status <= 530:
		// Those from 520 on are Cloudflare's.
		return "The server in front of the receiver got no valid answer from it (" + answer + "): check that the application behind it runs."
	case status >= 500:
		return "The receiver failed (" + answer + "): check its error log."
	case status >= 400:
		return "The receiver refused the request (" + answer + "): check its log for the reason."
	}
	return "The receiver answered " + answer + ": make it answer 200 OK once it has accepted the request."
}

// isTimeout reports whether an attempt failed because something took too long.
func isTimeout(ctx context.Context, err error) bool {
	var network net.Error
	return context.Cause(ctx) == ErrTimeout || errors.As(err, &network) && network.Timeout()
}

// explainTimeout says what took too long. A limit of 0 is not known.
func explainTimeout(at phase, limit time.Duration) (Code, string) {
	switch at {
	case phaseLookup:
		return CodeLookupTimeout, "Looking up the host name of the URL took too long: check its DNS servers."
	case phaseConnection, phaseConnect:
		return CodeConnectTimeout, "Connecting to the receiver took too long: check that its server runs and that no firewall drops the connection."
	case phaseTLS:
		return CodeTLSTimeout, "The TLS handshake with the receiver took too long: check whether its server is overloaded."
	case phaseSend:
		return CodeSendTimeout, "The receiver took too long to read the request: check whether its server is overloaded."
	}
	within := " in time"
	if limit > 0 {
		within = " within " + limit.String()
	}
	return CodeAnswerTimeout, "The receiver did not answer" + within + ": make it answer first and do its work afterwards."
}

// explainConnecting says why there was no connection.
func explainConnecting(err error) (Code, string) {
	var lookup *net.DNSError
	switch {
	case errors.As(err, &lookup) && lookup.IsNotFound:
		return CodeLookup, "The host name of the URL was not found: check its spelling and its DNS records."
	case errors.As(err, &lookup):
		return CodeLookup, "The host name of the URL could not be looked up: check its DNS servers."
	case errors.Is(err, syscall.ECONNREFUSED):
		return CodeRefused, "The receiver refused the connection: check that its server runs and listens at the port of the URL."
	case errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH):
		return CodeUnreachable, "The receiver's host cannot be reached: check that it is connected and that its DNS records are right."
	}
	return CodeConnect, "The connection to the receiver failed: check that its server can be reached from the Internet."
}

// TLS alerts (RFC 8446, 6). Over TCP their errors have a type that crypto/tls
// does not export, but the texts of tls.AlertError.
const (
	alertBadCertificate      tls.AlertError = 42
	alertUnrecognizedName    tls.AlertError = 112
	alertCertificateRequired tls.AlertError = 116
)

// explainTLS says what is wrong with a receiver's certificate, or else with
// TLS; no code: nothing that is known of.
func explainTLS(err error, at phase) (Code, string) {
	var (
		invalid   x509.CertificateInvalidError
		hostname  x509.HostnameError
		untrusted x509.UnknownAuthorityError
		record    tls.RecordHeaderError
		remote    *net.OpError
		alert     string
	)
	if errors.As(err, &remote) && remote.Op == "remote error" {
		alert = remote.Err.Error()
	}
	const day = "2 January 2006"
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		if time.Now().Before(invalid.Cert.NotBefore) {
			return CodeCertificate, "The receiver's certificate is not valid before " + invalid.Cert.NotBefore.UTC().Format(day) + ": install one that is valid now."
		}
		return CodeCertificateExpired, "The receiver's certificate expired on " + invalid.Cert.NotAfter.UTC().Format(day) + ": renew it."
	case errors.As(err, &invalid):
		return CodeCertificate, "The receiver's certificate is not valid for a web server: install one that is."
	case errors.As(err, &hostname):
		return CodeCertificateHost, "The receiver's certificate is for a different host name: install one for the URL's host name, or enter the name that the certificate is for."
	case errors.As(err, &untrusted):
		return CodeCertificateUntrusted, "The receiver's certificate is not signed by a trusted authority: install one that is, and make the server send the intermediate certificates too."
	case errors.Is(err, http.ErrSchemeMismatch) || errors.As(err, &record):
		return CodeTLS, "The receiver does not speak TLS at the port of the URL: start the URL with http instead of https, or enter the port that speaks TLS."
	case alert == alertCertificateRequired.Error() || alert == alertBadCertificate.Error():
		return CodeTLS, "The receiver asks for a client certificate, which webhooks do not have: make it accept requests without one."
	case alert == alertUnrecognizedName.Error():
		return CodeTLS, "The receiver's TLS does not know the host name of the URL: install a certificate for that name."
	case alert != "" || at == phaseTLS:
		return CodeTLS, "The TLS handshake with the receiver failed: check that it speaks TLS 1.2 or newer and has a valid certificate."
	}
	return "", ""
}

// explainBroken says why nothing or no answer came over a connection.
func explainBroken(err error, head httpconn.Head) (Code, string) {
	var stream streamError
	switch {
	case headTooLarge(err):
		return CodeHeadTooLarge, "The headers of the receiver's answer are too large: make it send fewer or shorter ones."
	case head.Unasked:
		return CodeNotHTTP, notHTTP
	case head.HTTP && head.Complete || headInvalid(err):
		return CodeHeadInvalid, invalidHead
	// The second of the malformed is an answer that came before the request.
	case strings.Contains(err.Error(), "malformed") || strings.Contains(err.Error(), "readLoopPeekFail"):
		return CodeNotHTTP, notHTTP
	case errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.As(err, &stream) || errors.Is(err, ErrSent):
		return CodeReset, "The receiver reset the connection without an answer: check its server's error log."
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(err.Error(), "server closed"):
		return CodeClosed, "The receiver closed the connection without an answer: check its server's error log."
	}
	return CodeBroken, "The receiver's answer could not be read: check its server's error log."
}

const invalidHead = "The headers of the receiver's answer are not valid HTTP: check whether its application prints something before or between them, such as a warning."

const notHTTP = "The receiver's answer is not HTTP: check the port of the URL, and whether the URL must start with https instead of http."

// net/http has no types for what these tell by its texts.

// headTooLarge reports whether an answer's head is longer than the client allows.
func headTooLarge(err error) bool {
	return err != nil && strings.Contains(err.Error(), "server response headers exceeded")
}

// headInvalid reports whether an answer began as HTTP, and then its head was not
// valid.
func headInvalid(err error) bool {
	text := err.Error()
	for _, part := range [...]string{
		"malformed MIME header", "malformed HTTP version \"HTTP/", "malformed HTTP response \"HTTP/",
		"Transfer-Encoding", "transfer encoding", "Content-Length", "message too large",
	} {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// A streamError is what net/http's errors of HTTP/2 streams are convertible
// to, by their method As: for clients of the caller's that speak it.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (streamError) Error() string { return "the stream was reset" }

// Clean makes a text one that any store can keep: valid UTF-8 without NUL, of
// at most 1 KiB.
func Clean(text string) string {
	text = strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "�")
	if len(text) > 1024 {
		text = strings.ToValidUTF8(text[:1024], "")
	}
	return text
}
