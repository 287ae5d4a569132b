package httpconn

import (
	"bufio"
	"bytes"
	"net/http"
	"slices"
	"strings"
)

// An answer is one that is being read: how far, and how it goes on.
type answer struct {
	state state
	seen  uint64 // see the bits of Conn.seen
	head  []byte // as far as it has come, unless it comes in one part
	left  int64  // of the body, or of a chunk with the line's end after it
	line  int    // bytes of a trailer's line so far
	size  bool   // the digits of a chunk's size go on
}

// A state is what comes next.
type state uint8

const (
	inHead      state = iota
	inBody            // of a known length
	inChunkSize       // the line before a chunk
	inChunk
	inTrailer
	inRest    // all that comes until the connection is closed
	inNothing // the answer has ended
)

const (
	// maxHead bounds what is kept of a head. A client with a lower bound has
	// given up by then.
	maxHead = 1 << 20

	// keptHead is how much memory a connection keeps for the next head that
	// comes in parts.
	keptHead = 4 << 10
)

func (a *answer) reset() { *a = answer{head: a.head[:0]} }

// take follows the answer through p and returns how many bytes of p belong to it.
func (a *answer) take(p []byte) int {
	for i := 0; ; {
		switch a.state {
		case inNothing:
			return i
		case inRest:
			return len(p)
		}
		if i == len(p) {
			return i
		}
		switch rest := p[i:]; a.state {
		case inHead:
			i += a.takeHead(rest)
		case inBody:
			if i += a.skip(rest); a.left == 0 {
				a.state = inNothing
			}
		case inChunk:
			if i += a.skip(rest); a.left == 0 {
				a.nextChunk()
			}
		case inChunkSize:
			i += a.takeChunkSize(rest)
		case inTrailer:
			i += a.takeTrailer(rest)
		}
	}
}

// skip passes over what is left of a body or a chunk.
func (a *answer) skip(p []byte) int {
	n := min(int64(len(p)), a.left)
	a.left -= n
	return int(n)
}

func (a *answer) nextChunk() { a.state, a.left, a.size = inChunkSize, 0, true }

// takeHead follows the head through p, and decides what comes after it.
func (a *answer) takeHead(p []byte) int {
	before := len(a.head)
	head := p
	if before > 0 {
		a.head = append(a.head, p...)
		head = a.head
	}
	end := headEnd(head, max(before-3, 0))
	if end < 0 {
		if before == 0 {
			a.head = append(a.head, p...)
		}
		a.readStatus(a.head)
		if len(a.head) > maxHead {
			a.state, a.head = inRest, nil
		}
		return len(p)
	}
	a.readStatus(head[:end])
	a.endHead(head[:end])
	if a.head = a.head[:0]; cap(a.head) > keptHead {
		a.head = nil
	}
	return end - before
}

// headEnd returns where a head ends, which it does not before from; -1: not yet.
func headEnd(head []byte, from int) int {
	for i := from; ; {
		n := bytes.IndexByte(head[i:], '\n')
		if n < 0 {
			return -1
		}
		i += n + 1
		switch rest := head[i:]; {
		case len(rest) > 0 && rest[0] == '\n':
			return i + 1
		case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			return i + 2
		}
	}
}

// readStatus notes what the first line of a head says, once it is there.
func (a *answer) readStatus(head []byte) {
	const begins = "HTTP/"
	if len(head) < len(begins) || !strings.EqualFold(string(head[:len(begins)]), begins) {
		return
	}
	a.seen |= isHTTP
	end := bytes.IndexByte(head, '\n')
	if end < 0 {
		return
	}
	// The version is digits and dots, the status three digits after it.
	line := bytes.TrimRight(head[len(begins):end], "\r")
	line = bytes.TrimLeft(line, "0123456789.")
	digits := bytes.TrimLeft(line, " ")
	if len(digits) == len(line) || len(digits) < 3 || len(digits) > 3 && digits[3] != ' ' {
		return
	}
	status := 0
	for _, b := range digits[:3] {
		if b < '0' || '9' < b {
			return
		}
		status = 10*status + int(b-'0')
	}
	if status >= 200 || status == http.StatusSwitchingProtocols {
		a.seen = a.seen&^statusBits | uint64(status)
	}
}

// endHead decides what comes after a head.
func (a *answer) endHead(head []byte) {
	status, length, chunked, ok := simpleFraming(head)
	if !ok {
		status, length, chunked, ok = framing(head)
	}
	if ok && status < 200 && status != http.StatusSwitchingProtocols {
		return // another head follows
	}
	a.seen |= complete
	switch {
	case !ok || status == http.StatusSwitchingProtocols:
		a.state = inRest // net/http cannot read the head either, or passes on the connection
	case status == http.StatusNoContent || status == http.StatusNotModified:
		a.state = inNothing
	case chunked:
		a.nextChunk()
	case length < 0:
		a.state = inRest
	case length == 0:
		a.state = inNothing
	default:
		a.state, a.left = inBody, length
	}
}

// simpleFraming reads a head as nearly all of them are. If ok is false, it takes
// net/http to read it. A length below 0 is not known.
func simpleFraming(head []byte) (status int, length int64, chunked, ok bool) {
	const line = "HTTP/1.1 200"
	if len(head) < len(line) || string(head[:9]) != "HTTP/1.1 " {
		return 0, 0, false, false
	}
	for _, b := range head[9:12] {
		if b < '0' || '9' < b {
			return 0, 0, false, false
		}
		status = 10*status + int(b-'0')
	}
	if status < 100 || head[12] != ' ' && head[12] != '\r' && head[12] != '\n' {
		return 0, 0, false, false
	}
	length = -1
	_, fields, _ := bytes.Cut(head, newline)
	for len(fields) > 0 {
		var field []byte
		field, fields, _ = bytes.Cut(fields, newline)
		if len(field) > 0 && (field[0] == ' ' || field[0] == '\t') {
			return 0, 0, false, false // goes on from the line before
		}
		name, value, _ := bytes.Cut(field, colon)
		switch {
		case len(name) == len(contentLength) && bytes.EqualFold(name, contentLength):
			if length >= 0 || chunked {
				return 0, 0, false, false
			}
			if length = digits(bytes.Trim(value, " \t\r")); length < 0 {
				return 0, 0, false, false
			}
		case len(name) == len(transferEncoding) && bytes.EqualFold(name, transferEncoding):
			if chunked || length >= 0 || !bytes.EqualFold(bytes.Trim(value, " \t\r"), chunks) {
				return 0, 0, false, false
			}
			chunked = true
		}
	}
	return status, length, chunked, true
}

var (
	newline          = []byte("\n")
	colon            = []byte(":")
	contentLength    = []byte("Content-Length")
	transferEncoding = []byte("Transfer-Encoding")
	chunks           = []byte("chunked")
)

// digits returns a number, or -1 if text is not one of at most 18 digits.
func digits(text []byte) (n int64) {
	if len(text) == 0 || len(text) > 18 {
		return -1
	}
	for _, b := range text {
		if b < '0' || '9' < b {
			return -1
		}
		n = 10*n + int64(b-'0')
	}
	return n
}

// framing has net/http read a head.
func framing(head []byte) (status int, length int64, chunked, ok bool) {
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), &http.Request{Method: http.MethodPost})
	if err != nil {
		return 0, 0, false, false
	}
	return resp.StatusCode, resp.ContentLength, slices.Contains(resp.TransferEncoding, "chunked"), true
}

// takeChunkSize follows the line that has a chunk's size: hexadecimal digits, and
// extensions of no interest.
func (a *answer) takeChunkSize(p []byte) int {
	for i, b := range p {
		switch {
		case b == '\n':
			if a.left == 0 {
				a.state, a.line = inTrailer, 0
			} else {
				a.state = inChunk
				a.left += 2 // the end of the line after it
			}
			return i + 1
		case !a.size:
		default:
			digit, ok := hexadecimal(b)
			if a.size = ok; ok {
				a.left = a.left<<4 | int64(digit)
			}
			if a.left > 1<<58 { // net/http refuses it
				a.state = inRest
				return len(p)
			}
		}
	}
	return len(p)
}

func hexadecimal(b byte) (digit byte, ok bool) {
	switch {
	case '0' <= b && b <= '9':
		return b - '0', true
	case 'a' <= b && b <= 'f':
		return b - 'a' + 10, true
	case 'A' <= b && b <= 'F':
		return b - 'A' + 10, true
	}
	return 0, false
}

// takeTrailer follows the lines after the last chunk, of which the last is empty.
func (a *answer) takeTrailer(p []byte) int {
	for i, b := range p {
		switch {
		case b != '\n':
			if b != '\r' {
				a.line++
			}
		case a.line == 0:
			a.state = inNothing
			return i + 1
		default:
			a.line = 0
		}
	}
	return len(p)
}
