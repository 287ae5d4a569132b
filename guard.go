package webhook

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"
)

// An AddressError is why a client of NewClient did not make a request. Its
// text may be shown to a customer: it holds no address.
type AddressError struct {
	reason string // goes on after "URL "
	host   string // as in the URL
	detail string
}

// Error returns the reason in words for the customer.
func (e *AddressError) Error() string { return "webhook: URL " + e.reason }

// Detail returns the host, the address and the rule that refused it, for the
// operator only.
func (e *AddressError) Detail() string { return e.host + ": " + e.detail }

// Reasons of an AddressError.
const (
	reasonPort     = "has a port that is not allowed"
	reasonName     = "has a host that is not a public name"
	reasonNumber   = "has a host that is neither a name nor an address as it is usually written"
	reasonAddress  = "has a host that is not a public address"
	reasonResolved = "has a host whose address is not public"
)

// CheckURL returns an *InvalidError of the field URL for a URL that a client of
// NewClient(o) would refuse by its text alone: an address that is not public,
// however it is written, a name of internal networks, a port. It looks no name
// up. Dispatcher.PutWebhook calls it when the Dispatcher's client is NewClient's
// own; it is for apps that wrap that client's Transport. o may be nil.
func (o *ClientOptions) CheckURL(rawURL string) error { return newGuard(o).checkRawURL(rawURL) }

// checkURL checks a webhook's URL if rt is that of a client of NewClient. What
// another may reach is its owner's business.
func checkURL(rt http.RoundTripper, rawURL string) error {
	if t, ok := rt.(*guardedTransport); ok {
		return t.guard.checkRawURL(rawURL)
	}
	return nil
}

// A guard decides which hosts, ports and addresses may be reached.
type guard struct {
	prefixes []netip.Prefix
	hosts    map[string]bool // "host" or "host:port"
	ports    []uint16

	guarded net.Dialer // checks every address that it dials
	free    net.Dialer // for hosts that are allowed
}

func newGuard(opts *ClientOptions) *guard {
	g := &guard{ports: []uint16{80, 443}, hosts: map[string]bool{}}
	g.free.Timeout = connectTimeout
	g.guarded.Timeout = connectTimeout
	g.guarded.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
		return g.checkDialled(address)
	}
	if opts == nil {
		return g
	}
	g.ports = append(g.ports, opts.AllowPorts...)
	for _, p := range opts.AllowPrefixes {
		if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		g.prefixes = append(g.prefixes, p)
	}
	for _, h := range opts.AllowHosts {
		if host, port, err := net.SplitHostPort(h); err == nil {
			g.hosts[net.JoinHostPort(normalHost(host), port)] = true
		} else {
			g.hosts[normalHost(strings.Trim(h, "[]"))] = true
		}
	}
	return g
}

// allowsHost reports whether a normal host is allowed by name. The empty one,
// which an empty setting would allow, is this machine to a dialler.
func (g *guard) allowsHost(host, port string) bool {
	return host != "" && (g.hosts[host] || g.hosts[net.JoinHostPort(host, port)])
}

// allowsAddr returns "" if a may be reached, else the rule that it breaks.
func (g *guard) allowsAddr(a netip.Addr) (rule string) {
	allowed := func(p netip.Prefix) bool { return p.Contains(a.Unmap()) }
	if a.Zone() == "" && slices.ContainsFunc(g.prefixes, allowed) {
		return ""
	}
	return notPublic(a)
}

// checkDialled checks the address of a socket that is about to connect.
func (g *guard) checkDialled(address string) error {
	ap, err := netip.ParseAddrPort(address)
	rule := "no IP address"
	if err == nil {
		rule = g.allowsAddr(ap.Addr())
	}
	if rule == "" {
		return nil
	}
	return &AddressError{reason: reasonResolved, detail: address + " is " + rule}
}

// checkRawURL checks a URL as a customer writes it.
func (g *guard) checkRawURL(rawURL string) error {
	u, err := url.Parse(rawURL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return invalid("URL", "is not an absolute http or https URL")
	}
	if refused := g.checkURL(u); refused != nil {
		return invalid("URL", refused.reason)
	}
	return nil
}

// checkURL checks what can be told without looking a name up.
func (g *guard) checkURL(u *url.URL) *AddressError {
	host, port := normalHost(u.Hostname()), u.Port()
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
	refuse := func(reason, detail string) *AddressError {
		return &AddressError{reason: reason, host: u.Hostname(), detail: detail}
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

// normalHost returns a host as a key: names in lower case without the root's
// dot, addresses in their one canonical form.
func normalHost(host string) string {
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

// notPublic returns "" for a global unicast address, else what a is instead.
func notPublic(a netip.Addr) (rule string) {
	if !a.IsValid() || a.Zone() != "" { // Unmap drops the zone
		return "an address of one link"
	}
	a = a.Unmap()
	for _, b := range specialBlocks {
		if b.prefix.Contains(a) {
			return b.name + " (" + b.prefix.String() + ")"
		}
	}
	if a.Is6() && !globalUnicast6.Contains(a) {
		return "outside global unicast (" + globalUnicast6.String() + ")"
	}
	return ""
}

// globalUnicast6 is the one block of IPv6 that IANA assigns global unicast
// addresses from: https://www.iana.org/assignments/ipv6-address-space.
var globalUnicast6 = netip.MustParsePrefix("2000::/3")

// specialBlocks are the blocks of IANA's special-purpose address registries,
// those that are globally reachable too since no receiver lives there
// (https://www.iana.org/assignments/iana-ipv4-special-registry and
// .../iana-ipv6-special-registry), less those within another; multicast
// (RFC 5771, RFC 4291); and one public address that a cloud answers on from
// inside each of its machines. Of IPv6, those outside globalUnicast6 are here
// for their names only.
var specialBlocks = []struct {
	prefix netip.Prefix
	name   string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "this network"},
	{netip.MustParsePrefix("10.0.0.0/8"), "private use"},
	{netip.MustParsePrefix("100.64.0.0/10"), "a carrier's shared address space"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("168.63.129.16/32"), "Azure's platform of virtual machines"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link local, where clouds serve metadata"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private use"},
	{netip.MustParsePrefix("192.0.0.0/24"), "IETF protocol assignments"},
	{netip.MustParsePrefix("192.0.2.0/24"), "documentation"},
	{netip.MustParsePrefix("192.31.196.0/24"), "AS112"},
	{netip.MustParsePrefix("192.52.193.0/24"), "AMT"},
	{netip.MustParsePrefix("192.88.99.0/24"), "6to4 relay anycast"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private use"},
	{netip.MustParsePrefix("192.175.48.0/24"), "AS112"},
	{netip.MustParsePrefix("198.18.0.0/15"), "benchmarking"},
	{netip.MustParsePrefix("198.51.100.0/24"), "documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "documentation"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved or broadcast"},

	{netip.MustParsePrefix("::/128"), "unspecified"},
	{netip.MustParsePrefix("::1/128"), "loopback"},
	{netip.MustParsePrefix("64:ff9b::/96"), "NAT64"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "NAT64 of local use"},
	{netip.MustParsePrefix("100::/64"), "discarded"},
	{netip.MustParsePrefix("100:0:0:1::/64"), "a dummy prefix"},
	{netip.MustParsePrefix("2001::/23"), "IETF protocol assignments"},
	{netip.MustParsePrefix("2001:db8::/32"), "documentation"},
	{netip.MustParsePrefix("2002::/16"), "6to4"},
	{netip.MustParsePrefix("2620:4f:8000::/48"), "AS112"},
	{netip.MustParsePrefix("3fff::/20"), "documentation"},
	{netip.MustParsePrefix("5f00::/16"), "segment routing"},
	{netip.MustParsePrefix("fc00::/7"), "unique local"},
	{netip.MustParsePrefix("fe80::/10"), "link local"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
}
