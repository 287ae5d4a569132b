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

	// Loopback says that the host is this machine, as in an app's own test.
	Loopback bool
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

// New returns a Guard, or a *ConfigError for an entry that would allow nothing
// or something else than it says.
func New(c Config) (*Guard, error) {
	g := &Guard{ports: append([]uint16{80, 443}, c.AllowPorts...), hosts: map[string]bool{}}
	g.free = net.Dialer{Timeout: c.Timeout, Resolver: c.Resolver}
	g.guarded = g.free
	g.guarded.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
		return g.checkDialled(address)
	}
	if slices.Contains(c.AllowPorts, 0) {
		return nil, &ConfigError{"AllowPorts", "contains 0, which is not a port"}
	}
	for i, p := range c.AllowPrefixes {
		switch a := p.Addr(); {
		case !p.IsValid():
			return nil, &ConfigError{"AllowPrefixes", "contains an invalid prefix at index " + strconv.Itoa(i)}
		case a.Is4In6() && p.Bits() < 96:
			return nil, &ConfigError{"AllowPrefixes", "contains " + p.String() + ", which mixes addresses of IPv4 and IPv6"}
		case a.Is4In6():
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		g.prefixes = append(g.prefixes, p)
	}
	for _, entry := range c.AllowHosts {
		key, reason := normalEntry(entry)
		if reason != "" {
			return nil, &ConfigError{"AllowHosts", "contains " + strconv.Quote(entry) + ", which " + reason}
		}
		g.hosts[key] = true
	}
	return g, nil
}

// normalEntry returns the key in Guard.hosts for a host with or without a port,
// or the reason why it is neither.
func normalEntry(entry string) (key, reason string) {
	host, port := entry, ""
	if _, err := netip.ParseAddr(entry); err != nil {
		if host, port, reason = splitHostPort(entry); reason != "" {
			return "", "is not a host with or without a port"
		}
	}
	if host, reason = normalHost(host); reason == "" && isNumber(host) {
		reason = reasonNumber
	}
	if reason == "" {
		port, reason = normalPort(port)
	}
	if reason == "" && port == "" && strings.HasSuffix(entry, ":") {
		reason = reasonBadPort
	}
	if port == "" {
		return host, reason
	}
	return joinHostPort(host, port), reason
}

// A ConfigError says which field of a Config cannot be used, and why.
type ConfigError struct{ Field, Reason string }

// Error returns the field and the reason.
func (e *ConfigError) Error() string { return e.Field + " " + e.Reason }

// DialContext is the one of an http.Transport. addr holds the host of a normal
// URL: a host that is allowed by name is recognised here, in the very call that
// looks it up. An address that is refused is a *Refusal.
func (g *Guard) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if g.allowsHost(host, port) {
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

// allowsHost reports whether a normal host is allowed by name.
func (g *Guard) allowsHost(host, port string) bool {
	return len(g.hosts) > 0 && (g.hosts[host] || g.hosts[joinHostPort(host, port)])
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
	return &Refusal{Reason: reasonResolved, Rule: address + " is " + rule, Loopback: ap.Addr().Unmap().IsLoopback()}
}

// CheckURL returns a *Refusal of what can be told of a normal URL without
// looking a name up, or nil.
func (g *Guard) CheckURL(u *url.URL) *Refusal {
	host, port := u.Hostname(), u.Port()
	if port == "" {
		port = schemePort(u.Scheme)
	}
	if g.allowsHost(host, port) {
		return nil
	}
	refuse := func(reason, rule string) *Refusal {
		return &Refusal{Reason: reason, Host: host, Rule: rule, Loopback: isLoopback(host)}
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
	if isNumber(host) {
		return refuse(reasonNumber, "the last label of a name begins with a letter")
	}
	// Where a network is allowed, its names may be any; what they resolve to is
	// checked when it is dialled.
	if len(g.prefixes) == 0 && internalName(host) {
		return refuse(reasonName, "a name that is only known inside networks")
	}
	return nil
}

// isNumber reports whether a normal host is no address, but may be one for
// some resolvers: 2130706433, 0x7f.1, 0177.0.0.1. The last label of a name is
// alphabetic (RFC 1123, section 2.1).
func isNumber(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last == "" || notDigit(rune(last[0])) {
		return false
	}
	_, err := netip.ParseAddr(host)
	return err != nil
}

// isLoopback reports whether a normal host is this machine by its text.
func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback() || host == "localhost" || strings.HasSuffix(host, ".localhost")
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
