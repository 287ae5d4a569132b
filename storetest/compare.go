package storetest

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"time"
)

var timeType = reflect.TypeFor[time.Time]()

// diff says in which fields got is not want, one a line; "" if in none. Empty
// slices and maps are as nil ones, and times must be in UTC.
func diff(got, want any) string {
	var lines []string
	compare("", reflect.ValueOf(got), reflect.ValueOf(want), &lines)
	if len(lines) > 8 {
		lines = append(lines[:8], fmt.Sprintf("and %d more", len(lines)-8))
	}
	return strings.Join(lines, "\n")
}

func compare(path string, got, want reflect.Value, lines *[]string) {
	differ := func(format string, args ...any) {
		*lines = append(*lines, strings.TrimPrefix(path+": ", ": ")+fmt.Sprintf(format, args...))
	}
	switch {
	case got.Type() == timeType:
		g, w := got.Interface().(time.Time), want.Interface().(time.Time)
		if !g.Equal(w) {
			differ("got %s, want %s", g.Format(time.RFC3339Nano), w.Format(time.RFC3339Nano))
		} else if g.Location() != time.UTC {
			differ("got a time in the location %s, want UTC", g.Location())
		}
	case got.Kind() == reflect.Struct:
		for i := range got.NumField() {
			if field := got.Type().Field(i); field.IsExported() {
				compare(strings.TrimPrefix(path+"."+field.Name, "."), got.Field(i), want.Field(i), lines)
			}
		}
	case got.Kind() == reflect.Slice && got.Type().Elem().Kind() == reflect.Uint8:
		if !bytes.Equal(got.Bytes(), want.Bytes()) {
			differ("got %s, want %s", short(got), short(want))
		}
	case got.Kind() == reflect.Slice:
		if got.Len() != want.Len() {
			differ("got %d, want %d of them", got.Len(), want.Len())
			return
		}
		for i := range got.Len() {
			compare(fmt.Sprintf("%s[%d]", path, i), got.Index(i), want.Index(i), lines)
		}
	case got.Kind() == reflect.Map:
		for _, key := range want.MapKeys() {
			if !got.MapIndex(key).IsValid() {
				differ("the key %s is missing", short(key))
				continue
			}
			compare(fmt.Sprintf("%s[%s]", path, short(key)), got.MapIndex(key), want.MapIndex(key), lines)
		}
		if got.Len() > want.Len() {
			differ("got %d keys, want %d", got.Len(), want.Len())
		}
	case got.Kind() == reflect.Pointer:
		if got.IsNil() || want.IsNil() {
			if got.IsNil() != want.IsNil() {
				differ("got nil %t, want nil %t", got.IsNil(), want.IsNil())
			}
			return
		}
		compare(path, got.Elem(), want.Elem(), lines)
	case !got.Equal(want):
		differ("got %s, want %s", short(got), short(want))
	}
}

// short prints a value, the beginning and the length of a long text.
func short(v reflect.Value) string {
	switch {
	case v.Kind() == reflect.Slice:
		return shortText(string(v.Bytes()))
	case v.Kind() == reflect.String:
		return shortText(v.String())
	}
	return fmt.Sprint(v)
}

func shortText(text string) string {
	if len(text) > 60 {
		return fmt.Sprintf("%q… (%d bytes)", text[:60], len(text))
	}
	return fmt.Sprintf("%q", text)
}
