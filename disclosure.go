package webhook

import (
	"fmt"
	"slices"
	"strings"
)

// Disclosure says which data of a subscriber a webhook's bodies hold. They always hold
// ID and Email, by which the receiver and EraseSubscriber identify the person. The
// others may be left empty. It applies when a body is made: a change affects events
// that are emitted afterwards.
type Disclosure string

const (
	// DiscloseAll is all that the event holds. It is the default.
	DiscloseAll Disclosure = "all"

	// DiscloseFields is all but the custom fields that Settings.FieldIDs does not
	// name.
	DiscloseFields Disclosure = "fields"

	// DiscloseMinimal is ID and Email alone. What an event holds beside its
	// subscriber, such as the reason of an Unsubscribe, stays.
	DiscloseMinimal Disclosure = "minimal"
)

// Disclosures returns all, the default one first.
func Disclosures() []Disclosure {
	return []Disclosure{DiscloseAll, DiscloseFields, DiscloseMinimal}
}

// maxFieldIDs is how many custom fields a webhook may name.
const maxFieldIDs = 1000

func (s Settings) validateDisclosure() error {
	switch {
	case s.Disclosure != "" && !slices.Contains(Disclosures(), s.Disclosure):
		return invalid("Disclosure", "is "+notOneOf(s.Disclosure, Disclosures()))
	case len(s.FieldIDs) > 0 && s.Disclosure != DiscloseFields:
		return invalid("FieldIDs", fmt.Sprintf("is set, but Disclosure is not %q", DiscloseFields))
	case len(s.FieldIDs) > maxFieldIDs:
		return invalid("FieldIDs", fmt.Sprintf("has more than %d IDs", maxFieldIDs))
	}
	for i, id := range s.FieldIDs {
		if id == "" {
			return invalid("FieldIDs", "contains an empty ID")
		}
		if err := validateText("FieldIDs", id); err != nil {
			return err
		}
		if slices.Contains(s.FieldIDs[:i], id) {
			return invalid("FieldIDs", "contains "+quote(id)+" twice")
		}
	}
	return nil
}

// disclosed returns e as bodies hold it: without what s does not disclose.
func (s *Settings) disclosed(e Event) Event {
	if s.Disclosure == "" || s.Disclosure == DiscloseAll || e.person() == nil {
		return e
	}
	return withSubscriber(e, func(p *Subscriber) {
		if s.Disclosure != DiscloseFields {
			*p = Subscriber{ID: p.ID, Email: p.Email}
			return
		}
		some := make(map[string]string, len(s.FieldIDs))
		for _, id := range s.FieldIDs {
			if text, ok := p.Fields[id]; ok {
				some[id] = text
			}
		}
		p.Fields = some
	})
}

// disclosureKey is equal for webhooks to which the same is disclosed.
func (s *Settings) disclosureKey() string {
	if s.Disclosure != DiscloseFields {
		return strings.TrimPrefix(string(s.Disclosure), string(DiscloseAll))
	}
	return string(DiscloseFields) + "\x00" + strings.Join(slices.Sorted(slices.Values(s.FieldIDs)), "\x00")
}
