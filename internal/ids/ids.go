// Package ids makes the IDs of events, deliveries and webhooks. It knows nothing
// of these: IDs and types are strings.
package ids

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"sync/atomic"
	"time"
)

// NewEvent returns an ID for an event that was emitted without one: a UUID of
// version 7 (RFC 9562, section 5.7), which begins with the time at.
func NewEvent(at time.Time) string {
	var id [16]byte
	_, _ = rand.Read(id[6:]) // it never fails
	binary.BigEndian.PutUint16(id[0:], uint16(at.UnixMilli()>>32))
	binary.BigEndian.PutUint32(id[2:], uint32(at.UnixMilli()))
	id[6] = 7<<4 | id[6]&0x0f
	id[8] = 2<<6 | id[8]&0x3f
	var text [36]byte
	digits := text[:0]
	for i, part := range [...][]byte{id[:4], id[4:6], id[6:8], id[8:10], id[10:]} {
		if i > 0 {
			digits = append(digits, '-')
		}
		digits = hex.AppendEncode(digits, part)
	}
	return string(digits)
}

// MayBeNew reports whether NewEvent may have made an ID at the time at.
func MayBeNew(id string, at time.Time) bool {
	var scratch [12]byte
	digits, err := strconv.ParseUint(string(appendTime(scratch[:0], id)), 16, 48)
	return err == nil && digits == uint64(at.UnixMilli())
}

// Delivery returns the ID of the delivery of an event to a webhook. It is the
// same each time, so a store that refuses a second row with the same ID makes
// emitting twice harmless. Type keeps a click from colliding with an open of
// the same event ID. The result holds no dot: a dot separates the parts of a
// signed text.
//
// It is a hash. If the event's ID is a UUID of version 7, the time of the UUID
// comes before the hash: rows that are stored together then lie together in the
// index of the store, while bare hashes would touch one page of it each.
//
// A list is given if the webhook gets the event once for each of several lists.
func Delivery(webhook, eventType, event string, list ...string) string {
	var scratch [1024]byte
	text := scratch[:0]
	for _, part := range [...]string{webhook, eventType, event} {
		text = appendPart(text, part)
	}
	for _, part := range list {
		text = appendPart(text, part)
	}
	sum := sha256.Sum256(text)
	const prefix = "msg_"
	id := appendTime(append(text[:0], prefix...), event)
	return string(hex.AppendEncode(id, sum[:16-(len(id)-len(prefix))/3]))
}

// Batch returns the ID of a request that brings deliveries with these IDs: the same for
// the same ones in the same order. It is a hash, and holds no dot.
func Batch(deliveries []string) string {
	var text []byte
	for _, id := range deliveries {
		text = appendPart(text, id)
	}
	sum := sha256.Sum256(text)
	return "batch_" + hex.EncodeToString(sum[:16])
}

// appendTime appends the twelve hexadecimal digits of the time in a UUID of
// version 7. It appends nothing if id is no such UUID.
func appendTime(text []byte, id string) []byte {
	if len(id) != 36 || id[8] != '-' || id[13] != '-' || id[14] != '7' || id[18] != '-' || id[23] != '-' {
		return text
	}
	digits := append(append(text, id[:8]...), id[9:13]...)
	for i, c := range digits[len(text):] {
		switch {
		case '0' <= c && c <= '9' || 'a' <= c && c <= 'f':
		case 'A' <= c && c <= 'F':
			digits[len(text)+i] = c - 'A' + 'a'
		default:
			return text
		}
	}
	return digits
}

// appendPart appends one part and its length, so that no two sequences of parts
// have the same text.
func appendPart(text []byte, part string) []byte {
	return append(binary.AppendUvarint(text, uint64(len(part))), part...)
}

// Webhooks makes IDs of webhooks: the microseconds since the year 2000, above
// 1e15, so that all have sixteen digits until the year 2253, are below 2^53, and
// their order as text is that in which webhooks are added. The zero value is
// ready, and may be used from several goroutines at once.
//
// Another process may make the same ID in the same microsecond: a store refuses
// the second, and the next one is after both.
type Webhooks struct{ last atomic.Int64 }

// Next returns the ID of a webhook that is added at the time at. It is after all
// that Next returned before, even if at is not.
func (w *Webhooks) Next(at time.Time) string {
	since := at.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))
	for {
		last := w.last.Load()
		id := max(last+1, 1e15+max(0, since.Microseconds()))
		if w.last.CompareAndSwap(last, id) {
			return strconv.FormatInt(id, 10)
		}
	}
}
