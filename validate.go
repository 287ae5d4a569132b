package webhook

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/listhook/webhook/internal/phpform"
)

const (
	maxVariables = 1000 // PHP's max_input_vars: it drops the rest silently
	maxIDLen     = 255  // bytes of an ID, an account, a list or a key

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
	return invalid(field, fmt.Sprintf("makes the body hold %s variables; PHP drops all beyond %d", n, maxVariables))
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
		return invalid("Source", "is "+quote(string(m.Source))+", not one of public, admin, api and system")
	}
	if reason := badID(m.ID); reason != "" {
		return invalid("ID", reason)
	}
	if reason := badID(m.Account); reason != "" {
		return invalid("Account", reason)
	}
	if reason := badID(m.Key); reason != "" {
		return invalid("Key", reason)
	}
	for _, list := range m.Lists {
		if list == "" || list == "0" {
			return invalid("Lists", "holds "+quote(list)+", which means no list on the wire")
		}
		if strings.TrimSpace(list) != list {
			return invalid("Lists", "holds "+quote(list)+", which has white space around it: no webhook is tied to such a list")
		}
		if reason := badID(list); reason != "" {
			return invalid("Lists", "holds "+quote(list)+", which "+reason)
		}
	}
	if y := m.Time.Year(); y < 1 || y > 9999 {
		return invalid("Time", "is of a year outside 1 to 9999")
	}
	return nil
}

// badID says why a store could not keep s as an identifier; "": it can.
func badID(s string) string {
	switch {
	case len(s) > maxIDLen:
		return fmt.Sprintf("is longer than %d bytes", maxIDLen)
	case !utf8.ValidString(s):
		return "is not UTF-8"
	case strings.IndexByte(s, 0) >= 0:
		return reasonNUL
	}
	return ""
}

// longest returns the list that is the longest on the wire.
func longest(lists []string) string {
	var found string
	var most int
	var scratch [3 * maxIDLen]byte
	for _, list := range lists {
		if n := len(phpform.AppendEscaped(scratch[:0], list)); n > most {
			found, most = list, n
		}
	}
	return found
}
