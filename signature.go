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
	macs *sync.Pool // of hash.Hash keyed with it: keying one costs as much as a body
}

func newSigner(secrets []Secret) (signer, error) {
	s := make(signer, len(secrets))
	for i, secret := range secrets {
		key, err := secret.key()
		if err != nil {
			return nil, err
		}
		s[i] = signingKey{secret, &sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}
	}
	return s, nil
}

// header returns the value of HeaderSignature for an attempt of the delivery id
// at t: a signature by each secret that signs then. "": none does.
func (s signer) header(id string, t time.Time, body []byte) string {
	return strings.Join(s.signatures(id, t, body), " ")
}

// signatures signs id, t's Unix seconds and body, joined by dots, with each
// secret that signs at t.
func (s signer) signatures(id string, t time.Time, body []byte) []string {
	var out []string
	head := []byte(id + "." + strconv.FormatInt(t.Unix(), 10) + ".")
	for _, key := range s {
		if !key.signs(t) {
			continue
		}
		mac := key.macs.Get().(hash.Hash)
		mac.Reset()
		mac.Write(head)
		mac.Write(body)
		out = append(out, signatureScheme+","+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		key.macs.Put(mac)
	}
	return out
}
