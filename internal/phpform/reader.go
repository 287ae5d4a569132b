package phpform

import (
	"bytes"
	"errors"
	"math"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-playground/form/v4"
)

// A FieldError says why a form cannot be read.
type FieldError struct {
	Field  string // the Go field, such as "Campaign.Recipients"; "": the form as a whole
	Reason string // "is not a number"
}

func (e *FieldError) Error() string {
	if e.Field == "" {
		return "phpform: the form " + e.Reason
	}
	return "phpform: " + e.Field + " " + e.Reason
}

// A Reader reads forms of several schemas. It may be used from several
// goroutines at once.
type Reader struct {
	known    map[string]*key   // by their names in the struct tags
	original map[string]string // topmost names of dialects → those of the struct tags
	nested   map[string]bool   // topmost names of values that nest
}

// Values are what a form holds, by the names of the struct tags.
type Values struct {
	url.Values
	nested map[string]*branch
	count  int // of nested values
}

// NewReader returns a reader of forms of the schemas, in each of their
// dialects.
func NewReader(schemas ...*Schema) *Reader {
	r := &Reader{known: map[string]*key{}, original: map[string]string{}, nested: map[string]bool{}}
	for _, s := range schemas {
		for i := range s.keys {
			if name := s.keys[i].name; r.known[name] == nil {
				r.known[name] = &s.keys[i]
			}
		}
		if s.nested != nil {
			r.nested[s.nested.name] = true
		}
		for _, d := range s.dialects {
			for name, other := range d.Names {
				r.original[other] = name
			}
		}
	}
	return r
}

// Parse returns the values of the keys that the schemas have, by their names in
// the struct tags, whatever the dialect. It is liberal: other keys are passed
// over, and of several equal ones the last one counts, as in PHP. What it cannot
// read is a *FieldError.
//
// It takes memory in proportion to the body, which the caller limits. Keys that
// are not known never reach form's decoder, which panics on such as
// "subscriber[" and logs them.
func (r *Reader) Parse(body []byte) (Values, error) {
	read := Values{Values: url.Values{}, nested: map[string]*branch{}}
	values := read.Values
	next := 0 // the index that PHP would give to fields[]
	for pair := range bytes.SplitSeq(body, []byte("&")) {
		rawName, rawText, _ := bytes.Cut(pair, []byte("="))
		name, err := url.QueryUnescape(string(rawName))
		if err != nil {
			return Values{}, &FieldError{"", "contains a malformed percent-escape"}
		}
		name = r.originalName(name)
		k, index := r.key(name)
		if k == nil {
			if err := r.parseNested(name, rawText, &read); err != nil {
				return Values{}, err
			}
			continue
		}
		text, err := url.QueryUnescape(string(rawText))
		if err != nil {
			return Values{}, &FieldError{k.field, "contains a malformed percent-escape"}
		}
		switch {
		case k.kind == kindFields:
			if Misread(index) {
				index = strconv.Itoa(next)
			}
			if n, err := strconv.Atoi(index); err == nil && n >= next && n < math.MaxInt {
				next = n + 1
			}
			values[k.name+"["+index+"]"] = []string{text}
		case k.kind == kindTexts && name != k.name:
			values[k.name] = append(values[k.name], text)
		case k.kind == kindTexts && text != "":
			values[k.name] = strings.Split(text, ", ")
		case k.kind == kindTexts:
			delete(values, k.name)
		case text == k.empty:
			values[k.name] = []string{""}
		default:
			values[k.name] = []string{text}
		}
	}
	return read, nil
}

// originalName returns a name without what a dialect made of its topmost key.
func (r *Reader) originalName(name string) string {
	if i := strings.IndexByte(name, '['); i >= 0 {
		if original, ok := r.original[name[:i]]; ok {
			return original + name[i:]
		}
	}
	return name
}

// key returns the key called name, or the one of a map or texts that name adds
// an index to: fields[7], fields[], tags[0]. An index holds neither brackets nor
// NUL.
func (r *Reader) key(name string) (k *key, index string) {
	if k := r.known[name]; k != nil && k.kind != kindFields {
		return k, ""
	}
	i := strings.LastIndexByte(name, '[')
	if i < 0 || name[len(name)-1] != ']' {
		return nil, ""
	}
	k, index = r.known[name[:i]], name[i+1:len(name)-1]
	if k == nil || k.kind != kindFields && k.kind != kindTexts || strings.ContainsAny(index, "]\x00") {
		return nil, ""
	}
	return k, index
}

// decoder is set up once: its setters may not be called while it is in use.
var decoder = func() *form.Decoder {
	dec := form.NewDecoder()
	dec.SetNamespacePrefix("[")
	dec.SetNamespaceSuffix("]")
	return dec
}()

// Decode sets the fields of a struct of the schema's type, at which into points,
// to values that Parse returned. A number that is none is a *FieldError.
func (s *Schema) Decode(into any, values Values) error {
	if err := decoder.Decode(into, values.Values); err != nil {
		return s.fieldError(err)
	}
	if s.nested != nil {
		if b := values.nested[s.nested.name]; b != nil {
			reflect.ValueOf(into).Elem().Field(s.nested.index).Set(reflect.ValueOf(b.tree()))
		}
	}
	return nil
}

// fieldError names the field of an error of form's decoder.
func (s *Schema) fieldError(err error) error {
	var errs form.DecodeErrors
	if errors.As(err, &errs) {
		// Only numbers can be ill-formed; form's own text would repeat the value.
		for _, k := range s.keys {
			if errs[k.name] != nil {
				return &FieldError{k.field, "is not a number"}
			}
		}
	}
	return err
}
