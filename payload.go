package webhook

import (
	"bytes"
	"cmp"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// How date_time is written. In 2013 it was the account's local time; every
// capture since 2017 has ISO 8601 with the offset and no fraction.
const (
	time2013    = "2006-01-02 15:04:05"
	timeCurrent = "2006-01-02T15:04:05-07:00"
)

// An envelope is what every body begins with, in the order of the captures.
type envelope struct {
	Type   EventType `form:"type"`
	Time   string    `form:"date_time"`
	Source Source    `form:"initiated_from"`
	By     string    `form:"initiated_by"`
	List   string    `form:"list" empty:"0"`
}

// encode returns e's body for a webhook of format f: the form that PHP reads
// into $_POST. It takes the source, initiator and time from m, whose defaults
// have been filled in, and writes list as it is. The event must be valid.
//
// Which keys there are, and whether one is left out when empty, is said by the
// struct tags, by which form reads bodies back; the order is that of the
// structs. Brackets are percent-encoded, as PHP's http_build_query and url.Values
// do: some parsers between here and there take nothing else, and all receivers
// take it.
func encode(e Event, m Meta, list string, f Format) ([]byte, error) {
	l, err := layoutOf(e)
	if err != nil {
		return nil, err
	}
	dialect, clock := 0, time2013
	switch f {
	case "", Format2013:
	case FormatCurrent:
		dialect, clock = 1, timeCurrent
	default:
		return nil, invalid("Format", "is "+quote(string(f))+", which is not known")
	}

	// Most bodies fit, so that of the body only the result is allocated.
	var scratch [1024]byte
	body := appendStruct(scratch[:0], envelopeKeys, dialect, reflect.ValueOf(&envelope{
		Type: l.event, Time: m.Time.Format(clock), Source: m.Source, By: m.By, List: list,
	}).Elem())
	v := reflect.Indirect(reflect.ValueOf(e))
	for i := range l.blocks {
		if block := reflect.Indirect(v.Field(l.blocks[i].index)); block.IsValid() {
			body = appendStruct(body, l.blocks[i].keys, dialect, block)
		}
	}
	return bytes.Clone(body[:len(body)-1]), nil
}

// appendStruct appends the values of one struct, each followed by "&".
func appendStruct(body []byte, keys []wireKey, dialect int, block reflect.Value) []byte {
	for i := range keys {
		k := &keys[i]
		v := block.FieldByIndex(k.index)
		if k.omitempty && v.IsZero() {
			continue
		}
		switch k.kind {
		case kindFields:
			body = appendFields(body, k, dialect, v.Interface().(map[string]string))
		case kindTexts:
			// One value: of a key that comes twice PHP would keep the last.
			if text := strings.Join(v.Interface().([]string), ", "); text != "" {
				body = appendPair(body, k, dialect, text)
			}
		case kindInt:
			body = appendPair(body, k, dialect, strconv.FormatInt(v.Int(), 10))
		default:
			body = appendPair(body, k, dialect, cmp.Or(v.String(), k.empty))
		}
	}
	return body
}

func appendPair(body []byte, k *wireKey, dialect int, text string) []byte {
	body = append(body, k.escaped[dialect]...)
	body = append(body, '=')
	body = appendEscaped(body, text)
	return append(body, '&')
}

// appendFields appends the custom fields that are not empty: those with numeric
// ids in numeric order, then the others by name.
func appendFields(body []byte, k *wireKey, dialect int, values map[string]string) []byte {
	type field struct{ id, text string }
	var few [16]field
	fields := few[:0]
	for id, text := range values {
		if text != "" {
			fields = append(fields, field{id, text})
		}
	}
	slices.SortFunc(fields, func(a, b field) int { return compareIDs(a.id, b.id) })
	for _, f := range fields {
		body = append(body, k.escaped[dialect]...)
		body = append(body, "%5B"...)
		body = appendEscaped(body, f.id)
		body = append(body, "%5D="...)
		body = appendEscaped(body, f.text)
		body = append(body, '&')
	}
	return body
}

// compareIDs orders numbers by their value before names by their bytes.
func compareIDs(a, b string) int {
	switch an, bn := isDigits(a), isDigits(b); {
	case an && bn:
		at, bt := strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
		return cmp.Or(cmp.Compare(len(at), len(bt)), strings.Compare(at, bt), strings.Compare(a, b))
	case an:
		return -1
	case bn:
		return 1
	}
	return strings.Compare(a, b)
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// appendEscaped appends s as url.QueryEscape writes it, without a string of
// its own for each value.
func appendEscaped(b []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '_', c == '.', c == '~':
			b = append(b, c)
		case c == ' ':
			b = append(b, '+')
		default:
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return b
}

// A layout is how an event type lies on the wire. It is read from the structs,
// so that they stay the one definition.
type layout struct {
	event  EventType
	typ    reflect.Type
	blocks []block
	keys   []wireKey // all, in the order of the structs, the envelope's first
	size   int       // of a body at most, in bytes, texts and custom fields aside
}

// A block is one of the structs that an event consists of.
type block struct {
	index int // among the event's fields
	keys  []wireKey
}

// A wireKey is a key of the body.
type wireKey struct {
	index     []int     // where it is in its block, as reflect finds it
	name      string    // in the 2013 format: "campaign[message][id]"
	field     string    // as in Go: "Campaign.Message.ID"
	escaped   [2]string // name as it is sent, in the 2013 and in the current format
	kind      keyKind
	omitempty bool   // it is not sent when empty, by the struct tag "form"
	empty     string // what is sent for an empty text, by the struct tag "empty"
}

// A keyKind says how a key's value is made.
type keyKind int

const (
	kindText   keyKind = iota // a string
	kindInt                   // an int
	kindTexts                 // a []string, sent as "a, b"
	kindFields                // a map[string]string; each entry has a key of its own
)

var envelopeKeys = appendKeys(nil, reflect.TypeFor[envelope](), wireKey{})

// layouts holds the nine.
var layouts = func() map[reflect.Type]*layout {
	all := make(map[reflect.Type]*layout)
	for _, e := range []Event{
		Subscribe{}, Unsubscribe{}, Update{}, Sent{}, Open{}, Click{}, Forward{}, Share{}, Bounce{},
	} {
		l := &layout{event: e.Type(), typ: reflect.TypeOf(e), keys: slices.Clone(envelopeKeys)}
		for i := range l.typ.NumField() {
			f := l.typ.Field(i)
			name := f.Tag.Get("form")
			if name == "-" {
				continue // Meta, of which the envelope is made
			}
			b := block{i, appendKeys(nil, indirect(f.Type), wireKey{name: name, field: f.Name})}
			l.blocks = append(l.blocks, b)
			l.keys = append(l.keys, b.keys...)
		}
		for _, k := range l.keys {
			// A date has 31 bytes and a number 20; "=" and "&" are two.
			l.size += len(k.escaped[0]) + 33
		}
		all[l.typ] = l
	}
	return all
}()

// appendKeys appends the keys of the struct t, which stands in another.
func appendKeys(keys []wireKey, t reflect.Type, in wireKey) []wireKey {
	nest := func(outer, name string) string {
		if outer == "" {
			return name
		}
		return outer + "[" + name + "]"
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, option, _ := strings.Cut(f.Tag.Get("form"), ",")
		k := wireKey{
			index:     append(slices.Clone(in.index), i),
			name:      nest(in.name, name),
			field:     strings.TrimPrefix(in.field+"."+f.Name, "."),
			omitempty: option == "omitempty",
			empty:     f.Tag.Get("empty"),
		}
		switch ft := indirect(f.Type); ft.Kind() {
		case reflect.Struct:
			keys = appendKeys(keys, ft, k)
			continue
		case reflect.Int:
			k.kind = kindInt
		case reflect.Slice:
			k.kind = kindTexts
		case reflect.Map:
			k.kind = kindFields
		}
		current := k.name
		if inner, ok := strings.CutPrefix(current, "subscriber["); ok {
			current = "contact[" + inner
		}
		k.escaped = [2]string{url.QueryEscape(k.name), url.QueryEscape(current)}
		keys = append(keys, k)
	}
	return keys
}

func indirect(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// layoutOf returns e's layout. It calls none of e's methods, which panic on a
// nil pointer.
func layoutOf(e Event) (*layout, error) {
	v := reflect.Indirect(reflect.ValueOf(e))
	if !v.IsValid() {
		return nil, invalid("Event", "is nil")
	}
	l, ok := layouts[v.Type()]
	if !ok {
		return nil, invalid("Event", "is of a type that is not one of the nine")
	}
	return l, nil
}
