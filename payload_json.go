package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/listhook/webhook/internal/phpform"
)

// A body in JSON has the names of the current form. Every key of its event type is
// there, whatever is known: a text that is not known is "", a number 0, a block
// null. What all types have comes first, then what the type has, then the
// customer's account.

// timeJSON is how date_time is written: RFC 3339, to the millisecond.
const timeJSON = "2006-01-02T15:04:05.000Z07:00"

// A jsonEnvelope is what every body in JSON begins with.
type jsonEnvelope struct {
	ID     string    `json:"id,omitempty"` // of the delivery: see withID
	Type   EventType `json:"type"`
	Time   string    `json:"date_time"`
	Source Source    `json:"initiated_from"`
	By     string    `json:"initiated_by"`
	Lists  []string  `json:"lists"`
}

// encodeJSON returns a body in JSON without the delivery's id, so that the webhooks
// that get one event can share it.
func encodeJSON(l *layout, e Event, m Meta, customer CustomerAccount) ([]byte, error) {
	if p := e.person(); p != nil && (p.Tags == nil || p.hasUnfitFields()) {
		e = withSubscriber(e, (*Subscriber).fillForJSON)
	}
	at := phpform.WholeOffset(m.Time)
	env := jsonEnvelope{
		Type: e.Type(), Time: at.Format(timeJSON), Source: m.Source, By: m.By, Lists: append([]string{}, m.Lists...),
	}
	j := jsonEncoders.Get().(*jsonEncoder)
	defer func() {
		if j.body.Cap() <= 64<<10 { // a long one is not worth its memory
			jsonEncoders.Put(j)
		}
	}()
	body := &j.body
	body.Reset()
	for _, part := range [...]any{&env, e, &customer} {
		began := body.Len()
		if err := j.Encode(part); err != nil {
			return nil, err
		}
		if began > 0 { // one object of all: "}\n{" between two becomes a comma
			joined := append(body.Bytes()[:began-len("}\n")], ',')
			joined = append(joined, body.Bytes()[began+len("{"):]...)
			body.Truncate(len(joined))
		}
	}
	return bytes.Clone(bytes.TrimSuffix(body.Bytes(), []byte("\n"))), nil
}

// A jsonEncoder writes values into its body, one after the other.
type jsonEncoder struct {
	*json.Encoder
	body bytes.Buffer
}

var jsonEncoders = sync.Pool{New: func() any {
	j := &jsonEncoder{}
	j.Encoder = json.NewEncoder(&j.body)
	j.SetEscapeHTML(false)
	return j
}}

// hasUnfitFields reports whether encoding/json would write the fields otherwise than a
// body has them.
func (s *Subscriber) hasUnfitFields() bool {
	if s.Fields == nil {
		return true
	}
	for name := range s.Fields {
		if !utf8.ValidString(name) {
			return true
		}
	}
	return false
}

// fillForJSON makes empty arrays and objects of those that are nil, and names of
// fields that are UTF-8. Of names that are then equal the first one counts, by its
// bytes. The texts are mended by encoding/json.
func (s *Subscriber) fillForJSON() {
	if s.Tags == nil {
		s.Tags = []string{}
	}
	if !s.hasUnfitFields() {
		return
	}
	mended := make(map[string]string, len(s.Fields))
	for _, name := range slices.Sorted(maps.Keys(s.Fields)) {
		valid := inUTF8(name)
		if _, taken := mended[valid]; !taken {
			mended[valid] = s.Fields[name]
		}
	}
	s.Fields = mended
}

// inUTF8 returns a text with U+FFFD for each byte that is no UTF-8, as encoding/json
// writes it.
func inUTF8(text string) string { return string([]rune(text)) }

// withID returns a body that encode made as it is sent in the delivery with this
// ID.
func withID(body []byte, id string) []byte {
	if !isJSON(body) {
		return body
	}
	text, _ := json.Marshal(id) // a text is never an error
	with := make([]byte, 0, len(body)+len(`"id":,`)+len(text))
	with = append(with, `{"id":`...)
	with = append(with, text...)
	with = append(with, ',')
	return append(with, body[1:]...)
}

// isJSON reports whether a body, or that of a batch, is JSON: a form begins with a key.
func isJSON(body []byte) bool {
	body = bytes.TrimLeft(body, " \t\r\n")
	return bytes.HasPrefix(body, []byte("{")) || bytes.HasPrefix(body, []byte("["))
}

// ContentType returns the Content-Type of the requests that bring d: that of the
// format which d's webhook had when the event was emitted.
func (d Delivery) ContentType() string {
	if isJSON(d.Body) {
		return typeJSON
	}
	return typeForm
}

const (
	typeForm = "application/x-www-form-urlencoded"
	typeJSON = "application/json"
)

// decodeJSON is decodeForm for a body in JSON, which has an id of its own.
func decodeJSON(body []byte, id string) (Event, error) {
	var env jsonEnvelope
	if err := unmarshal(body, &env); err != nil {
		return nil, err
	}
	l, err := layoutOfType(env.Type)
	if err != nil {
		return nil, err
	}
	m := Meta{ID: id, Source: env.Source, By: env.By}
	if id == "" {
		m.ID = env.ID
	}
	if len(env.Lists) > 0 {
		m.Lists = env.Lists
	}
	if m.Time, err = parseTime(env.Time); err != nil {
		return nil, err
	}
	v := reflect.New(l.typ)
	if err := unmarshal(body, v.Interface()); err != nil {
		return nil, err
	}
	e := eventOf(v, env.Type, m)
	if e.person() == nil {
		return e, nil
	}
	return withSubscriber(e, func(s *Subscriber) {
		if len(s.Tags) == 0 {
			s.Tags = nil
		}
		if len(s.Fields) == 0 {
			s.Fields = nil
		}
	}), nil
}

// personOfJSON is personOf for a body in JSON.
func personOfJSON(body []byte) (id, email string, ok bool) {
	var about struct {
		Contact struct {
			ID    string `json:"id"`
			Email string `json:"email"`
		} `json:"contact"`
	}
	err := json.Unmarshal(body, &about)
	return about.Contact.ID, about.Contact.Email, err == nil
}

// unmarshal reads a body in JSON. Its errors name the key, and repeat no value.
func unmarshal(body []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber() // so that long numbers in Custom.Data keep their digits
	err := dec.Decode(into)
	if _, more := dec.Token(); err == nil && more != io.EOF {
		err = errors.New("more follows")
	}
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &kind) && kind.Field != "":
		return invalid("Body."+shortened(kind.Field), "is not "+jsonKind(kind.Type))
	case errors.As(err, &kind):
		return invalid("Body", "is not an object")
	}
	return invalid("Body", "is not valid JSON")
}

// jsonKind names in JSON's words what a value of a Go type is read from.
func jsonKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Int:
		return "a whole number"
	case reflect.Slice:
		return "an array"
	}
	return "an object"
}

// shortened returns the beginning of a key's path: in a hostile body it may be long.
func shortened(path string) string {
	return strings.ToValidUTF8(path[:min(len(path), 100)], "")
}
