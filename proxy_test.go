package webhook_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// A proxy is one of the operator's, of any kind that NewClient knows.
type proxy struct {
	url    *url.URL
	issuer *httptest.Server                   // of its certificate; nil: it has none
	answer func(c net.Conn, addr string) bool // instead of connecting to addr, if it returns true
}

// startProxy starts a proxy of a kind: http, https or socks5. It connects, unless
// answer does something else.
func startProxy(t *testing.T, kind string, answer func(c net.Conn, addr string) bool) *proxy {
	t.Helper()
	p := &proxy{answer: answer}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p.url = &url.URL{Scheme: kind, Host: l.Addr().String()}
	if kind == "https" {
		p.issuer = httptest.NewUnstartedServer(nil)
		p.issuer.StartTLS()
		t.Cleanup(p.issuer.Close)
		l = tls.NewListener(l, &tls.Config{Certificates: p.issuer.TLS.Certificates})
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	return p
}

// trust adds the proxy's certificate to those that config trusts, which may be nil.
func (p *proxy) trust(config *tls.Config) *tls.Config {
	if p.issuer == nil {
		return config
	}
	if config == nil {
		config = &tls.Config{}
	}
	config = config.Clone()
	if config.RootCAs == nil {
		config.RootCAs = x509.NewCertPool()
	}
	config.RootCAs.AddCert(p.issuer.Certificate())
	return config
}

func (p *proxy) serve(c net.Conn) {
	defer c.Close()
	if p.url.Scheme == "socks5" {
		p.serveSOCKS(c)
		return
	}
	in := bufio.NewReader(c)
	req, err := http.ReadRequest(in)
	if err != nil || p.answer != nil && p.answer(c, req.Host) {
		return
	}
	to, err := net.Dial("tcp", req.Host)
	if err != nil {
		_, _ = io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\n\r\n")
		return
	}
	defer to.Close()
	if req.Method == http.MethodConnect {
		_, _ = io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n")
	} else if req.Write(to) != nil {
		return
	}
	splice(c, in, to)
}

// serveSOCKS speaks SOCKS5 without a login, unless answer does.
func (p *proxy) serveSOCKS(c net.Conn) {
	if p.answer != nil && p.answer(c, "") {
		return
	}
	addr, err := readSOCKS(c)
	if err != nil {
		return
	}
	to, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer to.Close()
	_, _ = c.Write([]byte{5, 0, 0, 1, 127, 0, 0, 1, 0, 0})
	splice(c, c, to)
}

// readSOCKS reads until the client has told where it wants to go.
func readSOCKS(c net.Conn) (addr string, err error) {
	head := make([]byte, 2)
	if _, err := io.ReadFull(c, head); err != nil {
		return "", err
	}
	if _, err := io.CopyN(io.Discard, c, int64(head[1])); err != nil {
		return "", err
	}
	_, _ = c.Write([]byte{5, 0})
	ask := make([]byte, 4)
	if _, err := io.ReadFull(c, ask); err != nil {
		return "", err
	}
	var host string
	switch ask[3] {
	case 1:
		ip := make(net.IP, 4)
		_, err = io.ReadFull(c, ip)
		host = ip.String()
	case 3:
		n := make([]byte, 1)
		_, _ = io.ReadFull(c, n)
		name := make([]byte, n[0])
		_, err = io.ReadFull(c, name)
		host = string(name)
	default:
		err = errors.New("an address of another kind")
	}
	port := make([]byte, 2)
	if err == nil {
		_, err = io.ReadFull(c, port)
	}
	return net.JoinHostPort(host, strconv.Itoa(int(binary.BigEndian.Uint16(port)))), err
}

// splice passes on what two connections send each other, until one of them ends.
func splice(c net.Conn, in io.Reader, to net.Conn) {
	done := make(chan struct{}, 2)
	go func() { _, _ = io.Copy(to, in); _ = to.Close(); _ = c.Close(); done <- struct{}{} }()
	go func() { _, _ = io.Copy(c, to); _ = to.Close(); _ = c.Close(); done <- struct{}{} }()
	<-done
	<-done
}

// readRequest reads one request from a connection.
func readRequest(c net.Conn) error {
	req, err := http.ReadRequest(bufio.NewReader(c))
	if err == nil {
		_, err = io.Copy(io.Discard, req.Body)
	}
	return err
}
