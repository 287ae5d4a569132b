package webhook

import (
	"bytes"
	"errors"
	"math"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/go-playground/form/v4"
)

// formDecoder is set up once: its setters may not be called while it is in use.
var formDecoder = func() *form.Decoder {
	dec := form.NewDecoder()
	dec.SetNamespacePrefix("[")
	dec.SetNamespaceSuffix("]")
	return dec
}()

// decode reads a body of either format into an event, one of the nine structs
// by value. It is liberal: keys that it does not know are passed over, the last
// of several equal ones counts, as in PHP, and what is absent stays empty. Of
// Meta it sets ID to id, Source, By, Time, and Lists to the list that the body
// names; a time of the 2013 format, which has no zone, is read as UTC.
//
// It takes memory in proportion to the body, which the caller limits.
func decode(body []byte, id string) (Event, error) {
	values, err := knownValues(body)
	if err != nil {
		return nil, err
	}
	var env envelope
	if err := formDecoder.Decode(&env, values); err != nil {
		return nil, err
	}
	l, err := layoutOfType(env.Type)
	if err != nil {
		return nil, err
	}
	m := Meta{ID: id, Source: env.Source, By: env.By}
	if env.List != "" {
		m.Lists = []string{env.List}
	}
	if m.Time, err = parseTime(env.Time); err != nil {
		return nil, err
	}
	e := reflect.New(l.typ)
	if err := formDecoder.Decode(e.Interface(), values); err != nil {
		return nil, l.invalidNumber(err)
	}
	e.Elem().FieldByName("Meta").Set(reflect.ValueOf(m))
	return e.Elem().Interface().(Event), nil
}

// knownValues returns the values of the keys that events have, by their names
// in the 2013 format. Others never reach form's decoder: it panics on such as
// "subscriber[" and logs them.
func knownValues(body []byte) (url.Values, error) {
	values := make(url.Values)
	next := 0 // the index that PHP would give to fields[]
	for pair := range bytes.SplitSeq(body, []byte("&")) {
		rawName, rawText, _ := bytes.Cut(pair, []byte("="))
		name, err := url.QueryUnescape(string(rawName))
		if err != nil {
			return nil, invalid("Body", "holds a malformed percent-escape")
		}
		if inner, ok := strings.CutPrefix(name, "contact["); ok {
			name = "subscriber[" + inner
		}
		k, index := knownKey(name)
		if k == nil {
			continue
		}
		text, err := url.QueryUnescape(string(rawText))
		if err != nil {
			return nil, invalid(k.field, "holds a malformed percent-escape")
		}
		switch {
		case k.kind == kindFields:
			if badKey(index) {
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
	return values, nil
}

// known holds the keys of all events by their names in the 2013 format.
var known = func() map[string]*wireKey {
	all := make(map[string]*wireKey)
	for _, l := range layouts {
		for i := range l.keys {
			all[l.keys[i].name] = &l.keys[i]
		}
	}
	return all
}()

// knownKey returns the key called name, or the one of custom fields or texts
// that name adds an index to: fields[7], fields[], tags[0]. An index holds
// neither brackets nor NUL.
func knownKey(name string) (k *wireKey, index string) {
	if k := known[name]; k != nil && k.kind != kindFields {
		return k, ""
	}
	i := strings.LastIndexByte(name, '[')
	if i < 0 || name[len(name)-1] != ']' {
		return nil, ""
	}
	k, index = known[name[:i]], name[i+1:len(name)-1]
	if k == nil || k.kind != kindFields && k.kind != kindTexts || strings.ContainsAny(index, "]\x00") {
		return nil, ""
	}
	return k, index
}

// layoutOfType returns the layout of the events of type t.
func layoutOfType(t EventType) (*layout, error) {
	for _, l := range layouts {
		if l.event == t {
			return l, nil
		}
	}
	return nil, invalid("Type", "is "+quote(string(t))+", not one of the nine")
}

// parseTime reads date_time, in either format or another of ISO 8601.
func parseTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time2013, time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05"} {
		// In UTC, lest the result depend on the machine's own zone.
		if t, err := time.ParseInLocation(layout, s, time.UTC); err == nil {
			return t, nil
		}
	}
	return time.Time{}, invalid("Time", "is "+quote(s)+", not such as 2013-01-02 09:28:42 or 2013-01-02T09:28:42+00:00")
}

// invalidNumber names the first field that form could not read. Only numbers
// can be ill-formed; form's own text would repeat the value.
func (l *layout) invalidNumber(err error) error {
	var errs form.DecodeErrors
	if errors.As(err, &errs) {
		for _, k := range l.keys {
			if errs[k.name] != nil {
				return invalid(k.field, "is not a number")
			}
		}
	}
	return err
}
