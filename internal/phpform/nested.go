package phpform

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"strings"
)

// One field of a struct, of the type map[string]any and with the struct tag "nested",
// may hold values that nest. A form has them after all others, under keys such as
// data[items][0][name]:
//
//	Data map[string]any `form:"-" nested:"data"`
//
// Append writes what Tree returns: maps, slices, and texts, numbers and booleans as
// texts. Decode reads texts, maps and slices: a map whose keys are 0, 1, 2 and so on
// is a slice. A map or a slice that is empty has no key in a form, as with PHP's
// http_build_query, where true is 1 and false is 0 too.

// maxNesting is how deep PHP reads: its max_input_nesting_level. It drops keys that
// are nested deeper.
const maxNesting = 64

// maxNested is how many nested values are read, as PHP does by its max_input_vars.
const maxNested = 1000

// A nestedKey is a field with the struct tag "nested".
type nestedKey struct {
	index int
	name  string
}

// appendNested appends what v holds, whose key is name.
func appendNested(form []byte, name []byte, v any) []byte {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range sortedNames(v) {
			form = appendNested(form, appendIndex(name, key), v[key])
		}
	case []any:
		for i, item := range v {
			form = appendNested(form, appendIndex(name, strconv.Itoa(i)), item)
		}
	default:
		form = append(form, name...)
		form = append(form, '=')
		form = AppendEscaped(form, textOf(v))
		form = append(form, '&')
	}
	return form
}

// appendIndex returns a key with one more index.
func appendIndex(name []byte, index string) []byte {
	name = append(bytes.Clone(name), "%5B"...)
	return append(AppendEscaped(name, index), "%5D"...)
}

// textOf returns a value that holds no others as a form has it.
func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		if v {
			return "1"
		}
		return "0"
	}
	return ""
}

// A TreeError says why values cannot be written.
type TreeError struct {
	Path   string // to the value, such as items[3].price; "": the map as a whole
	Reason string // "is NaN"
}

func (e *TreeError) Error() string { return "phpform: " + e.Path + " " + e.Reason }

// errTree makes an error without its path, to which within adds step by step.
func errTree(reason string) error { return &TreeError{Reason: reason} }

// within adds to an error where it is.
func within(step string, err error) error {
	var bad *TreeError
	if errors.As(err, &bad) {
		bad.Path = step + bad.Path
	}
	return err
}

// parseNested reads a pair whose key may be that of a nested value.
func (r *Reader) parseNested(name string, value []byte, read *Values) error {
	top, rest, nested := strings.Cut(name, "[")
	if !nested || !r.nested[top] || read.count == maxNested {
		return nil
	}
	path, ok := splitIndexes(rest)
	if !ok {
		return nil
	}
	text, err := url.QueryUnescape(string(value))
	if err != nil {
		return &FieldError{"", "contains a malformed percent-escape"}
	}
	if read.nested[top] == nil {
		read.nested[top] = &branch{}
	}
	read.nested[top].set(path, text)
	read.count++
	return nil
}

// splitIndexes splits what follows the first bracket of a key, or says that PHP
// would drop it or read it as something else.
func splitIndexes(rest string) (path []string, ok bool) {
	for {
		index, after, closed := strings.Cut(rest, "]")
		if !closed || index != "" && Misread(index) || len(path) == maxNesting {
			return nil, false
		}
		path = append(path, index)
		if after == "" {
			return path, true
		}
		if after[0] != '[' {
			return nil, false
		}
		rest = after[1:]
	}
}

// A branch holds nested values as PHP reads them.
type branch struct {
	texts    map[string]string
	branches map[string]*branch
	next     int // the index that PHP gives to []
}

// set sets the value at a path: the last one counts, as in PHP.
func (b *branch) set(path []string, text string) {
	index := path[0]
	if index == "" {
		index = strconv.Itoa(b.next)
	}
	if n, err := strconv.Atoi(index); err == nil && strconv.Itoa(n) == index && n >= b.next && n+1 > n {
		b.next = n + 1
	}
	if len(path) == 1 {
		if b.texts == nil {
			b.texts = map[string]string{}
		}
		b.texts[index] = text
		delete(b.branches, index)
		return
	}
	delete(b.texts, index)
	inner := b.branches[index]
	if inner == nil {
		if b.branches == nil {
			b.branches = map[string]*branch{}
		}
		inner = &branch{}
		b.branches[index] = inner
	}
	inner.set(path[1:], text)
}

// tree returns the values as a map.
func (b *branch) tree() map[string]any {
	tree := make(map[string]any, len(b.texts)+len(b.branches))
	for name, text := range b.texts {
		tree[name] = text
	}
	for name, inner := range b.branches {
		tree[name] = list(inner.tree())
	}
	return tree
}

// list returns a slice for a map whose keys are 0, 1, 2 and so on, else the map.
func list(tree map[string]any) any {
	items := make([]any, len(tree))
	for i := range items {
		item, ok := tree[strconv.Itoa(i)]
		if !ok {
			return tree
		}
		items[i] = item
	}
	return items
}
