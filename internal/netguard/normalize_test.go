package netguard

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAURLHasOneNormalForm(t *testing.T) {
	label63 := strings.Repeat("a", 63)
	name253 := strings.Repeat("a.", 126) + "a"
	for _, c := range []struct{ name, raw, want string }{
		{"an ordinary URL stays", "https://crm.example.com/hook?list=12&name=a+b", "https://crm.example.com/hook?list=12&name=a+b"},
		{"all that RFC 3986 allows stays", "https://a.example/-._~!$&'()*+,;=:@/%2F%c3%BC//x?-._~!$&'()*+,;=:@/??%00", "https://a.example/-._~!$&'()*+,;=:@/%2F%c3%BC//x?-._~!$&'()*+,;=:@/??%00"},
		{"segments of dots stay", "https://a.example/x/../y/./", "https://a.example/x/../y/./"},
		{"no path", "https://a.example", "https://a.example/"},
		{"no path but a query", "https://a.example?x", "https://a.example/?x"},
		{"an empty query", "https://a.example/?", "https://a.example/?"},
		{"spaces around it", " \u00a0https://a.example/x \u3000", "https://a.example/x"},
		{"invisible characters around it", "\ufeffhttps://a.example/x\u200b\u2060", "https://a.example/x"},

		{"the scheme's case", "HTTPS://a.example/", "https://a.example/"},
		{"the host's case", "https://CRM.Example.COM/", "https://crm.example.com/"},
		{"the path's case stays", "https://a.example/Hook?Key=K", "https://a.example/Hook?Key=K"},
		{"the root's dot", "https://a.example./", "https://a.example/"},
		{"the root's dot before a port", "http://a.example.:8080/", "http://a.example:8080/"},
		{"an ideographic dot at the end", "https://a.example。/", "https://a.example/"},

		{"an umlaut", "http://BÜCHER.example/", "http://xn--bcher-kva.example/"},
		{"a decomposed accent", "http://bu\u0308cher.example/", "http://xn--bcher-kva.example/"},
		{"xn--", "http://xn--bcher-kva.example/", "http://xn--bcher-kva.example/"},
		{"xn-- in mixed case", "http://Xn--BCHER-kvA.example/", "http://xn--bcher-kva.example/"},
		{"percent-encoded", "http://b%C3%BCcher.ex%61mple/", "http://xn--bcher-kva.example/"},
		{"ideographic and full-width dots", "http://a。example．com｡au/", "http://a.example.com.au/"},
		{"full-width letters", "http://ｅｘａｍｐｌｅ．ｃｏｍ/", "http://example.com/"},
		{"a soft hyphen", "http://exam\u00adple.com/", "http://example.com/"},
		{"a zero-width space", "http://exam\u200bple.com/", "http://example.com/"},
		{"a word joiner", "http://exam\u2060ple.com/", "http://example.com/"},
		{"a sharp s", "http://straße.example/", "http://xn--strae-oqa.example/"},
		{"a final sigma", "http://βόλος.example/", "http://xn--nxasmm1c.example/"},
		{"a joiner that a script needs", "http://www.نامه\u200cای.example/", "http://www.xn--mgba3gch31f060k.example/"},
		{"a Kelvin sign", "http://\u212aey.example/", "http://key.example/"},
		{"right to left", "http://אבג.example/", "http://xn--4dbcd.example/"},
		{"an emoji", "http://i❤.example/", "http://xn--i-7iq.example/"},
		{"underscores and hyphens", "http://my_shop.r3---sn-x.a--b.example/", "http://my_shop.r3---sn-x.a--b.example/"},

		{"an address", "http://8.8.8.8/", "http://8.8.8.8/"},
		{"an address with the root's dot", "http://8.8.8.8./", "http://8.8.8.8/"},
		{"an address with a soft hyphen", "https://169.254.169.\u00ad254/", "https://169.254.169.254/"},
		{"an address of full-width digits", "https://１６９．２５４．１６９．２５４/", "https://169.254.169.254/"},
		{"an address of circled digits", "http://①②⑦.⓪.⓪.①/", "http://127.0.0.1/"},
		{"an address percent-encoded", "http://%31%32%37.0.0.1/", "http://127.0.0.1/"},
		{"a full-width number", "http://０ｘ７ｆ．１/", "http://0x7f.1/"},
		{"an address of IPv6", "http://[2606:4700:0:0:0:0:0:ABCD]:8080/", "http://[2606:4700::abcd]:8080/"},
		{"one of IPv4 in IPv6", "http://[::ffff:7f00:1]/", "http://127.0.0.1/"},

		{"an empty port", "http://example.com:/x", "http://example.com/x"},
		{"the scheme's port", "http://example.com:80/", "http://example.com/"},
		{"the scheme's port with zeros", "https://example.com:00443/", "https://example.com/"},
		{"the other scheme's port", "https://example.com:80/", "https://example.com:80/"},
		{"a port with zeros", "https://example.com:00080/", "https://example.com:80/"},

		{"a user", "https://user:pa%20ss@EXAMPLE.com/", "https://user:pa%20ss@example.com/"},
		{"a user that is an address", "https://me@a.example:pw@example.com/", "https://me%40a.example:pw@example.com/"},
		{"a host in the path", "https://example.com/@127.0.0.1", "https://example.com/@127.0.0.1"},

		{"spaces", "https://a.example/my hook?name=My shop", "https://a.example/my%20hook?name=My%20shop"},
		{"UTF-8", "https://a.example/bücher?q=é☃", "https://a.example/b%C3%BCcher?q=%C3%A9%E2%98%83"},
		{"quotes and brackets", "https://a.example/\"<>|^`{}?\"<>|^`{}", "https://a.example/%22%3C%3E%7C%5E%60%7B%7D?%22%3C%3E%7C%5E%60%7B%7D"},
		{"PHP's brackets", "https://a.example/x[1]?a[b]=c", "https://a.example/x%5B1%5D?a%5Bb%5D=c"},
		{"backslashes in the path", `https://a.example/x\..\y?z\`, "https://a.example/x%5C..%5Cy?z%5C"},
		{"a % in the query that begins no escape", "https://a.example/x%20y?off=100%&x=%4&y=%zz&z=%", "https://a.example/x%20y?off=100%25&x=%254&y=%25zz&z=%25"},

		{"the longest label", "http://" + label63 + ".example/", "http://" + label63 + ".example/"},
		{"the longest name", "http://" + name253 + "/", "http://" + name253 + "/"},
	} {
		t.Run(c.name, func(t *testing.T) {
			u, refused := Normalize(c.raw)
			require.Nil(t, refused)
			assert.Equal(t, c.want, u.String())
			assertNormal(t, u)
		})
	}
}

func TestAURLWithoutANormalFormIsRefused(t *testing.T) {
	for reason, raws := range map[string][]string{
		reasonText: {"https://a.example/\xff", "https://\xff.example/"},
		reasonControl: {
			"https://a.example/\n", "\thttps://a.example/", "https://a.ex\tample/", "https://a.example/x\r\nHost: b", "https://a.example/\x00",
			"https://a.example/\u0085", "https://a.example/?\x7f",
		},
		reasonScheme: {
			"", " ", "example.com", "//example.com/", "/hook", "ftp://example.com/", "javascript:alert(1)", "http:example.com", "http:/example.com",
			"http", "://example.com", "htt\u00adp://example.com/", `http:\\example.com\`,
		},
		reasonFragment: {"https://a.example/#", "https://a.example/#x", "https://a.example#x", "http://8.8.8.8#@a.example/"},
		reasonUser:     {`https://a.example\@b.example/`, "https://ü@a.example/", "https://a b@a.example/", "https://%zz@a.example/", "https://[@a.example/"},
		reasonNoHost:   {"http:///hook", "http://", "http://?x", "http://:80/", "http://user@/", "http://./", "http://\u00ad/", "http://xn--/", "http://。/", "http:////a.example/"},
		reasonHost: {
			"http://exa mple.com/", `http://example.com\.b.example/`, "http://a..example/", "http://.a.example/", "http://a.example../", "http://a\u200b..example/",
			"http://a.example%2Fx/", "http://a／x.example/", "http://a%40b.example/", "http://%zz.example/", "http://%ff.example/", "http://%0a.example/",
			"http://a℀.example/", "http://a*.example/", "http://a,b.example/", "http://a'.example/", "http://a|b/", "http://a<b>/", "http://ü／x.example/",
			"http://xn--a.example/", "http://xn--bcher-.example/", "http://xn--0.example/", "http://xn--a-ecp.ru/", "http://a.xn--ASCII-.example/",
			"http://XN--BCHER-KVB\u00fc.example/", "http://xn--strasse-.example/",
			"http://a\u200db.example/", "http://a\u200cb.example/", "http://\u0301a.example/", "http://אa.example/", "http://a\ufffd.example/",
			"http://[::1/", "http://[::1]x/", "http://[1.2.3.4]/", "http://[]/", "http://[example.com]/", "http://::1/", "http://a:80:80/",
			"http://[:::1]/", "http://[v1.x]/",
		},
		reasonLong: {
			"http://" + strings.Repeat("a", 64) + ".example/", "http://" + strings.Repeat("a.", 127) + "a/", "http://" + strings.Repeat("ü", 64) + ".example/",
			"http://" + strings.Repeat("a", 1000) + "/", "http://" + strings.Repeat("ü", 1<<20) + "/",
		},
		reasonEscape:  {"https://a.example/%zz", "https://a.example/%", "https://a.example/x%4/y", "https://a.example/100%?x"},
		reasonZone:    {"http://[fe80::1%25eth0]/", "http://[fe80::1%eth0]/", "http://[2606:4700::1%251]/"},
		reasonBadPort: {"http://a.example:0/", "http://a.example:65536/", "http://a.example:x/", "http://a.example:-1/", "http://a.example:+80/", "http://a.example:８０/", "http://a.example:8 0/", "http://[::1]:x/", "http://[::1]:80:80/"},
	} {
		for _, raw := range raws {
			u, refused := Normalize(raw)
			if assert.NotNil(t, refused, "%q became %v", raw, u) {
				assert.Equal(t, reason, refused.Reason, "%q", raw)
			}
		}
	}
}

func TestANormalURLIsKnownWithoutWork(t *testing.T) {
	for raw, want := range map[string]bool{
		"http://a.example/":               true,
		"https://xn--bcher-kva.example/?": true,
		"http://a_b.example:8080/x?y=%20": true,
		"http://8.8.8.8/":                 true,
		"http://[2606:4700::abcd]/":       true,
		"http://[2606:4700::abcd]:8080/":  true,
		"http://user@a.example/":          true,

		"ftp://a.example/":              false,
		"http:a.example":                false,
		"http://a.example/#x":           false,
		"http:///":                      false,
		"http://A.example/":             false,
		"http://ü.example/":             false,
		"http://a.example./":            false,
		"http://a.example:/":            false,
		"http://a.example:80/":          false,
		"http://a.example:08/":          false,
		"http://[2606:4700:0::abcd]/":   false,
		"http://[2606:4700::ABCD]/":     false,
		"http://[::ffff:8.8.8.8]/":      false,
		"http://[fe80::1%25eth0]/":      false,
		"http://a.example/?x y":         false,
		"http://a.example/?é":           false,
		"http://a.example/?100%":        false,
		"http://a%2Cb.example/":         false,
		"http://a.example:80:80/":       false,
		"http://[2606:4700::abcd]:443/": true,
	} {
		u, err := url.Parse(raw)
		if err != nil {
			continue // net/http is never given it
		}
		assert.Equal(t, want, IsNormal(u), raw)
	}
	u, _ := url.Parse("https://crm.example.com/hook?list=12")
	assert.Zero(t, testing.AllocsPerRun(100, func() { IsNormal(u) }))
}

// assertNormal checks what a normal form promises, against what net/http makes
// of it.
func assertNormal(t *testing.T, u *url.URL) {
	t.Helper()
	again, refused := Normalize(u.String())
	require.Nil(t, refused, "%v", u)
	assert.Equal(t, u, again, "normalizing again changes nothing")
	assert.True(t, IsNormal(u), "%v", u)
	assert.LessOrEqual(t, len(u.Hostname()), 253)

	host, port := u.Hostname(), u.Port()
	if port == "" {
		port = schemePort(u.Scheme)
	}
	target := strings.TrimPrefix(u.String(), u.Scheme+"://")
	if u.User != nil {
		target = strings.TrimPrefix(target, u.User.String()+"@")
	}
	require.True(t, strings.HasPrefix(target, u.Host))
	target = target[len(u.Host):]

	plain := *u
	plain.Scheme = "http" // what https would send is not to be seen
	dialled, line, sentHost := wire(t, nil, &plain)
	if u.Scheme == "http" {
		assert.Equal(t, net.JoinHostPort(host, port), dialled, "the host that is checked is the one that is dialled")
	}
	assert.Equal(t, "POST "+target+" HTTP/1.1", line, "the request's line is that of the normal form")
	assert.Equal(t, u.Host, sentHost, "the host that is checked is the one of the Host header")

	_, line, sentHost = wire(t, &url.URL{Scheme: "http", Host: "proxy.test:3128"}, u)
	if u.Scheme == "https" {
		assert.Equal(t, "CONNECT "+net.JoinHostPort(host, port)+" HTTP/1.1", line, "a proxy is asked for the host that is checked")
	} else {
		assert.Equal(t, "POST http://"+u.Host+target+" HTTP/1.1", line, "a proxy is asked for the host that is checked")
		assert.Equal(t, u.Host, sentHost)
	}
	for i := range len(line) {
		require.True(t, line[i] >= ' ' && line[i] < 0x7f, "%q", line)
	}
}

// wire returns what net/http does with a request: the address that it dials,
// the first line that it writes, and the Host header.
func wire(t *testing.T, proxy, u *url.URL) (dialled, line, host string) {
	t.Helper()
	done := make(chan struct{})
	transport := &http.Transport{DialContext: func(_ context.Context, _, addr string) (net.Conn, error) {
		dialled = addr
		ours, theirs := net.Pipe()
		go func() {
			defer close(done)
			defer ours.Close()
			r := bufio.NewReader(ours)
			for {
				text, err := r.ReadString('\n')
				text = strings.TrimRight(text, "\r\n")
				if err != nil || text == "" {
					break
				}
				if line == "" {
					line = text
				}
				if value, ok := strings.CutPrefix(text, "Host: "); ok {
					host = value
				}
			}
			_, _ = io.WriteString(ours, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		}()
		return theirs, nil
	}}
	defer transport.CloseIdleConnections()
	if proxy != nil {
		transport.Proxy = http.ProxyURL(proxy)
	}
	r := &http.Request{Method: http.MethodPost, URL: u, Host: u.Host, Header: http.Header{}}
	if answer, err := transport.RoundTrip(r); err == nil {
		_ = answer.Body.Close()
	}
	if dialled == "" {
		return "", "", ""
	}
	<-done
	return dialled, line, host
}

func FuzzNormalize(f *testing.F) {
	for _, seed := range []string{
		"https://crm.example.com/hook?list=12", "http://BÜCHER.example:/x", "https://169.254.169.\u00ad254/", "http://ａ。example/My shop?q=\"<>",
		"http://[::ffff:7f00:1]:00080/", "http://user:pass@xn--bcher-kva.example./?%zz", "http://a／b@c\\d/", "http://%31.0x7f/", "http://[fe80::1%25eth0]/",
		"https://me@a.example:pw@example.com/", "http://a.example/?", "http://ẞ.example/\u2028", "http://☃.example//x/..;/y", "http://xn--a-ecp.example/",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if u, refused := Normalize(raw); refused == nil {
			assertNormal(t, u)
		} else if refused.Reason == "" {
			t.Errorf("%q is refused without a reason", raw)
		}
	})
}
