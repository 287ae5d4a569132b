package diagnose

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"syscall"

	"github.com/listhook/webhook/internal/egress"
	"github.com/listhook/webhook/internal/netguard"
)

// A Scope says how much of what is sent a failure of the sender's own concerns.
type Scope int

const (
	ScopeNone    Scope = iota // it is no failure of the sender's
	ScopeWebhook              // requests of this webhook, as far as is known
	ScopeAll                  // all requests
)

// Facts are what is known of the sender when a request has failed.
type Facts struct {
	Proxied       bool // the request went to the operator's proxy
	ProxyTLS      bool // by TLS, whose handshake the hooks are told of
	NoRoots       bool // no certificate authority is trusted
	ResolverWorks bool // it has answered lately, about some name
	Offline       bool // the machine has no route to the Internet
}

// exhausted are errors that say that the machine or the process has run out of
// something, or has no network.
var exhausted = []syscall.Errno{
	syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS, syscall.ENETDOWN,
}

// fault says whether err is a failure of the sender's own, and why in words
// without an address.
func (t *Trace) fault(ctx context.Context, err error, facts Facts) (scope Scope, cause string) {
	for _, no := range exhausted {
		if errors.Is(err, no) {
			return ScopeAll, no.Error()
		}
	}
	var (
		proxy  *egress.ProxyError
		target *egress.TargetError
		config *egress.ConfigError
		op     *net.OpError
		lookup *net.DNSError
	)
	switch {
	case errors.As(err, new(*netguard.Refusal)):
		return ScopeNone, ""
	case errors.As(err, &target): // the proxy says that it is the receiver
		return ScopeNone, ""
	case errors.As(err, &proxy) && proxy.All:
		return ScopeAll, proxy.What
	case proxy != nil:
		return ScopeWebhook, proxy.What
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return ScopeAll, "the proxy cannot be reached"
	case facts.Proxied && (t.phase() < phaseTLS || facts.ProxyTLS && t.phase() == phaseTLS && t.handshakes.Load() < 2):
		return ScopeWebhook, "the proxy did not connect to the receiver"
	case errors.As(err, &config):
		return ScopeAll, "the TLS configuration cannot be used"
	case errors.As(err, new(x509.SystemRootsError)), errors.As(err, new(x509.UnknownAuthorityError)) && facts.NoRoots:
		return ScopeAll, "no certificate authority is trusted: the machine has no root certificates"
	case errors.As(err, &lookup):
		return lookupFault(lookup, facts)
	case t.phase() == phaseLookup && isTimeout(ctx, err) && !facts.ResolverWorks:
		return ScopeWebhook, "the name server did not answer"
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EAGAIN) && t.phase() < phaseTLS:
		return ScopeWebhook, "no local address or port is free"
	case errors.Is(err, syscall.EPERM) && t.phase() < phaseTLS:
		return ScopeWebhook, "this machine does not permit the connection"
	case errors.Is(err, syscall.ENETUNREACH) && facts.Offline:
		return ScopeAll, "this machine has no route to the Internet"
	case context.Cause(ctx) == nil && errors.Is(err, context.Canceled), ctx.Err() != nil && context.Cause(ctx) == context.Canceled:
		return ScopeWebhook, causeCanceled
	}
	return ScopeNone, ""
}

// lookupFault tells a name server that cannot be asked from a name that it has no
// answer for. What it says of a name, SERVFAIL too, is about that name's zone.
func lookupFault(err *net.DNSError, facts Facts) (Scope, string) {
	if err.IsNotFound {
		return ScopeNone, ""
	}
	for _, no := range append([]syscall.Errno{
		syscall.ECONNREFUSED, syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.EPERM, syscall.EADDRNOTAVAIL,
	}, exhausted...) {
		if strings.Contains(err.Err, no.Error()) { // net keeps the text alone
			return ScopeAll, "the name server cannot be asked: " + no.Error()
		}
	}
	switch {
	case err.Err == "server misbehaving" && !err.IsTemporary: // REFUSED and the like
		return ScopeWebhook, "the name server refuses to answer"
	case facts.ResolverWorks:
		return ScopeNone, ""
	case err.IsTimeout, strings.Contains(err.Err, "emporary failure in name resolution"): // getaddrinfo's words
		return ScopeWebhook, "the name server did not answer"
	}
	return ScopeNone, ""
}

const causeCanceled = "the app canceled the request"
