package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/listhook/webhook/internal/phpform"
)

// FieldsOf makes Subscriber.Fields from attributes that an app's users chose: JSON of
// any shape, with any keys and of any size. An event can be sent with these fields if
// the rest of its body takes at most 120 KiB, unless Options.BodyLimit is below its
// default. A letter of ASCII, a digit or a space takes a byte there, any other byte of a
// text up to three in a form and six in JSON.
//
// The members of an object become fields whose keys are joined by dots, such as
// "address.city". An array of texts, numbers, truth values and nulls is what Choices
// makes of it, where null is ""; any other array is its JSON. A number is written as in
// JSON, true and false as such; null, an empty object and an empty array become "". A
// value of a type that encoding/json does not decode into is marshaled to JSON first.
//
// FieldsOf leaves out attributes that cannot be sent, and returns them in order of their
// keys: those with a key that PHP would misread or that another attribute has too, those
// nested more than 16 levels deep, and those that are not valid JSON. It keeps the first
// 900 fields in order of their keys. If these take more than 128 KiB in the longest of
// the formats, it leaves out the longest ones. It looks at 10,000 values, objects
// included. Of those beyond, it returns the first one and those of the top level.
func FieldsOf(attributes map[string]any) (fields map[string]string, omitted []Omission) {
	f := flattener{fields: map[string]string{}, room: maxAttributeValues}
	f.members("", attributes, 0)
	f.limit()
	sortOmissions(f.omitted)
	return f.fields, f.omitted
}

// The limits of FieldsOf.
const (
	maxAttributes      = 900
	maxAttributeBytes  = 128 << 10
	maxAttributeDepth  = 16
	maxAttributeValues = 10_000 // that are looked at
)

// A flattener makes fields of attributes.
type flattener struct {
	fields  map[string]string
	omitted []Omission
	room    int // how many more values are looked at
}

func (f *flattener) omit(key, reason string) {
	f.omitted = append(f.omitted, Omission{key, reason})
}

// members adds the members of an object, in order of their keys.
func (f *flattener) members(prefix string, object map[string]any, depth int) {
	for _, name := range slices.Sorted(maps.Keys(object)) {
		f.add(prefix+name, object[name], depth)
	}
}

func (f *flattener) add(key string, value any, depth int) {
	if f.room--; f.room < 0 {
		if depth == 0 || f.room == -1 {
			f.omit(key, fmt.Sprintf("is beyond the first %d values", maxAttributeValues))
		}
		return
	}
	if text, ok := scalar(value); ok {
		f.set(key, text)
		return
	}
	switch v := value.(type) {
	case map[string]any:
		switch {
		case len(v) == 0:
			f.set(key, "")
		case depth == maxAttributeDepth:
			f.omit(key, fmt.Sprintf("is nested in more than %d objects", maxAttributeDepth))
		default:
			f.members(key+".", v, depth+1)
		}
	case []any:
		f.array(key, v)
	default:
		plain, err := plainJSON(value)
		if err != nil {
			f.omit(key, "cannot be written as JSON")
			return
		}
		f.add(key, plain, depth)
	}
}

// array adds an array.
func (f *flattener) array(key string, values []any) {
	texts := make([]string, 0, len(values))
	for _, v := range values {
		text, ok := element(v)
		if !ok {
			var written strings.Builder
			e := json.NewEncoder(&written)
			e.SetEscapeHTML(false)
			if err := e.Encode(values); err != nil {
				f.omit(key, "cannot be written as JSON")
				return
			}
			f.set(key, strings.TrimSuffix(written.String(), "\n"))
			return
		}
		texts = append(texts, text)
	}
	f.set(key, Choices(texts...))
}

// element returns the text of a value in an array, if that is neither an object nor an
// array when it is marshaled to JSON.
func element(value any) (text string, ok bool) {
	if text, ok = scalar(value); ok {
		return text, true
	}
	switch value.(type) {
	case map[string]any, []any:
		return "", false
	}
	plain, err := plainJSON(value)
	if err != nil {
		return "", false
	}
	return scalar(plain)
}

func (f *flattener) set(key, text string) {
	_, taken := f.fields[key]
	switch {
	case phpform.Misread(key):
		f.omit(key, misreadReason)
	case taken:
		f.omit(key, "has the key of another attribute")
	default:
		f.fields[key] = text
	}
}

// limit leaves out fields beyond maxAttributes and maxAttributeBytes.
func (f *flattener) limit() {
	keys := slices.Sorted(maps.Keys(f.fields))
	leaveOut := func(key, reason string) {
		delete(f.fields, key)
		f.omit(key, reason)
	}
	if len(keys) > maxAttributes {
		for _, key := range keys[maxAttributes:] {
			leaveOut(key, fmt.Sprintf("is beyond the first %d fields", maxAttributes))
		}
		keys = keys[:maxAttributes]
	}
	weight := make(map[string]int, len(keys))
	for _, key := range keys {
		weight[key] = fieldOverhead + writtenSize(key) + writtenSize(f.fields[key])
	}
	slices.SortStableFunc(keys, func(a, b string) int { return weight[a] - weight[b] })
	total := 0
	for _, key := range keys {
		if total += weight[key]; total > maxAttributeBytes {
			leaveOut(key, fmt.Sprintf("makes the fields take more than %d bytes", maxAttributeBytes))
		}
	}
}

// fieldOverhead is what a field takes beside its key and its value in the longest of
// the formats: "&subscriber%5Bfields%5D%5B", "%5D" and "=".
const fieldOverhead = 32

// writtenSize is how many bytes a text takes in a body at most. A form escapes a byte
// as three, JSON some as six.
func writtenSize(s string) int {
	n := 0
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == ' ':
			n++
		case c < ' ', c == '"', c == '\\', c == '<', c == '>', c == '&', c >= 0x7f:
			n += 6
		default:
			n += 3
		}
	}
	return n
}

// scalar returns the text of a value that is neither an object nor an array, if
// encoding/json makes such values.
func scalar(value any) (text string, ok bool) {
	switch v := value.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case json.Number:
		return v.String(), true
	case int:
		return strconv.Itoa(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		written, err := json.Marshal(v) // not of NaN and the infinities
		return string(written), err == nil
	}
	return "", false
}

// plainJSON returns a value as encoding/json reads it after writing it.
func plainJSON(value any) (plain any, err error) {
	written, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(written))
	d.UseNumber()
	err = d.Decode(&plain)
	return plain, err
}
