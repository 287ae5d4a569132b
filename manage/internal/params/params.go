// Package params reads the parameters of a request in the order in which they
// were sent, which net/url does not keep, and several values of one parameter in
// each of the forms in which clients send them. The older API's clients differ
// much in this.
package params

import (
	"bytes"
	"encoding/hex"
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
	MaxBody = 256 << 10 // bytes: all headers that a webhook may have, and some
	Max     = 2_000     // parameters
)

// Params are the parameters of the query and of the body, in the order in which
// they were sent.
type Params []Param

// A Param is one parameter.
type Param struct{ Key, Value string }

// ErrTooMuch is returned for a body or a number of parameters beyond the
// limits.
var ErrTooMuch = errors.New("the request is too long")

// ErrJSON is returned for a body in JSON.
var ErrJSON = errors.New("the request's body is in JSON, which this API does not take: send a form")

// ErrEncoding is returned for a body that cannot be read.
var ErrEncoding = errors.New("the request's body is not encoded as its content type says")

// Read reads the parameters of a request. Where the body and the query
// have the same, the body's comes first. With an error those of the query are
// returned all the same: they name the output.
func Read(r *http.Request) (Params, error) {
	query, err := Parse(Lenient(r.URL.RawQuery))
	if err != nil {
		return query, err
	}
	ps, err := body(r)
	if errors.As(err, new(*http.MaxBytesError)) || len(ps)+len(query) > Max {
		err = ErrTooMuch
	}
	if err != nil {
		return query, err
	}
	return append(ps, query...), nil
}

// body reads the parameters of a body.
func body(r *http.Request) (Params, error) {
	kind, args, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind == "multipart/form-data" { // PHP's curl sends arrays so
		return multipartBody(r, args["boundary"])
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\ufeff")))
	if len(text) > 0 && (text[0] == '{' || text[0] == '[') { // as a form it has no parameters
		return nil, ErrJSON
	}
	return Parse(string(text))
}

func multipartBody(r *http.Request, boundary string) (Params, error) {
	if boundary == "" {
		return nil, ErrEncoding
	}
	form, err := r.MultipartReader()
	if err != nil {
		return nil, ErrEncoding
	}
	var ps Params
	for {
		part, err := form.NextRawPart()
		switch {
		case err == io.EOF:
			return ps, nil
		case err != nil:
			return nil, readError(err)
		case len(ps) == Max:
			return nil, ErrTooMuch
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return nil, readError(err)
		}
		ps = append(ps, Param{part.FormName(), string(value)})
	}
}

// readError tells a body beyond the limit from one that cannot be read.
func readError(err error) error {
	if errors.As(err, new(*http.MaxBytesError)) {
		return err
	}
	return ErrEncoding
}

// Lenient returns a query in which a semicolon and a percent sign that encodes nothing are
// what they look like, as PHP reads them. net/url drops such parameters, and with them the
// filter of a call that selects.
func Lenient(query string) string {
	if !strings.ContainsAny(query, "%;") {
		return query
	}
	var b strings.Builder
	for i := range len(query) {
		switch c := query[i]; {
		case c == ';':
			b.WriteString("%3B")
		case c == '%' && !isHex(query[i+1:]):
			b.WriteString("%25")
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// isHex reports whether a text begins with two hexadecimal digits.
func isHex(text string) bool {
	if len(text) < 2 {
		return false
	}
	_, err := hex.DecodeString(text[:2])
	return err == nil
}

// Parse reads an encoded query, or a body of such.
func Parse(encoded string) (Params, error) { return parse(encoded, Max) }

func parse(encoded string, most int) (Params, error) {
	var ps Params
	for pair := range strings.SplitSeq(encoded, "&") {
		if pair == "" {
			continue
		}
		if len(ps) == most {
			return ps, ErrTooMuch
		}
		rawKey, rawValue, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(rawKey)
		if err != nil {
			return nil, ErrEncoding
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil {
			return nil, ErrEncoding
		}
		ps = append(ps, Param{key, value})
	}
	return ps, nil
}

// Text returns the first value of a key, and whether there is one.
func (ps Params) Text(key string) (string, bool) {
	i := slices.IndexFunc(ps, func(p Param) bool { return p.Key == key })
	if i < 0 {
		return "", false
	}
	return ps[i].Value, true
}

// First returns the first value of a key, "" when there is none.
func (ps Params) First(key string) string {
	value, _ := ps.Text(key)
	return value
}

// Values returns the several values of a key in every form that clients send:
// key[]=a, key[0]=a, key[a]=a, key=a, key=a,b, and JSON in the value, as
// key=["a","b"] or key={"0":"a"}. Each is returned once. sent says whether the
// key was there at all, with a value or without.
func (ps Params) Values(key string) (values []string, sent bool) {
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
		if several, ok := JSONValues(p.Value); ok {
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

// Names returns Values, and of flags the names of those that are set: key[a]=1&key[b]=0,
// as the checkboxes of a form are sent, is a.
func (ps Params) Names(key string) (names []string, sent bool) {
	plain := make(Params, 0, len(ps))
	for _, p := range ps {
		name := strings.TrimSuffix(strings.TrimPrefix(p.Key, key+"["), "]")
		if p.Key == key+"["+name+"]" && strings.Trim(name, "0123456789") != "" {
			switch strings.ToLower(p.Value) {
			case "1", "on", "true", "yes":
				p.Value = name
			case "0", "off", "false", "no":
				p.Value = ""
			}
		}
		plain = append(plain, p)
	}
	return plain.Values(key)
}

// JSONValues returns the values of a JSON array or object, in their order.
func JSONValues(text string) (values []string, ok bool) {
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
