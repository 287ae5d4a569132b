package webhook

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestURLsOfInternalHostsAreRefusedWhenSaved(t *testing.T) {
	for _, u := range []string{
		"http://127.0.0.1/", "http://127.0.0.1:80/", "https://127.0.0.1/", "http://127.0.0.1./",
		"http://10.0.0.1/hook", "http://169.254.169.254/latest/meta-data/", "http://168.63.129.16/",
		"http://100.64.0.1/", "http://0.0.0.0/", "http://255.255.255.255/",
		// The spellings of inet_aton.
		"http://2130706433/", "http://0177.0.0.1/", "http://0x7f.0.0.1/", "http://0x7f000001/",
		"http://127.1/", "http://127.0.1/", "http://017700000001/", "http://0/", "http://127.0.0.1.0x7f/",
		"http://134744072/", // a public one, in a form that no name has
		"http://１２７.0.0.１/", "http://127。0。0。1/", "http://①②⑦.⓪.⓪.①/",
		// IPv6, and IPv4 inside it.
		"http://[::1]/", "http://[::]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/",
		"http://[0:0:0:0:0:ffff:127.0.0.1]/", "http://[::127.0.0.1]/", "http://[64:ff9b::7f00:1]/",
		"http://[2002:7f00:1::]/", "http://[fd00:ec2::254]/", "http://[fe80::1%25eth0]/", "http://[2606:4700::1%25eth0]/", "http://[::ffff:8.8.8.8%25eth0]/",
		// A public name beside the host.
		"http://example.com@127.0.0.1/", "http://example.com:80@127.0.0.1/", "http://user:secret@[::1]/",
		"http://127.0.0.1/?@example.com", "http://127.0.0.1#@example.com",
		// Names of internal networks.
		"http://localhost/", "http://LOCALHOST/", "http://localhost./", "http://a.localhost/", "http://redis/",
		"http://printer.local/", "http://metadata.google.internal/", "http://nas.home.arpa/", "http://./", "http://example.com../",
		// Ports.
		"http://example.com:22/", "http://example.com:6379/", "https://example.com:8443/", "http://example.com:0/",
		"http://example.com:65536/", "http://example.com:00000022/", "http://8.8.8.8:25/",
		// No URLs of the web.
		"", "example.com", "//example.com/", "/hook", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/",
		"http:///hook", "http:example.com", "http://[::1/", "http://exa mple.com/", "http://%31%32%37.0.0.1/", "http://:80/",
	} {
		err := checkURL(NewClient(nil).Transport, u)
		var bad *InvalidError
		if assert.ErrorAs(t, err, &bad, u) {
			assert.Equal(t, "URL", bad.Field)
			assert.NotRegexp(t, `[0-9]|example|localhost|secret|\[`, bad.Error(), "the text tells the host")
		}
		assert.Equal(t, err, (*ClientOptions)(nil).CheckURL(u))
	}
}

func TestURLsOfPublicHostsAreTaken(t *testing.T) {
	for _, u := range []string{
		"http://example.com", "https://example.com/hook?key=1", "https://example.com:443/", "http://example.com:80/", "http://example.com:/",
		"https://example.com:80/", "https://EXAMPLE.com./", "https://user:secret@example.com/", "https://8.8.8.8/", "https://[2606:4700:4700::1111]:443/",
		"https://[::ffff:8.8.8.8]/", "https://1.example.com/", "https://127.0.0.1.example.com/", "https://127.0.0.1.nip.io/", "https://0x7f.com/",
		"https://localhost.example.com/", "https://internal.example.com/", "https://bücher.example/", "https://xn--bcher-kva.example/",
		"https://example.com/127.0.0.1", "https://hooks.3com.com/", "HTTPS://example.com/",
	} {
		assert.NoError(t, checkURL(NewClient(nil).Transport, u), u)
	}
}

func TestWhatIsAllowedByName(t *testing.T) {
	opts := &ClientOptions{
		AllowPrefixes: []netip.Prefix{
			netip.MustParsePrefix("10.1.0.0/16"),
			netip.MustParsePrefix("::ffff:10.2.0.0/112"),
			netip.MustParsePrefix("fd00:1::/32"),
		},
		AllowPorts: []uint16{8080},
		AllowHosts: []string{"CRM.internal.", "localhost:9000", "127.0.0.2", "[::1]:9000", "::2", "[::ffff:127.0.0.3]"},
	}
	for u, ok := range map[string]bool{
		"http://10.1.2.3/":                 true,
		"http://10.1.2.3:8080/":            true,
		"http://10.1.2.3:9000/":            false,
		"http://[::ffff:10.1.2.3]/":        true,
		"http://[::ffff:10.1.2.3%25eth0]/": false,
		"http://10.2.255.255/":             true,
		"http://10.3.0.0/":                 false,
		"http://10.0.255.255/":             false,
		"http://[fd00:1::1]/":              true,
		"http://[fd00:1::1%25eth0]/":       false,
		"http://[fd00:2::1]/":              false,
		"http://example.com:8080/":         true,
		"http://example.com:8081/":         false,
		"http://127.0.0.1:8080/":           false,
		"http://crm.internal/":             true,
		"http://crm.internal.:1/":          true,
		"http://CRM.INTERNAL:65535/":       true,
		"http://x.crm.internal:1/":         false,
		"http://localhost:9000/":           true,
		"http://localhost:9001/":           false,
		"http://127.0.0.2:9001/":           true,
		"http://[::ffff:127.0.0.2]/":       true,
		"http://127.0.0.3/":                true,
		"http://[::1]:9000/":               true,
		"http://[0:0::1]:9000/":            true,
		"http://[::1]/":                    false,
		"http://[::2]:7/":                  true,
		"http://2130706434/":               false, // 127.0.0.2, as no one is allowed to write it
		"http://intranet/":                 true,  // whether it is in an allowed network is seen when it is dialled
		"http://intranet:9000/":            false,
		"http://:9000/":                    false,
		"http://./":                        false,
		"ftp://crm.internal/":              false,
		"http://crm.internal@[::3]/":       false,
		"http://crm.internal:1@[::1]":      false,
	} {
		err := opts.CheckURL(u)
		assert.Equal(t, ok, err == nil, "%s: %v", u, err)
		assert.Equal(t, err, checkURL(NewClient(opts).Transport, u), u)
	}
}

func TestAClientOfTheUsersOwnReachesWhatItsOwnerLikes(t *testing.T) {
	assert.NoError(t, checkURL(transportOf(&http.Client{Transport: http.DefaultTransport}), "http://127.0.0.1:1/"))
	assert.Error(t, checkURL(transportOf(nil), "http://127.0.0.1:1/"))
}

func TestAClientWithoutATransportHasTheGuardedOne(t *testing.T) {
	s, reached := receiver(t)
	for name, client := range map[string]*http.Client{
		"none": nil, "an empty one": {}, "one with a timeout": {Timeout: time.Minute}, "http.DefaultClient": http.DefaultClient,
	} {
		transport := transportOf(client)
		require.IsType(t, &guardedTransport{}, transport, name)
		assert.Nil(t, transport.(*guardedTransport).transport.Proxy, "%s: the environment's proxy is not used", name)
		for _, u := range []string{s.URL, "http://localhost/", "http://169.254.169.254/"} {
			assert.Error(t, checkURL(transport, u), name)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, u, nil)
			require.NoError(t, err)
			_, err = transport.RoundTrip(r)
			var refused *AddressError
			assert.ErrorAs(t, err, &refused, name)
		}
		d, err := New(&noStore{}, client, nil)
		require.NoError(t, err)
		assert.IsType(t, &guardedTransport{}, d.sender.transport, name)
	}
	assert.Zero(t, reached())
	assert.Nil(t, http.DefaultClient.Transport, "the user's client is left alone")

	d, err := New(&noStore{}, &http.Client{Timeout: 3 * time.Second}, nil)
	require.NoError(t, err)
	assert.Equal(t, 3*time.Second, d.opts.Timeout, "its Timeout is used")
	d, err = New(&noStore{}, &http.Client{Transport: http.DefaultTransport}, nil)
	require.NoError(t, err)
	assert.Same(t, http.DefaultTransport, d.sender.transport, "setting it is the decision to go without")
}

func TestATestOnThisMachineIsToldHowToAllowIt(t *testing.T) {
	s, _ := receiver(t)
	port := portOf(s)
	dns := newNameServer(t, func(string) []string { return []string{"127.0.0.1"} })
	told := func(text string) bool {
		return strings.Contains(text, "AllowHosts") && strings.Contains(text, "webhooktest")
	}
	for _, u := range []string{s.URL, "http://127.0.0.1/", "http://localhost:8080/", "http://a.localhost/", "http://[::1]:8080/", "http://[::ffff:127.0.0.2]/"} {
		var bad *InvalidError
		saved := (*ClientOptions)(nil).CheckURL(u)
		require.ErrorAs(t, saved, &bad)
		assert.True(t, told(saved.Error()), "%s: %v", u, saved)
		assert.False(t, told(bad.Reason), "customers read it: %v", bad.Reason)

		_, err := post(t, NewClient(nil), u)
		var refused *AddressError
		require.ErrorAs(t, err, &refused)
		assert.True(t, told(refused.Error()), "%s: %v", u, refused)
		assert.True(t, told(refused.Detail()), "%s: %v", u, refused.Detail())
	}
	_, err := post(t, newClient(&ClientOptions{AllowPorts: []uint16{port}}, dns), "http://receiver.example:"+strconv.Itoa(int(port))+"/")
	var refused *AddressError
	require.ErrorAs(t, err, &refused)
	assert.True(t, told(refused.Error()), "a name of this machine: %v", refused)

	for _, u := range []string{"http://10.0.0.1/", "http://example.com:81/", "http://redis/", "http://169.254.169.254/"} {
		assert.False(t, told((*ClientOptions)(nil).CheckURL(u).Error()), u)
	}
}
