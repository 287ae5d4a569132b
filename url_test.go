package webhook_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

func TestTheURLThatIsSavedIsTheOneOnTheWire(t *testing.T) {
	for _, c := range []struct{ typed, host, line string }{
		{"http://crm.test/hook?list=12&name=a+b", "crm.test", "/hook?list=12&name=a+b"},
		{"http://CRM.test:80", "crm.test", "/"},
		{"http://BÜCHER.test/", "xn--bcher-kva.test", "/"},
		{"http://bu\u0308cher.test./", "xn--bcher-kva.test", "/"},
		{"http://XN--bcher-KVA.test/", "xn--bcher-kva.test", "/"},
		{"http://straße。test/", "xn--strae-oqa.test", "/"},
		{"http://ｃｒｍ．test/", "crm.test", "/"},
		{"http://c\u00adr\u200bm.test:/x", "crm.test", "/x"},
		{"http://crm.test:00080/x", "crm.test", "/x"},
		{"http://crm.test/hook?name=My shop  ", "crm.test", "/hook?name=My%20shop"},
		{"http://crm.test/ü?\"<>|^`é=100%", "crm.test", "/%C3%BC?%22%3C%3E%7C%5E%60%C3%A9=100%25"},
		{"http://ann:secret@crm.test/x", "crm.test", "/x"},
		{"http://８.8.8.8/", "8.8.8.8", "/"},
		{"http://[2606:4700:0:0::1]/", "[2606:4700::1]", "/"},
	} {
		for _, how := range []string{"saved", "stored by an earlier version"} {
			t.Run(how+" "+c.typed, func(t *testing.T) {
				wire := newWire(t)
				store := memstore.Store{}
				d, err := webhook.New(&store, wire.client, nil)
				require.NoError(t, err)
				w := everything()
				w.URL = c.typed
				if how == "saved" {
					w, err = d.AddWebhook(t.Context(), w)
					assert.Equal(t, strings.TrimSpace(c.typed), w.URL, "its owner reads the URL that he wrote")
				} else {
					w.ID, w.Created, w.Revision = "1", time.Now(), 1
					_, err = store.PutWebhook(t.Context(), w)
				}
				require.NoError(t, err)
				a, err := d.SendTest(t.Context(), "", w.ID, webhook.TypeOpen)
				require.NoError(t, err)
				assert.Equal(t, http.StatusNoContent, a.Status, a.Reason)

				got := <-wire.got
				assert.Equal(t, "POST "+c.line+" HTTP/1.1", got.line)
				assert.Equal(t, c.host, got.host)
				host, _, err := net.SplitHostPort(got.dialled)
				require.NoError(t, err)
				assert.Equal(t, strings.Trim(c.host, "[]"), host)
			})
		}
	}
}

// A wire is a client whose requests are read byte by byte.
type wire struct {
	client *http.Client
	got    chan written
}

type written struct{ dialled, line, host string }

func newWire(t *testing.T) *wire {
	w := &wire{got: make(chan written, 1)}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(_ context.Context, _, addr string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go w.serve(ours, addr)
		return theirs, nil
	}}
	w.client = &http.Client{Transport: transport}
	return w
}

// serve reads the request as text, since http.ReadRequest would accept less, and
// answers 204.
func (w *wire) serve(conn net.Conn, dialled string) {
	defer conn.Close()
	got := written{dialled: dialled}
	r := bufio.NewReader(conn)
	for {
		text, err := r.ReadString('\n')
		text = strings.TrimRight(text, "\r\n")
		if err != nil || text == "" {
			break
		}
		if got.line == "" {
			got.line = text
		}
		if host, ok := strings.CutPrefix(text, "Host: "); ok {
			got.host = host
		}
	}
	go func() { _, _ = r.Discard(1 << 20) }() // the body
	_, _ = conn.Write([]byte("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"))
	w.got <- got
}

func TestAURLWithoutANormalFormIsRefusedByItsField(t *testing.T) {
	r := newHarness(t, nil)
	for _, raw := range []string{
		"https://receiver.test\\@other.test/", "https://receiver .test/", "https://xn--a.test/", "https://a\u200db.test/", "https://receiver..test/",
		"https://" + strings.Repeat("a", 64) + ".test/", "https://receiver.test:0/", "https://receiver.test:x/", "https://[fe80::1%25eth0]/",
		"https://receiver.test/\t", "https://receiver.test/\r\n", "https://rec\neiver.test/", "https://receiver.test/%zz", "https://receiver.test/#x", "https://a／b.test/",
	} {
		_, err := r.AddWebhook(r.ctx, webhook.Webhook{Settings: webhook.Settings{
			URL: raw, Events: webhook.EventTypes(), Sources: webhook.Sources(),
		}})
		var bad *webhook.InvalidError
		if assert.ErrorAs(t, err, &bad, "%q", raw) {
			assert.Equal(t, "URL", bad.Field)
			assert.NotContains(t, err.Error(), ".test")
		}
	}
	ws, err := r.Webhooks(r.ctx, webhook.WebhookQuery{All: true})
	require.NoError(t, err)
	assert.Empty(t, ws)
}

func TestURLsThatDifferOnlyInSpellingShareTheirHostsLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{PerHost: 1})
		for _, host := range []string{"bücher.test", "BÜCHER.TEST.", "xn--bcher-kva.test", "bu\u0308cher。test"} {
			r.put(func(w *webhook.Webhook) { w.URL = "https://" + host + "/" })
		}
		r.receiver.set(hang)
		r.start()
		r.emit(open("e1"))
		synctest.Wait()
		assert.Len(t, r.receiver.requests(), 1, "one host, one attempt")
	})
}

// net/http maps the host that it asks a proxy for. A check of the text alone
// would see another name.
func TestThroughAProxyTheNameThatIsCheckedIsTheOneThatIsSent(t *testing.T) {
	asked := make(chan string, 1)
	proxy, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer proxy.Close()
	go func() {
		for {
			conn, err := proxy.Accept()
			if err != nil {
				return
			}
			line, _ := bufio.NewReader(conn).ReadString('\n')
			asked <- strings.TrimSpace(line)
			_, _ = conn.Write([]byte("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
			_ = conn.Close()
		}
	}()
	opts := &webhook.ClientOptions{Proxy: &url.URL{Scheme: "http", Host: proxy.Addr().String()}, AllowHosts: []string{"crm.bücher.internal"}}
	client := webhook.NewClient(opts)
	for _, internal := range []string{
		"https://169.254.169.\u00ad254/", "http://169.254.169.\u200b254/", "https://１６９.254.169.254/", "https://169。254。169。254/", "https://①②⑦.0.0.1/",
		"https://metadata.google.int\u00adernal/", "https://ｌｏｃａｌｈｏｓｔ/", "https://loc\u200balhost/", "https://printer.loca\u2060l/", "https://０x7f.1/",
		"https://①/", "https://localhost。/",
	} {
		var bad *webhook.InvalidError
		assert.ErrorAs(t, opts.CheckURL(internal), &bad, "%q", internal)
		answer, err := client.Get(internal)
		var refused *webhook.AddressError
		if !assert.ErrorAs(t, err, &refused, "%q", internal) && err == nil {
			_ = answer.Body.Close()
		}
	}
	assert.Empty(t, asked)
	for typed, want := range map[string]string{
		"https://BÜCHER.example/":            "CONNECT xn--bcher-kva.example:443 HTTP/1.1",
		"http://bu\u0308cher.example:80/ü":   "GET http://xn--bcher-kva.example/%C3%BC HTTP/1.1",
		"http://crm.example/?name=My%20shop": "GET http://crm.example/?name=My%20shop HTTP/1.1",
		"http://CRM.BÜCHER.internal:8080/":   "GET http://crm.xn--bcher-kva.internal:8080/ HTTP/1.1",
	} {
		answer, err := client.Get(typed)
		if err == nil {
			_ = answer.Body.Close()
		}
		got := <-asked
		assert.Equal(t, want, got)
	}
}

func TestAllowedHostsAreNormalizedAsURLsAre(t *testing.T) {
	for _, entry := range []string{"bücher.internal", "xn--bcher-kva.internal", "XN--Bcher-KVA.Internal.", "BÜCHER。internal", "bu\u0308cher.intern\u00adal", "bücher.internal:00080"} {
		opts := &webhook.ClientOptions{AllowHosts: []string{entry}}
		for _, host := range []string{"bücher.internal", "xn--bcher-kva.internal", "BÜCHER.INTERNAL.", "bu\u0308cher.internal:080", "ｂücher．internal"} {
			assert.NoError(t, opts.CheckURL("http://"+host+"/"), "%q allows %q", entry, host)
		}
		assert.Error(t, opts.CheckURL("http://bucher.internal/"))
		assert.Error(t, opts.CheckURL("http://x.bücher.internal/"))
	}
}
