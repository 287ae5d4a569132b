package sqlstore

import (
	"bytes"
	"encoding/json"

	"github.com/listhook/webhook"
)

// logEncoder encodes logs as they are stored: one line of JSON for each attempt, so
// that an attempt is appended without reading the log.
type logEncoder struct {
	buf bytes.Buffer
	enc *json.Encoder // ends each line with a newline
}

func newLogEncoder() *logEncoder {
	var l logEncoder
	l.enc = json.NewEncoder(&l.buf)
	return &l
}

// encode returns the lines of a log. They are valid until the next call.
func (l *logEncoder) encode(log []webhook.Attempt) ([]byte, error) {
	l.buf.Reset()
	for i := range log {
		if err := l.enc.Encode(&log[i]); err != nil {
			return nil, err
		}
	}
	return l.buf.Bytes(), nil
}

// encodeOne is encode for one attempt, or none if a is nil.
func (l *logEncoder) encodeOne(a *webhook.Attempt) ([]byte, error) {
	l.buf.Reset()
	if a != nil {
		if err := l.enc.Encode(a); err != nil {
			return nil, err
		}
	}
	return l.buf.Bytes(), nil
}

func unmarshalLog(data []byte) ([]webhook.Attempt, error) {
	var log []webhook.Attempt
	for dec := json.NewDecoder(bytes.NewReader(data)); dec.More(); {
		var a webhook.Attempt
		if err := dec.Decode(&a); err != nil {
			return nil, err
		}
		log = append(log, a)
	}
	return log, nil
}

// marshalCarrier returns a carrier as it is stored. An empty one has no bytes.
func marshalCarrier(c map[string]string) ([]byte, error) {
	if len(c) == 0 {
		return nil, nil
	}
	return json.Marshal(c)
}

func unmarshalCarrier(data []byte) (c map[string]string, err error) {
	if len(data) > 0 {
		err = json.Unmarshal(data, &c)
	}
	return c, err
}
