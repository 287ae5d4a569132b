package diagnose

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/listhook/webhook/internal/egress"
	"github.com/listhook/webhook/internal/netguard"
)

func TestWhatIsTheSendersOwnFailure(t *testing.T) {
	dial := func(no syscall.Errno) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", no)}
	}
	lookup := func(text string) *net.DNSError { return &net.DNSError{Err: text, Name: "receiver.example"} }
	misbehaving := lookup("server misbehaving")
	servfail := lookup("server misbehaving")
	servfail.IsTemporary = true
	late := lookup("i/o timeout")
	late.IsTimeout = true
	works := Facts{ResolverWorks: true}
	expired, cancel := context.WithCancelCause(t.Context())
	cancel(ErrTimeout)
	canceled, stop := context.WithCancel(t.Context())
	stop()

	for name, c := range map[string]struct {
		err   error
		at    phase
		facts Facts
		ctx   context.Context
		want  Scope
	}{
		"no descriptor for this process":     {err: dial(syscall.EMFILE), at: phaseConnect, want: ScopeAll},
		"no descriptor on this machine":      {err: dial(syscall.ENFILE), at: phaseConnect, want: ScopeAll},
		"no memory":                          {err: dial(syscall.ENOMEM), at: phaseConnect, want: ScopeAll},
		"no buffer to connect":               {err: dial(syscall.ENOBUFS), at: phaseConnect, want: ScopeAll},
		"no buffer to send":                  {err: &net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.ENOBUFS)}, at: phaseSend, want: ScopeAll},
		"no network":                         {err: dial(syscall.ENETDOWN), at: phaseConnect, want: ScopeAll},
		"no port":                            {err: dial(syscall.EADDRNOTAVAIL), at: phaseConnect, want: ScopeWebhook},
		"no port, in other words":            {err: dial(syscall.EAGAIN), at: phaseConnect, want: ScopeWebhook},
		"a firewall of this machine":         {err: dial(syscall.EPERM), at: phaseConnect, want: ScopeWebhook},
		"no route at all":                    {err: dial(syscall.ENETUNREACH), at: phaseConnect, facts: Facts{Offline: true}, want: ScopeAll},
		"no route to the receiver":           {err: dial(syscall.ENETUNREACH), at: phaseConnect, want: ScopeNone},
		"an unreachable host":                {err: dial(syscall.EHOSTUNREACH), at: phaseConnect, want: ScopeNone},
		"a refused connection":               {err: dial(syscall.ECONNREFUSED), at: phaseConnect, want: ScopeNone},
		"a proxy that does not run":          {err: &egress.ProxyError{What: "x", Err: dial(syscall.ECONNREFUSED), All: true}, at: phaseConnect, facts: Facts{Proxied: true}, want: ScopeAll},
		"a proxy of another client's":        {err: &net.OpError{Op: "proxyconnect", Err: dial(syscall.ECONNREFUSED)}, at: phaseConnect, want: ScopeAll},
		"a proxy that refuses a receiver":    {err: &egress.ProxyError{What: "x"}, at: phaseConnect, want: ScopeWebhook},
		"the same of another client":         {err: errors.New("Forbidden"), at: phaseConnect, facts: Facts{Proxied: true}, want: ScopeWebhook},
		"a proxy that hangs":                 {err: ErrTimeout, ctx: expired, at: phaseConnect, facts: Facts{Proxied: true}, want: ScopeWebhook},
		"a receiver behind a proxy":          {err: &egress.TargetError{Err: syscall.ECONNREFUSED}, at: phaseConnect, facts: Facts{Proxied: true}, want: ScopeNone},
		"a handshake through a proxy":        {err: errors.New("EOF"), at: phaseTLS, facts: Facts{Proxied: true}, want: ScopeNone},
		"a URL that a proxy does not get":    {err: &netguard.Refusal{Reason: "has"}, facts: Facts{Proxied: true}, want: ScopeNone},
		"a name server that does not run":    {err: lookup("read udp 127.0.0.1:1->127.0.0.1:53: read: connection refused"), at: phaseLookup, facts: works, want: ScopeAll},
		"a name server out of reach":         {err: lookup("dial udp 192.0.2.1:53: connect: network is unreachable"), at: phaseLookup, want: ScopeAll},
		"no descriptor for a lookup":         {err: lookup("dial udp 127.0.0.1:53: socket: too many open files"), at: phaseLookup, want: ScopeAll},
		"a name server that refuses":         {err: misbehaving, at: phaseLookup, want: ScopeWebhook},
		"a silent name server":               {err: late, at: phaseLookup, want: ScopeWebhook},
		"the same, of this attempt's time":   {err: ErrTimeout, ctx: expired, at: phaseLookup, want: ScopeWebhook},
		"the same, of getaddrinfo":           {err: lookup("Temporary failure in name resolution"), at: phaseLookup, want: ScopeWebhook},
		"a silent name server of the zone":   {err: late, at: phaseLookup, facts: works, want: ScopeNone},
		"the same, within the time":          {err: ErrTimeout, ctx: expired, at: phaseLookup, facts: works, want: ScopeNone},
		"a zone that fails":                  {err: servfail, at: phaseLookup, want: ScopeNone},
		"an unknown name":                    {err: &net.DNSError{Err: "no such host", IsNotFound: true}, at: phaseLookup, want: ScopeNone},
		"no root certificates":               {err: fmt.Errorf("tls: %w", x509.UnknownAuthorityError{}), at: phaseTLS, facts: Facts{NoRoots: true}, want: ScopeAll},
		"unreadable root certificates":       {err: x509.SystemRootsError{}, at: phaseTLS, want: ScopeAll},
		"an unknown authority":               {err: x509.UnknownAuthorityError{}, at: phaseTLS, want: ScopeNone},
		"a TLS configuration":                {err: &egress.ConfigError{Err: errors.New("?")}, at: phaseTLS, want: ScopeAll},
		"a request that the app canceled":    {err: context.Canceled, ctx: canceled, at: phaseAnswer, want: ScopeWebhook},
		"a receiver that does not answer":    {err: ErrTimeout, ctx: expired, at: phaseAnswer, want: ScopeNone},
		"a receiver that cannot be reached":  {err: ErrTimeout, ctx: expired, at: phaseConnect, want: ScopeNone},
		"a connection reset by the receiver": {err: dial(syscall.ECONNRESET), at: phaseAnswer, want: ScopeNone},
	} {
		t.Run(name, func(t *testing.T) {
			var trace Trace
			trace.at.Store(int32(c.at))
			ctx := c.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			f := trace.Explain(ctx, c.err, time.Second, c.facts)
			assert.Equal(t, c.want, f.Scope, f.Sentence)
			assert.Equal(t, c.want != ScopeNone, f.Code == CodeSender)
			assert.Equal(t, c.want != ScopeNone, f.Cause != "")
			assert.NotRegexp(t, `\d+\.\d+\.\d+|\.example`, f.Cause+f.Sentence)
		})
	}
}
