package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/listhook/webhook/internal/egress"
	"github.com/listhook/webhook/internal/netguard"
)

// An AddressError says why a client of NewClient did not make a request. Its text holds
// no address. Attempt.Reason says the same to a customer.
type AddressError struct{ refusal *netguard.Refusal }

// Error returns the reason in words and, for a host that is this machine, how a
// test allows it.
func (e *AddressError) Error() string { return "webhook: " + e.refusal.Error() + testHint(e.refusal) }

// Detail returns the host, the address and the rule that refused it, for the
// operator only.
func (e *AddressError) Detail() string {
	return e.refusal.Host + ": " + e.refusal.Rule + testHint(e.refusal)
}

// Unwrap returns the refusal, for the package that explains failed attempts.
func (e *AddressError) Unwrap() error { return e.refusal }

// testHint is for a developer whose test has its receiver on this machine, where
// the reason alone reads like a fault of the URL.
func testHint(refused *netguard.Refusal) string {
	if !refused.Loopback {
		return ""
	}
	return " (in a test of your own, allow the host by ClientOptions.AllowHosts, or use the client of package webhooktest)"
}

// ClientOptions say what a client of NewClient may reach besides public addresses on
// the ports 80 and 443. The zero value, and nil, allow nothing else.
//
// Customers write the URLs: whatever is allowed here, every customer can make
// the app POST to.
//
// For an entry that allows nothing, or something else than it says, New, CheckURL and
// each request return an *InvalidError that names its field.
type ClientOptions struct {
	// AllowPrefixes are networks that may be reached although they are not
	// public, such as 10.1.0.0/16.
	AllowPrefixes []netip.Prefix

	// AllowHosts are hosts that may be reached whatever their addresses are:
	// names or addresses as URLs have them, "crm.internal" on every port,
	// "localhost:8080" or "[::1]:8080" on one. Whether a name is written in
	// Unicode or in its xn-- form does not matter. Whoever answers for such a
	// name in the DNS decides where the requests go.
	AllowHosts []string

	// AllowPorts are ports besides 80 and 443, on every host.
	AllowPorts []uint16

	// TLS configures TLS, such as the authorities that are trusted. It is
	// copied. Nil: Go's defaults.
	TLS *tls.Config

	// Proxy is the operator's own proxy that all requests go through: http, https or
	// socks5. The proxy looks up names, so it must check what they resolve to; here only
	// URLs are checked. Nil: none, whatever the environment says.
	Proxy *url.URL
}

// guard returns the guard of a client with these options. Its error is an
// *InvalidError.
func (o *ClientOptions) guard(resolver *net.Resolver) (*netguard.Guard, error) {
	c := netguard.Config{Timeout: connectTimeout, Resolver: resolver}
	if o != nil {
		c.AllowPrefixes, c.AllowHosts, c.AllowPorts = o.AllowPrefixes, o.AllowHosts, o.AllowPorts
	}
	if o != nil && o.Proxy != nil {
		switch {
		case !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, o.Proxy.Scheme):
			return nil, invalid("ClientOptions.Proxy", "has the scheme "+quote(o.Proxy.Scheme)+", not one of http, https, socks5 and socks5h")
		case o.Proxy.Hostname() == "": // which would dial this machine
			return nil, invalid("ClientOptions.Proxy", "has no host: write it as in http://proxy.example:3128")
		}
	}
	g, err := netguard.New(c)
	var bad *netguard.ConfigError
	if errors.As(err, &bad) {
		err = invalid("ClientOptions."+bad.Field, bad.Reason)
	}
	return g, err
}

// CheckURL returns an *InvalidError of the field URL for a URL that has no normal form,
// or that a client of NewClient(o) would refuse by its text alone: an address that is
// not public, however it is written, a name of internal networks, a port. It does not
// look up names. AddWebhook and UpdateWebhook call it when the Dispatcher's client is
// NewClient's own; it is for apps that wrap that client's Transport. o may be nil.
func (o *ClientOptions) CheckURL(rawURL string) error {
	g, err := o.guard(nil)
	if err != nil {
		return err
	}
	return checkGuarded(g, rawURL)
}

// checkURL checks a webhook's URL if rt is that of a client of NewClient. What
// another may reach is its owner's business.
func checkURL(rt http.RoundTripper, rawURL string) error {
	if t, ok := rt.(*guardedTransport); ok {
		return checkGuarded(t.guard, rawURL)
	}
	return nil
}

// checkGuarded checks a URL as a customer writes it.
func checkGuarded(g *netguard.Guard, rawURL string) error {
	u, err := normalURL(rawURL)
	if err != nil {
		return err
	}
	if refused := g.CheckURL(u); refused != nil {
		return fmt.Errorf("%w%s", invalid("URL", refused.Reason), testHint(refused))
	}
	return nil
}

// normalURL returns the normal form of a URL as a customer writes it, or an
// *InvalidError of the field URL.
func normalURL(rawURL string) (*url.URL, error) {
	u, refused := netguard.Normalize(rawURL)
	if refused != nil {
		return nil, invalid("URL", refused.Reason)
	}
	return u, nil
}

// NewClient returns a client that is safe to point at URLs that customers write. It
// connects only to public addresses: it checks the very address that it dials, after
// every lookup of a name. Its refusal is an *AddressError. It follows no redirect,
// keeps no cookies, and uses no proxy but that of opts. It limits the time for
// connecting and for TLS, and the length of an answer's head. Limit the time of a whole
// request by its context.
//
// opts may be nil.
func NewClient(opts *ClientOptions) *http.Client {
	return newClient(opts, nil)
}

// newClient is NewClient with a resolver of the caller's, unless it is nil.
func newClient(opts *ClientOptions, resolver *net.Resolver) *http.Client {
	g, err := opts.guard(resolver)
	if err != nil {
		return &http.Client{Transport: brokenTransport{err}}
	}
	d := &egress.Dialer{Dial: guardedDial(g), Timeout: connectTimeout}
	if opts != nil {
		d.TLS, d.Proxy = opts.TLS.Clone(), opts.Proxy
	}
	if d.Proxy != nil {
		d.Dial = g.DialUnguarded // to the proxy, always
	}
	return &http.Client{
		Transport:     newGuardedTransport(g, d),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func newGuardedTransport(g *netguard.Guard, d *egress.Dialer) *guardedTransport {
	t := &http.Transport{
		DialContext:    d.DialContext,
		DialTLSContext: d.DialTLSContext,

		// Many webhooks may live on one host, a no-code tool's say, and what is
		// not kept is connected anew. Receivers close idle connections after
		// 5 to 75 seconds themselves.
		MaxIdleConns:        4096,
		MaxIdleConnsPerHost: 256,
		IdleConnTimeout:     30 * time.Second,

		// An answer is kept for people to read, a few kilobytes of it. Unasked,
		// no server compresses it, and no small answer can become a big one.
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,

		// One request has one connection: over HTTP/2 all those to a host would
		// share one, and a receiver that stalls or resets it would fail the
		// attempts of every other customer of that host.
		Protocols: new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	forward := t
	if d.Forwards() {
		forward = t.Clone()
		forward.Proxy = http.ProxyURL(d.Proxy)
		forward.DialTLSContext = d.DialContext // to a proxy of https, with TLS
	}
	return &guardedTransport{
		guard: g, proxied: d.Proxy != nil, tls: d.TLS,
		transport: t, fresh: withoutIdle(t), forward: forward, freshForward: withoutIdle(forward),
	}
}

// withoutIdle returns a transport like t that makes a connection for each
// request.
func withoutIdle(t *http.Transport) *http.Transport {
	t = t.Clone()
	t.DisableKeepAlives = true
	return t
}

// connectTimeout bounds a lookup with the connecting that follows it, and then
// the TLS handshake: long enough for a few lost packets.
const connectTimeout = 10 * time.Second

// transportOf returns the Transport of c, with which attempts are made. They do not use
// the client itself: it would keep cookies and follow redirects, so that a POST became a
// GET without a body and looked like a success. For a client without a Transport, such as
// http.DefaultClient, transportOf returns that of NewClient(nil): http.DefaultTransport
// would reach internal addresses, and nobody should allow that by leaving something out.
func transportOf(c *http.Client) http.RoundTripper {
	if c == nil || c.Transport == nil {
		c = NewClient(nil)
	}
	return c.Transport
}

// speaksPlainHTTP1 reports whether connections of rt without TLS are known to
// speak HTTP/1.
func speaksPlainHTTP1(rt http.RoundTripper) bool {
	switch t := rt.(type) {
	case *guardedTransport:
		return true
	case *http.Transport:
		return t.Protocols == nil || !t.Protocols.UnencryptedHTTP2()
	}
	return false
}

// guardedTransport checks URLs before they are requested; its dialler checks
// addresses.
type guardedTransport struct {
	guard     *netguard.Guard
	proxied   bool
	tls       *tls.Config // may be nil
	transport *http.Transport
	fresh     *http.Transport // for requests that are to have a connection of their own

	// The same for http URLs: a proxy of HTTP gets their requests as they are.
	forward, freshForward *http.Transport
}

// RoundTrip implements http.RoundTripper.
func (t *guardedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	refused := (*netguard.Refusal)(nil)
	if !netguard.IsNormal(r.URL) { // a Dispatcher's are
		r, refused = normalRequest(r)
	}
	if refused == nil {
		refused = t.guard.CheckURL(r.URL)
	}
	if refused != nil {
		closeBody(r)
		return nil, &AddressError{refused}
	}
	switch {
	case r.URL.Scheme == "http" && r.Close:
		return t.proxyRefusal(t.freshForward.RoundTrip(r))
	case r.URL.Scheme == "http":
		return t.proxyRefusal(t.forward.RoundTrip(r))
	case r.Close:
		return t.fresh.RoundTrip(r)
	}
	return t.transport.RoundTrip(r)
}

// proxyRefusal returns an *egress.ProxyError for the one status that only a
// forwarding proxy answers with: 407, it wants other credentials. A 403 or a 503
// may be the receiver's, and counts as its answer.
func (t *guardedTransport) proxyRefusal(resp *http.Response, err error) (*http.Response, error) {
	if err != nil || !t.proxied || resp.StatusCode != http.StatusProxyAuthRequired {
		return resp, err
	}
	_ = resp.Body.Close()
	return nil, &egress.ProxyError{What: "the proxy answered with 407 Proxy Authentication Required", All: true}
}

// normalRequest returns r with the normal form of its URL: net/http would check
// and dial one spelling of it, and write another on the wire.
func normalRequest(r *http.Request) (*http.Request, *netguard.Refusal) {
	u, refused := netguard.Normalize(r.URL.String())
	if refused != nil {
		refused.Host = r.URL.Host
		return r, refused
	}
	normal := *r
	if normal.URL = u; r.Host == r.URL.Host {
		normal.Host = u.Host
	}
	return &normal, nil
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// brokenTransport is that of a client whose options cannot be used.
type brokenTransport struct{ err error }

// RoundTrip implements http.RoundTripper.
func (t brokenTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	closeBody(r)
	return nil, t.err
}

// CloseIdleConnections is called by http.Client's.
func (t *guardedTransport) CloseIdleConnections() {
	t.transport.CloseIdleConnections()
	t.forward.CloseIdleConnections()
}

// guardedDial returns a DialContext for a transport. If g refuses an address, its error is
// an *AddressError.
func guardedDial(g *netguard.Guard) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := g.DialContext(ctx, network, addr)
		var refused *netguard.Refusal
		if errors.As(err, &refused) {
			return nil, &AddressError{refused}
		}
		return conn, err
	}
}
