package webhook

import (
	"bytes"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
)

func TestOnlyFormsAndJSONAreRead(t *testing.T) {
	for kind, ok := range map[string]bool{
		"application/x-www-form-urlencoded":                true,
		"application/x-www-form-urlencoded; charset=UTF-8": true,
		"Application/X-WWW-Form-Urlencoded":                true,
		"application/json":                                 true,
		"Application/JSON; charset=utf-8":                  true,
		"":                                                 false,
		"application/xml":                                  false,
		"application/cloudevents+json":                     false,
		"multipart/form-data; boundary=x":                  false,
		"text/plain":                                       false,
		"application/x-www-form-urlencoded; ;":             false,
	} {
		body := "type=open"
		if strings.Contains(strings.ToLower(kind), "json") {
			body = `{"type":"open"}`
		}
		r := request(t, body)
		r.Header.Set("Content-Type", kind)
		_, err := ParseRequest(r, &ReceiveOptions{Unsigned: true})
		if ok {
			assert.NoError(t, err, kind)
		} else {
			assert.ErrorIs(t, err, ErrContentType, kind)
		}
	}
}

func TestABodyIsReadUpToTheLimit(t *testing.T) {
	fill := func(n int) string { return "type=open&x=" + strings.Repeat("x", n-len("type=open&x=")) }
	for name, test := range map[string]struct {
		limit int64
		size  int
		want  error
	}{
		"1 MiB":               {0, 1 << 20, nil},
		"more than 1 MiB":     {0, 1<<20 + 1, ErrTooLarge},
		"the limit":           {100, 100, nil},
		"more than the limit": {100, 101, ErrTooLarge},
		"the greatest of all": {math.MaxInt64, 2 << 20, nil},
	} {
		for _, known := range []bool{true, false} {
			r := request(t, fill(test.size))
			if !known { // chunked
				r.ContentLength = -1
			}
			_, err := ParseRequest(r, &ReceiveOptions{Unsigned: true, BodyLimit: test.limit})
			assert.ErrorIs(t, err, test.want, "%s, length known: %v", name, known)
		}
	}
}

func TestABodyThatIsNoEventIsInvalid(t *testing.T) {
	for _, body := range []string{"", "type=", "type=Nothing", "x=1", "type=open&subscriber%", "type=sent&campaign[recipients]=many"} {
		_, err := ParseRequest(request(t, body), &ReceiveOptions{Unsigned: true})
		var bad *InvalidError
		if assert.ErrorAs(t, err, &bad, body) {
			assert.NotEqual(t, "Secrets", bad.Field)
		}
	}
}

func TestWhatReadingTheBodyReturnsIsReturned(t *testing.T) {
	broken := errors.New("broken")
	r := request(t, "type=open")
	r.Body = io.NopCloser(iotest.ErrReader(broken))
	r.ContentLength = -1
	_, err := ParseRequest(r, &ReceiveOptions{Unsigned: true})
	assert.ErrorIs(t, err, broken)

	r.Body = nil
	_, err = ParseRequest(r, &ReceiveOptions{Unsigned: true})
	assert.Error(t, err)
}

// A middleware may allow less than BodyLimit: the sender has to learn that as well, since
// after a 413 it sends a batch in smaller requests.
func TestABodyThatTheAppsOwnLimitCutsIsTooLarge(t *testing.T) {
	for _, known := range []bool{true, false} {
		r := request(t, "type=open&x="+strings.Repeat("x", 100))
		r.Body = http.MaxBytesReader(httptest.NewRecorder(), r.Body, 100)
		if !known { // chunked
			r.ContentLength = -1
		}
		_, err := ParseRequest(r, &ReceiveOptions{Unsigned: true})
		assert.ErrorIs(t, err, ErrTooLarge, "length known: %v", known)
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(announcedBody), "application/x-www-form-urlencoded", vectorID, strconv.Itoa(vectorTime), vectorSignature)
	f.Add([]byte(vectorBody), "application/json", "", "-1", "v1, v1,=")
	f.Add([]byte("type=open&subscriber[=1&]x[=2"), "application/x-www-form-urlencoded; charset=x", "a", "9223372036854775807", "v1")
	f.Add([]byte("events[0][id]=b&events[0][type]=open&events[1][type]=sent&events[1][sequence]=7"), "application/x-www-form-urlencoded", "a", "1", "v1")
	f.Add([]byte(`[{"id":"b","type":"open","sequence":7},{"type":"sent"}]`), "application/json", "a", "1", "v1")
	f.Fuzz(func(t *testing.T, body []byte, kind, id, timestamp, signature string) {
		parse := func(opts *ReceiveOptions) ([]Event, error) {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(string(body)))
			r.Header = http.Header{"Content-Type": {kind}, HeaderID: {id}, HeaderTimestamp: {timestamp}, HeaderSignature: {signature}}
			return ParseRequest(r, opts)
		}
		// Nobody but the vector's own secret signs, and its body is no form.
		if _, err := parse(&ReceiveOptions{Secrets: []Secret{{Key: vectorKey}}, Tolerance: math.MaxInt64}); err == nil {
			t.Error("a request was accepted that nobody signed")
		}
		events, err := parse(&ReceiveOptions{Unsigned: true})
		if (len(events) == 0) == (err == nil) {
			t.Errorf("%v and %v", events, err)
		}
		_, batch, _ := decodeBatch(body, typeForm)
		if !batch && !bytes.HasPrefix(bytes.TrimSpace(body), []byte("[")) && events != nil && events[0].meta().ID != id {
			t.Errorf("the ID is %q, not the header's %q", events[0].meta().ID, id)
		}
	})
}
