package sqlstore

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/listhook/webhook"
)

// row is a delivery, or a change of one, in @rows. The comments are the names of
// its columns.
type row struct {
	Seq      int64  // k, where the database has it from here
	ID       string // i
	Account  string // a, only of a delivery, as are the next four
	Webhook  string // w
	Event    string // e
	Type     string // t
	Created  int64  // c
	State    string // s
	Due      int64  // d
	Lease    int64  // l
	Attempts int    // n
	Queue    queue  // r; 1: is ready, 0: waits, null: neither
	Erase    bool   // x, only of a change

	// Where in @bytes they begin, counted from one, and how long they are: b and
	// bn, h and hn, g and gn. The first two are only of a delivery.
	Body       int
	BodyLen    int
	Carrier    int
	CarrierLen int
	Log        int
	LogLen     int
}

// A batch is what one statement is given.
type batch struct {
	rows    []row
	changes bool // rows are changes
	bytes   []byte
	clock   int64 // what is due later waits, or is leased
	token   int64 // no other batch has it
}

// So many rows, or bytes, make a batch, so that no message passes what a
// server accepts: MariaDB's default is 16 MiB.
const (
	batchRows  = 5000
	batchBytes = 4 << 20
)

// batches splits what is added to it into batches.
type batches []batch

// next returns the batch to add to, for about so many rows and bytes in all.
func (bs *batches) next(clock int64, rows, room int) *batch {
	if n := len(*bs); n > 0 {
		if b := &(*bs)[n-1]; len(b.rows) < batchRows && len(b.bytes) < batchBytes {
			return b
		}
	}
	// The first byte is nobody's: some drivers make NULL of no bytes.
	*bs = append(*bs, batch{
		rows: make([]row, 0, min(rows, batchRows)), bytes: make([]byte, 1, 1+min(room, batchBytes)), clock: clock, token: rand.Int64(),
	})
	return &(*bs)[len(*bs)-1]
}

// put appends data and returns where it is.
func (b *batch) put(data []byte) (offset, length int) {
	offset = len(b.bytes) + 1
	b.bytes = append(b.bytes, data...)
	return offset, len(data)
}

// seqBits is how many bits of a row's seq are not its time.
const seqBits = 21

// number gives rows their seq: the milliseconds at which the first was created,
// in 42 bits, and random bits, from which on the rows of a batch lie together.
func (b *batch) number() {
	if len(b.rows) == 0 {
		return
	}
	at := min(max(b.rows[0].Created, 0), 1<<(63-seqBits)-1)
	first := at<<seqBits + 1 + rand.Int64N(1<<seqBits-batchRows)
	for i := range b.rows {
		b.rows[i].Seq = first + int64(i)
	}
}

// scatter gives rows a seq each that is nothing but random, for when those of
// their time are taken.
func (b *batch) scatter() {
	for i := range b.rows {
		b.rows[i].Seq = 1 + rand.Int64N(math.MaxInt64)
	}
}

// all reports whether q is the queue of all rows.
func (b *batch) all(q queue) bool {
	return !slices.ContainsFunc(b.rows, func(r row) bool { return r.Queue != q })
}

// only returns the batch with some of its rows alone.
func (b *batch) only(ids []string) *batch {
	these, some := set(ids), *b
	some.rows = nil
	for _, r := range b.rows {
		if these[r.ID] {
			some.rows = append(some.rows, r)
		}
	}
	return &some
}

// value returns a row's column, by its name in @rows.
func (b *batch) value(r *row, column string) any {
	switch column {
	case "i":
		return r.ID
	case "a":
		return r.Account
	case "w":
		return r.Webhook
	case "e":
		return r.Event
	case "t":
		return r.Type
	case "c":
		return r.Created
	case "s":
		return r.State
	case "d":
		return r.Due
	case "l":
		return r.Lease
	case "n":
		return r.Attempts
	case "r":
		return r.Queue.column()
	case "b":
		return b.slice(r.Body, r.BodyLen)
	case "h":
		return b.slice(r.Carrier, r.CarrierLen)
	case "g":
		return b.slice(r.Log, r.LogLen)
	}
	panic("sqlstore: no column " + column)
}

// slice returns what put has put; there is always something, were it nothing.
func (b *batch) slice(offset, length int) []byte {
	if offset == 0 {
		return []byte{}
	}
	return b.bytes[offset-1 : offset-1+length]
}

// texts returns a JSON array as an argument.
func texts[T ~string](list []T) (string, error) {
	data, err := json.Marshal(list)
	return string(data), err
}

// maxText is the longest text that is an index's: in bytes.
const maxText = 255

// checkText returns an error for a text that not every database keeps as it is.
func checkText(field, text string) error {
	switch {
	case len(text) > maxText:
		return &webhook.InvalidError{Field: field, Reason: "is longer than 255 bytes"}
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
		return &webhook.InvalidError{Field: field, Reason: "is not UTF-8 text without NUL"}
	}
	return nil
}

// milli returns a time as it is stored.
func milli(t time.Time) int64 { return t.UnixMilli() }

// fromMilli is the reverse.
func fromMilli(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// lines writes logs as they are stored: a line of JSON an attempt, so that
// appending one reads none.
type lines struct {
	buf bytes.Buffer
	enc *json.Encoder // ends each with a newline
}

func newLines() *lines {
	var l lines
	l.enc = json.NewEncoder(&l.buf)
	return &l
}

// marshal returns a log's lines, until it is called again.
func (l *lines) marshal(log []webhook.Attempt) ([]byte, error) {
	l.buf.Reset()
	for i := range log {
		if err := l.enc.Encode(&log[i]); err != nil {
			return nil, err
		}
	}
	return l.buf.Bytes(), nil
}

// marshalOne is marshal of one attempt, or none.
func (l *lines) marshalOne(a *webhook.Attempt) ([]byte, error) {
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

// marshalCarrier returns a carrier as it is stored: nothing for none.
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

// clock is the last time that a caller mentioned as the present. A Store has
// no clock; this one only tells in which queue a delivery is best put. A
// wrong answer costs a little work later, nothing else: what is ready too
// early is not claimed before it is due, and what waits though it is due is
// made ready by the next Claim.
type clock struct{ ms atomic.Int64 }

func (c *clock) see(t time.Time) { c.ms.Store(milli(t)) }

// now returns that time; before any was mentioned, one that nothing is after.
func (c *clock) now() int64 {
	if now := c.ms.Load(); now != 0 {
		return now
	}
	return math.MaxInt64
}

// A queue is where a delivery's entry is.
type queue int8

const (
	isFinished queue = iota // it has none
	isReady
	isWaiting
	isLeased
)

// column returns what stands for the queue in @rows.
func (q queue) column() any {
	switch q {
	case isReady:
		return 1
	case isWaiting:
		return 0
	}
	return nil
}

// queue returns the queue for a delivery that is due at the given time and
// leased or not.
func (b *batch) queue(state webhook.State, due time.Time, leased bool) queue {
	switch {
	case state != webhook.StatePending:
		return isFinished
	case milli(due) <= b.clock:
		return isReady
	case leased:
		return isLeased
	}
	return isWaiting
}
