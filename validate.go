package webhook

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/listhook/webhook/internal/phpform"
	"github.com/listhook/webhook/internal/validtext"
)

const (
	maxVariables = 1000 // PHP's max_input_vars: it drops the rest silently

	maxEventDeliveries = 50_000 // which are stored in one call
)

// validate says whether e can be sent in every format with a body of at most
// bodyLimit bytes that PHP reads as it is meant. It is asked of each event,
// whether or not anybody listens, so it encodes only near the limits.
func validate(e Event, bodyLimit int) error {
	l, err := layoutOf(e)
	if err != nil {
		return err
	}
	m := e.meta()
	if err := m.validate(); err != nil {
		return err
	}
	if field, reason := e.fault(); field != "" {
		return invalid(field, reason)
	}
	var values int // of a Custom's Data
	if l == customLayout {
		c, _ := asCustom(e)
		if values, err = validateCustom(c); err != nil {
			return err
		}
	}
	size := l.schema.Measure(e)
	if size.Misread {
		return invalid("Subscriber.Fields", "has the key "+quote(size.Name)+", which PHP would misread")
	}

	// The envelope's texts besides By and the list have bounds of their own.
	list := longest(m.Lists)
	size.Bytes += len(m.By) + len(list)
	most := envelopeSchema.Most(phpform.Size{}) + l.schema.Most(size) + customerSchema.Most(phpform.Size{})
	// JSON escapes a byte as six at most, where a form does as three, and has all
	// the lists. Its names are shorter than a form's.
	most += 3*size.Bytes + len(longestID)
	for _, list := range m.Lists {
		most += 6*len(list) + len(`"",`)
	}
	switch {
	case l != customLayout && envelopeSchema.Keys()+l.schema.Keys()+customerSchema.Keys()+size.Entries <= maxVariables && most <= bodyLimit:
		return nil
	case size.Entries+values > maxVariables:
		return tooManyVariables(values > size.Entries, "more than "+strconv.Itoa(maxVariables))
	case size.Bytes > bodyLimit:
		return tooLong(bodyLimit)
	}
	if m.By == "" {
		m.By = string(m.Source)
	}
	m.Lists = distinct(m.Lists)
	for _, f := range Formats() {
		m := m
		if f != FormatJSON && list != "" {
			m.Lists = []string{list}
		}
		body, err := encode(e, m, f)
		if err != nil {
			return err
		}
		if n := bytes.Count(body, []byte("&")) + 1; n > maxVariables && f != FormatJSON {
			return tooManyVariables(values > size.Entries, strconv.Itoa(n))
		}
		if len(withID(body, longestID)) > bodyLimit {
			return tooLong(bodyLimit)
		}
	}
	return nil
}

// longestID is as long as the ID of a delivery can be.
var longestID = strings.Repeat("x", len("msg_")+32)

func tooManyVariables(data bool, n string) error {
	field := "Subscriber.Fields"
	if data {
		field = "Data"
	}
	return invalid(field, fmt.Sprintf("makes a body of %s variables; PHP reads only the first %d", n, maxVariables))
}

// tooManyDeliveries says why an event cannot be stored in one call.
func tooManyDeliveries(n, webhooks int) error {
	if webhooks > maxEventDeliveries {
		return invalid("Account", fmt.Sprintf("has %d webhooks that want the event; the most is %d", webhooks, maxEventDeliveries))
	}
	return invalid("Lists", fmt.Sprintf("make %d deliveries of the event; the most is %d: emit it for fewer lists at a time, each time with another ID",
		n, maxEventDeliveries))
}

func tooLong(bodyLimit int) error {
	return invalid("Event", fmt.Sprintf("makes a body of more than %d bytes", bodyLimit))
}

// validate says whether m can be kept by every store and written on the wire.
func (m *Meta) validate() error {
	if !m.Source.valid() {
		return invalid("Source", "is "+notOneOf(m.Source, Sources()))
	}
	for _, f := range [...]struct{ name, text string }{{"ID", m.ID}, {"Account", m.Account}, {"Key", m.Key}} {
		if err := validateText(f.name, f.text); err != nil {
			return err
		}
	}
	for _, list := range m.Lists {
		if list == "" || list == "0" {
			return invalid("Lists", "contains "+quote(list)+", which means no list: leave it out")
		}
		if strings.TrimSpace(list) != list {
			return invalid("Lists", "contains "+quote(list)+", which starts or ends with white space: no webhook can have such a list")
		}
		if reason := validtext.Check(list); reason != "" {
			return invalid("Lists", "contains "+quote(list)+", which "+reason)
		}
	}
	// The zero time means now, also in a location where it lies in the year 0.
	if y := m.Time.Year(); !m.Time.IsZero() && (y < 1 || y > 9999) {
		return invalid("Time", fmt.Sprintf("is in the year %d, outside 1 to 9999", y))
	}
	return nil
}

// validateText refuses a text that some store could not keep unchanged.
func validateText(field, text string) error {
	if reason := validtext.Check(text); reason != "" {
		return invalid(field, reason)
	}
	return nil
}

// notOneOf says that a value is none of those that are allowed.
func notOneOf[T ~string](value T, allowed []T) string {
	return quote(string(value)) + ", not one of " + inWords(allowed)
}

// inWords returns the values as in "a, b and c".
func inWords[T ~string](values []T) string {
	var b strings.Builder
	for i, v := range values {
		switch {
		case i == 0:
		case i == len(values)-1:
			b.WriteString(" and ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(string(v))
	}
	return b.String()
}

// longest returns the list that is the longest on the wire.
func longest(lists []string) string {
	var found string
	var most int
	var scratch [3 * validtext.MaxBytes]byte
	for _, list := range lists {
		if n := len(phpform.AppendEscaped(scratch[:0], list)); n > most {
			found, most = list, n
		}
	}
	return found
}
