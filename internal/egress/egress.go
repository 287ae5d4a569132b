// Package egress makes the connections that requests leave by: to the receiver, or
// through the operator's own proxy, with TLS or without.
//
// It does what net/http could do too, for two reasons. net/http tells what a proxy
// answers in a text alone, and a proxy that fails is no fault of the receiver's: here
// it is a *ProxyError. And only what stands above TLS can follow an answer to its
// end, as httpconn does.
package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/listhook/webhook/internal/httpconn"
)

// A Dialer makes connections.
type Dialer struct {
	// Dial connects to an address: the receiver's, or the proxy's.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	TLS     *tls.Config   // nil: the defaults
	Timeout time.Duration // of a TLS handshake

	// Proxy is http, https, socks5 or socks5h; nil: none.
	Proxy *url.URL
}

// proxyTimeout is how long a proxy may take to connect to a receiver.
const proxyTimeout = 30 * time.Second

// Forwards reports whether requests of http URLs go to the proxy as they are,
// rather than through a tunnel.
func (d *Dialer) Forwards() bool {
	return d.Proxy != nil && (d.Proxy.Scheme == "http" || d.Proxy.Scheme == "https")
}

// DialContext connects for requests of http URLs: to addr, or to the proxy if
// that forwards them.
func (d *Dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	var c net.Conn
	var err error
	if d.Forwards() {
		c, err = d.dialProxy(ctx)
	} else {
		c, err = d.connect(ctx, network, addr)
	}
	if err != nil {
		return nil, err
	}
	return httpconn.New(c), nil
}

// DialTLSContext connects for requests of https URLs.
func (d *Dialer) DialTLSContext(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	raw, err := d.connect(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	trace := httptrace.ContextClientTrace(ctx)
	if trace != nil && trace.TLSHandshakeStart != nil {
		trace.TLSHandshakeStart()
	}
	c, err := d.handshake(ctx, raw, host)
	if trace != nil && trace.TLSHandshakeDone != nil {
		var state tls.ConnectionState
		if err == nil {
			state = c.ConnectionState()
		}
		trace.TLSHandshakeDone(state, err)
	}
	if err != nil {
		return nil, err
	}
	return httpconn.New(c), nil
}

// handshake puts TLS on a connection, which it closes if it cannot.
func (d *Dialer) handshake(ctx context.Context, raw net.Conn, host string) (*tls.Conn, error) {
	config := &tls.Config{}
	if d.TLS != nil {
		config = d.TLS.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = host
	}
	config.NextProtos = []string{"http/1.1"}
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	var unusable error // of the client's certificate
	if get := config.GetClientCertificate; get != nil {
		config.GetClientCertificate = func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			c, err := get(info)
			unusable = err
			return c, err
		}
	}
	sending := &sendingConn{Conn: raw}
	c := tls.Client(sending, config)
	err := c.HandshakeContext(ctx)
	if err == nil {
		return c, nil
	}
	_ = raw.Close()
	// Before the first byte, only the configuration can fail.
	if ctx.Err() == nil && (unusable != nil || !sending.began.Load() || strings.HasPrefix(err.Error(), "tls: failed to sign")) {
		err = &ConfigError{err}
	}
	return c, err
}

// A sendingConn knows whether anything was sent.
type sendingConn struct {
	net.Conn
	began atomic.Bool
}

func (c *sendingConn) Write(p []byte) (int, error) {
	c.began.Store(true)
	return c.Conn.Write(p)
}

// connect makes a connection to addr, through the proxy if there is one.
func (d *Dialer) connect(ctx context.Context, network, addr string) (net.Conn, error) {
	if d.Proxy == nil {
		return d.Dial(ctx, network, addr)
	}
	c, err := d.dialProxy(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, proxyTimeout)
	defer cancel()
	closed := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	if d.Forwards() {
		err = askHTTP(c, d.Proxy, addr)
	} else {
		err = askSOCKS(c, d.Proxy, addr)
	}
	if !closed() && err == nil {
		err = ctx.Err()
	}
	if err == nil {
		return c, nil
	}
	_ = c.Close()
	var target *TargetError
	if errors.As(err, &target) {
		return nil, err
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return nil, asProxyError("the proxy did not connect to the receiver", err, false)
}

// dialProxy connects to the proxy.
func (d *Dialer) dialProxy(ctx context.Context) (net.Conn, error) {
	c, err := d.Dial(ctx, "tcp", net.JoinHostPort(d.Proxy.Hostname(), d.proxyPort()))
	if err != nil {
		return nil, asProxyError("the proxy cannot be reached", err, true)
	}
	if d.Proxy.Scheme != "https" {
		return c, nil
	}
	secure, err := d.handshake(ctx, c, d.Proxy.Hostname())
	if err != nil {
		return nil, asProxyError("the TLS handshake with the proxy failed", err, true)
	}
	return secure, nil
}

func (d *Dialer) proxyPort() string {
	if port := d.Proxy.Port(); port != "" {
		return port
	}
	switch d.Proxy.Scheme {
	case "http":
		return "80"
	case "https":
		return "443"
	}
	return "1080" // of SOCKS
}

// A ProxyError is a failure of the operator's own proxy.
type ProxyError struct {
	What string // in words without an address
	Err  error  // may be nil
	All  bool   // no receiver can be reached through it
}

// Error returns all that is known, addresses too.
func (e *ProxyError) Error() string {
	if e.Err == nil {
		return e.What
	}
	return e.What + ": " + e.Err.Error()
}

// Unwrap returns the error beneath, or nil.
func (e *ProxyError) Unwrap() error { return e.Err }

// asProxyError returns err as a *ProxyError, with words unless it has some.
func asProxyError(what string, err error, all bool) error {
	var known *ProxyError
	if errors.As(err, &known) {
		return err
	}
	return &ProxyError{what, err, all}
}

// A ConfigError is a TLS configuration that cannot be used: no handshake can
// succeed with it, or none in which the receiver asks for a client's certificate.
type ConfigError struct{ Err error }

// Error tells what is wrong with it.
func (e *ConfigError) Error() string { return "the TLS configuration cannot be used: " + e.Err.Error() }

// Unwrap returns the error beneath.
func (e *ConfigError) Unwrap() error { return e.Err }

// A TargetError is what a proxy says of the receiver: that it could not connect to
// it.
type TargetError struct {
	Err error // a syscall.Errno
}

// Error tells what the proxy said.
func (e *TargetError) Error() string { return "the proxy says: " + e.Err.Error() }

// Unwrap returns the error that connecting without a proxy would give.
func (e *TargetError) Unwrap() error { return e.Err }
