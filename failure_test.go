package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook/internal/netguard"
)

func TestAFailureIsOneWord(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errTimeout)
	for _, c := range []struct {
		want string
		ctx  context.Context
		err  error
		at   phase
	}{
		{"lookup_timeout", ctx, errTimeout, phaseLookup},
		{"connect_timeout", ctx, errTimeout, phaseConnect},
		{"connect_timeout", ctx, errTimeout, phaseConnection},
		{"tls_timeout", ctx, errTimeout, phaseTLS},
		{"send_timeout", ctx, errTimeout, phaseSend},
		{"answer_timeout", ctx, errTimeout, phaseAnswer},
		{"lookup", t.Context(), &net.DNSError{IsNotFound: true}, phaseLookup},
		{"lookup", t.Context(), &net.DNSError{}, phaseLookup},
		{"refused", t.Context(), syscall.ECONNREFUSED, phaseConnect},
		{"unreachable", t.Context(), syscall.EHOSTUNREACH, phaseConnect},
		{"connect", t.Context(), errors.New("?"), phaseConnect},
		{"proxy", t.Context(), &net.OpError{Op: "proxyconnect", Err: errors.New("?")}, phaseConnect},
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
		{"address", t.Context(), &AddressError{&netguard.Refusal{Reason: "is not public"}}, phaseConnect},
		{"sender", t.Context(), context.Canceled, phaseAnswer},
	} {
		reason, _ := explainError(c.ctx, c.err, c.at, time.Second)
		assert.Equal(t, c.want, Attempt{Reason: reason}.Failure(), reason)
	}
	assert.Equal(t, "503", Attempt{Status: 503, Reason: explainStatus(503)}.Failure())
	assert.Equal(t, "", Attempt{Status: 200}.Failure())
	assert.Equal(t, "canceled", cancellation(Delivery{}, "Canceled: the webhook was deleted.").Log.Failure())
	assert.Equal(t, "other", Attempt{Reason: "Something new."}.Failure())
}

// A sentence that is changed in the one place is to be changed in the other.
func TestEveryReasonHasAWord(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "reason.go", nil, 0)
	require.NoError(t, err)
	sentences := 0
	for _, declared := range file.Decls {
		f, ok := declared.(*ast.FuncDecl)
		if !ok || f.Name.Name == "explainStatus" { // whose word is the status
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING && strings.HasPrefix(lit.Value, `"The `) {
				sentences++
				text, err := strconv.Unquote(lit.Value)
				require.NoError(t, err)
				assert.NotEqual(t, "other", Attempt{Reason: text}.Failure(), text)
			}
			return true
		})
	}
	assert.Greater(t, sentences, 20)
}
