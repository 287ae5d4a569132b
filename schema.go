package webhook

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
)

// JSONSchema returns the JSON Schema (2020-12), indented, of the bodies in FormatJSON
// of a type of events: one of the nine, or the Name of Custom events, whose data it
// leaves open. For any other name it returns nil. The schema is made from the same
// structs as the bodies. The schemas of the nine are in docs/schemas too.
//
// Receivers should accept keys that the schema does not name: later versions of the
// library may add some.
func JSONSchema(t EventType) []byte {
	l, err := layoutOfType(t)
	if err != nil {
		return nil
	}
	s := schemaOf(l, t)
	s.Dialect = "https://json-schema.org/draft/2020-12/schema"
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(s); err != nil {
		return nil
	}
	return text.Bytes()
}

// A jsonSchema is as much of JSON Schema as bodies need.
type jsonSchema struct {
	Dialect     string           `json:"$schema,omitempty"`
	Title       string           `json:"title,omitempty"`
	Description string           `json:"description,omitempty"`
	Type        any              `json:"type,omitempty"` // a name, or several
	Const       string           `json:"const,omitempty"`
	Enum        []Source         `json:"enum,omitempty"`
	Format      string           `json:"format,omitempty"`
	Items       *jsonSchema      `json:"items,omitempty"`
	Properties  schemaProperties `json:"properties,omitempty"`
	Required    []string         `json:"required,omitempty"`
	Additional  *jsonSchema      `json:"additionalProperties,omitempty"`
}

// schemaProperties are written as an object, in their order.
type schemaProperties []schemaProperty

type schemaProperty struct {
	name   string
	schema *jsonSchema
}

// MarshalJSON implements json.Marshaler.
func (ps schemaProperties) MarshalJSON() ([]byte, error) {
	text := []byte{'{'}
	for i, p := range ps {
		if i > 0 {
			text = append(text, ',')
		}
		schema, err := json.Marshal(p.schema)
		if err != nil {
			return nil, err
		}
		text = append(text, `"`+p.name+`":`...)
		text = append(text, schema...)
	}
	return append(text, '}'), nil
}

// schemaOf returns the schema of a type's bodies.
func schemaOf(l *layout, t EventType) *jsonSchema {
	s := &jsonSchema{Title: string(t), Description: typeTexts[t], Type: "object"}
	for _, part := range []reflect.Type{reflect.TypeFor[jsonEnvelope](), l.typ, reflect.TypeFor[CustomerAccount]()} {
		s.addFields(part, "")
	}
	for _, p := range s.Properties {
		switch p.name {
		case "type":
			p.schema.Const = string(t)
		case "date_time":
			p.schema.Format = "date-time"
		case "initiated_from":
			p.schema.Enum = Sources()
		}
	}
	return s
}

// addFields adds the fields of a struct that bodies have at a path.
func (s *jsonSchema) addFields(typ reflect.Type, path string) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		s.Properties = append(s.Properties, schemaProperty{name, schemaOfField(f.Type, strings.TrimPrefix(path+"."+name, "."))})
		s.Required = append(s.Required, name)
	}
}

func schemaOfField(typ reflect.Type, path string) *jsonSchema {
	s := &jsonSchema{Description: keyTexts[path]}
	switch typ.Kind() {
	case reflect.Pointer:
		s = schemaOfField(typ.Elem(), path)
		s.Type = []any{s.Type, "null"}
	case reflect.Struct:
		s.Type = "object"
		s.addFields(typ, path)
	case reflect.Map:
		s.Type = "object"
		if typ.Elem().Kind() != reflect.Interface {
			s.Additional = schemaOfField(typ.Elem(), path+".*")
		}
	case reflect.Slice:
		s.Type, s.Items = "array", schemaOfField(typ.Elem(), path+".*")
	case reflect.Int:
		s.Type = "integer"
	default:
		s.Type = "string"
	}
	return s
}

// typeTexts say of each of the nine when it is sent.
var typeTexts = map[EventType]string{
	TypeSubscribe:   "Somebody was subscribed to a list.",
	TypeUnsubscribe: "Somebody was unsubscribed from a list.",
	TypeUpdate:      "A subscriber's details changed. The contact holds all the current values.",
	TypeSent:        "A campaign starts sending. It comes once for each campaign, not for each recipient.",
	TypeOpen:        "A subscriber opened a campaign.",
	TypeClick:       "A subscriber clicked a link of a campaign.",
	TypeForward:     "A subscriber forwarded a campaign to friends.",
	TypeShare:       "A subscriber shared a campaign on a social network.",
	TypeBounce:      "An email of a campaign came back.",
}

// keyTexts say of keys, by their paths, what their names do not.
var keyTexts = map[string]string{
	"id":                         "The delivery's id, which the webhook-id header holds too: the same whenever it is sent.",
	"date_time":                  "When it happened: RFC 3339, to the millisecond, with the offset.",
	"initiated_from":             "How the event was initiated: by a subscriber, an admin user, the API or a system process.",
	"initiated_by":               "An opaque text; equal to initiated_from unless the app says otherwise.",
	"lists":                      "The ids of the lists that the event is for; a webhook of one list finds its own.",
	"contact":                    "The subscriber. A text that is not known is empty.",
	"contact.phone":              "As the app has it.",
	"contact.customer_acct_name": "The name of the account that the subscriber belongs to.",
	"contact.fields":             "Custom fields by their ids. One that was cleared is empty.",
	"contact.fields.*":           "The values of a multiple choice are written as ||A||B||.",
	"form.id":                    "Of the subscription form that caused it; empty: none.",
	"unsubscribe.reason":         "As the subscriber gave it.",
	"campaign":                   "The campaign that the event belongs to.",
	"campaign.type":              "Such as single, recurring, split, responder, reminder, special, activerss or text.",
	"campaign.status":            "0 draft, 1 scheduled, 2 sending, 3 paused, 4 stopped, 5 completed.",
	"campaign.recipients":        "How many subscribers it goes to; 0: not known.",
	"forward.count":              "To how many friends; 0: not known.",
	"share.network":              "Such as facebook or twitter.",
	"bounce.type":                "hard: the address is gone for good; soft: it may work later.",
	"bounce.code":                "Of the mail server, such as 5.1.1.",
	"orgname":                    "The organization of the account that the event is for.",
	"customer_acct_name":         "The name of that account.",
	"customer_acct_id":           "The id of that account.",
}
