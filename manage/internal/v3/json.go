package v3

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/listhook/webhook/manage/internal/params"
)

// A syntaxError says what is wrong with a body as a whole.
type syntaxError string

func (e syntaxError) Error() string { return string(e) }

// readBody reads a request's body, a JSON object; an empty one is an empty object.
func readBody(r *http.Request, known ...string) (object, error) {
	if len(known) > 0 {
		if _, err := readQuery(r); err != nil {
			return nil, err
		}
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\ufeff")))
	object := object{}
	switch {
	case len(text) == 0:
		return object, nil
	case !utf8.Valid(text):
		return nil, syntaxError("The body is not in UTF-8.")
	}
	if err := json.Unmarshal(text, &object); err != nil || object == nil {
		return nil, syntaxError("The body is no JSON object.")
	}
	if len(known) > 0 {
		return object, object.only(known...)
	}
	return object, nil
}

// object is a JSON object, each value of which is read by itself, so that the
// error names its field.
type object map[string]json.RawMessage

func (o object) has(key string) bool {
	value, ok := o[key]
	return ok && string(value) != "null"
}

// read reads a value into the variable that into points at, if there is one.
func (o object) read(key string, into any, what string) error {
	if !o.has(key) {
		return nil
	}
	if err := json.Unmarshal(o[key], into); err != nil {
		return fault(codeInvalid, key, "is not "+what)
	}
	return nil
}

// object returns an object in o; an error if it is missing.
func (o object) object(key string) (object, error) {
	var inner object
	if err := o.read(key, &inner, "an object"); err != nil {
		return nil, err
	}
	if inner == nil {
		return nil, fault(codeMissing, key, "is missing: the body is "+`{"`+key+`":{…}}`)
	}
	return inner, nil
}

// texts reads strings: an array of them, an object, as PHP writes an array with
// gaps, or one string, of several with commas between.
func (o object) texts(key string) ([]string, error) {
	var one string
	switch several, ok := params.JSONValues(string(o[key])); {
	case !o.has(key):
		return nil, nil
	case ok:
		return several, nil
	case json.Unmarshal(o[key], &one) == nil:
		return strings.Split(one, ","), nil
	}
	return nil, fault(codeInvalid, key, "is not an array of strings")
}

// time reads a time of ISO 8601 with its offset.
func (o object) time(key string) (time.Time, error) {
	var text string
	if err := o.read(key, &text, "a string"); err != nil || text == "" {
		return time.Time{}, err
	}
	return parseTime(key, text)
}

// parseTime reads a time as the API writes it. In a query that a client did not
// encode the "+" of its offset has become a space.
func parseTime(field, text string) (time.Time, error) {
	if at := len(text) - len(" 00:00"); at > 0 && text[at] == ' ' {
		text = text[:at] + "+" + text[at+1:]
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fault(codeInvalid, field, "is no time such as 2013-01-02T09:28:42-06:00")
	}
	return t, nil
}

// readQuery returns the query of a call that ActiveCampaign's API does not have.
// There a parameter that is not known is refused, lest a filter that is mistyped
// select everything; clients of ActiveCampaign's send many that mean nothing
// here.
func readQuery(r *http.Request, known ...string) (url.Values, error) {
	query := r.URL.Query()
	takes := "none"
	if len(known) > 0 {
		takes = strings.Join(known, ", ")
	}
	for _, key := range slices.Sorted(maps.Keys(query)) {
		switch {
		case !slices.Contains(known, key):
			return nil, fault(codeInvalid, cut(key), "is no parameter of this call: it takes "+takes)
		case len(query[key]) > 1:
			return nil, fault(codeInvalid, key, "is there more than once")
		}
	}
	return query, nil
}

// cut returns as much of a name as an error's text bears.
func cut(name string) string {
	const most = 60
	if len(name) > most {
		return strings.ToValidUTF8(name[:most], "") + "…"
	}
	return name
}

// readPage reads limit and offset: 20 unless told, and at most 100.
func readPage(r *http.Request) (limit, offset int, err error) {
	limit = 20
	q := r.URL.Query()
	for _, p := range []struct {
		key  string
		into *int
	}{{"limit", &limit}, {"offset", &offset}} {
		text := q.Get(p.key)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return 0, 0, fault(codeInvalid, p.key, "is no number from 0")
		}
		*p.into = n
	}
	if limit == 0 {
		limit = 20
	}
	return min(limit, 100), offset, nil
}

// pageOf returns the part of items that a page shows.
func pageOf[T any](items []T, limit, offset int) []T {
	from := min(offset, len(items))
	return items[from:min(from+limit, len(items))]
}

// A totalJSON is a count as the newer API shows it: a string.
type totalJSON struct {
	Total string `json:"total"`
}

func totalOf[T any](items []T) totalJSON { return totalJSON{strconv.Itoa(len(items))} }
