// Package phpform writes Go structs as forms that PHP reads into nested arrays,
// and reads such forms back:
//
//	person[name]=Ann&person[fields][7]=blue
//
// A Schema is made once of a struct's type, and says under which key each value
// lies. Append writes a struct, Measure finds out beforehand how long it would
// be and whether PHP would read it as it is meant, and a Reader reads forms of
// one or several schemas. The struct tag "form" names a key, as
// github.com/go-playground/form has it, by which values are read back:
//
//	type Contact struct {
//		Person Person `form:"person"`
//		Source string `form:"-"` // it is no part of the form
//	}
//
//	type Person struct {
//		Name   string            `form:"name"`           // always there
//		IP     string            `form:"ip" empty:"0.0.0.0"` // what stands for ""
//		Age    int               `form:"age,omitempty"`  // there unless it is zero
//		Tags   []string          `form:"tags,omitempty"` // one value, such as "a, b"
//		Fields map[string]string `form:"fields"`         // a key for each entry, even an empty one
//	}
//
// One field may hold values that nest, under its struct tag "nested": see Tree.
//
// Several dialects of one form differ in the names of their topmost keys, and in
// which keys are there when they are empty: the struct tag "always" names a
// dialect in which a key that may be left out is not. The package knows nothing
// of events or webhooks.
package phpform

import (
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// A Dialect is a variant of a form.
type Dialect struct {
	// Name is the one of struct tags: `form:"phone,omitempty" always:"current"`.
	Name string

	// Names are other names of topmost keys: {"person": "contact"}. Nil: as the
	// struct tags have them.
	Names map[string]string
}

// name returns a key as the dialect has it.
func (d Dialect) name(key string) string {
	top, inner, nested := strings.Cut(key, "[")
	if other, ok := d.Names[top]; ok {
		top = other
	}
	if nested {
		return top + "[" + inner
	}
	return top
}

// A Schema says how structs of one type lie in a form. It may be used from
// several goroutines at once.
type Schema struct {
	typ      reflect.Type
	dialects []Dialect
	parts    []part
	keys     []key // of all parts, in the order of the structs
	nested   *nestedKey
	fixed    int // bytes of a form at most, texts and entries of maps aside
	entry    int // the same of an entry of a map
}

// A part is a topmost field of the struct: a nested struct with all that is in
// it, or a single value.
type part struct {
	index int
	keys  []key
}

// A key is a key of a form, and where its value comes from.
type key struct {
	index     []int    // where the value is in its part, as reflect finds it
	name      string   // by the struct tags: "campaign[message][id]"
	field     string   // as in Go: "Campaign.Message.ID"
	escaped   []string // the name as it is written, in each dialect
	kind      kind
	optional  bool   // the struct tag "form" has the option omitempty
	always    string // the struct tag "always"
	omitempty []bool // whether it is left out when empty, in each dialect
	empty     string // what stands for an empty text
}

// A kind says how a key's value is made.
type kind int

const (
	kindText   kind = iota // a string
	kindInt                // an int
	kindTexts              // a []string, written as "a, b"
	kindFields             // a map[string]string; each entry has a key of its own
)

// NewSchema returns the schema of v's type, a struct, in each of the dialects:
// without any there is one in which the names are those of the tags.
func NewSchema(v any, dialects ...Dialect) *Schema {
	if len(dialects) == 0 {
		dialects = []Dialect{{}}
	}
	s := &Schema{typ: reflect.TypeOf(v), dialects: dialects}
	for i := range s.typ.NumField() {
		f := s.typ.Field(i)
		if name := f.Tag.Get("nested"); name != "" {
			s.nested = &nestedKey{i, name}
		}
		if f.Tag.Get("form") == "-" {
			continue
		}
		keys := appendKey(nil, f, key{index: []int{}})
		for i := range keys {
			for _, d := range dialects {
				k := &keys[i]
				k.escaped = append(k.escaped, url.QueryEscape(d.name(k.name)))
				k.omitempty = append(k.omitempty, k.optional && (k.always == "" || k.always != d.Name))
			}
		}
		s.parts = append(s.parts, part{i, keys})
		s.keys = append(s.keys, keys...)
	}
	for _, k := range s.keys {
		longest := 0
		for _, escaped := range k.escaped {
			longest = max(longest, len(escaped))
		}
		// A date has 31 bytes and a number 20; "=" and "&" are two.
		s.fixed += longest + 33
		if k.kind == kindFields {
			s.entry = longest + len("%5B%5D=&")
		}
	}
	return s
}

// appendKey appends the keys of f, a field of the struct that in stands for. The
// index of in is that of f.
func appendKey(keys []key, f reflect.StructField, in key) []key {
	name, option, _ := strings.Cut(f.Tag.Get("form"), ",")
	if in.name != "" {
		name = in.name + "[" + name + "]"
	}
	k := key{
		index:    in.index,
		name:     name,
		field:    strings.TrimPrefix(in.field+"."+f.Name, "."),
		optional: option == "omitempty",
		always:   f.Tag.Get("always"),
		empty:    f.Tag.Get("empty"),
	}
	switch t := indirect(f.Type); t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			inner := k
			inner.index = append(slices.Clone(k.index), i)
			keys = appendKey(keys, t.Field(i), inner)
		}
		return keys
	case reflect.Int:
		k.kind = kindInt
	case reflect.Slice:
		k.kind = kindTexts
	case reflect.Map:
		k.kind = kindFields
	}
	return append(keys, k)
}

func indirect(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// Keys returns how many keys a form of the schema has at most, entries of maps
// aside.
func (s *Schema) Keys() int { return len(s.keys) }
