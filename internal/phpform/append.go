package phpform

import (
	"cmp"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Append appends the form of v, a struct of the schema's type or a pointer to
// one, in a dialect, by its number among those of NewSchema. Each pair is
// followed by "&". The order is that of the structs; a topmost pointer that is
// nil is left out with all that it would hold.
//
// Brackets are percent-encoded, as PHP's http_build_query and url.Values do:
// some parsers on the way take nothing else, and all receivers take it.
func (s *Schema) Append(form []byte, dialect int, v any) []byte {
	of := reflect.Indirect(reflect.ValueOf(v))
	for i := range s.parts {
		p := &s.parts[i]
		if value := reflect.Indirect(of.Field(p.index)); value.IsValid() {
			form = p.append(form, dialect, value)
		}
	}
	if s.nested != nil {
		form = appendNested(form, []byte(s.nested.name), of.Field(s.nested.index).Interface())
	}
	return form
}

// append appends the values of one part.
func (p *part) append(form []byte, dialect int, part reflect.Value) []byte {
	for i := range p.keys {
		k := &p.keys[i]
		v := part
		if len(k.index) > 0 {
			v = part.FieldByIndex(k.index)
		}
		if k.omitempty[dialect] && v.IsZero() {
			continue
		}
		switch k.kind {
		case kindFields:
			form = k.appendFields(form, dialect, v.Interface().(map[string]string))
		case kindTexts:
			// One value: of a key that comes twice PHP would keep the last.
			if text := strings.Join(v.Interface().([]string), ", "); text != "" || !k.omitempty[dialect] {
				form = k.append(form, dialect, text)
			}
		case kindInt:
			form = k.append(form, dialect, strconv.FormatInt(v.Int(), 10))
		default:
			form = k.append(form, dialect, cmp.Or(v.String(), k.empty))
		}
	}
	return form
}

func (k *key) append(form []byte, dialect int, text string) []byte {
	form = append(form, k.escaped[dialect]...)
	form = append(form, '=')
	form = AppendEscaped(form, text)
	return append(form, '&')
}

// appendFields appends the entries of a map, those that are empty too: those
// with numeric names in numeric order, then the others by name.
func (k *key) appendFields(form []byte, dialect int, values map[string]string) []byte {
	type field struct{ name, text string }
	var few [16]field
	fields := few[:0]
	for name, text := range values {
		fields = append(fields, field{name, text})
	}
	slices.SortFunc(fields, func(a, b field) int { return compareNames(a.name, b.name) })
	for _, f := range fields {
		form = append(form, k.escaped[dialect]...)
		form = append(form, "%5B"...)
		form = AppendEscaped(form, f.name)
		form = append(form, "%5D="...)
		form = AppendEscaped(form, f.text)
		form = append(form, '&')
	}
	return form
}

// compareNames orders numbers by their value before names by their bytes.
func compareNames(a, b string) int {
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

// AppendEscaped appends s as url.QueryEscape writes it, without a string of its
// own for each value.
func AppendEscaped(b []byte, s string) []byte {
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
