// Package httpconn stands between a net/http transport and a connection on which
// it speaks HTTP/1, above TLS if there is any.
//
// A Conn follows each answer closely enough to know where it ends. net/http never
// sees what comes after that, which it would print on the standard logger, and
// does not use the connection again. Beside that, a Conn remembers the status line
// of an answer whose head net/http cannot read.
//
// Following an answer allocates nothing, unless its head comes in parts or has
// fields that only net/http can interpret.
package httpconn

import (
	"io"
	"net"
	"sync/atomic"
)

// A Conn is a connection on which an HTTP/1 client sends one request after the
// other.
type Conn struct {
	net.Conn
	begun atomic.Uint32 // requests
	seen  atomic.Uint64 // of the answer to the latest request: see the bits below

	// Only the one that reads uses these.
	answering uint32 // the request whose answer is read
	answer    answer
}

// New returns a Conn on c.
func New(c net.Conn) *Conn {
	conn := &Conn{Conn: c}
	conn.answer.state = inNothing
	return conn
}

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (int, error) {
	if beginsRequest(p) {
		c.seen.Store(0)
		c.begun.Add(1)
	}
	return c.Conn.Write(p)
}

// beginsRequest reports whether p begins with a method. A form does not: it has
// no space.
func beginsRequest(p []byte) bool {
	const longest = 16
	for i, b := range p[:min(len(p), longest)] {
		if b == ' ' {
			return i > 0
		}
		if b < 'A' || 'Z' < b {
			return false
		}
	}
	return false
}

// Read implements net.Conn. It returns io.EOF with the last bytes of an answer
// that something follows, and for what comes unasked.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n == 0 {
		return n, err
	}
	if begun := c.begun.Load(); begun != c.answering {
		c.answering = begun
		c.answer.reset()
	}
	if c.answer.state == inNothing {
		c.seen.Store(c.seen.Load() | unasked)
		return 0, io.EOF
	}
	taken := c.answer.take(p[:n])
	c.seen.Store(c.answer.seen)
	if taken < n {
		return taken, io.EOF
	}
	return n, err
}

// Bits of Conn.seen, beside the status, which takes the lowest.
const (
	statusBits = 1<<10 - 1
	complete   = 1 << 10 // all of the head
	isHTTP     = 1 << 11 // it begins as HTTP/1 does
	unasked    = 1 << 12 // bytes came while no request was under way
)

// A Head is what a Conn knows of the head of the answer to the latest request.
type Head struct {
	Status   int  // of the status line; 0: it has not come, or cannot be read
	Complete bool // all of the head has come
	HTTP     bool // it begins as HTTP/1 does
	Unasked  bool // something came before the request
}

// Head returns what is known so far.
func (c *Conn) Head() Head {
	seen := c.seen.Load()
	return Head{
		Status: int(seen & statusBits), Complete: seen&complete != 0,
		HTTP: seen&isHTTP != 0, Unasked: seen&unasked != 0,
	}
}
