package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash"
	"strings"
	"sync"
)

// A SubjectKind is a kind of person or thing that deliveries are found by: see
// Dispatcher.Subject.
type SubjectKind string

// The kinds. An event in several of an account's deliveries has one ID in all.
const (
	SubjectSubscriber SubjectKind = "id"       // Subscriber.ID
	SubjectEmail      SubjectKind = "email"    // Subscriber.Email, whatever its case
	SubjectCampaign   SubjectKind = "campaign" // Campaign.ID
	SubjectEvent      SubjectKind = "event"    // Meta.ID
)

func (k SubjectKind) valid() bool {
	return k == SubjectSubscriber || k == SubjectEmail || k == SubjectCampaign || k == SubjectEvent
}

// A hasher hashes what deliveries are about: subscribers for the keys of lines and, with
// Options.SearchKey, all that they are found by. Both are the same hashes.
type hasher struct {
	key  []byte    // of Options
	macs sync.Pool // of hash.Hash, keyed
}

// minSearchKey is the least length of Options.SearchKey, in bytes.
const minSearchKey = 32

func newHasher(key []byte) *hasher {
	h := &hasher{key: key}
	if len(key) > 0 {
		h.macs.New = func() any { return hmac.New(sha256.New, key) }
	}
	return h
}

// hash returns the hash of an ID or an address in an account; "": of an empty one. The
// case of addresses does not matter.
func (h *hasher) hash(account string, kind SubjectKind, value string) string {
	if value == "" {
		return ""
	}
	if kind == SubjectEmail {
		value = strings.ToLower(value)
	}
	var scratch [512]byte
	b := scratch[:0]
	for _, text := range [...]string{account, string(kind), value} { // each with its length before it
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	var sum [sha256.Size]byte
	if len(h.key) == 0 {
		sum = sha256.Sum256(b)
	} else {
		mac := h.macs.Get().(hash.Hash)
		mac.Reset()
		_, _ = mac.Write(b) // it never fails
		mac.Sum(sum[:0])
		h.macs.Put(mac)
	}
	return "#" + base64.RawURLEncoding.EncodeToString(sum[:16])
}

// subjects returns what the deliveries of an event are found by: nothing without
// Options.SearchKey, else at least the event's ID.
func (h *hasher) subjects(e Event, m *Meta) []string {
	if len(h.key) == 0 {
		return nil
	}
	list := append(make([]string, 0, 4), h.hash(m.Account, SubjectEvent, m.ID))
	if p := e.person(); p != nil {
		list = append(list, h.person(m.Account, p.ID, p.Email)...)
	}
	if c := e.campaign(); c != nil && c.ID != "" {
		list = append(list, h.hash(m.Account, SubjectCampaign, c.ID))
	}
	return list
}

// person returns the hashes with which the deliveries about a subscriber are found:
// none without Options.SearchKey.
func (h *hasher) person(account, id, email string) (list []string) {
	if len(h.key) == 0 {
		return nil
	}
	if id != "" {
		list = append(list, h.hash(account, SubjectSubscriber, id))
	}
	if email != "" {
		list = append(list, h.hash(account, SubjectEmail, email))
	}
	return list
}

// validateSearchKey refuses a key that is too short to be one.
func validateSearchKey(key []byte) error {
	if len(key) > 0 && len(key) < minSearchKey {
		return invalid("Options.SearchKey", fmt.Sprintf("has %d bytes; it must have at least %d", len(key), minSearchKey))
	}
	return nil
}
