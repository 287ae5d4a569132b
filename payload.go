package webhook

import (
	"bytes"
	"errors"
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
	event  EventType // "": each has its own
	typ    reflect.Type
	schema *phpform.Schema
}

var (
	envelopeSchema = phpform.NewSchema(envelope{}, formDialects...)
	customerSchema = phpform.NewSchema(CustomerAccount{}) // what ends a body of the current format
	noCustomerForm = customerSchema.Append(nil, 0, CustomerAccount{})
	layouts        = map[reflect.Type]*layout{} // of the nine, and of Custom
	bodies         *phpform.Reader              // reads forms
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
	layouts[customLayout.typ] = customLayout
	schemas = append(schemas, customLayout.schema)
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
		return nil, invalid("Event", "is neither one of the nine event structs nor a Custom")
	}
	return l, nil
}

// layoutOfType returns the layout of the events of type t.
func layoutOfType(t EventType) (*layout, error) {
	if t.isCustom() {
		return customLayout, nil
	}
	for _, l := range layouts {
		if l.event == t && t != "" {
			return l, nil
		}
	}
	return nil, invalid("Type", "is "+quote(string(t))+", which is not a type of events")
}

// encode returns e's body for a webhook of format f. It takes the source,
// initiator, time and lists from m, whose defaults have been filled in: a form
// names the first list. The event must be valid. Before a body in JSON is sent, withID
// adds the delivery's ID.
func encode(e Event, m Meta, f Format) ([]byte, error) {
	return encodeFor(CustomerAccount{}, e, m, f)
}

// encodeFor is encode for the account of a customer's, which the formats but that
// of 2013 name.
func encodeFor(customer CustomerAccount, e Event, m Meta, f Format) ([]byte, error) {
	l, err := layoutOf(e)
	if err != nil {
		return nil, err
	}
	if l == customLayout {
		if e, err = withTree(e); err != nil {
			return nil, err
		}
	}
	switch f {
	case "", Format2013:
		return encodeForm(l, e, m, dialect2013, CustomerAccount{})
	case FormatCurrent:
		return encodeForm(l, withAccount(e, customer.Name), m, dialectCurrent, customer)
	case FormatJSON:
		return encodeJSON(l, withAccount(e, customer.Name), m, customer)
	}
	return nil, invalid("Format", "is "+notOneOf(f, Formats()))
}

// encodeForm returns the form that PHP reads into $_POST.
func encodeForm(l *layout, e Event, m Meta, dialect int, customer CustomerAccount) ([]byte, error) {
	clock, list := time2013, ""
	if dialect == dialectCurrent {
		clock, m.Time = timeCurrent, phpform.WholeOffset(m.Time)
	}
	if len(m.Lists) > 0 {
		list = m.Lists[0]
	}

	// Most bodies fit, so that of the body only the result is allocated.
	var scratch [1024]byte
	body := envelopeSchema.Append(scratch[:0], dialect, &envelope{
		Type: e.Type(), Time: m.Time.Format(clock), Source: m.Source, By: m.By, List: list,
	})
	body = l.schema.Append(body, dialect, e)
	switch {
	case dialect != dialectCurrent:
	case customer == (CustomerAccount{}):
		body = append(body, noCustomerForm...)
	default:
		named := customer // else each body would allocate it
		body = customerSchema.Append(body, 0, &named)
	}
	return bytes.Clone(body[:len(body)-1]), nil
}

// withAccount returns e with the name of the customer's account for its
// subscriber, unless that has one.
func withAccount(e Event, name string) Event {
	if p := e.person(); name == "" || p == nil || p.CustomerAccount != "" {
		return e
	}
	return withSubscriber(e, func(s *Subscriber) { s.CustomerAccount = name })
}

// withSubscriber returns a copy of e, which has a subscriber, with that changed. What
// a Custom points to is copied.
func withSubscriber(e Event, change func(*Subscriber)) Event {
	s := *e.person()
	change(&s)
	return e.with(s)
}

// decodeForm reads a form of either dialect into an event, one of the structs by
// value. It is liberal: keys that it does not know are passed over, the last of
// several equal ones counts, as in PHP, and what is absent stays empty. Of Meta it
// sets ID to id, Source, By, Time, and Lists to the list that the body names; a
// time of the 2013 format, which has no zone, is read as UTC.
//
// It takes memory in proportion to the body, which the caller limits.
func decodeForm(body []byte, id string) (Event, error) {
	values, err := bodies.Parse(body)
	if err != nil {
		return nil, invalidForm(err)
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
	return eventOf(e, env.Type, m), nil
}

// withMeta returns e, an event by value, with another Meta.
func withMeta(e Event, m Meta) Event {
	v := reflect.New(reflect.TypeOf(e))
	v.Elem().Set(reflect.ValueOf(e))
	return eventOf(v, e.Type(), m)
}

// eventOf returns the event that v points to, with its type and its Meta.
func eventOf(v reflect.Value, t EventType, m Meta) Event {
	v.Elem().FieldByName("Meta").Set(reflect.ValueOf(m))
	if c, ok := v.Interface().(*Custom); ok {
		c.Name = t
		if len(c.Data) == 0 {
			c.Data = nil
		}
	}
	return v.Elem().Interface().(Event)
}

// Subscriber returns the ID and the email address of the subscriber that the delivery's
// body is about, each "" if the body does not say it: whatever the format, and not of a
// delivery that was read without its body or whose body was erased.
func (d *Delivery) Subscriber() (id, email string) {
	if len(d.Body) == 0 {
		return "", ""
	}
	id, email, ok := personOf(d.Body)
	if !ok {
		return "", ""
	}
	return id, email
}

// personOf returns the ID and the email address of the subscriber that a body is
// about, or false: it cannot be read. They are empty if it is about none.
func personOf(body []byte) (id, email string, ok bool) {
	if isJSON(body) {
		return personOfJSON(body)
	}
	values, err := bodies.Parse(body)
	return values.Get("subscriber[id]"), values.Get("subscriber[email]"), err == nil
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
