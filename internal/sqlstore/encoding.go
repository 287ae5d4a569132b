package sqlstore

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"time"

	"github.com/listhook/webhook"
)

// logEncoder encodes logs as they are stored: a line for each attempt, so that an attempt
// is appended without reading the log. A plain success is most of all attempts, and has
// a short line. The others are JSON.
type logEncoder struct {
	buf bytes.Buffer
	enc *json.Encoder // ends each line with a newline
}

func newLogEncoder() *logEncoder {
	var l logEncoder
	l.enc = json.NewEncoder(&l.buf)
	return &l
}

// encode returns the lines of a log and of one more attempt, unless a is nil. They are
// valid until the next call.
func (l *logEncoder) encode(log []webhook.Attempt, a *webhook.Attempt) ([]byte, error) {
	l.buf.Reset()
	for i := range log {
		if err := l.add(&log[i]); err != nil {
			return nil, err
		}
	}
	if a != nil {
		if err := l.add(a); err != nil {
			return nil, err
		}
	}
	return l.buf.Bytes(), nil
}

// add writes the line of an attempt.
func (l *logEncoder) add(a *webhook.Attempt) error {
	if !isShort(a) {
		return l.enc.Encode(a)
	}
	line := append(l.buf.AvailableBuffer(), shortLine)
	line = strconv.AppendInt(line, a.Start.UnixMilli(), 36)
	line = strconv.AppendInt(append(line, ' '), int64(a.Duration), 36)
	line = strconv.AppendInt(append(line, ' '), int64(a.Status), 10)
	line = base64.RawStdEncoding.AppendEncode(append(line, ' '), a.Response)
	_, err := l.buf.Write(append(line, '\n'))
	return err
}

// shortLine begins a short line: the start in milliseconds and the duration in
// nanoseconds to the base 36, the status, and the answer in base64.
const shortLine = '+'

// isShort reports whether a short line holds all of an attempt.
func isShort(a *webhook.Attempt) bool {
	return len(a.Response) <= maxShort && a.Start.Location() == time.UTC && a.Start.Nanosecond()%int(time.Millisecond) == 0 &&
		reflect.DeepEqual(*a, webhook.Attempt{Start: a.Start, Duration: a.Duration, Status: a.Status, Response: a.Response})
}

// maxShort is the length of the longest answer in a short line. For longer ones the rest
// matters little.
const maxShort = 128

func unmarshalLog(data []byte) ([]webhook.Attempt, error) {
	var log []webhook.Attempt
	for line := range bytes.Lines(data) {
		var a webhook.Attempt
		err := errBrokenLog
		if line[0] == shortLine {
			a, err = readShort(line[1:])
		} else if len(line) > 1 {
			err = json.Unmarshal(line, &a)
		}
		if err != nil {
			return nil, err
		}
		log = append(log, a)
	}
	return log, nil
}

var errBrokenLog = errors.New("webhook: a stored log is broken")

// readShort reads the rest of a short line.
func readShort(line []byte) (a webhook.Attempt, err error) {
	fields := bytes.Split(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
	if len(fields) != 4 {
		return a, errBrokenLog
	}
	start, err := strconv.ParseInt(string(fields[0]), 36, 64)
	duration, err2 := strconv.ParseInt(string(fields[1]), 36, 64)
	status, err3 := strconv.Atoi(string(fields[2]))
	response, err4 := base64.RawStdEncoding.AppendDecode(nil, fields[3])
	a = webhook.Attempt{Start: fromMilli(start), Duration: time.Duration(duration), Status: status, Response: response}
	return a, errors.Join(err, err2, err3, err4)
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
