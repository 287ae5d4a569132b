package webhook

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// newEventID returns an ID for an event whose emitter gave none: a UUID of
// version 7 (RFC 9562, section 5.7), which begins with its time.
func newEventID(at time.Time) string {
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

// appendTime appends the time with which a UUID of version 7 begins, as its
// twelve digits; nothing if id is none.
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

// deliveryID makes emitting twice harmless, per webhook, and keeps a click
// from colliding with an open of the same ID. It holds no dot, which separates
// the parts of what is signed.
//
// It is a hash, after the time of the event's ID if that has one: what is
// stored together then lies together in a store's index of IDs, where hashes
// alone would touch a page each.
func deliveryID(webhook string, t EventType, event string) string {
	var scratch [512]byte
	text := scratch[:0]
	for _, part := range [...]string{webhook, string(t), event} {
		text = binary.AppendUvarint(text, uint64(len(part)))
		text = append(text, part...)
	}
	sum := sha256.Sum256(text)
	const before = "msg_"
	id := appendTime(append(text[:0], before...), event)
	return string(hex.AppendEncode(id, sum[:16-(len(id)-len(before))/3]))
}
