package webhook

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"
)

// Errors of Verify and ParseRequest, told apart with errors.Is.
var (
	// ErrSignature: the request is not signed, not with one of the secrets, or
	// was changed on its way. Answer 401.
	ErrSignature = errors.New("webhook: the request has no valid signature")

	// ErrTimestamp: the signature is valid, but its time is outside Tolerance: the
	// request is replayed, or a clock is wrong. Answer 401.
	ErrTimestamp = errors.New("webhook: the request was signed too long ago or in the future")

	// ErrTooLarge: the body exceeds BodyLimit, or the limit of http.MaxBytesReader.
	// Answer 413: of a batch, the events then come in smaller requests.
	ErrTooLarge = errors.New("webhook: the request's body is too large")

	// ErrBodyRead: something read the body before ParseRequest: r.ParseForm,
	// r.FormValue or a middleware. This is a fault of the receiver's code.
	// Answer 500.
	ErrBodyRead = errors.New("webhook: the request's body was read before ParseRequest, by r.ParseForm say: call ParseRequest first")

	// ErrContentType: the body is neither a form nor JSON. Answer 415.
	ErrContentType = errors.New("webhook: the request's content type is neither application/x-www-form-urlencoded nor application/json")
)

// ReceiveOptions say what a receiver accepts.
type ReceiveOptions struct {
	// Secrets are those of the webhook. A request must be signed by one of
	// them, before its Until. None: requests are refused, unless Unsigned.
	Secrets []Secret

	// Unsigned accepts every request unverified when there are no Secrets:
	// anyone who knows the URL can then send anything.
	Unsigned bool

	// Tolerance is how far the time of signing may be from now, in either
	// direction. 0: 5 minutes.
	Tolerance time.Duration

	// BodyLimit is the most bytes that ParseRequest reads. 0: 1 MiB.
	BodyLimit int64
}

func (o *ReceiveOptions) validate() error {
	switch {
	case o.Tolerance < 0:
		return invalid("Tolerance", "is negative: every request would be refused")
	case o.BodyLimit < 0:
		return invalid("BodyLimit", "is negative: every request would be refused")
	}
	return nil
}

// Verify checks the signature of a request with the given header and body, as
// Standard Webhooks says. It returns ErrSignature or ErrTimestamp, or an
// *InvalidError that names the field of opts that cannot be used.
//
// A request that it accepts may still be a repeat: compare its HeaderID.
func Verify(h http.Header, body []byte, opts *ReceiveOptions) error {
	opts = cmp.Or(opts, &ReceiveOptions{})
	if err := opts.validate(); err != nil {
		return err
	}
	if len(opts.Secrets) == 0 {
		if opts.Unsigned {
			return nil
		}
		return invalid("Secrets", "is empty, and Unsigned is not set")
	}
	s, err := newSigner(opts.Secrets)
	if err != nil {
		return err
	}
	for _, name := range []string{HeaderID, HeaderTimestamp, HeaderSignature} {
		if h.Get(name) == "" {
			return fmt.Errorf("%w: no %s header", ErrSignature, name)
		}
	}
	seconds, err := strconv.ParseInt(h.Get(HeaderTimestamp), 10, 64)
	if err != nil {
		return fmt.Errorf("%w: the %s header is no number", ErrSignature, HeaderTimestamp)
	}
	at := time.Unix(seconds, 0)
	if !s.Verify(h.Get(HeaderSignature), h.Get(HeaderID), at, body) {
		return ErrSignature
	}
	if tolerance := cmp.Or(opts.Tolerance, 5*time.Minute); time.Since(at).Abs() > tolerance {
		return ErrTimestamp
	}
	return nil
}

// ParseRequest verifies a request like Verify and returns the events that it brings, by
// value: each a Subscribe, an Unsubscribe and so on, or a Custom. There is at least
// one; a webhook with Settings.Batch gets several. It reads every Format, and ignores
// what it does not know. Call it before anything else reads the body. The answer counts
// for all events.
//
// A custom field that was cleared is in Subscriber.Fields with an empty value. It
// ignores what the current format and JSON say of the account at their top level.
//
// Meta.ID is the delivery's ID, the same whenever it is sent: a receiver that has seen
// it before has nothing to do. For a request of one event that is HeaderID, or without
// that header the id of a body in JSON. Meta.Sequence is the delivery's number, as in
// HeaderSequence: a receiver that has seen a greater one for the same subscriber passes
// it over. Meta.Time is the body's time, to the millisecond if HeaderEventTime is the
// same time. Format2013 names no zone: its local time is read as UTC, and may be hours
// from the moment in HeaderEventTime. A batch says these of each event in its body.
// Meta.Lists are those that the body names: a form names one. Meta.Account and Meta.Key
// are empty.
//
// Beside Verify's errors it returns ErrTooLarge, ErrContentType, ErrBodyRead, the error
// of reading the body, and an *InvalidError of another field for a body that is no
// event; of a batch, such as Events[3].Type.
func ParseRequest(r *http.Request, opts *ReceiveOptions) ([]Event, error) {
	opts = cmp.Or(opts, &ReceiveOptions{})
	if err := opts.validate(); err != nil {
		return nil, err
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != typeJSON && media != typeForm {
		return nil, ErrContentType
	}
	body, err := readBody(r, cmp.Or(opts.BodyLimit, 1<<20))
	if err != nil {
		return nil, err
	}
	if err := Verify(r.Header, body, opts); err != nil {
		return nil, err
	}
	if events, batch, err := decodeBatch(body, media); batch {
		return events, err
	}
	read := decodeForm
	if media == typeJSON {
		read = decodeJSON
	}
	e, err := read(body, r.Header.Get(HeaderID))
	if err != nil {
		return nil, err
	}
	return []Event{withHeaders(e, r.Header)}, nil
}

// withHeaders returns an event with what the headers of its request say beyond the
// body. A header that cannot be read says nothing.
func withHeaders(e Event, h http.Header) Event {
	m := e.meta()
	if n, err := strconv.ParseInt(h.Get(HeaderSequence), 10, 64); err == nil && n > 0 {
		m.Sequence = n
	}
	if ms, err := strconv.ParseInt(h.Get(HeaderEventTime), 10, 64); err == nil {
		m.Time = withFraction(m.Time, time.UnixMilli(ms))
	}
	return withMeta(e, m)
}

// withFraction adds to a body's time, which is to the second in a form, the fraction
// of precise, if that is the same time. A body of the 2013 format does not name its
// zone, all of which are whole quarters of an hour away.
func withFraction(t, precise time.Time) time.Time {
	away := precise.Sub(t)
	const quarter = 15 * time.Minute
	if fraction := (away%quarter + quarter) % quarter; away.Abs() < 15*time.Hour && fraction < time.Second {
		return t.Add(fraction)
	}
	return t
}

// readBody returns a body of at most limit bytes.
func readBody(r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, ErrTooLarge
	}
	if r.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, max(limit, limit+1))) // the greatest number has no next
	switch {
	case int64(len(body)) > limit || errors.As(err, new(*http.MaxBytesError)):
		return nil, ErrTooLarge
	case errors.Is(err, http.ErrBodyReadAfterClose):
		return nil, ErrBodyRead
	case err != nil:
		return nil, fmt.Errorf("webhook: reading the request's body: %w", err)
	case len(body) == 0 && (r.ContentLength > 0 || r.ContentLength < 0 && r.PostForm != nil):
		return nil, ErrBodyRead
	}
	return body, nil
}
