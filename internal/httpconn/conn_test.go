package httpconn

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A scripted connection gives what a test says, in the parts that it says.
type scripted struct {
	net.Conn
	io.Reader
}

func (c scripted) Read(p []byte) (int, error)  { return c.Reader.Read(p) }
func (c scripted) Write(p []byte) (int, error) { return len(p), nil }

// parts reads a text in parts of n bytes; 0: at once.
func parts(text string, n int) io.Reader {
	r := io.Reader(strings.NewReader(text))
	if n == 0 {
		return r
	}
	return readerFunc(func(p []byte) (int, error) { return r.Read(p[:min(n, len(p))]) })
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// request writes a request to a connection that answers with a text, and returns
// what a client reads of it.
func request(answer string, part int) (c *Conn, got string, err error) {
	c = New(scripted{Reader: parts(answer, part)})
	_, _ = c.Write([]byte("POST / HTTP/1.1\r\nHost: receiver.example\r\n\r\n"))
	_, _ = c.Write([]byte("type=open"))
	var all bytes.Buffer
	_, err = io.Copy(&all, struct{ io.Reader }{c})
	return c, all.String(), err
}

const more = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmore"

var answers = map[string]string{
	"a length":                      "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
	"a length in another case":      "HTTP/1.1 200 OK\r\ncontent-LENGTH:\t3 \r\n\r\nabc",
	"no body":                       "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	"two equal lengths":             "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
	"a length on a folded line":     "HTTP/1.1 200 OK\r\nContent-Length:\r\n 3\r\n\r\nabc",
	"chunks":                        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n",
	"chunks with a trailer":         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: 1\r\nY: 2\r\n\r\n",
	"chunks that look like the end": "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n7\r\n0\r\n\r\n0\r\n\r\n00\r\n\r\n",
	"chunks and a length":           "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
	"204":                           "HTTP/1.1 204 No Content\r\n\r\n",
	"204 with a length":             "HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n",
	"204 with chunks":               "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
	"304 with a length":             "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n",
	"hints first":                   "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
	"lines that end in LF":          "HTTP/1.1 200 OK\nContent-Length: 3\n\nabc",
	"HTTP/1.0 with a length":        "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc",
	"no reason":                     "HTTP/1.1 200\r\nContent-Length: 3\r\n\r\nabc",
	"a strange status":              "HTTP/1.1 999 ?\r\nContent-Length: 3\r\n\r\nabc",
	"a body like an answer":         "HTTP/1.1 500 No\r\nContent-Length: " + "40\r\n\r\n" + more[:40],
}

func TestNothingIsSeenOfWhatFollowsAnAnswer(t *testing.T) {
	for name, answer := range answers {
		for _, part := range []int{0, 1, 2, 3, 7, 100} {
			for _, after := range []string{"", "x", "body\r\n\r\n", more, "0\r\n\r\n"} {
				_, got, err := request(answer+after, part)
				require.NoError(t, err)
				assert.Equal(t, answer, got, "%s, then %q, in parts of %d", name, after, part)
			}
		}
	}
}

func TestAnAnswerThatEndsWithTheConnectionIsSeenToItsEnd(t *testing.T) {
	for _, answer := range []string{
		"HTTP/1.1 200 OK\r\n\r\nall of this is its body\r\n\r\n",
		"HTTP/1.0 200 OK\r\n\r\nall of this is its body",
		"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot before HTTP/1.1",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\n\r\nanother protocol",
		"220 mail.example ESMTP\r\n\r\n250 OK\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
	} {
		_, got, err := request(answer, 5)
		require.NoError(t, err)
		assert.Equal(t, answer, got)
	}
}

func TestTheNextRequestHasAnAnswerOfItsOwn(t *testing.T) {
	for _, answer := range answers {
		c := New(scripted{Reader: iotest.OneByteReader(strings.NewReader(strings.Repeat(answer, 3)))})
		for range 3 {
			_, _ = c.Write([]byte("POST / HTTP/1.1\r\n\r\n"))
			got := make([]byte, len(answer))
			_, err := io.ReadFull(c, got)
			require.NoError(t, err)
			assert.Equal(t, answer, string(got))
			assert.True(t, c.Head().Complete)
		}
	}
}

func TestWhatComesUnaskedIsNotSeen(t *testing.T) {
	c := New(scripted{Reader: strings.NewReader("220 mail.example ESMTP\r\n")})
	n, err := c.Read(make([]byte, 100))
	assert.Zero(t, n)
	assert.Equal(t, io.EOF, err)
	assert.True(t, c.Head().Unasked)
}

func TestTheStatusIsKnownHoweverBrokenTheHead(t *testing.T) {
	for answer, want := range map[string]Head{
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n": {Status: 200, Complete: true, HTTP: true},
		"HTTP/1.1 200 OK\r\n<br />\n<b>Warning</b>:  x\r\nContent-Length: 0\r\n\r\n":          {Status: 200, Complete: true, HTTP: true},
		"HTTP/1.1 200 OK\r\n folded: first\r\n\r\n":                                           {Status: 200, Complete: true, HTTP: true},
		"HTTP/1.1 200 OK\r\nX: \x00\r\n\r\n":                                                  {Status: 200, Complete: true, HTTP: true},
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n":                                       {Status: 200, Complete: true, HTTP: true},
		"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 200_000):                               {Status: 200, HTTP: true},
		"HTTP/1.1  503  Busy\n\n":                                                             {Status: 503, Complete: true, HTTP: true},
		"http/1.1 410 Gone\r\n\r\n":                                                           {Status: 410, Complete: true, HTTP: true},
		"HTTP/2 200\r\n\r\n":                                                                  {Status: 200, Complete: true, HTTP: true},
		"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nno colon\r\n\r\n":                 {Status: 200, Complete: true, HTTP: true},
		"HTTP/1.1 103 Early Hints\r\n\r\n":                                                    {HTTP: true},
		"HTTP/1.1 abc\r\n\r\n":                                                                {Complete: true, HTTP: true},
		"HTTP/1.1 2000 OK\r\n\r\n":                                                            {Complete: true, HTTP: true},
		"HTTP/1.1 200 O":                                                                      {HTTP: true},
		"<br />\nWarning\r\n\r\nHTTP/1.1 200 OK\r\n\r\n":                                      {Complete: true},
		"\x15\x03\x01\x00\x02\x02\x46\r\n":                                                    {},
	} {
		for _, part := range []int{0, 1, 4000} {
			c, _, _ := request(answer, part)
			assert.Equal(t, want, c.Head(), "%.60q in parts of %d", answer, part)
		}
	}
}

func TestOrdinaryAnswersCostNoAllocation(t *testing.T) {
	for _, answer := range []string{answers["a length"], answers["chunks"], answers["204"], answers["hints first"]} {
		in := strings.NewReader(answer)
		c := New(scripted{Reader: in})
		ask, p := []byte("POST / HTTP/1.1\r\n\r\n"), make([]byte, 4096)
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			in.Reset(answer)
			_, _ = c.Write(ask)
			_, _ = c.Read(p)
		}))
	}
}

// net/http is the judge of where an answer ends.
func FuzzAnswersEndWhereNetHTTPSaysSo(f *testing.F) {
	for _, answer := range answers {
		f.Add(answer+more, uint8(0))
		f.Add(answer+"0\r\n\r\n", uint8(1))
	}
	f.Add("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3 \t;x\r\nabc\r\n00\r\n\r\n!", uint8(3))
	f.Fuzz(func(t *testing.T, text string, part uint8) {
		rest := strings.NewReader(text)
		in := bufio.NewReader(rest)
		var resp *http.Response
		for {
			var err error
			resp, err = http.ReadResponse(in, &http.Request{Method: http.MethodPost})
			if err != nil {
				return
			}
			if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
				break
			}
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode == http.StatusSwitchingProtocols {
			return
		}
		want := text[:len(text)-in.Buffered()-rest.Len()]
		_, got, err := request(text, int(part))
		if err != nil || got != want {
			t.Fatalf("got %q and %v, want %q", got, err, want)
		}
	})
}
