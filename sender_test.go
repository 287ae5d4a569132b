package webhook_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
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

// A warmed receiver answers the first requests, those that fill a client's pool
// of connections, and from then on does with a connection what a test wants.
type warmed struct {
	*httptest.Server
	then     func(net.Conn) // after the request was read; then it is closed
	pool     sync.WaitGroup // requests that are to arrive before any is answered
	warm     atomic.Bool
	requests atomic.Int32 // since it is warm
}

func newWarmed(t *testing.T, secure bool, then func(net.Conn)) *warmed {
	s := &warmed{then: then}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.answer))
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

func (s *warmed) answer(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	if !s.warm.Load() {
		s.pool.Done()
		s.pool.Wait()
		return
	}
	s.requests.Add(1)
	if s.then == nil {
		return
	}
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	s.then(c)
	_ = c.Close()
}

// fill has a client hold n idle connections.
func (s *warmed) fill(t *testing.T, client *http.Client, n int) {
	s.pool.Add(n)
	var sending sync.WaitGroup
	for range n {
		sending.Go(func() {
			resp, err := client.Post(s.URL, "text/plain", nil)
			if assert.NoError(t, err) {
				_ = resp.Body.Close()
			}
		})
	}
	sending.Wait()
	s.warm.Store(true)
}

// ownClient returns a client of NewClient that may reach a test's server.
func ownClient(s *httptest.Server) *http.Client {
	opts := &webhook.ClientOptions{AllowHosts: []string{"127.0.0.1"}}
	if s.TLS != nil {
		opts.TLS = s.Client().Transport.(*http.Transport).TLSClientConfig
	}
	return webhook.NewClient(opts)
}

// otherClient returns a client that an app might use.
func otherClient(s *httptest.Server) *http.Client {
	transport := s.Client().Transport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 256
	return &http.Client{Transport: transport}
}

// tested makes an attempt at a URL.
func tested(t *testing.T, client *http.Client, to string, change func(*webhook.Webhook)) webhook.Attempt {
	t.Helper()
	d, w := putFor(t, &memstore.Store{}, client, to, nil, change)
	a, err := d.SendTest(t.Context(), "", w.ID, webhook.TypeOpen)
	require.NoError(t, err)
	return a
}

// putFor returns a dispatcher that sends with client, and a webhook for a URL.
func putFor(t *testing.T, store webhook.Store, client *http.Client, to string, opts *webhook.Options, change func(*webhook.Webhook)) (*webhook.Dispatcher, webhook.Webhook) {
	t.Helper()
	d, err := webhook.New(store, client, opts)
	require.NoError(t, err)
	w := everything()
	w.URL = to
	if change != nil {
		change(&w)
	}
	w, err = d.AddWebhook(t.Context(), w)
	require.NoError(t, err)
	return d, w
}

func noRetry(w *webhook.Webhook) { w.NoRetry = true }

func TestAReceiverThatClosesWithoutAnAnswerGetsARequestTwiceAtMost(t *testing.T) {
	clients := map[string]func(*httptest.Server) *http.Client{"NewClient": ownClient, "another": otherClient}
	for name, newClient := range clients {
		for _, secure := range []bool{false, true} {
			for _, idle := range []int{0, 1, 33, 100} {
				for _, once := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s, TLS %t, %d idle connections, NoRetry %t", name, secure, idle, once), func(t *testing.T) {
						s := newWarmed(t, secure, func(net.Conn) {})
						client := newClient(s.Server)
						defer client.CloseIdleConnections()
						s.fill(t, client, idle)
						a := tested(t, client, s.URL, func(w *webhook.Webhook) {
							w.NoRetry = once
							w.Headers = map[string]string{"X-Idempotency-Key": "net/http knows it"}
						})
						want := 1
						if idle > 0 && !once {
							want = 2
						}
						assert.EqualValues(t, want, s.requests.Load(), a.Detail)
						assert.Equal(t, want-1, a.Resends)
						assert.Zero(t, a.Status)
						assert.Contains(t, []string{"closed", "reset"}, a.Failure(), a.Detail)
					})
				}
			}
		}
	}
}

func TestTheLogTellsHowOftenARequestWasSent(t *testing.T) {
	s := newWarmed(t, false, func(net.Conn) {})
	client := ownClient(s.Server)
	s.fill(t, client, 1)
	ended := make(chan struct{}, 1)
	store := &memstore.Store{}
	d, _ := putFor(t, store, client, s.URL, &webhook.Options{Hooks: webhook.Hooks{
		Changed: func(webhook.Delivery) { ended <- struct{}{} },
	}}, nil)
	require.NoError(t, d.Emit(t.Context(), open("e1")))
	require.NoError(t, d.Start())
	<-ended
	require.NoError(t, d.Shutdown(t.Context()))
	ds, err := store.Deliveries(t.Context(), webhook.DeliveryQuery{All: true})
	require.NoError(t, err)
	log := ds[0].Log
	require.Len(t, log, 1)
	assert.Equal(t, 1, log[0].Resends)
}

func TestARequestThatWasAnsweredIsNotSentAgain(t *testing.T) {
	for name, newClient := range map[string]func(*httptest.Server) *http.Client{"NewClient": ownClient, "another": otherClient} {
		for _, begin := range []string{"H", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\nX: "} {
			t.Run(name, func(t *testing.T) {
				s := newWarmed(t, false, func(c net.Conn) { _, _ = io.WriteString(c, begin) })
				client := newClient(s.Server)
				s.fill(t, client, 33)
				a := tested(t, client, s.URL, nil)
				assert.EqualValues(t, 1, s.requests.Load(), begin)
				assert.Zero(t, a.Resends)
				assert.NotEmpty(t, a.Reason)
			})
		}
	}
}

// A deadConn is closed by its peer, which shows when it is written to.
type deadConn struct {
	net.Conn
	dead  *atomic.Bool
	later bool // after the others died
}

func (c *deadConn) Write(p []byte) (int, error) {
	if c.dead.Load() && !c.later {
		return 0, syscall.EPIPE
	}
	return c.Conn.Write(p)
}

func TestAConnectionThatClosedWhileIdleIsNoAttempt(t *testing.T) {
	for _, secure := range []bool{false, true} {
		for _, idle := range []int{1, 33, 100} {
			for _, once := range []bool{false, true} {
				t.Run(fmt.Sprintf("TLS %t, %d idle connections, NoRetry %t", secure, idle, once), func(t *testing.T) {
					s := newWarmed(t, secure, nil)
					client := otherClient(s.Server)
					var dead atomic.Bool
					client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
						c, err := new(net.Dialer).DialContext(ctx, network, address)
						return &deadConn{c, &dead, dead.Load()}, err
					}
					s.fill(t, client, idle)
					dead.Store(true)
					a := tested(t, client, s.URL, func(w *webhook.Webhook) { w.NoRetry = once })
					assert.Equal(t, http.StatusOK, a.Status, a.Detail)
					assert.Zero(t, a.Resends)
					assert.EqualValues(t, 1, s.requests.Load())
				})
			}
		}
	}
}

func TestAConnectionOfItsOwnSavesTheRequestThatIsSentAgain(t *testing.T) {
	// A gateway forgot all of the connections: each is reset when it is used.
	var mended atomic.Bool
	s := newWarmed(t, false, nil)
	s.then = func(c net.Conn) {
		if mended.Swap(true) { // a connection that was not idle
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			return
		}
		_ = c.(*net.TCPConn).SetLinger(0)
	}
	client := ownClient(s.Server)
	s.fill(t, client, 33)
	a := tested(t, client, s.URL, nil)
	assert.Equal(t, http.StatusOK, a.Status, a.Detail)
	assert.Equal(t, 1, a.Resends)
	assert.EqualValues(t, 2, s.requests.Load())
}

// Codes of HTTP/2 (RFC 9113, section 7).
const (
	h2ProtocolError = 0x1
	h2Internal      = 0x2
	h2RefusedStream = 0x7
)

// An h2Receiver speaks as much HTTP/2 as it takes to give up requests: of each
// connection it answers the first request well, if it is to, and ends the others
// after it has read them.
type h2Receiver struct {
	url      *url.URL
	roots    *tls.Config
	answer   bool
	end      func(w io.Writer, stream uint32)
	requests atomic.Int32
}

func newH2Receiver(t *testing.T, answer bool, end func(io.Writer, uint32)) *h2Receiver {
	issuer := httptest.NewUnstartedServer(nil)
	issuer.StartTLS()
	t.Cleanup(issuer.Close)
	r := &h2Receiver{answer: answer, end: end, roots: issuer.Client().Transport.(*http.Transport).TLSClientConfig}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: issuer.TLS.Certificates, NextProtos: []string{"h2"}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	r.url = &url.URL{Scheme: "https", Host: l.Addr().String()}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go r.serve(c)
		}
	}()
	return r
}

func (r *h2Receiver) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	if _, err := in.Discard(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")); err != nil {
		return
	}
	h2Frame(c, 0x4, 0, 0, nil)                                       // SETTINGS
	h2Frame(c, 0x8, 0, 0, binary.BigEndian.AppendUint32(nil, 1<<20)) // WINDOW_UPDATE
	for n := 0; ; {
		head := make([]byte, 9)
		if _, err := io.ReadFull(in, head); err != nil {
			return
		}
		if _, err := in.Discard(int(head[0])<<16 | int(head[1])<<8 | int(head[2])); err != nil {
			return
		}
		kind, flags, stream := head[3], head[4], binary.BigEndian.Uint32(head[5:])
		if kind == 0x4 && flags == 0 {
			h2Frame(c, 0x4, 0x1, 0, nil)
		}
		if kind > 0x1 || flags&0x1 == 0 {
			continue // not the end of a request
		}
		r.requests.Add(1)
		if n++; n == 1 && r.answer {
			h2Frame(c, 0x1, 0x5, stream, []byte{0x88}) // HEADERS: 200
		} else {
			r.end(c, stream)
		}
	}
}

func h2Frame(w io.Writer, kind, flags byte, stream uint32, payload []byte) {
	head := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	_, _ = w.Write(append(binary.BigEndian.AppendUint32(head, stream), payload...))
}

func h2Reset(code uint32) func(io.Writer, uint32) {
	return func(w io.Writer, stream uint32) {
		h2Frame(w, 0x3, 0, stream, binary.BigEndian.AppendUint32(nil, code))
	}
}

// h2GoAway says that the stream was not processed.
func h2GoAway(w io.Writer, stream uint32) {
	h2Frame(w, 0x7, 0, 0, binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, stream-1), 0))
}

func TestOverHTTP2ARequestIsSentTwiceAtMostToo(t *testing.T) {
	for name, c := range map[string]struct {
		end    func(io.Writer, uint32)
		resent bool // on a connection that was used before
	}{
		"a refused stream":   {h2Reset(h2RefusedStream), true},
		"a protocol error":   {h2Reset(h2ProtocolError), true},
		"a stream given up":  {h2Reset(h2Internal), false},
		"a server that ends": {h2GoAway, true},
		"a lost connection":  {func(w io.Writer, _ uint32) { _ = w.(net.Conn).Close() }, true},
	} {
		for _, reused := range []bool{false, true} {
			for _, once := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, reused %t, NoRetry %t", name, reused, once), func(t *testing.T) {
					r := newH2Receiver(t, reused, c.end)
					transport := &http.Transport{TLSClientConfig: r.roots.Clone(), ForceAttemptHTTP2: true}
					defer transport.CloseIdleConnections()
					client := &http.Client{Transport: transport}
					if reused {
						resp, err := client.Post(r.url.String(), "text/plain", nil)
						require.NoError(t, err)
						require.Equal(t, 2, resp.ProtoMajor)
						_ = resp.Body.Close()
					}
					before := r.requests.Load()
					a := tested(t, client, r.url.String(), func(w *webhook.Webhook) { w.NoRetry = once })
					want := 1
					if reused && !once && c.resent {
						want = 2
					}
					assert.EqualValues(t, want, r.requests.Load()-before, a.Detail)
					assert.Equal(t, want-1, a.Resends)
				})
			}
		}
	}
}

func TestATransportThatAsksForTheBodyAgainMustNotHaveSentIt(t *testing.T) {
	var asked error
	client := &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		resp, err := http.DefaultTransport.RoundTrip(r) // one without a known protocol around it
		if err == nil {
			_ = resp.Body.Close()
			_, asked = r.GetBody()
			err = errors.New("not the answer that it wants")
		}
		return nil, err
	})}
	s := webhooktest.NewReceiver(t, nil)
	tested(t, client, s.URL(), noRetry)
	require.Error(t, asked)
	assert.Len(t, s.Received(), 1)
}

// Firewalls for web applications refuse requests without an Accept.
func TestEveryRequestAcceptsEveryAnswer(t *testing.T) {
	for want, headers := range map[string]map[string]string{
		"*/*":              nil,
		"application/json": {"accept": "application/json"}, // the owner's
	} {
		bubble(t, func(t *testing.T) {
			r := newHarness(t, nil).start()
			w := r.put(func(w *webhook.Webhook) { w.Headers = headers })
			r.receiver.set(status(500))
			r.emit(open("1"))
			synctest.Wait()
			r.receiver.set(nil)
			time.Sleep(time.Minute) // the first retry
			_, err := r.SendTest(r.ctx, "", w.ID, webhook.TypeOpen)
			require.NoError(t, err)
			got := r.receiver.requests()
			require.Len(t, got, 3)
			for _, req := range got {
				assert.Equal(t, []string{want}, req.Header.Values("Accept"))
			}
		})
	}
}
