package diagnose

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/listhook/webhook/internal/netguard"
)

func TestAFailureHasACode(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(ErrTimeout)
	for _, c := range []struct {
		want string
		ctx  context.Context
		err  error
		at   phase
	}{
		{"lookup_timeout", ctx, ErrTimeout, phaseLookup},
		{"connect_timeout", ctx, ErrTimeout, phaseConnect},
		{"connect_timeout", ctx, ErrTimeout, phaseConnection},
		{"tls_timeout", ctx, ErrTimeout, phaseTLS},
		{"send_timeout", ctx, ErrTimeout, phaseSend},
		{"answer_timeout", ctx, ErrTimeout, phaseAnswer},
		{"lookup", t.Context(), &net.DNSError{IsNotFound: true}, phaseLookup},
		{"lookup", t.Context(), &net.DNSError{}, phaseLookup},
		{"refused", t.Context(), syscall.ECONNREFUSED, phaseConnect},
		{"unreachable", t.Context(), syscall.EHOSTUNREACH, phaseConnect},
		{"connect", t.Context(), errors.New("?"), phaseConnect},
		{"sender", t.Context(), &net.OpError{Op: "proxyconnect", Err: errors.New("?")}, phaseConnect},
		{"certificate_expired", t.Context(), x509.CertificateInvalidError{Reason: x509.Expired, Cert: &x509.Certificate{}}, phaseTLS},
		{"certificate", t.Context(), x509.CertificateInvalidError{Reason: x509.Expired, Cert: &x509.Certificate{NotBefore: time.Now().Add(time.Hour)}}, phaseTLS},
		{"certificate", t.Context(), x509.CertificateInvalidError{}, phaseTLS},
		{"certificate_host", t.Context(), x509.HostnameError{Certificate: &x509.Certificate{}}, phaseTLS},
		{"certificate_untrusted", t.Context(), x509.UnknownAuthorityError{}, phaseTLS},
		{"tls", t.Context(), tls.RecordHeaderError{}, phaseTLS},
		{"tls", t.Context(), errors.New("?"), phaseTLS},
		{"reset", t.Context(), syscall.ECONNRESET, phaseAnswer},
		{"closed", t.Context(), io.EOF, phaseAnswer},
		{"not_http", t.Context(), errors.New("malformed HTTP response"), phaseAnswer},
		{"head_too_large", t.Context(), errors.New("net/http: server response headers exceeded 65536 bytes"), phaseAnswer},
		{"broken", t.Context(), errors.New("?"), phaseAnswer},
		{"address", t.Context(), refused{}, phaseConnect},
		{"sender", t.Context(), context.Canceled, phaseAnswer},
	} {
		var trace Trace
		trace.at.Store(int32(c.at))
		f := trace.Explain(c.ctx, c.err, time.Second, Facts{ResolverWorks: true})
		assert.Equal(t, Code(c.want), f.Code, f.Sentence)
		assert.NotEmpty(t, f.Sentence)
	}
}

// refused is an error of a client that checks addresses.
type refused struct{}

func (refused) Error() string  { return "URL has a host that is not public (a hint for developers)" }
func (refused) Unwrap() error  { return &netguard.Refusal{Reason: "has a host that is not public"} }
func (refused) Detail() string { return "receiver.example: 127.0.0.1 is loopback" }

func TestARefusalTellsTheOperatorTheAddressAndTheCustomerTheReason(t *testing.T) {
	var trace Trace
	f := trace.Explain(t.Context(), fmt.Errorf("around: %w", refused{}), time.Second, Facts{})
	assert.Equal(t, "The URL has a host that is not public: webhooks are sent to public hosts on the usual ports only.", f.Sentence)
	assert.Equal(t, "receiver.example: 127.0.0.1 is loopback", f.Detail)
}
