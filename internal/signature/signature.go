// Package signature signs and verifies what is sent, as Standard Webhooks says
// (https://www.standardwebhooks.com): HMAC-SHA256 over the delivery's ID, the
// time in Unix seconds and the body, joined by dots. A header may hold several
// signatures, so that one key can take over from another without a gap.
package signature

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"hash"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Prefix begins a key's text, so that people and scanners know it for a secret.
const Prefix = "whsec_"

const (
	newSize = 32 // bytes of a key that NewKey makes
	minSize = 24
	maxSize = 64
	scheme  = "v1" // HMAC-SHA256
)

// NewKey returns the text of a new random key.
func NewKey() string {
	key := make([]byte, newSize)
	_, _ = rand.Read(key) // it never fails
	return Prefix + base64.StdEncoding.EncodeToString(key)
}

// ParseKey returns the bytes of a key's text: base64, by the alphabet for texts
// or the one for URLs, with or without padding, and after Prefix or not. The
// libraries of Standard Webhooks differ in which of these they take; a key that
// one of them made must not fail here. The error holds nothing of the key and
// goes on after the name of a field.
func ParseKey(text string) ([]byte, error) {
	encoded := strings.TrimPrefix(text, Prefix)
	for _, prefix := range []string{Prefix, "whsk_", "whpk_"} { // which would be read as a part of the key
		if len(encoded) >= len(prefix) && strings.EqualFold(encoded[:len(prefix)], prefix) {
			return nil, errors.New(`has a key with another prefix than "` + Prefix + `"`)
		}
	}
	if encoded == "" {
		return nil, errors.New("has an empty key")
	}
	encoding := base64.RawStdEncoding
	if strings.HasSuffix(encoded, "=") {
		encoding = base64.StdEncoding
	}
	key, err := encoding.DecodeString(forURLs.Replace(encoded))
	if err != nil || strings.ContainsAny(encoded, "\r\n") { // which the decoder passes over
		return nil, errors.New("has a key that is not base64")
	}
	if len(key) < minSize || len(key) > maxSize {
		return nil, errors.New("has a key of " + strconv.Itoa(len(key)) + " bytes; it takes " +
			strconv.Itoa(minSize) + " to " + strconv.Itoa(maxSize))
	}
	return key, nil
}

// forURLs turns base64 for URLs into the usual one.
var forURLs = strings.NewReplacer("-", "+", "_", "/")

// A Signer signs with several keys. The zero value signs with none. It is safe
// for concurrent use once it has its keys.
type Signer struct{ keys []signingKey }

type signingKey struct {
	until time.Time
	macs  *sync.Pool // of *mac: keying one costs as much as a body
}

// A mac is a keyed HMAC, with room for its input and its output.
type mac struct {
	hash.Hash
	scratch []byte
}

// Add makes s sign with key too, until a time or, if it is zero, for ever.
func (s *Signer) Add(key []byte, until time.Time) {
	s.keys = append(s.keys, signingKey{until, &sync.Pool{New: func() any { return &mac{Hash: hmac.New(sha256.New, key)} }}})
}

// Header returns the signatures of a delivery that is sent at a time, by each
// key that signs then, with spaces between. It is empty if none does.
func (s *Signer) Header(id string, at time.Time, body []byte) string {
	var scratch [128]byte
	text := scratch[:0]
	for i := range s.keys {
		key := &s.keys[i]
		if !key.until.IsZero() && !at.Before(key.until) {
			continue
		}
		if len(text) > 0 {
			text = append(text, ' ')
		}
		text = key.append(text, id, at, body)
	}
	return string(text)
}

// append signs id, the Unix seconds of at and body, joined by dots.
func (k *signingKey) append(text []byte, id string, at time.Time, body []byte) []byte {
	m := k.macs.Get().(*mac)
	defer k.macs.Put(m)
	m.Reset()
	m.scratch = append(append(m.scratch[:0], id...), '.')
	m.scratch = append(strconv.AppendInt(m.scratch, at.Unix(), 10), '.')
	_, _ = m.Write(m.scratch) // a hash's never fails
	_, _ = m.Write(body)
	m.scratch = m.Sum(m.scratch[:0])
	return base64.StdEncoding.AppendEncode(append(text, scheme+","...), m.scratch)
}

// Verify reports whether one of the signatures in a header that was received is
// by one of the keys of s that sign at the time. How long it takes does not
// tell how near a wrong signature was.
func (s *Signer) Verify(header, id string, at time.Time, body []byte) bool {
	equal := 0
	wanted := strings.Fields(s.Header(id, at, body))
	for _, received := range strings.Fields(header) {
		for _, w := range wanted {
			equal |= subtle.ConstantTimeCompare([]byte(received), []byte(w))
		}
	}
	return equal == 1
}
