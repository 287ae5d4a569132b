package storetest

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

// A filler sets every field of a value to something that occurs nowhere else,
// so that what a store drops, cuts or mixes up is seen, fields that will be
// added one day included.
type filler struct{ n int }

// filled returns a T without an empty field. Values of different seeds differ
// in every field.
func filled[T any](seed int) T {
	var v T
	f := filler{n: 1000 * seed}
	f.fill(reflect.ValueOf(&v).Elem())
	return v
}

// text returns what storages and encodings like to change: by its length, its case, or
// the space around it.
func (f *filler) text() string {
	return fmt.Sprintf(" Text %d \"é☃\" 😀 <a&b> \\ 'x' %s ", f.n, strings.Repeat("long ", 20))
}

func (f *filler) fill(v reflect.Value) {
	f.n++
	switch {
	case v.Type() == timeType:
		v.Set(reflect.ValueOf(t0.Add(time.Duration(f.n) * 1001 * time.Millisecond)))
		return
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				f.fill(v.Field(i))
			}
		}
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(f.text())
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int64:
		v.SetInt(1<<53 + 1 + 2*int64(f.n)) // odd: no float64 holds it
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32:
		v.SetInt(int64(f.n))
	case reflect.Uint8:
		v.SetUint(uint64(f.n % 256))
	case reflect.Uint, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(f.n))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(f.n) + 0.5)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(f.text() + "\x00\xff "))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 4, 4))
		for _, i := range []int{2, 0, 3, 1} { // so that they are in no order
			f.fill(v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 3 {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			f.fill(key)
			f.fill(value)
			v.SetMapIndex(key, value)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	default:
		panic("storetest: cannot fill a " + v.Type().String())
	}
}

// clone returns a copy of v that shares no memory with it.
func clone[T any](v T) T {
	var out T
	copyTo(reflect.ValueOf(&out).Elem(), reflect.ValueOf(&v).Elem())
	return out
}

func copyTo(to, from reflect.Value) {
	switch {
	case from.Type() == timeType:
		to.Set(from)
	case from.Kind() == reflect.Struct:
		for i := range from.NumField() {
			if to.Field(i).CanSet() {
				copyTo(to.Field(i), from.Field(i))
			}
		}
	case from.Kind() == reflect.Slice && !from.IsNil():
		to.Set(reflect.MakeSlice(from.Type(), from.Len(), from.Len()))
		for i := range from.Len() {
			copyTo(to.Index(i), from.Index(i))
		}
	case from.Kind() == reflect.Map && !from.IsNil():
		to.Set(reflect.MakeMap(from.Type()))
		for _, key := range from.MapKeys() {
			value := reflect.New(from.Type().Elem()).Elem()
			copyTo(value, from.MapIndex(key))
			to.SetMapIndex(key, value)
		}
	case from.Kind() == reflect.Pointer && !from.IsNil():
		to.Set(reflect.New(from.Type().Elem()))
		copyTo(to.Elem(), from.Elem())
	case from.Kind() == reflect.Interface && !from.IsNil():
		value := reflect.New(from.Elem().Type()).Elem()
		copyTo(value, from.Elem())
		to.Set(value)
	default:
		to.Set(from)
	}
}

// scribble overwrites what v shares with others who hold a copy of it: what
// its slices, maps and pointers lead to.
func scribble(v any) { scribbleOn(reflect.ValueOf(v)) }

func scribbleOn(v reflect.Value) {
	switch {
	case v.Type() == timeType:
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				scribbleOn(v.Field(i))
			}
		}
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			scribbleOn(v.Index(i)) // what the elements lead to, while they do
			if v.Index(i).CanSet() {
				v.Index(i).SetZero()
			}
		}
	case v.Kind() == reflect.Map:
		for _, key := range v.MapKeys() {
			v.SetMapIndex(key, reflect.Zero(v.Type().Elem()))
		}
		if v.Len() > 0 {
			v.SetMapIndex(reflect.Zero(v.Type().Key()), reflect.Zero(v.Type().Elem()))
		}
	case v.Kind() == reflect.Pointer && !v.IsNil():
		scribbleOn(v.Elem())
		v.Elem().SetZero()
	}
}
