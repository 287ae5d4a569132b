package webhook_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
	"github.com/listhook/webhook/webhooktest"
)

// firstAttempt makes one attempt at a URL over real connections and returns
// what the log keeps of it. client may be nil: that of the receivers. The attempt may take as
// long as it does on a busy machine.
func firstAttempt(t *testing.T, to string, client *http.Client, body int) webhook.Attempt {
	t.Helper()
	return attemptWithin(t, 20*time.Second, to, client, body)
}

// attemptWithin is firstAttempt with a timeout.
func attemptWithin(t *testing.T, timeout time.Duration, to string, client *http.Client, body int) webhook.Attempt {
	t.Helper()
	if client == nil {
		client = webhook.NewClient(webhooktest.ClientOptions())
	}
	defer client.CloseIdleConnections()
	store := &memstore.Store{}
	settled := make(chan struct{}, 1)
	d, err := webhook.New(store, client, &webhook.Options{
		Timeout:   timeout,
		BodyLimit: 64 << 20,
		Hooks:     webhook.Hooks{Changed: func(webhook.Delivery) { settled <- struct{}{} }},
	})
	require.NoError(t, err)

	// Whoever puts the webhook allows every URL; the client does not have to.
	putter, err := webhook.New(store, &http.Client{Transport: http.DefaultTransport}, nil)
	require.NoError(t, err)
	w := everything()
	w.URL = to
	w.NoRetry = true
	_, err = putter.AddWebhook(t.Context(), w)
	require.NoError(t, err)

	e := open("e1")
	e.Subscriber.Fields["7"] = strings.Repeat("x", body)
	require.NoError(t, d.Emit(t.Context(), e))
	require.NoError(t, d.Start())
	select {
	case <-settled:
	case <-time.After(time.Minute):
		t.Fatal("no attempt was made")
	}
	require.NoError(t, d.Shutdown(t.Context()))
	ds, err := store.Deliveries(t.Context(), webhook.DeliveryQuery{All: true})
	require.NoError(t, err)
	require.Len(t, ds, 1)
	require.Len(t, ds[0].Log, 1)
	requireForCustomers(t, ds[0].Log[0].Reason)
	return ds[0].Log[0]
}

// requireForCustomers checks that a reason is one sentence without an address,
// a URL or a secret.
func requireForCustomers(t *testing.T, reason string) {
	t.Helper()
	require.NotRegexp(t, `://|\d+\.\d+\.\d+\.\d+|::|s3cret|\.example|webhook: |[^[:print:]]`, reason)
	if reason != "" {
		require.Regexp(t, `^[A-Z][^.]*( 1\.2 [^.]*)?\.$`, reason)
	}
}

// answering starts a receiver and returns its URL, which holds a key.
func answering(t *testing.T, a webhooktest.Answer) string {
	return webhooktest.NewReceiver(t, &webhooktest.Options{Answer: a}).URL() + "?key=s3cret"
}

func TestEveryStatusSaysWhatToDo(t *testing.T) {
	for status, want := range map[int]string{
		200: "",
		202: "",
		204: "",
		304: "The receiver answered 304 Not Modified: make it answer 200 OK once it has accepted the request.",
		301: "The receiver redirected to another URL (301 Moved Permanently), and redirects are not followed: enter the final URL.",
		302: "The receiver redirected to another URL (302 Found), and redirects are not followed: enter the final URL.",
		303: "The receiver redirected to another URL (303 See Other), and redirects are not followed: enter the final URL.",
		307: "The receiver redirected to another URL (307 Temporary Redirect), and redirects are not followed: enter the final URL.",
		308: "The receiver redirected to another URL (308 Permanent Redirect), and redirects are not followed: enter the final URL.",
		400: "The receiver refused the request (400 Bad Request): check its log for the reason.",
		401: "The receiver refused access (401 Unauthorized): check the key or password that it expects, and whether a firewall or bot protection blocks requests.",
		403: "The receiver refused access (403 Forbidden): check the key or password that it expects, and whether a firewall or bot protection blocks requests.",
		404: "The receiver found nothing at the URL (404 Not Found): check its path.",
		405: "The receiver does not accept POST requests at the URL (405 Method Not Allowed): check its path, or make it accept them.",
		410: "The receiver answered 410 Gone, which switches the webhook off: switch it on again when the receiver is back.",
		413: "The receiver does not accept requests of this size (413 Request Entity Too Large): raise its limit.",
		415: "The receiver does not accept the webhook's format (415 Unsupported Media Type): make it accept application/x-www-form-urlencoded, or choose another format.",
		422: "The receiver refused the request (422 Unprocessable Entity): check its log for the reason.",
		429: "The receiver asked for fewer requests (429 Too Many Requests): raise its limit if deliveries come too slowly.",
		500: "The receiver failed (500 Internal Server Error): check its error log.",
		502: "The server in front of the receiver got no valid answer from it (502 Bad Gateway): check that the application behind it runs.",
		503: "The receiver is not available (503 Service Unavailable): check whether it is overloaded or in maintenance.",
		504: "The server in front of the receiver got no valid answer from it (504 Gateway Timeout): check that the application behind it runs.",
		522: "The server in front of the receiver got no valid answer from it (522): check that the application behind it runs.",
		999: "The receiver failed (999): check its error log.",
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			a := firstAttempt(t, answering(t, webhooktest.Status(status)), nil, 1)
			assert.Equal(t, status, a.Status)
			assert.Equal(t, want, a.Reason)
		})
	}
}

func TestEveryTLSFailureSaysWhatToDo(t *testing.T) {
	const handshake = "The TLS handshake with the receiver failed: check that it speaks TLS 1.2 or newer and has a valid certificate."
	for kind, want := range map[webhooktest.TLS]string{
		webhooktest.TLSValid:       "",
		webhooktest.TLSExpired:     "The receiver's certificate expired on 31 January 2013: renew it.",
		webhooktest.TLSNotYetValid: "The receiver's certificate is not valid before 1 January 2100: install one that is valid now.",
		webhooktest.TLSWrongHost:   "The receiver's certificate is for a different host name: install one for the URL's host name, or enter the name that the certificate is for.",
		webhooktest.TLSSelfSigned:  "The receiver's certificate is not signed by a trusted authority: install one that is, and make the server send the intermediate certificates too.",
		webhooktest.TLSOld:         handshake,
		webhooktest.TLSHangup:      handshake,
		webhooktest.TLSClientAuth:  "The receiver asks for a client certificate, which webhooks do not have: make it accept requests without one.",
		webhooktest.TLSStalled:     "The TLS handshake with the receiver took too long: check whether its server is overloaded.",
		webhooktest.TLSMissing:     "The receiver does not speak TLS at the port of the URL: start the URL with http instead of https, or enter the port that speaks TLS.",
	} {
		t.Run(string(kind), func(t *testing.T) {
			r := webhooktest.NewReceiver(t, &webhooktest.Options{TLS: kind})
			a := firstAttempt(t, r.URL()+"?key=s3cret", nil, 1)
			assert.Equal(t, want, a.Reason)
			assert.Equal(t, want == "", a.Detail == "", a.Detail)
		})
	}

	t.Run("another protocol", func(t *testing.T) {
		to := speaking(t, "220 mail.example ESMTP\r\n")
		a := firstAttempt(t, "https://"+to, nil, 1)
		assert.Equal(t, "The receiver does not speak TLS at the port of the URL: start the URL with http instead of https, or enter the port that speaks TLS.", a.Reason)
	})
}

func TestEveryBrokenAnswerSaysWhatToDo(t *testing.T) {
	const (
		reset   = "The receiver reset the connection without an answer: check its server's error log."
		closed  = "The receiver closed the connection without an answer: check its server's error log."
		large   = "The headers of the receiver's answer are too large: make it send fewer or shorter ones."
		invalid = "The headers of the receiver's answer are not valid HTTP: check whether its application prints something before or between them, such as a warning."
		alien   = "The receiver's answer is not HTTP: check the port of the URL, and whether the URL must start with https instead of http."
	)
	for name, test := range map[string]struct {
		answer webhooktest.Answer
		reason string
	}{
		"a reset":             {webhooktest.Reset(), reset},
		"a closed connection": {webhooktest.Hangup(), closed},
		"half a head":         {webhooktest.Raw("HTTP/1.1 200 OK\r\nX-Half: "), closed},
		"a status line only":  {webhooktest.Raw("HTTP/1.1 200 OK\r\n"), closed},
		"a flood of hints":    {webhooktest.Status(200).Hints(5000), large},
		"a mail server":       {webhooktest.Raw("220 mail.example ESMTP\r\n"), alien},
		"a status of letters": {webhooktest.Raw("HTTP/1.1 abc\r\n\r\n"), invalid},
		"a status of zeros":   {webhooktest.Raw("HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n"), invalid},
		"a status below 100":  {webhooktest.Raw("HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n"), invalid},
		"an endless line":     {webhooktest.Raw("HTTP/1.1 " + strings.Repeat("x", 100_000)), large},
		"a TLS alert":         {webhooktest.Raw("\x15\x03\x01\x00\x02\x02\x46\r\n"), alien},
	} {
		t.Run(name, func(t *testing.T) {
			a := firstAttempt(t, answering(t, test.answer), nil, 1)
			assert.Equal(t, test.reason, a.Reason, a.Detail)
			assert.Zero(t, a.Status)
			assert.NotEmpty(t, a.Detail)
			assert.NotContains(t, a.Detail, "s3cret")
		})
	}

	t.Run("a reset stream of HTTP/2", func(t *testing.T) {
		r := webhooktest.NewReceiver(t, &webhooktest.Options{TLS: webhooktest.TLSValid, HTTP2: true, Answer: webhooktest.Reset()})
		client := &http.Client{Transport: &http.Transport{
			TLSClientConfig: webhooktest.ClientOptions().TLS, ForceAttemptHTTP2: true,
		}}
		assert.Equal(t, reset, firstAttempt(t, r.URL(), client, 1).Reason)
	})

	t.Run("a server that speaks first", func(t *testing.T) {
		a := firstAttempt(t, "http://"+speaking(t, "SSH-2.0-OpenSSH_9.2\r\n"), nil, 1)
		assert.Contains(t, []string{reset, closed, alien}, a.Reason, "which of them is a race: "+a.Detail)
	})
}

// brokenHeads are heads of answers that net/http cannot read, without their status
// lines.
var brokenHeads = map[string]string{
	"two transfer encodings":       "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"an unknown transfer encoding": "Transfer-Encoding: gzip\r\n\r\n",
	"a warning of PHP's":           "<br />\n<b>Warning</b>:  Undefined variable $x in <b>/srv/hook.php</b> on line <b>3</b><br />\nContent-Type: text/html\r\n\r\nok",
	"a folded first line":          " X: 1\r\n\r\n",
	"a NUL":                        "X: a\x00b\r\n\r\n",
	"a NUL in a name":              "X\x00: a\r\n\r\n",
	"no colon":                     "no colon\r\n\r\n",
	"no name":                      ": nothing\r\n\r\n",
	"a negative length":            "Content-Length: -1\r\n\r\n",
	"a length of letters":          "Content-Length: many\r\n\r\n",
	"two lengths":                  "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
	"a length beyond any":          "Content-Length: 99999999999999999999\r\n\r\n",
	"a large head":                 "X: " + strings.Repeat("x", 100_000) + "\r\n\r\n",
	"many fields":                  strings.Repeat("X: y\r\n", 20_000) + "\r\n",
}

func TestOfAnAnswerWithABrokenHeadTheStatusDecides(t *testing.T) {
	for name, head := range brokenHeads {
		for status, reason := range map[int]string{
			200: "",
			204: "",
			302: "The receiver redirected to another URL (302 Found), and redirects are not followed: enter the final URL.",
			500: "The receiver failed (500 Internal Server Error): check its error log.",
		} {
			for _, kind := range []webhooktest.TLS{"", webhooktest.TLSValid} {
				t.Run(fmt.Sprint(name, " ", status, " ", kind), func(t *testing.T) {
					raw := fmt.Sprintf("HTTP/1.1 %d %s\r\n%s", status, http.StatusText(status), head)
					r := webhooktest.NewReceiver(t, &webhooktest.Options{Answer: webhooktest.Raw(raw), TLS: kind})
					a := firstAttempt(t, r.URL()+"?key=s3cret", nil, 1)
					assert.Equal(t, status, a.Status, a.Detail)
					assert.Equal(t, reason, a.Reason)
				})
			}
		}
	}

	t.Run("a head without end", func(t *testing.T) {
		a := firstAttempt(t, answering(t, webhooktest.EndlessHead()), nil, 1)
		assert.Equal(t, 200, a.Status, a.Detail)
		assert.Empty(t, a.Reason)
	})
	t.Run("after hints", func(t *testing.T) {
		a := firstAttempt(t, answering(t, webhooktest.Raw("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 410 Gone\r\nno colon\r\n\r\n")), nil, 1)
		assert.Equal(t, 410, a.Status, a.Detail)
	})
}

// A client of the app's tells that a head is broken, and not its status.
func TestThroughAnotherClientABrokenHeadHasASentenceOfItsOwn(t *testing.T) {
	for name, head := range brokenHeads {
		t.Run(name, func(t *testing.T) {
			client := &http.Client{Transport: &http.Transport{MaxResponseHeaderBytes: 64 << 10}}
			a := firstAttempt(t, answering(t, webhooktest.Raw("HTTP/1.1 200 OK\r\n"+head)), client, 1)
			assert.Contains(t, []string{"head_invalid", "head_too_large"}, a.Failure(), a.Detail)
			assert.Equal(t, strings.Contains(a.Reason, "too large"), a.Failure() == "head_too_large")
			assert.NotContains(t, a.Reason, "https")
		})
	}
}

func TestEveryTimeoutSaysWhatTookTooLong(t *testing.T) {
	blocked := &net.Dialer{ControlContext: func(ctx context.Context, _, _ string, _ syscall.RawConn) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	for name, test := range map[string]struct {
		url    func(t *testing.T) string
		client *http.Client
		body   int
		reason string
	}{
		"looking up the name": {
			url:    func(*testing.T) string { return "http://receiver.example/" },
			client: resolving(t, noAnswer), // about no name
			reason: "The sender could not make the request, which is no fault of the receiver's.",
		},
		"connecting": {
			url:    func(t *testing.T) string { return answering(t, webhooktest.Status(200)) },
			client: &http.Client{Transport: &http.Transport{DialContext: blocked.DialContext}},
			reason: "Connecting to the receiver took too long: check that its server runs and that no firewall drops the connection.",
		},
		"sending the request": {
			url:    func(t *testing.T) string { return answering(t, webhooktest.Unread()) },
			body:   16 << 20, // more than sockets hold
			reason: "The receiver took too long to read the request: check whether its server is overloaded.",
		},
		"waiting for an answer": {
			url:    func(t *testing.T) string { return answering(t, webhooktest.Hang()) },
			reason: "The receiver did not answer within 1s: make it answer first and do its work afterwards.",
		},
		"a limit of the client's own": {
			url:    func(t *testing.T) string { return answering(t, webhooktest.Hang()) },
			client: &http.Client{Transport: &http.Transport{ResponseHeaderTimeout: 10 * time.Millisecond}},
			reason: "The receiver did not answer in time: make it answer first and do its work afterwards.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := attemptWithin(t, time.Second, test.url(t), test.client, test.body)
			assert.Equal(t, test.reason, a.Reason, a.Detail)
		})
	}
}

func TestEveryFailureToConnectSaysWhatToDo(t *testing.T) {
	closed := webhooktest.NewReceiver(t, nil)
	closed.Close()
	nowhere, err := url.Parse(closed.URL())
	require.NoError(t, err)
	running := answering(t, webhooktest.Status(200))

	for name, test := range map[string]struct {
		url    string
		client *http.Client
		reason string
		detail string
	}{
		"a refused connection": {
			url:    closed.URL(),
			reason: "The receiver refused the connection: check that its server runs and listens at the port of the URL.",
			detail: "connection refused",
		},
		"an unreachable host": {
			url: running,
			client: &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{
				Control: func(string, string, syscall.RawConn) error { return syscall.EHOSTUNREACH },
			}).DialContext}},
			reason: "The receiver's host cannot be reached: check that it is connected and that its DNS records are right.",
			detail: "no route to host",
		},
		"another failure": {
			url: running,
			client: &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{
				Control: func(string, string, syscall.RawConn) error { return syscall.EPROTO },
			}).DialContext}},
			reason: "The connection to the receiver failed: check that its server can be reached from the Internet.",
			detail: "protocol error",
		},
		"an unknown name": {
			url:    "http://receiver.example/",
			client: resolving(t, nameError),
			reason: "The host name of the URL was not found: check its spelling and its DNS records.",
			detail: "no such host",
		},
		"a name server that fails": {
			url:    "http://receiver.example/",
			client: resolving(t, serverFailure),
			reason: "The host name of the URL could not be looked up: check its DNS servers.",
			detail: "server misbehaving",
		},
		"an address that is not allowed": {
			url:    running,
			client: webhook.NewClient(&webhook.ClientOptions{AllowPorts: []uint16{portOf(t, running)}}),
			reason: "The URL has a host that is not a public address: webhooks are sent to public hosts on the usual ports only.",
			detail: "loopback (127.0.0.0/8)",
		},
		"a port that is not allowed": {
			url:    running,
			client: webhook.NewClient(nil),
			reason: "The URL has a port that is not allowed: webhooks are sent to public hosts on the usual ports only.",
			detail: "is not allowed",
		},
		"a proxy that does not run": {
			url:    running,
			client: webhook.NewClient(&webhook.ClientOptions{AllowHosts: []string{"127.0.0.1"}, Proxy: nowhere}),
			reason: "The sender could not make the request, which is no fault of the receiver's.",
			detail: "proxyconnect",
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := firstAttempt(t, test.url, test.client, 1)
			assert.Equal(t, test.reason, a.Reason, a.Detail)
			assert.Contains(t, a.Detail, test.detail)
			assert.NotContains(t, a.Detail, "s3cret")
		})
	}
}

func portOf(t *testing.T, rawURL string) uint16 {
	u, err := url.Parse(rawURL)
	require.NoError(t, err)
	port, err := net.LookupPort("tcp", u.Port())
	require.NoError(t, err)
	return uint16(port)
}

// speaking starts a server that sends a text to whoever connects, and returns
// its host and port.
func speaking(t *testing.T, text string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte(text))
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}

// What a name server answers (RFC 1035, section 4.1.1).
const (
	serverFailure = 2
	nameError     = 3
	noAnswer      = -1
)

// resolving returns a client whose name server answers every question so.
func resolving(t *testing.T, code int) *http.Client {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	go func() {
		packet := make([]byte, 1500)
		for {
			n, from, err := server.ReadFrom(packet)
			if err != nil {
				return
			}
			if code != noAnswer && n > 12 {
				binary.BigEndian.PutUint16(packet[2:], 0x8400|uint16(code)) // an authoritative answer
				_, _ = server.WriteTo(packet[:n], from)
			}
		}
	}()
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
	return &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{Resolver: resolver}).DialContext}}
}
