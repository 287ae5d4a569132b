package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// receiver answers 204 and counts what reached it.
func receiver(t *testing.T) (s *httptest.Server, reached func() int) {
	var mu sync.Mutex
	n := 0
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		n++
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(s.Close)
	return s, func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

func portOf(s *httptest.Server) uint16 {
	return s.Listener.Addr().(*net.TCPAddr).AddrPort().Port()
}

// post posts a form; the connection is not kept.
func post(t *testing.T, c *http.Client, u string) (int, error) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, u, strings.NewReader("type=open"))
	require.NoError(t, err)
	r.Close = true
	answer, err := c.Do(r)
	if err != nil {
		return 0, err
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, answer.Body.Close()
}

// requireRefused checks that err is a refusal that tells only the operator what
// was refused.
func requireRefused(t *testing.T, err error, detail string) {
	t.Helper()
	var refused *AddressError
	require.ErrorAs(t, err, &refused)
	assert.Contains(t, refused.Detail(), detail)
	assert.Regexp(t, `^webhook: URL (has a [a-z ]+|has no host)( \(in a test .*\))?$`, refused.Error())
	// What net/http adds is the URL, which the customer wrote, and no address.
	var failed *url.Error
	require.ErrorAs(t, err, &failed)
	assert.Same(t, refused, failed.Err)
}

func TestLoopbackIsReachedOnlyWhenItIsAllowed(t *testing.T) {
	s, reached := receiver(t)
	port := portOf(s)
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

	for name, test := range map[string]struct {
		opts    *ClientOptions
		refused string // Detail, in part; "": it is reached
	}{
		"by default":                    {nil, "port"},
		"the port alone":                {&ClientOptions{AllowPorts: []uint16{port}}, "loopback (127.0.0.0/8)"},
		"the network alone":             {&ClientOptions{AllowPrefixes: loopback}, "port"},
		"the network and the port":      {&ClientOptions{AllowPrefixes: loopback, AllowPorts: []uint16{port}}, ""},
		"another network and the port":  {&ClientOptions{AllowPrefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, AllowPorts: []uint16{port}}, "loopback"},
		"the host":                      {&ClientOptions{AllowHosts: []string{"127.0.0.1"}}, ""},
		"the host with its port":        {&ClientOptions{AllowHosts: []string{s.Listener.Addr().String()}}, ""},
		"the host with another port":    {&ClientOptions{AllowHosts: []string{"127.0.0.1:1"}}, "port"},
		"a name, not the address of it": {&ClientOptions{AllowHosts: []string{"localhost"}}, "port"},
	} {
		t.Run(name, func(t *testing.T) {
			before := reached()
			status, err := post(t, NewClient(test.opts), s.URL)
			if test.refused == "" {
				require.NoError(t, err)
				assert.Equal(t, http.StatusNoContent, status)
				assert.Equal(t, before+1, reached())
				return
			}
			requireRefused(t, err, test.refused)
			assert.Equal(t, before, reached())
		})
	}
}

func TestNoHostIsNotThisMachine(t *testing.T) {
	_, reached := receiver(t)
	c := NewClient(&ClientOptions{AllowPorts: []uint16{8080}})
	_, err := post(t, c, "http://:80/")
	requireRefused(t, err, "no normal form")
	_, err = c.Transport.(*guardedTransport).transport.DialContext(t.Context(), "tcp", ":80")
	var refused *AddressError
	require.ErrorAs(t, err, &refused)
	assert.Zero(t, reached())
}

func TestAnEntryOfClientOptionsThatSaysNothingIsAnError(t *testing.T) {
	for field, all := range map[string][]ClientOptions{
		"ClientOptions.AllowHosts": {
			{AllowHosts: []string{""}}, {AllowHosts: []string{"localhost", ":8080"}}, {AllowHosts: []string{" localhost"}}, {AllowHosts: []string{"localhost:"}},
			{AllowHosts: []string{"localhost:0"}}, {AllowHosts: []string{"localhost:http"}}, {AllowHosts: []string{"localhost:65536"}},
			{AllowHosts: []string{"http://localhost"}}, {AllowHosts: []string{"localhost/"}}, {AllowHosts: []string{"10.0.0.0/8"}}, {AllowHosts: []string{"*.example.com"}},
			{AllowHosts: []string{"127.1"}}, {AllowHosts: []string{"[::1"}}, {AllowHosts: []string{"::1]:80"}}, {AllowHosts: []string{"fe80::1%eth0"}}, {AllowHosts: []string{"[fe80::1%eth0]:80"}},
			{AllowHosts: []string{"a..example"}}, {AllowHosts: []string{"xn--a.example"}}, {AllowHosts: []string{"localhost,crm.internal"}}, {AllowHosts: []string{"me@localhost"}},
		},
		"ClientOptions.AllowPrefixes": {
			{AllowPrefixes: []netip.Prefix{{}}}, {AllowPrefixes: []netip.Prefix{netip.MustParsePrefix("::ffff:0:0/95")}},
			{AllowPrefixes: []netip.Prefix{netip.PrefixFrom(netip.MustParseAddr("10.0.0.0"), 33)}},
		},
		"ClientOptions.AllowPorts": {{AllowPorts: []uint16{8080, 0}}},
	} {
		for _, opts := range all {
			_, requested := post(t, NewClient(&opts), "http://example.com/")
			_, started := New(&noStore{}, NewClient(&opts), nil)
			for what, err := range map[string]error{"CheckURL": opts.CheckURL("http://example.com/"), "a request": requested, "New": started} {
				var bad *InvalidError
				if assert.ErrorAs(t, err, &bad, "%s: %v", what, opts) {
					assert.Equal(t, field, bad.Field, "%s: %v", what, opts)
				}
			}
		}
	}
}

// noStore is for tests whose calls return before they use a Store.
type noStore struct{ Store }

func TestTheAddressThatANameHasIsCheckedAtEachDial(t *testing.T) {
	s, reached := receiver(t)
	port := portOf(s)
	rebinding := 0
	dns := newNameServer(t, func(name string) []string {
		switch name {
		case "internal.example.":
			return []string{"127.0.0.1"}
		case "internal6.example.":
			return []string{"::1", "::ffff:127.0.0.1"}
		case "several.example.":
			return []string{"10.255.255.1", "169.254.169.254", "::1", "127.0.0.1"}
		case "nat64.example.":
			return []string{"64:ff9b::7f00:1"}
		case "rebinding.example.":
			// Public when somebody looks first, internal when it is dialled.
			if rebinding++; rebinding == 1 {
				return []string{"8.8.8.8"}
			}
			return []string{"127.0.0.1"}
		}
		return nil
	})
	through := func(opts *ClientOptions) *http.Client { return newClient(opts, dns) }
	at := func(host string) string { return "http://" + host + ":" + strconv.Itoa(int(port)) }
	ports := []uint16{port}

	t.Run("a name of an internal address is refused", func(t *testing.T) {
		for name, detail := range map[string]string{
			"internal.example":  "127.0.0.1",
			"internal6.example": "loopback",
			"nat64.example":     "NAT64",
			"several.example":   " is ",
		} {
			c := through(&ClientOptions{AllowPorts: ports})
			require.NoError(t, checkURL(c.Transport, at(name)), "by its text it is fine")
			_, err := post(t, c, at(name))
			requireRefused(t, err, name+": ")
			requireRefused(t, err, detail)
		}
		assert.Zero(t, reached())
	})
	t.Run("of several addresses the allowed ones are tried", func(t *testing.T) {
		_, err := post(t, through(&ClientOptions{AllowPorts: ports, AllowPrefixes: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}), at("several.example"))
		require.NoError(t, err)
		assert.Equal(t, 1, reached())
	})
	t.Run("a name that changes between lookups gains nothing", func(t *testing.T) {
		found, err := dns.LookupNetIP(t.Context(), "ip4", "rebinding.example")
		require.NoError(t, err)
		require.Equal(t, []netip.Addr{netip.MustParseAddr("8.8.8.8")}, found)
		_, err = post(t, through(&ClientOptions{AllowPorts: ports}), at("rebinding.example"))
		requireRefused(t, err, "127.0.0.1")
		assert.Equal(t, 1, reached())
	})
	t.Run("a host that is allowed frees no other of the same address", func(t *testing.T) {
		c := through(&ClientOptions{AllowPorts: ports, AllowHosts: []string{"internal.example"}})
		_, err := post(t, c, at("INTERNAL.example."))
		require.NoError(t, err)
		_, err = post(t, c, at("rebinding.example"))
		requireRefused(t, err, "127.0.0.1")
		_, err = post(t, c, at("127.0.0.1"))
		requireRefused(t, err, "127.0.0.1")
		assert.Equal(t, 2, reached())
	})
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	target, reached := receiver(t)
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := httptest.NewServer(http.RedirectHandler(target.URL, status))
		got, err := post(t, NewClient(&ClientOptions{AllowHosts: []string{"127.0.0.1"}}), s.URL)
		require.NoError(t, err)
		assert.Equal(t, status, got)
		s.Close()
	}
	assert.Zero(t, reached())
}

// TestTheEnvironmentsProxyIsIgnored runs itself again, since net/http reads the
// environment once.
func TestTheEnvironmentsProxyIsIgnored(t *testing.T) {
	const child = "WEBHOOK_TEST_PROXY_CHILD"
	if os.Getenv(child) != "" {
		_, err := post(t, http.DefaultClient, "http://receiver.example/")
		require.NoError(t, err, "the environment's proxy does not work, and this test shows nothing")
		c := newClient(nil, newNameServer(t, func(string) []string { return []string{"127.0.0.1"} }))
		_, err = post(t, c, "http://receiver.example/")
		requireRefused(t, err, "127.0.0.1")
		return
	}
	proxy, reached := receiver(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), child+"=1", "HTTP_PROXY="+proxy.URL, "http_proxy="+proxy.URL, "NO_PROXY=", "no_proxy=")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Equal(t, 1, reached(), "only http.DefaultClient goes through the proxy")
}

func TestTheOperatorsProxyGetsWhatTheURLAllows(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Method+" "+r.RequestURI)
		if r.Method == http.MethodConnect {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer s.Close()
	proxy, err := url.Parse(s.URL)
	require.NoError(t, err)

	c := NewClient(&ClientOptions{Proxy: proxy})
	_, err = post(t, c, "http://receiver.example/hook")
	require.NoError(t, err)
	_, err = post(t, c, "https://receiver.example/hook")
	require.ErrorContains(t, err, "Forbidden")
	for _, internal := range []string{"http://127.0.0.1/", "http://localhost/", "https://2130706433/", "http://receiver.example:25/"} {
		var refused *AddressError
		_, err = post(t, c, internal)
		require.ErrorAs(t, err, &refused)
		assert.Error(t, checkURL(c.Transport, internal))
	}
	assert.Equal(t, []string{"POST http://receiver.example/hook", "CONNECT receiver.example:443"}, asked)
}

func TestTLSCanBeToldWhomToTrust(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it logs that it was not trusted
	s.StartTLS()
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	allowed := []string{"127.0.0.1"}

	_, err := post(t, NewClient(&ClientOptions{AllowHosts: allowed}), s.URL)
	var untrusted x509.UnknownAuthorityError
	require.ErrorAs(t, err, &untrusted)

	status, err := post(t, NewClient(&ClientOptions{AllowHosts: allowed, TLS: &tls.Config{RootCAs: roots}}), s.URL)
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, status)
}

func TestARequestHasAConnectionToItself(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	for _, protocols := range [][]string{nil, {"h2", "http/1.1"}} {
		c := NewClient(&ClientOptions{AllowHosts: []string{"127.0.0.1"}, TLS: &tls.Config{RootCAs: roots, NextProtos: protocols}})
		answer, err := c.Get(s.URL)
		require.NoError(t, err)
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		assert.Equal(t, "HTTP/1.1", string(body))
		c.CloseIdleConnections()
	}
}

func TestConnectionsAreKeptAndGivenBack(t *testing.T) {
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	closed := make(chan struct{}, 64)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ConnState = func(c net.Conn, state http.ConnState) {
		mu.Lock()
		defer mu.Unlock()
		switch state {
		case http.StateNew:
			open[c] = true
		case http.StateClosed:
			delete(open, c)
			closed <- struct{}{}
		}
	}
	s.Start()
	defer s.Close()
	c := NewClient(&ClientOptions{AllowHosts: []string{"127.0.0.1"}})
	for range 5 {
		answer, err := c.Get(s.URL)
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, answer.Body)
		require.NoError(t, answer.Body.Close())
	}
	mu.Lock()
	assert.Len(t, open, 1)
	mu.Unlock()
	c.CloseIdleConnections()
	<-closed
}

func TestAnEndlessHeadIsCutOff(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 80<<10))
	}))
	defer s.Close()
	_, err := post(t, NewClient(&ClientOptions{AllowHosts: []string{"127.0.0.1"}}), s.URL)
	require.ErrorContains(t, err, "exceeded")
}

func TestARefusedRequestsBodyIsClosed(t *testing.T) {
	body := &closing{}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1/", body)
	require.NoError(t, err)
	_, err = NewClient(nil).Transport.RoundTrip(r)
	require.Error(t, err)
	assert.True(t, body.closed)
}

type closing struct{ closed bool }

func (*closing) Read([]byte) (int, error) { return 0, io.EOF }
func (c *closing) Close() error           { c.closed = true; return nil }

// newNameServer starts a name server on loopback and returns a resolver that
// asks it alone. answer gives the addresses of a name; it is asked for each
// question, so twice for a lookup of both versions.
func newNameServer(t *testing.T, answer func(name string) []string) *net.Resolver {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	go func() {
		packet := make([]byte, 1500)
		for {
			n, from, err := server.ReadFrom(packet)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				_, _ = server.WriteTo(dnsAnswer(packet[:n], answer), from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

// dnsAnswer answers a query of one question (RFC 1035, section 4).
func dnsAnswer(query []byte, answer func(name string) []string) []byte {
	const typeA, typeAAAA, header = 1, 28, 12
	if len(query) < header {
		return nil
	}
	end, name := header, ""
	for end < len(query) && query[end] != 0 {
		label := query[end+1 : end+1+int(query[end])]
		name += strings.ToLower(string(label)) + "."
		end += 1 + len(label)
	}
	end += 5 // the root label, the type and the class
	kind := binary.BigEndian.Uint16(query[end-4:])

	var records []byte
	count := uint16(0)
	for _, text := range answer(name) {
		a := netip.MustParseAddr(text)
		if (kind == typeA) != a.Is4() || (kind == typeAAAA) != a.Is6() {
			continue
		}
		count++
		records = append(records, 0xc0, header) // the question's name
		records = binary.BigEndian.AppendUint16(records, kind)
		records = append(records, 0, 1, 0, 0, 0, 0) // class IN, no time to live
		records = binary.BigEndian.AppendUint16(records, uint16(a.BitLen()/8))
		records = append(records, a.AsSlice()...)
	}
	out := append([]byte{}, query[:2]...)           // its number
	out = append(out, 0x84, 0)                      // an authoritative answer, no error
	out = append(out, 0, 1)                         // one question
	out = binary.BigEndian.AppendUint16(out, count) // answers
	out = append(out, 0, 0, 0, 0)                   // nothing else
	return append(append(out, query[header:end]...), records...)
}
