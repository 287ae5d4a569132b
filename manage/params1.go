package manage

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Limits of what a request may send.
const (
	maxBody   = 256 << 10 // bytes: all headers that a webhook may have, and some
	maxParams = 2_000     // parameters of the older API
)

// params are the parameters of a call of the older API, of the query and of
// the body, in the order that they were sent in, which net/url does not keep:
// of several lists the first one's webhook is the answer.
type params []param

// A param is exported to the templates.
type param struct{ Key, Value string }

// errTooMuch is returned for a body or a number of parameters beyond the
// limits.
var errTooMuch = errors.New("the request is too long")

// errEncoding is returned for a body that cannot be read.
var errEncoding = errors.New("the request's body is not encoded as its content type says")

// readParams reads the parameters of a request. Where the body and the query
// have the same, the body's comes first. With an error those of the query are
// returned all the same: they name the output.
func readParams(r *http.Request) (params, error) {
	query, err := parseParams(r.URL.RawQuery)
	if err != nil {
		return query, err
	}
	ps, err := bodyOf(r)
	if errors.As(err, new(*http.MaxBytesError)) || len(ps)+len(query) > maxParams {
		err = errTooMuch
	}
	if err != nil {
		return query, err
	}
	return append(ps, query...), nil
}

// bodyOf reads the parameters of a body.
func bodyOf(r *http.Request) (params, error) {
	kind, args, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind == "multipart/form-data" { // PHP's curl sends arrays so
		return multipartParams(r, args["boundary"])
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	return parseParams(string(bytes.TrimSpace(body)))
}

func multipartParams(r *http.Request, boundary string) (params, error) {
	if boundary == "" {
		return nil, errEncoding
	}
	form, err := r.MultipartReader()
	if err != nil {
		return nil, errEncoding
	}
	var ps params
	for {
		part, err := form.NextRawPart()
		switch {
		case err == io.EOF:
			return ps, nil
		case err != nil:
			return nil, readError(err)
		case len(ps) == maxParams:
			return nil, errTooMuch
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return nil, readError(err)
		}
		ps = append(ps, param{part.FormName(), string(value)})
	}
}

// readError tells a body beyond the limit from one that cannot be read.
func readError(err error) error {
	if errors.As(err, new(*http.MaxBytesError)) {
		return err
	}
	return errEncoding
}

func parseParams(encoded string) (params, error) {
	var ps params
	for pair := range strings.SplitSeq(encoded, "&") {
		if pair == "" {
			continue
		}
		if len(ps) == maxParams {
			return nil, errTooMuch
		}
		rawKey, rawValue, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(rawKey)
		if err != nil {
			return nil, errEncoding
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil {
			return nil, errEncoding
		}
		ps = append(ps, param{key, value})
	}
	return ps, nil
}

// text returns the first value of a key, and whether there is one.
func (ps params) text(key string) (string, bool) {
	i := slices.IndexFunc(ps, func(p param) bool { return p.Key == key })
	if i < 0 {
		return "", false
	}
	return ps[i].Value, true
}

// first returns the first value of a key, "" when there is none.
func (ps params) first(key string) string {
	value, _ := ps.text(key)
	return value
}

// values returns the several values of a key in every form that clients send:
// key[]=a, key[0]=a, key[a]=a, key=a, key=a,b, and JSON in the value, as
// key=["a","b"] or key={"0":"a"}. Each is returned once. sent says whether the
// key was there at all, with a value or without.
func (ps params) values(key string) (values []string, sent bool) {
	add := func(value string) {
		if value = strings.TrimSpace(value); value != "" && !slices.Contains(values, value) {
			values = append(values, value)
		}
	}
	for _, p := range ps {
		index, ok := strings.CutPrefix(p.Key, key)
		if !ok || index != "" && (index[0] != '[' || index[len(index)-1] != ']') {
			continue
		}
		sent = true
		if several, ok := jsonValues(p.Value); ok {
			for _, value := range several {
				add(value)
			}
			continue
		}
		for value := range strings.SplitSeq(p.Value, ",") {
			add(value)
		}
	}
	return values, sent
}

// jsonValues returns the values of a JSON array or object, in their order.
func jsonValues(text string) (values []string, ok bool) {
	text = strings.TrimSpace(text)
	if text == "" || text[0] != '[' && text[0] != '{' {
		return nil, false
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	open, err := dec.Token()
	if err != nil {
		return nil, false
	}
	for dec.More() {
		if open == json.Delim('{') {
			if _, err := dec.Token(); err != nil { // the key
				return nil, false
			}
		}
		token, err := dec.Token()
		if err != nil {
			return nil, false
		}
		switch v := token.(type) {
		case string:
			values = append(values, v)
		case json.Number:
			values = append(values, v.String())
		default:
			return nil, false
		}
	}
	_, err = dec.Token()
	return values, err == nil
}
