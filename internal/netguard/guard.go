// Package netguard decides which hosts, ports and addresses an HTTP client may
// reach when strangers write its URLs: public addresses on the ports of the web,
// and what a Config allows besides. It checks the text of a URL, and every
// address that is dialled, after the lookup of the name.
package netguard

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"
)

// A Config says what a Guard allows beside public addresses on the ports 80 and
// 443. The zero value allows nothing else.
type Config struct {
	AllowPrefixes []netip.Prefix
	AllowHosts    []string // "host", on every port, or "host:port"
	AllowPorts    []uint16 // on every host

	Timeout  time.Duration // of a lookup with the connecting that follows it; 0: none
	Resolver *net.Resolver // nil: Go's default
}

// A Refusal is why a Guard does not let a request be made.
type Refusal struct {
	Reason string // for the customer: it holds no address and goes on after "URL "
	Host   string // as in the URL
	Rule   string // the address or the port, and the rule that refuses it: for the operator
}

// Error returns the reason in words for the customer.
func (r *Refusal) Error() string { return "URL " + r.Reason }

// Reasons of a Refusal.
const (
	reasonPort     = "has a port that is not allowed"
	reasonName     = "has a host that is not a public name"
	reasonNumber   = "has a host that is neither a name nor an address as it is usually written"
	reasonAddress  = "has a host that is not a public address"
	reasonResolved = "has a host whose address is not public"
)

// A Guard decides which hosts, ports and addresses may be reached. It is safe
// for concurrent use.
type Guard struct {
	prefixes []netip.Prefix
	hosts    map[string]bool // "host" or "host:port"
	ports    []uint16

	guarded net.Dialer // checks every address that it dials
	free    net.Dialer // for hosts that are allowed
}

// New returns a Guard.
func New(c Config) *Guard {
	g := &Guard{ports: append([]uint16{80, 443}, c.AllowPorts...), hosts: map[string]bool{}}
	g.free = net.Dialer{Timeout: c.Timeout, Resolver: c.Resolver}
	g.guarded = g.free
	g.guarded.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
		return g.checkDialled(address)
	}
	for _, p := range c.AllowPrefixes {
		if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		g.prefixes = append(g.prefixes, p)
	}
	for _, h := range c.AllowHosts {
		if host, port, err := net.SplitHostPort(h); err == nil {
			g.hosts[net.JoinHostPort(Normalize(host), port)] = true
		} else {
			g.hosts[Normalize(strings.Trim(h, "[]"))] = true
		}
	}
	return g
}

// DialContext is the one of an http.Transport. addr holds the URL's host: a
// host that is allowed by name is recognised here, in the very call that looks
// it up. An address that is refused is a *Refusal.
func (g *Guard) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if g.allowsHost(Normalize(host), port) {
		return g.free.DialContext(ctx, network, addr)
	}
	conn, err := g.guarded.DialContext(ctx, network, addr)
	// The error around it would tell the address.
	var refused *Refusal
	if errors.As(err, &refused) {
		refused.Host = host
		return nil, refused
	}
	return conn, err
}

// DialUnguarded dials without a check: the operator's own proxy.
func (g *Guard) DialUnguarded(ctx context.Context, network, addr string) (net.Conn, error) {
	return g.free.DialContext(ctx, network, addr)
}

// allowsHost reports whether a normal host is allowed by name. The empty one,
// which an empty setting would allow, is this machine to a dialler.
func (g *Guard) allowsHost(host, port string) bool {
	return host != "" && (g.hosts[host] || g.hosts[net.JoinHostPort(host, port)])
}

// allowsAddr returns "" if a may be reached, else the rule that it breaks.
func (g *Guard) allowsAddr(a netip.Addr) (rule string) {
	allowed := func(p netip.Prefix) bool { return p.Contains(a.Unmap()) }
	if a.Zone() == "" && slices.ContainsFunc(g.prefixes, allowed) {
		return ""
	}
	return notPublic(a)
}

// checkDialled checks the address of a socket that is about to connect.
func (g *Guard) checkDialled(address string) error {
	ap, err := netip.ParseAddrPort(address)
	rule := "no IP address"
	if err == nil {
		rule = g.allowsAddr(ap.Addr())
	}
	if rule == "" {
		return nil
	}
	return &Refusal{Reason: reasonResolved, Rule: address + " is " + rule}
}

// CheckURL returns a *Refusal of what can be told without looking a name up, or
// nil.
func (g *Guard) CheckURL(u *url.URL) *Refusal {
	host, port := Normalize(u.Hostname()), u.Port()
	switch {
	case port != "":
	case u.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	if g.allowsHost(host, port) {
		return nil
	}
	refuse := func(reason, rule string) *Refusal {
		return &Refusal{Reason: reason, Host: u.Hostname(), Rule: rule}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || !slices.Contains(g.ports, uint16(n)) {
		return refuse(reasonPort, "port "+strconv.Quote(port)+" is not allowed")
	}
	if a, err := netip.ParseAddr(host); err == nil {
		if rule := g.allowsAddr(a); rule != "" {
			return refuse(reasonAddress, a.String()+" is "+rule)
		}
		return nil
	}
	if numeric(host) {
		return refuse(reasonNumber, "the last label of a name begins with a letter")
	}
	// Where a network is allowed, its names may be any; what they resolve to is
	// checked when it is dialled.
	if len(g.prefixes) == 0 && internalName(host) {
		return refuse(reasonName, "a name that is only known inside networks")
	}
	return nil
}

// dots makes those of other scripts the one of the DNS (RFC 3490, section 3.1).
var dots = strings.NewReplacer("\u3002", ".", "\uff0e", ".", "\uff61", ".")

// Normalize returns a host as a key: names in lower case without the root's
// dot, addresses in their one canonical form.
func Normalize(host string) string {
	host = strings.ToLower(host)
	if strings.ContainsFunc(host, func(r rune) bool { return r > unicode.MaxASCII }) {
		host = dots.Replace(host)
	}
	host = strings.TrimSuffix(host, ".")
	if a, err := netip.ParseAddr(host); err == nil && a.Zone() == "" {
		return a.Unmap().String()
	}
	return host
}

// numeric reports whether a host that is no canonical address may be one for
// some resolvers: 2130706433, 0x7f.1, 0177.0.0.1, digits of other scripts. The
// last label of a name is alphabetic (RFC 1123, section 2.1).
func numeric(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	first, _ := utf8.DecodeRuneInString(last)
	return last == "" || unicode.IsNumber(first)
}

// internalName reports whether a name can not be one of the public DNS: it has
// no dot, or a domain that is set aside for internal networks (RFC 6761, 6762
// and 8375, and ICANN's resolution on .internal of July 2024).
func internalName(host string) bool {
	if !strings.Contains(host, ".") {
		return true
	}
	return slices.ContainsFunc([]string{".localhost", ".local", ".internal", ".home.arpa"}, func(domain string) bool {
		return strings.HasSuffix(host, domain)
	})
}
