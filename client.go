package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/listhook/webhook/internal/netguard"
)

// An AddressError is why a client of NewClient did not make a request. Its
// text may be shown to a customer: it holds no address.
type AddressError struct{ refusal *netguard.Refusal }

// Error returns the reason in words for the customer.
func (e *AddressError) Error() string { return "webhook: " + e.refusal.Error() }

// Detail returns the host, the address and the rule that refused it, for the
// operator only.
func (e *AddressError) Detail() string { return e.refusal.Host + ": " + e.refusal.Rule }

// ClientOptions say what a client of NewClient may reach beside public
// addresses on the ports 80 and 443. The zero value, and nil, allow nothing
// else.
//
// Customers write the URLs: whatever is allowed here, every customer can make
// the app POST to.
type ClientOptions struct {
	// AllowPrefixes are networks that may be reached although they are not
	// public, such as 10.1.0.0/16.
	AllowPrefixes []netip.Prefix

	// AllowHosts are hosts that may be reached whatever their addresses are:
	// names or addresses as URLs have them, "crm.internal" on every port,
	// "localhost:8080" or "[::1]:8080" on one. A name that is not ASCII is
	// written in its xn-- form. Whoever answers for such a name in the DNS
	// decides where the requests go.
	AllowHosts []string

	// AllowPorts are ports beside 80 and 443, on every host.
	AllowPorts []uint16

	// TLS configures TLS, such as the authorities that are trusted. It is
	// copied. Nil: Go's defaults.
	TLS *tls.Config

	// Proxy is the operator's own proxy that all requests go through: http,
	// https or socks5. It looks names up, so what they resolve to is for it to
	// check; only URLs are checked here. Nil: none, whatever the environment
	// says.
	Proxy *url.URL
}

// guard returns the guard of a client with these options.
func (o *ClientOptions) guard(resolver *net.Resolver) *netguard.Guard {
	c := netguard.Config{Timeout: connectTimeout, Resolver: resolver}
	if o != nil {
		c.AllowPrefixes, c.AllowHosts, c.AllowPorts = o.AllowPrefixes, o.AllowHosts, o.AllowPorts
	}
	return netguard.New(c)
}

// CheckURL returns an *InvalidError of the field URL for a URL that a client of
// NewClient(o) would refuse by its text alone: an address that is not public,
// however it is written, a name of internal networks, a port. It looks no name
// up. Dispatcher.PutWebhook calls it when the Dispatcher's client is NewClient's
// own; it is for apps that wrap that client's Transport. o may be nil.
func (o *ClientOptions) CheckURL(rawURL string) error { return checkGuarded(o.guard(nil), rawURL) }

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
	u, err := url.Parse(rawURL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return invalid("URL", "is not an absolute http or https URL")
	}
	if refused := g.CheckURL(u); refused != nil {
		return invalid("URL", refused.Reason)
	}
	return nil
}

// NewClient returns a client that is safe to point at URLs that customers
// write. It connects to public addresses only, which it checks after every
// lookup of a name, on the address that is dialled; what it refuses is an
// *AddressError. It follows no redirect, keeps no cookies, and uses no proxy
// but the one of opts. It bounds the time for connecting and for TLS, and the
// length of an answer's head; the time of a whole request is for its context
// to bound.
//
// opts may be nil.
func NewClient(opts *ClientOptions) *http.Client {
	return newClient(opts, nil)
}

// newClient is NewClient with a resolver of the caller's, unless it is nil.
func newClient(opts *ClientOptions, resolver *net.Resolver) *http.Client {
	g := opts.guard(resolver)
	t := &http.Transport{
		DialContext:         guardedDial(g),
		TLSHandshakeTimeout: connectTimeout,

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
	if opts != nil && opts.TLS != nil {
		t.TLSClientConfig = opts.TLS.Clone()
		t.TLSClientConfig.NextProtos = nil // net/http offers what Protocols says
	}
	if opts != nil && opts.Proxy != nil {
		t.Proxy = http.ProxyURL(opts.Proxy)
		t.DialContext = g.DialUnguarded // to the proxy, always
	}
	return &http.Client{
		Transport:     &guardedTransport{guard: g, transport: t, fresh: withoutIdle(t)},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
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

// sending returns what of c an attempt goes through. It is the transport alone:
// a client would follow redirects, so that a POST became a GET without a body
// and looked like a success, and keep cookies. Nil: NewClient(nil).
func sending(c *http.Client) http.RoundTripper {
	if c == nil {
		c = NewClient(nil)
	}
	if c.Transport == nil {
		return http.DefaultTransport
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
	transport *http.Transport
	fresh     *http.Transport // for requests that are to have a connection of their own
}

// RoundTrip implements http.RoundTripper.
func (t *guardedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if refused := t.guard.CheckURL(r.URL); refused != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, &AddressError{refused}
	}
	if r.Close {
		return t.fresh.RoundTrip(r)
	}
	return t.transport.RoundTrip(r)
}

// CloseIdleConnections is called by http.Client's.
func (t *guardedTransport) CloseIdleConnections() { t.transport.CloseIdleConnections() }

// guardedDial is a transport's DialContext that tells what g refuses as an
// *AddressError.
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
