package webhook

import "github.com/listhook/webhook/internal/signature"

// The headers that a request carries beside those of HTTP. The first three are
// those of Standard Webhooks (https://www.standardwebhooks.com), which writes
// them in lower case; HTTP does not tell the difference. Its libraries verify a
// body, which is a form, if they do not parse it as JSON: docs/receivers.md says
// how each is called.
//
// The others are the library's own. An event has the same HeaderEventTime and
// HeaderSequence whenever it is sent. Of two deliveries of one webhook for the same
// subscriber, the one with the greater HeaderSequence is newer, however late it comes:
// a receiver that keeps the greatest one can pass over the older one. The signature
// does not cover the library's own headers.
const (
	HeaderID        = "Webhook-Id"        // the delivery's ID, the same in each attempt
	HeaderTimestamp = "Webhook-Timestamp" // the attempt's time in Unix seconds
	HeaderSignature = "Webhook-Signature" // only of webhooks with secrets
	HeaderAttempt   = "Webhook-Attempt"   // the attempt's number, from 1
	HeaderEvent     = "Webhook-Event"     // the event's type

	HeaderEventTime = "Webhook-Event-Time" // when the event happened, in Unix milliseconds
	HeaderSequence  = "Webhook-Sequence"   // the delivery's number within its key, positive and growing; only of deliveries that have a key: see Order
)

// NewSecret returns a new secret of 32 random bytes that signs for ever.
func NewSecret() Secret { return Secret{Key: signature.NewKey()} }

// newSigner returns a signer with the keys of secrets, or an *InvalidError of
// the field Secrets.
func newSigner(secrets []Secret) (*signature.Signer, error) {
	s := new(signature.Signer)
	for _, secret := range secrets {
		key, err := signature.ParseKey(secret.Key)
		if err != nil {
			return nil, invalid("Secrets", err.Error())
		}
		s.Add(key, secret.Until)
	}
	return s, nil
}
