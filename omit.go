package webhook

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/listhook/webhook/internal/phpform"
)

// An Omission is a custom field that was left out of an event, or an attribute that
// FieldsOf left out.
type Omission struct {
	Field  string // its key
	Reason string // "has a key that PHP would misread"
}

// sendable returns an event as it is sent: with OmitFields without the custom fields
// because of which it could not be delivered, and which these are. The error says why it
// cannot be delivered.
func (o *Options) sendable(e Event) (sent Event, omitted []Omission, err error) {
	if err = o.validate(e); err == nil || !o.OmitFields {
		return e, nil, err
	}
	if sent, omitted, err = omitFields(e, o.eventLimit()); err == nil {
		err = o.validateKind(sent)
	}
	return sent, omitted, err
}

// omitFields returns e without the custom fields because of which it cannot be
// delivered, and which these are, in order of their keys. It is asked of an event that
// is invalid. If other fields are at fault too, the error is that of validate. It omits
// nothing from an event that is invalid because of its type or its source alone.
//
// Too many fields: the first ones remain, by their keys. A body that is too long: the
// longest ones are left out.
func omitFields(e Event, bodyLimit int) (Event, []Omission, error) {
	l, err := layoutOf(e)
	if err != nil {
		return nil, nil, err
	}
	p := e.person()
	if p == nil || len(p.Fields) == 0 {
		return e, nil, validate(e, bodyLimit)
	}
	fields := maps.Clone(p.Fields)
	with := func(fields map[string]string) Event {
		return withSubscriber(e, func(s *Subscriber) { s.Fields = fields })
	}
	if err := validate(with(nil), bodyLimit); err != nil {
		return nil, nil, err
	}

	var omitted []Omission
	omit := func(key, reason string) {
		delete(fields, key)
		omitted = append(omitted, Omission{key, reason})
	}
	keys := slices.Sorted(maps.Keys(fields))
	for _, key := range keys {
		if phpform.Misread(key) {
			omit(key, misreadReason)
		}
	}
	keys = slices.Sorted(maps.Keys(fields))
	if most := maxVariables - envelopeSchema.Keys() - l.schema.Keys() - customerSchema.Keys(); len(keys) > most {
		for _, key := range keys[most:] {
			omit(key, fmt.Sprintf("is beyond the %d fields that PHP reads", most))
		}
		keys = keys[:most]
	}
	if validate(with(fields), bodyLimit) != nil {
		slices.SortStableFunc(keys, func(a, b string) int { return len(b+fields[b]) - len(a+fields[a]) })
		all := maps.Clone(fields)
		n := sort.Search(len(keys), func(n int) bool {
			rest := maps.Clone(all)
			for _, key := range keys[:n] {
				delete(rest, key)
			}
			return validate(with(rest), bodyLimit) == nil
		})
		for _, key := range keys[:n] {
			omit(key, fmt.Sprintf("makes a body of more than %d bytes", bodyLimit))
		}
	}
	sortOmissions(omitted)
	return with(fields), omitted, nil
}

const misreadReason = "has a key that PHP would misread"

func sortOmissions(os []Omission) {
	slices.SortStableFunc(os, func(a, b Omission) int { return strings.Compare(a.Field, b.Field) })
}
