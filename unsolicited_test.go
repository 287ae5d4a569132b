package webhook_test

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// standardLog is what the standard logger writes during a test.
type standardLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *standardLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *standardLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func captureStandardLog(t *testing.T) *standardLog {
	l, before := new(standardLog), log.Writer()
	log.SetOutput(l)
	t.Cleanup(func() { log.SetOutput(before) })
	return l
}

// What a receiver sends beyond its answer is not an answer, and net/http prints
// it on the standard logger.
func TestReceiversDoNotWriteIntoTheLog(t *testing.T) {
	const extra = "receiver's text\r\n\r\n"
	for name, answer := range map[string]struct{ at, after string }{
		"204 and a body":               {"HTTP/1.1 204 No Content\r\n\r\n" + extra, ""},
		"204 with a length and a body": {"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n" + extra, ""},
		"304 and a body":               {"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n" + extra, ""},
		"after no body":                {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" + extra, ""},
		"after the length":             {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + extra, ""},
		"after the chunks":             {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + extra, ""},
		"after the trailer":            {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n" + extra, ""},
		"after hints":                  {"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n" + extra, ""},
		"hints afterwards":             {"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 103 Early Hints\r\nX: " + extra, ""},
		"two answers":                  {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""},
		"a failure, and more":          {"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n" + extra, ""},
		"later":                        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", extra},
		"an answer later":              {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"},
	} {
		for _, secure := range []bool{false, true} {
			for _, by := range []string{"", "http", "https", "socks5"} {
				t.Run(fmt.Sprintf("%s, TLS %t, proxy %q", name, secure, by), func(t *testing.T) {
					out := captureStandardLog(t)
					answered, ended := make(chan struct{}), make(chan struct{})
					var once sync.Once
					s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						_, _ = io.Copy(io.Discard, r.Body)
						c, _, err := http.NewResponseController(w).Hijack()
						if !assert.NoError(t, err) {
							return
						}
						defer c.Close()
						_, _ = io.WriteString(c, answer.at)
						<-answered
						_, _ = io.WriteString(c, answer.after)
						_, _ = io.Copy(io.Discard, c) // the sender closes it
						once.Do(func() { close(ended) })
					}))
					opts := &webhook.ClientOptions{AllowHosts: []string{"127.0.0.1"}}
					if secure {
						s.StartTLS()
						opts.TLS = s.Client().Transport.(*http.Transport).TLSClientConfig
					} else {
						s.Start()
					}
					defer s.Close()
					if by != "" {
						p := startProxy(t, by, nil)
						opts.Proxy = p.url
						opts.TLS = p.trust(opts.TLS)
					}
					client := webhook.NewClient(opts)
					defer client.CloseIdleConnections()
					a := tested(t, client, s.URL, noRetry)
					assert.NotZero(t, a.Status, a.Detail)
					close(answered)
					<-ended
					assert.Empty(t, out.String())
				})
			}
		}
	}
}

func TestAnOrdinaryAnswerLeavesTheConnectionForTheNext(t *testing.T) {
	for _, answer := range []string{
		"HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
	} {
		for _, secure := range []bool{false, true} {
			var connections sync.Map
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				connections.Store(r.RemoteAddr, true)
				c, _, err := http.NewResponseController(w).Hijack()
				if !assert.NoError(t, err) {
					return
				}
				defer c.Close()
				serveRaw(c, answer)
			}))
			opts := &webhook.ClientOptions{AllowHosts: []string{"127.0.0.1"}}
			if secure {
				s.StartTLS()
				opts.TLS = s.Client().Transport.(*http.Transport).TLSClientConfig
			} else {
				s.Start()
			}
			client := webhook.NewClient(opts)
			for range 5 {
				a := tested(t, client, s.URL, nil)
				require.Less(t, a.Status, 300, a.Detail)
				require.NotZero(t, a.Status, a.Detail)
			}
			n := 0
			connections.Range(func(any, any) bool { n++; return true })
			assert.Equal(t, 1, n, answer)
			client.CloseIdleConnections()
			s.Close()
		}
	}
}

// serveRaw answers each request on a connection whose first request was read.
func serveRaw(c net.Conn, answer string) {
	for {
		if _, err := io.WriteString(c, answer); err != nil {
			return
		}
		if err := readRequest(c); err != nil {
			return
		}
	}
}
