package webhooktest

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Hang reads the request and never answers.
func Hang() Answer {
	return Answer{manner: func(x *exchange, _ Answer) { x.wait() }}
}

// Unread never reads the request, nor answers.
func Unread() Answer { return Hang().Early() }

// Hangup closes the connection instead of answering.
func Hangup() Answer { return Raw("") }

// Reset resets the connection instead of answering.
func Reset() Answer {
	return Answer{manner: func(x *exchange, _ Answer) { reset(x.hijack()) }}
}

// Raw sends text instead of an answer, such as a part of one or something that is
// not HTTP, and closes the connection.
func Raw(text string) Answer {
	return Answer{manner: func(x *exchange, _ Answer) {
		_, _ = x.hijack().Write([]byte(text))
	}}
}

// EndlessHead sends a head that never ends.
func EndlessHead() Answer {
	return Answer{manner: func(x *exchange, a Answer) {
		c := x.hijack()
		_, err := c.Write([]byte("HTTP/1.1 200 OK\r\n"))
		line := []byte(strings.Repeat("X-Line: of a head without end\r\n", 100))
		for err == nil {
			_, err = c.Write(line)
		}
	}}
}

// Stall sends the head and the first half of the body, and then nothing more.
func (a Answer) Stall() Answer {
	a.manner = func(x *exchange, a Answer) {
		a.head(x, len(a.body))
		x.write(a.body[:len(a.body)/2])
		x.wait()
	}
	return a
}

// Truncate sends the head and the first half of the body, and then resets the
// connection.
func (a Answer) Truncate() Answer {
	a.manner = func(x *exchange, a Answer) {
		length := len(a.body)
		a.body = a.body[:length/2]
		if x.req.ProtoMajor > 1 { // the stream is reset
			a.head(x, length)
			x.write(a.body)
			panic(http.ErrAbortHandler)
		}
		c := x.hijack()
		_, _ = c.Write(a.raw(length))
		x.pause(20 * time.Millisecond) // some systems drop unread bytes when a reset arrives
		reset(c)
	}
	return a
}

// Drip sends the body byte by byte, with a pause between.
func (a Answer) Drip(every time.Duration) Answer {
	a.manner = func(x *exchange, a Answer) {
		a.head(x, len(a.body))
		for i := range a.body {
			if !x.write(a.body[i:i+1]) || !x.pause(every) {
				return
			}
		}
	}
	return a
}

// Endless repeats the body without end.
func (a Answer) Endless() Answer {
	a.manner = func(x *exchange, a Answer) {
		body := bytes.Repeat(a.body, 1+(16<<10)/(1+len(a.body)))
		a.head(x, -1)
		for x.write(body) {
		}
	}
	return a
}

// Bomb sends a body of 1 MiB that gzip expands to 1 GiB, though nobody asked
// for gzip.
func (a Answer) Bomb() Answer {
	a = a.Header("Content-Encoding", "gzip")
	a.manner = func(x *exchange, a Answer) {
		a.head(x, -1)
		for range 1024 {
			if !x.write(zeros()) {
				return
			}
		}
	}
	return a
}

// zeros is a MiB of zeros, compressed: members of gzip can be strung together.
var zeros = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(make([]byte, 1<<20))
	_ = z.Close()
	return b.Bytes()
})

// CloseReused answers the first request on each connection, and closes the
// connection when a second one comes, as a server does whose idle timeout ends just
// then.
func (a Answer) CloseReused() Answer {
	a.manner = func(x *exchange, a Answer) {
		if x.nth > 1 {
			x.hijack()
			return
		}
		a.plain(x)
	}
	return a
}

// Twice sends the answer two times, though there was one request.
func (a Answer) Twice() Answer {
	a.manner = func(x *exchange, a Answer) {
		c := x.hijack()
		answer := a.raw(len(a.body))
		_, _ = c.Write(append(answer, answer...))
		_, _ = io.Copy(io.Discard, c) // until the client closes
	}
	return a
}

// An exchange is one request that is being answered.
type exchange struct {
	*Receiver
	w   http.ResponseWriter
	req *http.Request
	nth int64 // on its connection

	conn net.Conn // once it was taken over
}

// wait waits until the client or the test gives up.
func (x *exchange) wait() {
	select {
	case <-x.req.Context().Done():
	case <-x.closed:
	}
}

// pause waits for d, and returns false when the client or the test gave up.
func (x *exchange) pause(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-x.req.Context().Done():
	case <-x.closed:
	}
	return false
}

// write sends a part of the body at once, and returns false when the client is
// gone.
func (x *exchange) write(part []byte) bool {
	if _, err := x.w.Write(part); err != nil {
		return false
	}
	return http.NewResponseController(x.w).Flush() == nil
}

// hijack takes over the connection, which ends with the exchange. One of
// HTTP/2 belongs to several requests: there the request's stream is reset
// instead.
func (x *exchange) hijack() net.Conn {
	c, _, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	x.conn = c
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.hijacked == nil { // the receiver was closed
		_ = c.Close()
	} else {
		x.hijacked[c] = true
	}
	return c
}

// end lets go of the connection if it was taken over.
func (x *exchange) end() {
	if x.conn == nil {
		return
	}
	_ = x.conn.Close()
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.hijacked, x.conn)
}

// reset closes a connection with a TCP reset.
func reset(c net.Conn) {
	if over, ok := c.(*tls.Conn); ok {
		c = over.NetConn()
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}
