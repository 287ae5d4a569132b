package webhook

import (
	"bytes"
	"errors"
	"net/url"
	"reflect"
	"time"

	"github.com/listhook/webhook/internal/phpform"
)

// How date_time is written. In 2013 it was the account's local time; every
// capture since 2017 has ISO 8601 with the offset and no fraction.
const (
	time2013    = "2006-01-02 15:04:05"
	timeCurrent = "2006-01-02T15:04:05-07:00"
)

// The dialects of bodies, by their numbers in the schemas.
const (
	dialect2013 = iota
	dialectCurrent
)

var formDialects = []phpform.Dialect{
	dialect2013:    {},
	dialectCurrent: {Name: "current", Names: map[string]string{"subscriber": "contact"}},
}

// An envelope is what every body begins with, in the order of the captures.
type envelope struct {
	Type   EventType `form:"type"`
	Time   string    `form:"date_time"`
	Source Source    `form:"initiated_from"`
	By     string    `form:"initiated_by"`
	List   string    `form:"list" empty:"0"`
}

// A layout is how an event type lies on the wire. Its schema is read from the
// event's struct, so that the structs stay the one definition.
type layout struct {
	event  EventType
	typ    reflect.Type
	schema *phpform.Schema
}

var (
	envelopeSchema = phpform.NewSchema(envelope{}, formDialects...)
	customerSchema = phpform.NewSchema(CustomerAccount{}) // what ends a body of the current format
	noCustomer     = customerSchema.Append(nil, 0, CustomerAccount{})
	layouts        = map[reflect.Type]*layout{} // the nine
	bodies         *phpform.Reader              // reads what encode writes
)

func init() {
	schemas := []*phpform.Schema{envelopeSchema}
	for _, e := range []Event{
		Subscribe{}, Unsubscribe{}, Update{}, Sent{}, Open{}, Click{}, Forward{}, Share{}, Bounce{},
	} {
		l := &layout{event: e.Type(), typ: reflect.TypeOf(e), schema: phpform.NewSchema(e, formDialects...)}
		layouts[l.typ] = l
		schemas = append(schemas, l.schema)
	}
	bodies = phpform.NewReader(schemas...)
}

// layoutOf returns e's layout. It calls none of e's methods, which panic on a
// nil pointer.
func layoutOf(e Event) (*layout, error) {
	v := reflect.Indirect(reflect.ValueOf(e))
	if !v.IsValid() {
		return nil, invalid("Event", "is nil")
	}
	l, ok := layouts[v.Type()]
	if !ok {
		return nil, invalid("Event", "is of a type that is not one of the nine")
	}
	return l, nil
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

// encode returns e's body for a webhook of format f: the form that PHP reads
// into $_POST. It takes the source, initiator and time from m, whose defaults
// have been filled in, and writes list as it is. The event must be valid.
func encode(e Event, m Meta, list string, f Format) ([]byte, error) {
	return encodeFor(CustomerAccount{}, e, m, list, f)
}

// encodeFor is encode for the account of a customer's, which only the current
// format names.
func encodeFor(customer CustomerAccount, e Event, m Meta, list string, f Format) ([]byte, error) {
	l, err := layoutOf(e)
	if err != nil {
		return nil, err
	}
	dialect, clock := dialect2013, time2013
	switch f {
	case "", Format2013:
	case FormatCurrent:
		dialect, clock = dialectCurrent, timeCurrent
		e = withAccount(e, l, customer.Name)
	default:
		return nil, invalid("Format", "is "+quote(string(f))+", which is not known")
	}

	// Most bodies fit, so that of the body only the result is allocated.
	var scratch [1024]byte
	body := envelopeSchema.Append(scratch[:0], dialect, &envelope{
		Type: l.event, Time: m.Time.Format(clock), Source: m.Source, By: m.By, List: list,
	})
	body = l.schema.Append(body, dialect, e)
	switch {
	case f != FormatCurrent:
	case customer == (CustomerAccount{}):
		body = append(body, noCustomer...)
	default:
		named := customer // else each body would allocate it
		body = customerSchema.Append(body, 0, &named)
	}
	return bytes.Clone(body[:len(body)-1]), nil
}

// withAccount returns e with the name of the customer's account for its
// subscriber, unless that has one.
func withAccount(e Event, l *layout, name string) Event {
	if p := e.person(); name == "" || p == nil || p.CustomerAccount != "" {
		return e
	}
	v := reflect.New(l.typ).Elem()
	v.Set(reflect.Indirect(reflect.ValueOf(e)))
	v.FieldByName("Subscriber").Addr().Interface().(*Subscriber).CustomerAccount = name
	return v.Interface().(Event)
}

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
	if err := envelopeSchema.Decode(&env, values); err != nil {
		return nil, invalidForm(err)
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
	if err := l.schema.Decode(e.Interface(), values); err != nil {
		return nil, invalidForm(err)
	}
	e.Elem().FieldByName("Meta").Set(reflect.ValueOf(m))
	return e.Elem().Interface().(Event), nil
}

// knownValues returns the values of the keys that events have, by their names
// in the 2013 format.
func knownValues(body []byte) (url.Values, error) {
	values, err := bodies.Parse(body)
	if err != nil {
		return nil, invalidForm(err)
	}
	return values, nil
}

// invalidForm makes an *InvalidError of a *phpform.FieldError.
func invalidForm(err error) error {
	var bad *phpform.FieldError
	if !errors.As(err, &bad) {
		return err
	}
	if bad.Field == "" {
		return invalid("Body", bad.Reason)
	}
	return invalid(bad.Field, bad.Reason)
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
