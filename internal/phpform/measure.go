package phpform

import (
	"reflect"
	"strings"
)

// A Size is the size of a struct's form, as far as it depends on its values.
type Size struct {
	Bytes   int // of texts, and of the names of entries of maps, before escaping
	Entries int // of maps

	// Misread reports that PHP would take the name of an entry for something
	// else: that of Name, the first such by its bytes.
	Misread bool
	Name    string
}

// Measure returns the size of the form of v, a struct of the schema's type or a
// pointer to one. It allocates nothing.
func (s *Schema) Measure(v any) Size {
	var size Size
	of := reflect.Indirect(reflect.ValueOf(v))
	for i := range s.parts {
		size.add(of.Field(s.parts[i].index))
	}
	return size
}

// Most returns how many bytes a form of a given size has at most.
func (s *Schema) Most(size Size) int {
	// A byte is escaped as three at most.
	return s.fixed + 3*size.Bytes + size.Entries*s.entry
}

func (s *Size) add(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		s.Bytes += v.Len()
	case reflect.Pointer:
		if !v.IsNil() {
			s.add(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			s.add(v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			s.Bytes += min(i, 1)*len(", ") + v.Index(i).Len()
		}
	case reflect.Map:
		for name, text := range v.Interface().(map[string]string) {
			if Misread(name) && (!s.Misread || name < s.Name) {
				s.Misread, s.Name = true, name
			}
			s.Bytes += len(name) + len(text)
			s.Entries++
		}
	}
}

// Misread reports whether PHP would take name for something else than the name
// of an entry. Inside brackets it reads up to the first "]" or NUL, and takes
// nothing, or one character of white space, for "the next free index". A "[" it
// would keep, but others, form's decoder among them, begin a name there.
func Misread(name string) bool {
	if len(name) == 1 {
		switch name[0] {
		case ' ', '\t', '\n', '\v', '\f', '\r':
			return true
		}
	}
	return name == "" || strings.ContainsAny(name, "[]\x00")
}
