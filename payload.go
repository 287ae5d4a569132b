package webhook

import (
	"bytes"
	"cmp"
	"reflect"
	"slices"
	"strings"

	"github.com/go-playground/form/v4"
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

// A payload is what form encodes: it writes embedded fields as its own.
type payload struct {
	envelope
	Event
}

// formEncoder is set up once: its setters may not be called while it is in use.
var formEncoder = func() *form.Encoder {
	enc := form.NewEncoder()
	enc.SetNamespacePrefix("[")
	enc.SetNamespaceSuffix("]")
	return enc
}()

// encode returns e's body for a webhook of format f: the form that PHP reads
// into $_POST. It takes the source, initiator and time from m, whose defaults
// have been filled in, and writes list as it is. The event must be valid.
//
// Which keys there are, and whether one is left out when empty, is said by the
// struct tags and done by form; the order is that of the structs. Brackets are
// percent-encoded, as PHP's http_build_query and url.Values do: some parsers
// between here and there take nothing else, and all receivers take it.
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
	values, err := formEncoder.Encode(&payload{
		envelope: envelope{Type: l.event, Time: m.Time.Format(clock), Source: m.Source, By: m.By, List: list},
		Event:    e,
	})
	if err != nil {
		return nil, err
	}

	// Most bodies fit, so that the only allocation is the result's.
	var scratch [1024]byte
	body := scratch[:0]
	for i := range l.keys {
		k := &l.keys[i]
		if k.kind == kindFields {
			body = appendFields(body, k, dialect, values)
			continue
		}
		texts, ok := values[k.name]
		if !ok {
			continue
		}
		// form gives the texts of a slice one by one, and of a key that comes
		// twice PHP would keep the last.
		text := strings.Join(texts, ", ")
		if text == "" {
			if k.kind == kindTexts {
				continue
			}
			text = k.empty
		}
		body = append(body, k.escaped[dialect]...)
		body = append(body, '=')
		body = appendEscaped(body, text)
		body = append(body, '&')
	}
	return bytes.Clone(body[:len(body)-1]), nil
}

// appendFields appends the custom fields, k's keys in values, that are not
// empty: those with numeric ids in numeric order, then the others by name.
func appendFields(body []byte, k *wireKey, dialect int, values map[string][]string) []byte {
	type field struct{ id, text string }
	var few [16]field
	fields := few[:0]
	for name, texts := range values {
		if id, ok := k.fieldID(name); ok && texts[0] != "" {
			fields = append(fields, field{id, texts[0]})
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
	keys   []wireKey // in the order of the structs
	blocks []int     // the struct's fields that are sent
	size   int       // of a body at most, in bytes, texts and custom fields aside
}

// A wireKey is a key of the body.
type wireKey struct {
	name    string    // as form writes it: "subscriber[email]"
	escaped [2]string // as it is sent in the 2013 and the current format
	field   string    // as in Go: "Subscriber.Email"
	kind    keyKind
	empty   string // what is sent for an empty text, by the tag empty
}

// A keyKind says how a key's value is made.
type keyKind int

const (
	kindText   keyKind = iota
	kindNumber         // an int
	kindTexts          // a []string, sent as "a, b"
	kindFields         // a map[string]string; each entry has a key of its own
)

// fieldID returns N if name is k's name followed by [N].
func (k *wireKey) fieldID(name string) (id string, ok bool) {
	if len(name) < len(k.name)+2 || name[:len(k.name)] != k.name {
		return "", false
	}
	name = name[len(k.name):]
	return name[1 : len(name)-1], name[0] == '[' && name[len(name)-1] == ']'
}

// layouts holds the nine.
var layouts = func() map[reflect.Type]*layout {
	all := make(map[reflect.Type]*layout)
	for _, e := range []Event{
		Subscribe{}, Unsubscribe{}, Update{}, Sent{}, Open{}, Click{}, Forward{}, Share{}, Bounce{},
	} {
		l := &layout{event: e.Type(), typ: reflect.TypeOf(e)}
		l.add(reflect.TypeFor[envelope](), "", "")
		l.add(l.typ, "", "")
		for i := range l.typ.NumField() {
			if l.typ.Field(i).Tag.Get("form") != "-" {
				l.blocks = append(l.blocks, i)
			}
		}
		for _, k := range l.keys {
			// A date has 31 bytes and a number 20; "=" and "&" are two.
			l.size += len(k.escaped[0]) + 33
		}
		all[l.typ] = l
	}
	return all
}()

// add appends the keys of the struct t, which stands under key and field.
func (l *layout) add(t reflect.Type, key, field string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("form"), ",")
		if name == "-" {
			continue
		}
		k := wireKey{name: name, field: f.Name, empty: f.Tag.Get("empty")}
		if key != "" {
			k.name, k.field = key+"["+name+"]", field+"."+f.Name
		}
		ft := f.Type
		if ft.Kind() == reflect.Pointer {
			ft = ft.Elem()
		}
		switch ft.Kind() {
		case reflect.Struct:
			l.add(ft, k.name, k.field)
			continue
		case reflect.Int:
			k.kind = kindNumber
		case reflect.Slice:
			k.kind = kindTexts
		case reflect.Map:
			k.kind = kindFields
		}
		current := k.name
		if inner, ok := strings.CutPrefix(current, "subscriber["); ok {
			current = "contact[" + inner
		}
		k.escaped = [2]string{string(appendEscaped(nil, k.name)), string(appendEscaped(nil, current))}
		l.keys = append(l.keys, k)
	}
}

// layoutOf returns e's layout. It calls none of e's methods, which panic on a
// nil pointer.
func layoutOf(e Event) (*layout, error) {
	v := reflect.ValueOf(e)
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if !v.IsValid() {
		return nil, invalid("Event", "is nil")
	}
	l, ok := layouts[v.Type()]
	if !ok {
		return nil, invalid("Event", "is of a type that is not one of the nine")
	}
	return l, nil
}
