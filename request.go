package webhook

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"strconv"
	"time"
)

// request builds what goes over the wire.
func (d *Dispatcher) request(ctx context.Context, t *target, del *Delivery, at time.Time) *http.Request {
	h := make(http.Header, len(t.header)+8)
	maps.Copy(h, t.header)
	values := [...]string{
		d.opts.UserAgent, del.ID, strconv.FormatInt(at.Unix(), 10), strconv.Itoa(del.Attempts + 1),
		string(del.Type), t.signer.Header(del.ID, at, del.Body),
	}
	for i, name := range [...]string{
		"User-Agent", HeaderID, HeaderTimestamp, HeaderAttempt, HeaderEvent, HeaderSignature,
	} {
		if values[i] != "" {
			h[name] = values[i : i+1 : i+1]
		}
	}
	h["Content-Type"] = contentType
	// An idle connection that the receiver closed meanwhile is no failure:
	// with this field, even empty, net/http tries again by itself, and being
	// empty it is not sent.
	h["Idempotency-Key"] = nil
	body := del.Body
	req := &http.Request{
		Method: http.MethodPost, URL: t.url, Host: t.url.Host, Header: h,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		ContentLength: int64(len(body)),
		Body:          io.NopCloser(bytes.NewReader(body)),
		GetBody:       func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
	}
	return req.WithContext(ctx)
}

// contentType has nothing after it: one captured receiver refuses more.
var contentType = []string{"application/x-www-form-urlencoded"}
