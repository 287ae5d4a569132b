package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The headers that a request carries beside those of HTTP. The first three are
// those of Standard Webhooks (https://www.standardwebhooks.com), which writes
// them in lower case; HTTP does not tell the difference.
const (
	HeaderID        = "Webhook-Id"        // the delivery's ID, the same in each attempt
	HeaderTimestamp = "Webhook-Timestamp" // the attempt's time in Unix seconds
	HeaderSignature = "Webhook-Signature" // only of webhooks with secrets
	HeaderAttempt   = "Webhook-Attempt"   // the attempt's number, from 1
	HeaderEvent     = "Webhook-Event"     // the event's type
)

// The form of secrets and signatures, by Standard Webhooks.
const (
	secretPrefix    = "whsec_"
	secretMin       = 24 // bytes
	secretMax       = 64
	signatureScheme = "v1" // HMAC-SHA256
)

// NewSecret returns a new secret of 32 random bytes that signs for ever.
func NewSecret() Secret {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails: it ends the program instead
	return Secret{Key: secretPrefix + base64.StdEncoding.EncodeToString(key)}
}

// key returns the key's bytes.
func (s Secret) key() ([]byte, error) {
	text, ok := strings.CutPrefix(s.Key, secretPrefix)
	if !ok {
		return nil, invalid("Secrets", `has a key that does not begin with "`+secretPrefix+`"`)
	}
	key, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil, invalid("Secrets", `has a key that is not base64 after "`+secretPrefix+`"`)
	}
	if len(key) < secretMin || len(key) > secretMax {
		return nil, invalid("Secrets", "has a key of "+strconv.Itoa(len(key))+" bytes; it takes "+
			strconv.Itoa(secretMin)+" to "+strconv.Itoa(secretMax))
	}
	return key, nil
}

// signs reports whether s signs what is sent at t.
func (s Secret) signs(t time.Time) bool { return s.Until.IsZero() || t.Before(s.Until) }

// A signer signs with a webhook's secrets, decoded once. It is safe for
// concurrent use.
type signer []signingKey

type signingKey struct {
	Secret
	macs *sync.Pool // of *mac: keying one costs as much as a body
}

// A mac is an HMAC that is keyed, with room for what is written to it and what
// comes out.
type mac struct {
	hash.Hash
	scratch []byte
}

func newSigner(secrets []Secret) (signer, error) {
	s := make(signer, len(secrets))
	for i, secret := range secrets {
		key, err := secret.key()
		if err != nil {
			return nil, err
		}
		s[i] = signingKey{secret, &sync.Pool{New: func() any { return &mac{Hash: hmac.New(sha256.New, key)} }}}
	}
	return s, nil
}

// header returns the value of HeaderSignature for an attempt of the delivery id
// at t: a signature by each secret that signs then, with spaces between. "": none
// does.
func (s signer) header(id string, t time.Time, body []byte) string {
	var scratch [128]byte
	text := scratch[:0]
	for _, key := range s {
		if !key.signs(t) {
			continue
		}
		if len(text) > 0 {
			text = append(text, ' ')
		}
		text = key.appendSignature(text, id, t, body)
	}
	return string(text)
}

// appendSignature signs id, t's Unix seconds and body, joined by dots.
func (k signingKey) appendSignature(text []byte, id string, t time.Time, body []byte) []byte {
	m := k.macs.Get().(*mac)
	defer k.macs.Put(m)
	m.Reset()
	m.scratch = append(append(m.scratch[:0], id...), '.')
	m.scratch = append(strconv.AppendInt(m.scratch, t.Unix(), 10), '.')
	_, _ = m.Write(m.scratch) // a hash's never fails
	_, _ = m.Write(body)
	m.scratch = m.Sum(m.scratch[:0])
	return base64.StdEncoding.AppendEncode(append(text, signatureScheme+","...), m.scratch)
}
