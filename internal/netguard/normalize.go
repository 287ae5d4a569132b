package netguard

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Reasons of a Refusal for a URL that has no normal form.
const (
	reasonText     = "is not valid UTF-8"
	reasonControl  = "contains a control character, such as a tab or a line break"
	reasonScheme   = "does not begin with http:// or https://"
	reasonFragment = "contains a fragment (#…), which is never sent"
	reasonUser     = "has a user or a password with characters that must be percent-encoded"
	reasonNoHost   = "has no host"
	reasonHost     = "has a host that is not a name or an address: check its spelling"
	reasonLong     = "has a host that is too long: a name has at most 253 bytes, and each of its parts at most 63"
	reasonZone     = "has a host with a zone (%…), which only one machine knows"
	reasonEscape   = "has a path with a % that is not followed by two hexadecimal digits: write it as %25"
	reasonBadPort  = "has a port that is not a number, or is out of range"
)

// Normalize returns the one form of a URL that is checked, dialled and sent, or
// a *Refusal if there is none. A URL is written in many ways, and what two
// programs make of one of them may differ; of the normal form all make the same:
//
//   - The scheme is http or https, in lower case, and the fragment is missing.
//   - The host is an address in its canonical form (an IPv4-mapped address of
//     IPv6 as the one of IPv4), or a name as UTS 46 maps it: ASCII in lower
//     case, with xn-- labels, without the root's dot.
//   - The port is a number, and missing where it is the scheme's own.
//   - The path, which is at least "/", and the query are percent-encoded by RFC
//     3986, sections 3.3 and 3.4. That escapes brackets, which only an address
//     of IPv6 may have, and in the query a "%" that begins no escape. In the
//     path there is none: servers differ in what they make of it.
//
// Spaces around the URL are dropped. A user and a password stay as they are.
// Normalizing a normal form again changes nothing.
func Normalize(raw string) (*url.URL, *Refusal) {
	refuse := func(reason string) (*url.URL, *Refusal) {
		return nil, &Refusal{Reason: reason, Rule: "it has no normal form"}
	}
	raw = Trim(raw)
	switch {
	case !utf8.ValidString(raw):
		return refuse(reasonText)
	case strings.ContainsFunc(raw, unicode.IsControl):
		return refuse(reasonControl)
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	scheme = strings.ToLower(scheme)
	if !ok || scheme != "http" && scheme != "https" {
		return refuse(reasonScheme)
	}
	if strings.Contains(rest, "#") {
		return refuse(reasonFragment)
	}
	authority, path := cutBefore(rest, "/?")
	path, query := cutBefore(path, "?")

	var b strings.Builder
	b.WriteString(scheme + "://")
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		u, err := url.Parse("http://" + authority[:at+1] + "host/")
		if err != nil || u.User == nil {
			return refuse(reasonUser)
		}
		b.WriteString(u.User.String() + "@")
		authority = authority[at+1:]
	}
	host, port, reason := splitHostPort(authority)
	if reason == "" {
		host, reason = normalHost(host)
	}
	if reason == "" {
		port, reason = normalPort(port)
	}
	if reason != "" {
		return refuse(reason)
	}
	if port == schemePort(scheme) {
		port = ""
	}
	b.WriteString(joinHostPort(host, port))
	if path == "" {
		path = "/"
	}
	if _, err := url.PathUnescape(path); err != nil {
		return refuse(reasonEscape)
	}
	escape(&b, path, "/")
	escape(&b, query, "/?")
	u, err := url.Parse(b.String())
	if err != nil { // it should not be, but no text of the URL may get out
		return refuse(reasonHost)
	}
	return u, nil
}

// IsNormal reports whether the scheme, the host, the port and the query of a
// URL are as Normalize returns them, without working that out: an xn-- label is
// not decoded. The path does not matter, for net/http escapes it. It is called
// for each request, and only reads.
func IsNormal(u *url.URL) bool {
	if u.Scheme != "http" && u.Scheme != "https" || u.Opaque != "" || u.Fragment != "" {
		return false
	}
	host, port, hasPort := u.Host, "", false
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host, port, hasPort = host[:i], host[i+1:], true
	}
	if hasPort && (port == "" || port[0] == '0' || strings.ContainsFunc(port, notDigit) || port == schemePort(u.Scheme)) {
		return false
	}
	return isNormalHost(host) && escaped(u.RawQuery, "/?")
}

func isNormalHost(host string) bool {
	if inside, ok := strings.CutPrefix(host, "["); ok {
		inside, ok = strings.CutSuffix(inside, "]")
		a, err := netip.ParseAddr(inside)
		var text [64]byte
		return ok && err == nil && a.Is6() && !a.Is4In6() && a.Zone() == "" && string(a.AppendTo(text[:0])) == inside
	}
	return host != "" && host[len(host)-1] != '.' && !strings.ContainsFunc(host, func(r rune) bool { return r != '.' && notInName(r) })
}

func notDigit(r rune) bool { return r < '0' || '9' < r }

// Trim drops the spaces around a text, and the invisible characters that come
// along when it is copied from a page.
func Trim(text string) string {
	return strings.TrimFunc(text, func(r rune) bool {
		return unicode.Is(unicode.Zs, r) || r == '\u200b' || r == '\u2060' || r == '\ufeff'
	})
}

// cutBefore cuts s before the first of the bytes in any.
func cutBefore(s, any string) (before, from string) {
	if i := strings.IndexAny(s, any); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

// splitHostPort splits "host", "host:", "host:port" and the like with an
// address of IPv6 in brackets, which it drops. It returns a reason for what is
// none of these.
func splitHostPort(authority string) (host, port, reason string) {
	if inside, ok := strings.CutPrefix(authority, "["); ok {
		host, port, ok = strings.Cut(inside, "]")
		if !ok || port != "" && port[0] != ':' || !strings.Contains(host, ":") {
			return "", "", reasonHost
		}
		return host, strings.TrimPrefix(port, ":"), ""
	}
	host, port, _ = strings.Cut(authority, ":")
	if strings.Contains(port, ":") {
		return "", "", reasonHost
	}
	return host, port, ""
}

// joinHostPort is the reverse of splitHostPort for a normal host.
func joinHostPort(host, port string) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port != "" {
		host += ":" + port
	}
	return host
}

func schemePort(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}

// normalPort returns a port without leading zeros; "" stays.
func normalPort(port string) (normal, reason string) {
	if port == "" {
		return "", ""
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", reasonBadPort
	}
	return strconv.FormatUint(n, 10), ""
}

// lookupNames maps a name as browsers do (UTS 46, nontransitional), but for two
// things that names in use do not keep: hyphens in the third and the fourth
// place, and underscores. Whatever else is no part of a name is sorted out after
// the mapping, which can make any ASCII character.
var lookupNames = idna.New(
	idna.MapForLookup(), idna.Transitional(false), idna.BidiRule(), idna.CheckHyphens(false), idna.StrictDomainName(false),
)

// maxHost is the length in bytes of the longest host that is mapped: more than
// any way to write a name of 253 bytes takes.
const maxHost = 4096

// normalHost returns the normal form of a host without brackets.
func normalHost(host string) (normal, reason string) {
	if strings.Contains(host, ":") {
		a, err := netip.ParseAddr(strings.ToLower(host))
		switch {
		case strings.Contains(host, "%"):
			return "", reasonZone
		case err != nil:
			return "", reasonHost
		}
		return a.Unmap().String(), ""
	}
	if len(host) > maxHost { // mapping takes a time that grows faster than it
		return "", reasonLong
	}
	// A name may be percent-encoded (RFC 3986, section 3.2.2).
	name, err := url.PathUnescape(host)
	if err != nil || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return "", reasonHost
	}
	ascii := isASCII(name)
	if ascii {
		name = strings.ToLower(name)
	}
	if !ascii || strings.Contains(name, "xn--") {
		if name, err = lookupNames.ToASCII(name); err != nil {
			return "", reasonHost
		}
		// A second mapping must find nothing to map: what looks different to
		// the next program would be another name to it.
		if again, err := lookupNames.ToASCII(name); err != nil || again != name {
			return "", reasonHost
		}
	}
	name = strings.TrimSuffix(name, ".")
	if name == "" {
		return "", reasonNoHost
	}
	long := len(name) > 253
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || strings.ContainsFunc(label, notInName) {
			return "", reasonHost
		}
		long = long || len(label) > 63
	}
	if long {
		return "", reasonLong
	}
	return name, ""
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}

// notInName reports whether r is no character of a normal host name.
func notInName(r rune) bool {
	return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' || r == '_')
}

// escape writes s with every byte percent-encoded that is neither part of an
// escape nor allowed in a segment of a path, nor one of others.
func escape(b *strings.Builder, s, others string) {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		if c := s[i]; inURL(s, i, others) {
			b.WriteByte(c)
		} else {
			b.WriteString(string([]byte{'%', digits[c>>4], digits[c&15]}))
		}
	}
}

// escaped reports whether escape would change nothing.
func escaped(s, others string) bool {
	for i := range len(s) {
		if !inURL(s, i, others) {
			return false
		}
	}
	return true
}

// inURL reports whether the byte at i of s may stand in a path or a query: it
// is a pchar (RFC 3986, section 3.3), begins an escape, or is one of others.
func inURL(s string, i int, others string) bool {
	switch c := s[i]; {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	case c == '%':
		return i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2])
	default:
		return strings.IndexByte("-._~!$&'()*+,;=:@", c) >= 0 || strings.IndexByte(others, c) >= 0
	}
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }
