package v3

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math"
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

// readBody reads a request's body, a JSON object; an empty one, and the empty array that
// PHP writes of an array without keys, is an empty object. The call takes the known fields
// and no parameters; all others are mistakes.
func readBody(r *http.Request, f *faults, known ...string) (object, error) {
	readQuery(r, f)
	object, err := readObject(r)
	object.only(f, known...)
	return object, err
}

// readObject reads a request's body of any fields.
func readObject(r *http.Request) (object, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\ufeff")))
	object := object{}
	switch {
	case len(text) == 0, isEmptyArray(text):
		return object, nil
	case !utf8.Valid(text):
		return nil, syntaxError("The body is not in UTF-8.")
	}
	if err := json.Unmarshal(text, &object); err != nil || object == nil {
		return nil, syntaxError("The body is no JSON object.")
	}
	return object, nil
}

// isEmptyArray reports whether a text is an array in JSON without values.
func isEmptyArray(text []byte) bool {
	values, ok := params.JSONValues(string(text))
	return ok && text[0] == '[' && len(values) == 0
}

// readNothing reads a request that takes no parameters and no fields.
func readNothing(r *http.Request) error {
	var f faults
	if _, err := readBody(r, &f); err != nil {
		return err
	}
	return f.err()
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

// object returns an object in o, or nil if there is none. An empty array is an empty
// object, as PHP writes it.
func (o object) object(key string) (inner object, err error) {
	if isEmptyArray(o[key]) {
		return object{}, nil
	}
	return inner, o.read(key, &inner, "an object")
}

// required returns an error if a key is missing.
func (o object) required(key string) error {
	if !o.has(key) {
		return fault(codeMissing, key, "is missing")
	}
	return nil
}

// whole reads a whole number, which may stand in a string, as PHP's clients send it.
func (o object) whole(key string, into *int64) error {
	if !o.has(key) {
		return nil
	}
	var text string
	if json.Unmarshal(o[key], &text) != nil {
		text = string(o[key])
	}
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if real, bad := strconv.ParseFloat(text, 64); err != nil && bad == nil && real == math.Trunc(real) && math.Abs(real) < 1<<53 {
		n, err = int64(real), nil // 10.0 and 1e1 are whole numbers in JSON
	}
	if err != nil {
		return fault(codeInvalid, key, "is not a whole number")
	}
	*into = n
	return nil
}

// flag reads true or false, which clients also write as 1 and 0, and in a string.
func (o object) flag(key string, into *bool) error {
	if !o.has(key) {
		return nil
	}
	text := string(o[key])
	_ = json.Unmarshal(o[key], &text) // unless it is a string, text stays
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "true", "1":
		*into = true
	case "false", "0":
		*into = false
	default:
		return fault(codeInvalid, key, "is not true or false")
	}
	return nil
}

// number reads a number, which may stand in a string.
func (o object) number(key, what string, into *float64) error {
	if !o.has(key) {
		return nil
	}
	var number json.Number // which takes strings of numbers too
	if err := o.read(key, &number, what); err != nil {
		return err
	}
	n, err := number.Float64()
	if err != nil {
		return fault(codeInvalid, key, "is not "+what)
	}
	*into = n
	return nil
}

// text reads a string, which may be a number: ids often are. A whole one is written with
// its digits alone.
func (o object) text(key string) (text string, err error) {
	if !o.has(key) || json.Unmarshal(o[key], &text) == nil {
		return text, nil
	}
	var whole int64
	if o.whole(key, &whole) == nil {
		return strconv.FormatInt(whole, 10), nil
	}
	var number json.Number
	return string(o[key]), o.read(key, &number, "a string")
}

// texts reads strings: an array of them, an object, as PHP writes an array with
// gaps, or one string, of several with commas between.
func (o object) texts(key string) ([]string, error) {
	if !o.has(key) {
		return nil, nil
	}
	if several, ok := params.JSONValues(string(o[key])); ok {
		return several, nil
	}
	var one string
	if json.Unmarshal(o[key], &one) != nil {
		return nil, fault(codeInvalid, key, "is not an array of strings")
	}
	several := []string{}
	for text := range strings.SplitSeq(one, ",") {
		if text = strings.TrimSpace(text); text != "" {
			several = append(several, text)
		}
	}
	return several, nil
}

// time reads a time of ISO 8601 with its offset.
func (o object) time(key string) (t time.Time, err error) {
	var text string
	if err := o.read(key, &text, "a string"); err != nil || text == "" {
		return t, err
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
// There a parameter that is not known is a mistake, lest a filter that is mistyped
// select everything; clients of ActiveCampaign's send many that mean nothing
// here.
func readQuery(r *http.Request, f *faults, known ...string) url.Values {
	query := r.URL.Query()
	takes := "none"
	if len(known) > 0 {
		takes = strings.Join(known, ", ")
	}
	for _, key := range slices.Sorted(maps.Keys(query)) {
		switch {
		case !slices.Contains(known, key):
			f.add(fault(codeInvalid, cut(key), "is no parameter of this call: it takes "+takes))
		case len(query[key]) > 1:
			f.add(fault(codeInvalid, key, "is there more than once"))
		}
	}
	return query
}

// only refuses the keys of an object that are not known.
func (o object) only(f *faults, known ...string) {
	takes := "none"
	if len(known) > 0 {
		takes = strings.Join(known, ", ")
	}
	for _, key := range slices.Sorted(maps.Keys(o)) {
		if !slices.Contains(known, key) {
			f.add(fault(codeInvalid, cut(key), "is no field of this call: it takes "+takes))
		}
	}
}

// cut returns as much of a name as an error's text bears.
func cut(name string) string {
	const most = 60
	if len(name) > most {
		return strings.ToValidUTF8(name[:most], "") + "…"
	}
	return name
}

// How many items a page has.
const (
	usualLimit = 20 // also for 0
	mostLimit  = 100
)

// readPage reads limit and offset.
func readPage(r *http.Request, f *faults) (limit, offset int) {
	query := r.URL.Query()
	read := func(key string) int {
		n, ok := parseCount(query.Get(key))
		if !ok {
			f.add(fault(codeInvalid, key, "is no whole number from 0"))
		}
		return n
	}
	limit, offset = read("limit"), read("offset")
	return limitOf(int64(limit)), offset
}

// limitOf returns how many items are asked for: none and 0 are the usual number.
func limitOf(n int64) int {
	if n == 0 {
		n = usualLimit
	}
	return int(min(n, mostLimit))
}

// parseCount reads a number from 0, of digits alone: one that is too large for a computer
// is the largest. Nothing is 0, and a "+" before it, which a query shows as a space, means
// nothing.
func parseCount(text string) (n int, ok bool) {
	text = strings.TrimPrefix(strings.TrimSpace(text), "+")
	if strings.ContainsFunc(text, func(r rune) bool { return r < '0' || r > '9' }) {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	if errors.Is(err, strconv.ErrRange) {
		n = math.MaxInt
	}
	return n, true
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
