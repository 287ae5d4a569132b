package webhook

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
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
	text := hex.EncodeToString(id[:])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

// timeOf returns the time with which a UUID of version 7 begins, as its twelve
// digits; "" if id is none.
func timeOf(id string) string {
	if len(id) != 36 || id[8] != '-' || id[13] != '-' || id[14] != '7' || id[18] != '-' || id[23] != '-' {
		return ""
	}
	digits := strings.ToLower(id[:8] + id[9:13])
	if strings.Trim(digits, "0123456789abcdef") != "" {
		return ""
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
	prefix := timeOf(event)
	return "msg_" + prefix + hex.EncodeToString(sum[:16-len(prefix)/3])
}
