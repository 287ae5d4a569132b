package phpform

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// MaxDepth is how deep Tree lets values nest: half of what PHP reads.
const MaxDepth = 32

// Tree returns a copy of values in which there are only maps (map[string]any),
// slices ([]any), texts (string), numbers (json.Number), booleans and nil, and how
// many of them hold no others. It takes slices, arrays and maps with texts as keys, of
// any type, pointers, and times, which become texts of RFC 3339. A *TreeError names
// the first value, by its key, that a body cannot hold: text that is not UTF-8, NaN
// and infinite numbers, keys that PHP would misread, values that nest deeper than
// MaxDepth, such as a map that holds itself, times after the year 9999, and other types.
func Tree(values map[string]any) (tree map[string]any, leaves int, err error) {
	t := treeMaker{}
	copied, err := t.value(reflect.ValueOf(values), 0)
	if err != nil {
		return nil, 0, err
	}
	tree, _ = copied.(map[string]any)
	return tree, t.leaves, nil
}

// A treeMaker makes a tree, and counts the values that hold no others.
type treeMaker struct{ leaves int }

var (
	timeType   = reflect.TypeFor[time.Time]()
	numberType = reflect.TypeFor[json.Number]()
)

func (t *treeMaker) value(v reflect.Value, depth int) (any, error) {
	for hops := 0; v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer; hops++ {
		if hops > MaxDepth {
			return nil, errTree("points to itself")
		}
		v = v.Elem()
	}
	switch {
	case !v.IsValid() || v.Kind() == reflect.Map && v.IsNil() && depth > 0:
		t.leaves++
		return nil, nil
	case depth > MaxDepth:
		return nil, errTree(fmt.Sprintf("is nested deeper than %d levels", MaxDepth))
	case v.Type() == timeType:
		t.leaves++
		return clock(v.Interface().(time.Time))
	case v.Type() == numberType:
		t.leaves++
		return number(v.String())
	}
	switch v.Kind() {
	case reflect.Map:
		return t.mapping(v, depth)
	case reflect.Slice, reflect.Array:
		return t.list(v, depth)
	}
	t.leaves++
	return scalar(v)
}

// clock formats a time by RFC 3339.
func clock(at time.Time) (any, error) {
	at = WholeOffset(at)
	if y := at.Year(); y < 0 || y > 9999 {
		return nil, errTree(fmt.Sprintf("is a time in the year %d, which RFC 3339 cannot hold", y))
	}
	return at.Format(time.RFC3339Nano), nil
}

// WholeOffset returns a time whose offset from UTC RFC 3339 can hold: at, or in UTC if its
// offset has seconds, as local mean time has, or is a day or more.
func WholeOffset(at time.Time) time.Time {
	const minute, day = 60, 24 * 60 * 60
	if _, offset := at.Zone(); offset%minute != 0 || offset <= -day || offset >= day {
		return at.UTC()
	}
	return at
}

func (t *treeMaker) mapping(v reflect.Value, depth int) (any, error) {
	if v.Type().Key().Kind() != reflect.String {
		return nil, errTree("is a map whose keys are no texts")
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return compareNames(a.String(), b.String()) })
	tree := make(map[string]any, len(keys))
	for _, key := range keys {
		name := key.String()
		if !utf8.ValidString(name) || Misread(name) {
			return nil, errTree("has the key " + quoted(name) + ", which PHP would misread or is not valid UTF-8")
		}
		item, err := t.value(v.MapIndex(key), depth+1)
		if err != nil {
			return nil, within("."+shortKey(name), err)
		}
		tree[name] = item
	}
	return tree, nil
}

func (t *treeMaker) list(v reflect.Value, depth int) (any, error) {
	items := make([]any, v.Len())
	for i := range items {
		item, err := t.value(v.Index(i), depth+1)
		if err != nil {
			return nil, within("["+strconv.Itoa(i)+"]", err)
		}
		items[i] = item
	}
	return items, nil
}

// scalar returns a value that holds no others.
func scalar(v reflect.Value) (any, error) {
	switch v.Kind() {
	case reflect.String:
		if !utf8.ValidString(v.String()) {
			return nil, errTree("is not valid UTF-8")
		}
		return v.String(), nil
	case reflect.Bool:
		return v.Bool(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return json.Number(strconv.FormatInt(v.Int(), 10)), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return json.Number(strconv.FormatUint(v.Uint(), 10)), nil
	case reflect.Float32, reflect.Float64:
		if math.IsNaN(v.Float()) || math.IsInf(v.Float(), 0) {
			return nil, errTree("is " + strconv.FormatFloat(v.Float(), 'g', -1, 64) + ", which is no number of JSON")
		}
		text, err := json.Marshal(v.Interface())
		return json.Number(text), err
	}
	return nil, errTree("is of the type " + v.Type().String() + ", which bodies cannot hold")
}

// number checks a number that is written as JSON has it.
func number(text string) (any, error) {
	if text == "" || text[0] != '-' && (text[0] < '0' || text[0] > '9') || !json.Valid([]byte(text)) {
		return nil, errTree("is the number " + quoted(text) + ", which is no number of JSON")
	}
	if _, err := strconv.ParseFloat(text, 64); err != nil {
		return nil, errTree("is the number " + quoted(text) + ", which readers of JSON take for an infinite one")
	}
	return json.Number(text), nil
}

// quoted quotes the beginning of a text.
func quoted(text string) string {
	const most = 40
	if len(text) > most {
		return strconv.Quote(text[:most]) + "…"
	}
	return strconv.Quote(text)
}

// shortKey returns the beginning of a key, as a part of a path.
func shortKey(name string) string {
	const most = 40
	if len(name) <= most {
		return name
	}
	for cut := most; ; cut-- {
		if utf8.ValidString(name[:cut]) {
			return name[:cut] + "…"
		}
	}
}

// sortedNames returns the keys of a map: numbers in numeric order, then the others.
func sortedNames(tree map[string]any) []string {
	names := make([]string, 0, len(tree))
	for name := range tree {
		names = append(names, name)
	}
	slices.SortFunc(names, compareNames)
	return names
}
