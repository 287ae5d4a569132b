package webhook_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
	"github.com/listhook/webhook/webhooktest"
)

// failing is a transport without descriptors, as net/http tells of it.
func failing(no syscall.Errno) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", no)}
	}
}

func TestWhileTheSenderFailsNothingIsUsedUpAndNothingIsHammered(t *testing.T) {
	for name, answer := range map[string]func(*http.Request) (*http.Response, error){
		"out of descriptors": failing(syscall.EMFILE),
		"out of ports":       failing(syscall.EADDRNOTAVAIL),
		"a proxy": func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "proxyconnect", Err: syscall.ECONNREFUSED}
		},
		"a panic":              func(*http.Request) (*http.Response, error) { panic("a transport of the app's") },
		"no answer":            func(*http.Request) (*http.Response, error) { return nil, nil },
		"an answer of nothing": func(*http.Request) (*http.Response, error) { return &http.Response{}, nil },
		"a strange status":     func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: -200}, nil },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var logged bytes.Buffer
				r := newHarness(t, &webhook.Options{PollInterval: 10 * time.Second, Logger: slog.New(slog.NewTextHandler(&logged, nil))}).start()
				r.receiver.set(answer)
				w := r.put(nil)
				once := r.put(noRetry)
				for i := range 50 {
					r.emit(open(string(rune('A' + i))))
				}
				time.Sleep(2 * time.Hour)
				sent := len(r.receiver.requests())
				assert.Less(t, sent, 400, "in two hours")
				for _, d := range r.log() {
					require.Equal(t, webhook.StatePending, d.State)
					require.Zero(t, d.Attempts)
					for _, a := range d.Log {
						require.Equal(t, "sender", a.Failure())
						require.Contains(t, a.Reason, "no fault of the receiver's")
					}
				}
				for _, id := range []string{w.ID, once.ID} {
					w, err := r.Webhook(r.ctx, "", id)
					require.NoError(t, err)
					assert.Zero(t, w.Health.Failures)
					assert.Zero(t, w.HeldUntil)
					assert.Empty(t, w.Disabled)
				}
				assert.Contains(t, logged.String(), "sending failed")
				assert.NotContains(t, logged.String(), "receiver.test")
				assert.LessOrEqual(t, strings.Count(logged.String(), "sending failed"), 2*60+1)

				r.receiver.set(nil)
				time.Sleep(time.Hour + time.Minute)
				for _, d := range r.log() {
					require.Equal(t, webhook.StateDelivered, d.State)
					require.Equal(t, 1, d.Attempts)
				}
			})
		})
	}
}

func TestAnOutageIsSeenAndEndsByItself(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		r.put(nil)
		r.receiver.set(failing(syscall.EMFILE))
		r.emit(open("e1"))
		synctest.Wait()
		assert.Equal(t, "too many open files", r.Status().Outage)
		assert.ErrorContains(t, r.Ready(), "too many open files")
		time.Sleep(time.Hour)
		r.receiver.set(nil)
		time.Sleep(time.Minute + time.Second)
		assert.Equal(t, webhook.StateDelivered, r.log()[0].State, "within a minute of its end")
		assert.Empty(t, r.Status().Outage)
		assert.NoError(t, r.Ready())
	})
}

func TestAFailureThatMayConcernOneWebhookHoldsBackNoOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		r.put(func(w *webhook.Webhook) { w.URL = "https://denied.test/" })
		r.put(nil)
		r.receiver.set(func(req *http.Request) (*http.Response, error) {
			if req.URL.Host == "denied.test" {
				return failing(syscall.EPERM)(req)
			}
			return status(200)(req)
		})
		for i := range 20 {
			r.emit(open(string(rune('A' + i))))
			time.Sleep(time.Second)
		}
		states := map[webhook.State]int{}
		for _, d := range r.log() {
			states[d.State]++
		}
		assert.Equal(t, map[webhook.State]int{webhook.StateDelivered: 20, webhook.StatePending: 20}, states)
		assert.Equal(t, 1, r.Status().Paused)
		assert.NoError(t, r.Ready())
	})
}

func TestNoDeliveryIsAttemptedForEver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{PollInterval: time.Minute}).start() // so that days pass quickly
		r.put(nil)
		r.receiver.set(failing(syscall.EPERM))
		r.emit(open("e1"))
		time.Sleep(3*24*time.Hour - time.Minute)
		d := r.log()[0]
		require.Equal(t, webhook.StatePending, d.State)
		require.Zero(t, d.Attempts)
		assert.Less(t, len(d.Log), 100)
		time.Sleep(5 * 24 * time.Hour)
		d = r.log()[0]
		assert.Equal(t, webhook.StateFailed, d.State)
		assert.Equal(t, 10, d.Attempts)
		assert.Equal(t, "sender", d.Log[len(d.Log)-1].Failure())
	})
}

func TestWhatTheOperatorsProxyAnswersIsNoFaultOfTheReceivers(t *testing.T) {
	say := func(text string) func(net.Conn, string) bool {
		return func(c net.Conn, _ string) bool {
			_, _ = io.WriteString(c, text)
			return true
		}
	}
	reply := func(code byte) func(net.Conn, string) bool {
		return func(c net.Conn, _ string) bool {
			if _, err := readSOCKS(c); err == nil {
				_, _ = c.Write([]byte{5, code, 0, 1, 0, 0, 0, 0, 0, 0})
			}
			return true
		}
	}
	hang := func(c net.Conn, _ string) bool {
		_, _ = io.Copy(io.Discard, c)
		return true
	}
	for name, c := range map[string]struct {
		kinds  []string
		answer func(net.Conn, string) bool
		want   string
	}{
		"403":                {[]string{"http", "https"}, say("HTTP/1.1 403 Forbidden\r\n\r\n"), "sender"},
		"407":                {[]string{"http", "https"}, say("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"), "sender"},
		"502":                {[]string{"http", "https"}, say("HTTP/1.1 502 Bad Gateway\r\n\r\n"), "sender"},
		"503":                {[]string{"http", "https"}, say("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nno"), "sender"},
		"200 and more":       {[]string{"http", "https"}, say("HTTP/1.1 200 OK\r\n\r\nmore"), "sender"},
		"another protocol":   {[]string{"http", "https", "socks5"}, say("220 mail.example ESMTP\r\n\r\n"), "sender"},
		"nothing":            {[]string{"http", "https", "socks5"}, say(""), "sender"},
		"no answer":          {[]string{"http", "https", "socks5"}, hang, "sender"},
		"a failure of SOCKS": {[]string{"socks5"}, reply(1), "sender"},
		"a rule of SOCKS":    {[]string{"socks5"}, reply(2), "sender"},
		"refused":            {[]string{"socks5"}, reply(5), "refused"},
		"unreachable":        {[]string{"socks5"}, reply(4), "unreachable"},
	} {
		for _, kind := range c.kinds {
			for _, own := range []bool{true, false} {
				if !own && (kind == "socks5" || name == "200 and more") {
					continue // net/http tells no more of SOCKS than a text
				}
				t.Run(name+", "+kind, func(t *testing.T) {
					p := startProxy(t, kind, c.answer)
					client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(p.url), TLSClientConfig: p.trust(nil)}}
					if own {
						client = webhook.NewClient(&webhook.ClientOptions{Proxy: p.url, TLS: p.trust(nil)})
					}
					opts := &webhook.Options{Timeout: 20 * time.Second}
					if name == "no answer" {
						opts.Timeout = time.Second
					}
					d, w := putFor(t, &memstore.Store{}, client, "https://receiver.example/?key=s3cret", opts, nil)
					a, err := d.SendTest(t.Context(), "", w.ID, webhook.TypeOpen)
					require.NoError(t, err)
					assert.Equal(t, c.want, a.Failure(), a.Detail)
					assert.NotContains(t, a.Detail, "s3cret")
				})
			}
		}
	}
}

func TestAProxyThatForwardsARequestOwnsTheStatus407Alone(t *testing.T) {
	for status, want := range map[int]string{407: "sender", 403: "403", 503: "503"} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
			defer proxy.Close()
			u, err := url.Parse(proxy.URL)
			require.NoError(t, err)
			d, w := putFor(t, &memstore.Store{}, webhook.NewClient(&webhook.ClientOptions{Proxy: u}), "http://receiver.example/", nil, nil)
			a, err := d.SendTest(t.Context(), "", w.ID, webhook.TypeOpen)
			require.NoError(t, err)
			assert.Equal(t, want, a.Failure(), a.Detail)
		})
	}
}

func TestATLSConfigurationThatCannotBeUsedIsTheSendersOwnFailure(t *testing.T) {
	r := webhooktest.NewReceiver(t, &webhooktest.Options{TLS: webhooktest.TLSValid})
	asks := webhooktest.NewReceiver(t, &webhooktest.Options{TLS: webhooktest.TLSClientAuth})
	roots := webhooktest.ClientOptions().TLS.RootCAs
	for name, c := range map[string]struct {
		to     string
		config *tls.Config
	}{
		"no authorities":       {r.URL(), &tls.Config{RootCAs: x509.NewCertPool()}},
		"no versions":          {r.URL(), &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13, MaxVersion: tls.VersionTLS12}},
		"a client certificate": {asks.URL(), &tls.Config{RootCAs: roots, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return nil, errors.New("no key") }}},
	} {
		t.Run(name, func(t *testing.T) {
			opts := webhooktest.ClientOptions()
			opts.TLS = c.config
			a := tested(t, webhook.NewClient(opts), c.to, nil)
			assert.Equal(t, "sender", a.Failure(), a.Detail)
		})
	}
}

func TestANameServerThatAnswersOthersIsNotDown(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	to, err := url.Parse(s.URL)
	require.NoError(t, err)
	dial := resolving(t, noAnswer).Transport.(*http.Transport).DialContext
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if strings.HasPrefix(addr, "localhost:") {
			return new(net.Dialer).DialContext(ctx, network, "localhost:"+to.Port())
		}
		return dial(ctx, network, addr)
	}}}
	defer client.CloseIdleConnections()
	d, silent := putFor(t, &memstore.Store{}, client, "http://receiver.example/", &webhook.Options{Timeout: time.Second}, nil)
	w := everything()
	w.URL = "http://localhost:" + to.Port()
	w, err = d.AddWebhook(t.Context(), w)
	require.NoError(t, err)
	test := func(id string) webhook.Attempt {
		a, err := d.SendTest(t.Context(), "", id, webhook.TypeOpen)
		require.NoError(t, err)
		return a
	}
	assert.Equal(t, "sender", test(silent.ID).Failure())
	require.NotZero(t, test(w.ID).Status)
	assert.Equal(t, "lookup_timeout", test(silent.ID).Failure())
}
