package sqlstore

import (
	"database/sql"
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/validtext"
)

// row is a delivery, or a change of one. The comments begin with the names of its
// columns in @rows.
type row struct {
	Seq      int64  // k, only on MariaDB
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
	Queue    queue  // r; 1: ready, 0: waiting, 2: parked, null: in no queue
	Erase    bool   // x, only of a change
	Leave    bool   // v, only of a change: it sets passed_over
	DropBody bool   // p, only of a change: it empties the body
	Rewrite  bool   // gx, only of a change: its log replaces that of the delivery
	Order    int    // o: the place in the call, counted from one; 0: it does not matter

	// Columns that most rows have no value for. An empty text and the zero time are NULL.
	Key      string        // q, only of a delivery
	Joined   sql.NullInt64 // y
	Time     sql.NullInt64 // z, only of a delivery
	Failure  string        // f
	Subjects string        // u, only of a delivery: a JSON array
	Until    sql.NullInt64 // m, only of a delivery with a key: it is leased until then if it is the first of its line
	Sequence sql.NullInt64 // j, only of a delivery that joins its line in the same transaction, on SQLite

	// The offsets in @bytes, counted from one, and the lengths: b and bn, h and hn, g
	// and gn. A change has no body and no carrier.
	Body       int
	BodyLen    int
	Carrier    int
	CarrierLen int
	Log        int
	LogLen     int
}

// A batch holds the arguments of one statement.
type batch struct {
	rows    []row
	changes bool // rows are changes
	inLines bool // the deliveries with a key have joined their lines
	bytes   []byte
	clock   int64 // deliveries that are due later are waiting or leased
	token   int64 // random, to tell batches apart
}

// A batch has up to batchRows rows, and takes no more rows once it has batchBytes
// bytes, so that a message is not longer than a server accepts: MariaDB's default
// is 16 MiB.
const (
	batchRows  = 5000
	batchBytes = 4 << 20
)

// batches splits rows into batches.
type batches []batch

// next returns the batch for the next row. A new batch has capacity for about rows
// rows and room bytes.
func (bs *batches) next(clock int64, rows, room int) *batch {
	if n := len(*bs); n > 0 {
		if b := &(*bs)[n-1]; len(b.rows) < batchRows && len(b.bytes) < batchBytes {
			return b
		}
	}
	// The first byte is unused: some drivers send an empty slice as NULL.
	*bs = append(*bs, batch{
		rows: make([]row, 0, min(rows, batchRows)), bytes: make([]byte, 1, 1+min(room, batchBytes)), clock: clock, token: rand.Int64(),
	})
	return &(*bs)[len(*bs)-1]
}

// put appends data and returns its offset, counted from one, and its length.
func (b *batch) put(data []byte) (offset, length int) {
	offset = len(b.bytes) + 1
	b.bytes = append(b.bytes, data...)
	return offset, len(data)
}

// seqBits is how many low bits of a seq are random.
const seqBits = 21

// assignSeqs gives each row its seq: the milliseconds at which the first row was
// created, in 42 bits, then random bits. The seqs of a batch are consecutive.
func (b *batch) assignSeqs() {
	if len(b.rows) == 0 {
		return
	}
	at := min(max(b.rows[0].Created, 0), 1<<(63-seqBits)-1)
	first := at<<seqBits + 1 + rand.Int64N(1<<seqBits-batchRows)
	for i := range b.rows {
		b.rows[i].Seq = first + int64(i)
	}
}

// randomizeSeqs gives each row a random seq, when other rows have the assigned ones.
func (b *batch) randomizeSeqs() {
	for i := range b.rows {
		b.rows[i].Seq = 1 + rand.Int64N(math.MaxInt64)
	}
}

// all reports whether q is the queue of all rows.
func (b *batch) all(q queue) bool {
	return !slices.ContainsFunc(b.rows, func(r row) bool { return r.Queue != q })
}

// hasExtras reports whether a row has a value in a column that most rows have none
// for, other than its time.
func (b *batch) hasExtras() bool {
	return slices.ContainsFunc(b.rows, func(r row) bool {
		return r.Key != "" || r.Joined.Valid || r.Failure != "" || r.Subjects != ""
	})
}

// oneReady reports whether the batch is one ready delivery without extras.
func (b *batch) oneReady() bool {
	return len(b.rows) == 1 && b.rows[0].Queue == queueReady && !b.hasExtras()
}

// only returns a batch of the rows with these IDs.
func (b *batch) only(ids []string) *batch {
	these, some := stringSet(ids), *b
	some.rows = nil
	for _, r := range b.rows {
		if these[r.ID] {
			some.rows = append(some.rows, r)
		}
	}
	return &some
}

// without returns a batch of the rows without these IDs.
func (b *batch) without(ids []string) *batch {
	if len(ids) == 0 {
		return b
	}
	but, some := stringSet(ids), *b
	some.rows = nil
	for _, r := range b.rows {
		if !but[r.ID] {
			some.rows = append(some.rows, r)
		}
	}
	return &some
}

// value returns a row's column by its name in @rows.
func (b *batch) value(r *row, column string) any {
	switch column {
	case "k":
		return r.Seq
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
	case "v":
		return r.Leave
	case "x":
		return r.Erase
	case "p":
		return r.DropBody
	case "gx":
		return r.Rewrite
	case "q":
		return nullText(r.Key)
	case "y":
		return r.Joined
	case "z":
		return r.Time
	case "f":
		return nullText(r.Failure)
	case "u":
		return nullText(r.Subjects)
	case "j":
		return r.Sequence
	case "b":
		return b.slice(r.Body, r.BodyLen)
	case "h":
		return b.slice(r.Carrier, r.CarrierLen)
	case "g":
		return b.slice(r.Log, r.LogLen)
	}
	panic("sqlstore: no column " + column)
}

// slice returns the data that put stored, never nil.
func (b *batch) slice(offset, length int) []byte {
	if offset == 0 {
		return []byte{}
	}
	return b.bytes[offset-1 : offset-1+length]
}

// nullText returns a text as it is stored where "" is NULL.
func nullText(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// nullMilli returns a time as it is stored where the zero time is NULL.
func nullMilli(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: milli(t), Valid: !t.IsZero()}
}

// jsonArray returns the texts as a JSON array.
func jsonArray[T ~string](list []T) (string, error) {
	data, err := json.Marshal(list)
	return string(data), err
}

// checkText returns an error for a text that some database cannot store unchanged.
func checkText(field, text string) error {
	if reason := validtext.Check(text); reason != "" {
		return &webhook.InvalidError{Field: field, Reason: reason}
	}
	return nil
}

// milli returns the number by which a time is stored.
func milli(t time.Time) int64 { return t.UnixMilli() }

// fromNullMilli is fromMilli for a number from nullMilli.
func fromNullMilli(ms sql.NullInt64) time.Time {
	if !ms.Valid {
		return time.Time{}
	}
	return fromMilli(ms.Int64)
}

// zeroMilli is the number of the zero time.
var zeroMilli = milli(time.Time{})

// fromMilli returns the time of a stored number.
func fromMilli(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
