package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/listhook/webhook/internal/ids"
	"github.com/listhook/webhook/internal/phpform"
)

// A batch is the body of a request that brings several events, each as its own body
// has it. In JSON it is an array. A form is a list that PHP reads as
// $_POST['events'], from events[0] on. What a request of one event has in its headers
// stands beside the others' keys: the delivery's ID (batchID), its sequence if it has
// one (batchSequence) and, in a form, the event's time in milliseconds (batchTime).
const (
	batchName     = "events" // of the list in a form
	batchID       = "id"
	batchSequence = "sequence"
	batchTime     = "event_time"
)

// Limits of a batch.
const (
	maxBatch      = 500     // events
	maxBatchForm  = 100     // the same of forms, whose shortest events have some ten variables
	maxBatchBytes = 1 << 20 // of its body
)

// batchKeys is how many keys of its own an item of a batch in a form has at most.
const batchKeys = 3

// A batchSize is at least the size of a batch's body.
type batchSize struct{ events, bytes, variables int }

// sizeInBatch returns what a delivery adds to a batch, at most.
func sizeInBatch(d *Delivery) batchSize {
	if isJSON(d.Body) {
		return batchSize{1, len(d.Body) + len(`"sequence":-9223372036854775808,,`), 0}
	}
	variables := phpform.Count(d.Body) + batchKeys
	const key = len("events%5B999%5D%5B%5D&")
	return batchSize{1, len(d.Body) + len(d.ID) + 2*len("-9223372036854775808") + variables*key, variables}
}

func (s batchSize) plus(other batchSize) batchSize {
	return batchSize{s.events + other.events, s.bytes + other.bytes, s.variables + other.variables}
}

// fits reports whether a batch of this size can be sent.
func (s batchSize) fits() bool {
	return s.bytes+len("[]") <= maxBatchBytes && s.variables <= maxVariables
}

// batchRequest returns the request that brings deliveries, which have bodies of one
// content type: the ID is made from theirs, so that it repeats only if they do.
func batchRequest(ds []*Delivery) Delivery {
	names := make([]string, len(ds))
	attempts := 0
	for i, d := range ds {
		names[i], attempts = d.ID, max(attempts, d.Attempts)
	}
	slices.Sort(names)
	return Delivery{
		ID: ids.Batch(names), Account: ds[0].Account, WebhookID: ds[0].WebhookID, Body: batchBody(ds), Attempts: attempts,
	}
}

// batchBody returns the body of a batch.
func batchBody(ds []*Delivery) []byte {
	if isJSON(ds[0].Body) {
		return batchJSON(ds)
	}
	size := batchSize{}
	for _, d := range ds {
		size = size.plus(sizeInBatch(d))
	}
	body := make([]byte, 0, size.bytes)
	var own []byte
	for i, d := range ds {
		own = phpform.AppendEscaped(append(own[:0], batchID+"="...), d.ID)
		if d.Sequence > 0 {
			own = strconv.AppendInt(append(own, "&"+batchSequence+"="...), d.Sequence, 10)
		}
		own = strconv.AppendInt(append(own, "&"+batchTime+"="...), d.eventTime().UnixMilli(), 10)
		body = phpform.AppendItem(body, batchName, i, own)
		body = phpform.AppendItem(body, batchName, i, d.Body)
	}
	return body[:len(body)-1]
}

// batchJSON returns the body of a batch in JSON. Each body holds its delivery's ID.
func batchJSON(ds []*Delivery) []byte {
	size := 2
	for _, d := range ds {
		size += sizeInBatch(d).bytes
	}
	body := append(make([]byte, 0, size), '[')
	for i, d := range ds {
		if i > 0 {
			body = append(body, ',')
		}
		object := d.Body
		if d.Sequence > 0 {
			body = strconv.AppendInt(append(body, `{"`+batchSequence+`":`...), d.Sequence, 10)
			body = append(body, ',')
			object = object[1:]
		}
		body = append(body, object...)
	}
	return append(body, ']')
}

// decodeBatch reads the body of a batch. batch is false if the body is that of one
// event.
func decodeBatch(body []byte, media string) (events []Event, batch bool, err error) {
	var items [][]byte
	read, extras := decodeForm, formExtras
	if media == typeJSON {
		if !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")) {
			return nil, false, nil
		}
		var raw []json.RawMessage
		if err := unmarshal(body, &raw); err != nil {
			return nil, true, err
		}
		for _, item := range raw {
			items = append(items, item)
		}
		read, extras = decodeJSON, jsonExtras
	} else if items = phpform.Items(body, batchName); items == nil {
		return nil, false, nil
	}
	if len(items) == 0 {
		return nil, true, invalid("Body", "contains no event")
	}
	events = make([]Event, len(items))
	for i, item := range items {
		id, h := extras(item)
		e, err := read(item, id)
		if err != nil {
			return nil, true, prefixed(fmt.Sprintf("Events[%d].", i), err)
		}
		events[i] = withHeaders(e, h)
	}
	return events, true, nil
}

// formExtras returns what an item of a batch has of its own.
func formExtras(item []byte) (id string, h http.Header) {
	h = http.Header{}
	for key, name := range map[string]string{batchSequence: HeaderSequence, batchTime: HeaderEventTime} {
		if text, ok := phpform.Text(item, key); ok {
			h.Set(name, text)
		}
	}
	id, _ = phpform.Text(item, batchID)
	return id, h
}

// jsonExtras is formExtras for an item in JSON, whose ID decodeJSON reads.
func jsonExtras(item []byte) (id string, h http.Header) {
	var own struct {
		Sequence json.Number `json:"sequence"`
	}
	h = http.Header{}
	if json.Unmarshal(item, &own) == nil && own.Sequence != "" {
		h.Set(HeaderSequence, own.Sequence.String())
	}
	return "", h
}
