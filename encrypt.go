package webhook

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"log/slog"

	"github.com/listhook/webhook/internal/sealed"
)

// An EncryptionKey encrypts the URL, Secrets and Headers of webhooks before a Store
// gets them: 32 random bytes. Printing it shows nothing of them.
type EncryptionKey []byte

// String returns a text without the key.
func (EncryptionKey) String() string { return "[redacted]" }

// GoString returns a text without the key.
func (k EncryptionKey) GoString() string { return k.String() }

// LogValue returns a text without the key.
func (k EncryptionKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

// unreadable explains why a webhook that no key decrypts cannot be read, and what to do
// about it. It contains no data of the webhook.
const unreadable = "cannot be read, because the key that encrypted its URL, secrets and headers is missing: " +
	"ask the operator to add the key to Options.EncryptionKeys again, or delete the webhook"

// Unreadable returns why w cannot be read, in a sentence for its owner; "": it can.
// Then no key of Options.EncryptionKeys decrypts Sealed, and URL, Secrets and Headers are
// empty. Deliveries wait for the key. The webhook can be deleted, and UpdateWebhook
// returns ErrUnreadable.
func (w Webhook) Unreadable() string {
	if len(w.Sealed) == 0 {
		return ""
	}
	return "The webhook " + unreadable + "."
}

// secretFields are the fields of a webhook that are encrypted.
type secretFields struct {
	URL     string
	Secrets []Secret
	Headers map[string]string
}

// An encryptedStore is a Store that encrypts the secret fields of webhooks before it hands
// them to another, and decrypts it on the way back. What no key opens stays
// sealed, and is handed back as it came.
type encryptedStore struct {
	Store
	keys []EncryptionKey // the first one seals
}

func (v *encryptedStore) PutWebhook(ctx context.Context, w Webhook) (int64, error) {
	if len(w.Sealed) == 0 && (w.URL != "" || len(w.Secrets)+len(w.Headers) > 0) {
		var err error
		if w.Sealed, err = v.seal(&w); err != nil {
			return 0, err
		}
		w.URL, w.Secrets, w.Headers = "", nil, nil
	}
	return v.Store.PutWebhook(ctx, w)
}

func (v *encryptedStore) Webhooks(ctx context.Context, q WebhookQuery) ([]Webhook, error) {
	return sealedOutbox{v.Store, v}.Webhooks(ctx, q)
}

// A sealedOutbox is an Outbox whose webhooks an encryptedStore decrypts.
type sealedOutbox struct {
	Outbox
	encryptedStore *encryptedStore
}

func (o sealedOutbox) Webhooks(ctx context.Context, q WebhookQuery) ([]Webhook, error) {
	ws, err := o.Outbox.Webhooks(ctx, q)
	for i := range ws {
		o.encryptedStore.open(&ws[i])
	}
	return ws, err
}

func (v *encryptedStore) seal(w *Webhook) ([]byte, error) {
	plain, err := json.Marshal(secretFields{w.URL, w.Secrets, w.Headers})
	if err != nil {
		return nil, err
	}
	return sealed.Seal(v.keys[0], plain, w.sealedFor())
}

func (v *encryptedStore) open(w *Webhook) {
	plain, ok := sealed.Open(v.keys, w.Sealed, w.sealedFor())
	if !ok {
		return
	}
	var c secretFields
	if json.Unmarshal(plain, &c) == nil {
		w.URL, w.Secrets, w.Headers, w.Sealed = c.URL, c.Secrets, c.Headers, nil
	}
}

// sealedFor names the webhook. It is authenticated with the encrypted fields, so
// that nobody who can write to the database can give one webhook's secrets to
// another.
func (w *Webhook) sealedFor() []byte {
	var data []byte
	for _, part := range []string{w.Account, w.ID} {
		data = binary.AppendUvarint(data, uint64(len(part)))
		data = append(data, part...)
	}
	return data
}
