//go:build unix

package crash

import (
	"bytes"
	"net"
	"regexp"
	"sync"
	"testing"
	"time"
)

// A proxy stands between a process and its database, and breaks what passes.
type proxy struct {
	listener net.Listener
	target   string
	running  sync.WaitGroup

	mu     sync.Mutex
	conns  map[*proxied]bool // nil: closed
	delay  time.Duration     // of what goes to the server
	marker []byte            // see loseAnswerTo
	lost   chan struct{}     // see loseAnswerTo
}

// A proxied connection is a pair of sockets.
type proxied struct {
	proxy          *proxy
	client, server net.Conn

	mu            sync.Mutex
	inTransaction bool
	marked        bool // its transaction holds the marker
	losing        bool // what the server says next gets lost
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: target, conns: map[*proxied]bool{}}
	p.running.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		conns := p.conns
		p.conns = nil
		p.mu.Unlock()
		for c := range conns {
			c.cut()
		}
		p.running.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			reset(client)
			continue
		}
		c := &proxied{proxy: p, client: client, server: server}
		p.mu.Lock()
		if p.conns == nil {
			p.mu.Unlock()
			c.cut()
			return
		}
		p.conns[c] = true
		p.mu.Unlock()
		p.running.Go(c.upward)
		p.running.Go(c.downward)
	}
}

// cutAll resets every connection, as a firewall or a failing switch does.
func (p *proxy) cutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.cut()
	}
}

// slow delays everything on its way to the server; 0: no longer.
func (p *proxy) slow(by time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = by
}

// loseAnswerTo lets the next statement that holds a marker pass, with the
// transaction that it is in, and loses the acknowledgement of its commit. The
// channel is closed when that happened.
func (p *proxy) loseAnswerTo(marker string) (lost <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.marker, p.lost = []byte(marker), make(chan struct{})
	return p.lost
}

// takeMarker reports whether a statement is the one whose answer is to be
// lost.
func (p *proxy) takeMarker(statement []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.marker == nil || !bytes.Contains(statement, p.marker) {
		return false
	}
	p.marker = nil
	return true
}

// upward passes on what the client says.
func (c *proxied) upward() {
	defer c.end()
	buffer := make([]byte, 1<<20) // a statement of this test comes in one piece
	for {
		n, err := c.client.Read(buffer)
		if err != nil {
			return
		}
		c.proxy.mu.Lock()
		delay := c.proxy.delay
		c.proxy.mu.Unlock()
		pause(delay)
		c.follow(buffer[:n])
		if _, err := c.server.Write(buffer[:n]); err != nil {
			return
		}
	}
}

var (
	begins = regexp.MustCompile(`(?i)\bbegin\b|\bstart transaction\b`)
	ends   = regexp.MustCompile(`(?i)\bcommit\b|\brollback\b`)
)

// follow looks for the answer that is to be lost: that to the commit of a
// transaction with the marker, or to the statement where it is one by itself.
func (c *proxied) follow(statement []byte) {
	marked := c.proxy.takeMarker(statement)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.marked = c.marked || marked
	switch {
	case begins.Match(statement):
		c.inTransaction = true
	case ends.Match(statement):
		c.inTransaction = false
	}
	c.losing = c.losing || c.marked && !c.inTransaction
}

// downward passes on what the server says.
func (c *proxied) downward() {
	defer c.end()
	buffer := make([]byte, 64<<10)
	for {
		n, err := c.server.Read(buffer)
		if err != nil {
			return
		}
		c.mu.Lock()
		losing := c.losing
		c.mu.Unlock()
		if losing {
			close(c.proxy.lost)
			return
		}
		if _, err := c.client.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// end ends both sides when one has ended.
func (c *proxied) end() {
	c.cut()
	c.proxy.mu.Lock()
	defer c.proxy.mu.Unlock()
	delete(c.proxy.conns, c)
}

func (c *proxied) cut() {
	reset(c.client)
	reset(c.server)
}

// reset closes a connection with a TCP reset.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}
