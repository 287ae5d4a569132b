package webhook

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/listhook/webhook/internal/sealed"
)

// An EncryptionKey encrypts what is secret of webhooks before a Store gets it:
// 32 random bytes. Printing it shows nothing of them.
type EncryptionKey []byte

// String returns a text without the key.
func (EncryptionKey) String() string { return "[redacted]" }

// GoString returns a text without the key.
func (k EncryptionKey) GoString() string { return k.String() }

// LogValue returns a text without the key.
func (k EncryptionKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

// errSealed is why w cannot be opened. It names nothing but the webhook.
func errSealed(w *Webhook) error {
	return fmt.Errorf("what is secret of webhook %s is encrypted, and no key of Options.EncryptionKeys opens it", w.ID)
}

// firstSealed returns why one of ws cannot be used, or nil.
func firstSealed(ws []Webhook) error {
	for i := range ws {
		if len(ws[i].Sealed) > 0 {
			return errSealed(&ws[i])
		}
	}
	return nil
}

// confidential is what is secret of a webhook.
type confidential struct {
	URL     string
	Secrets []Secret
	Headers map[string]string
}

// A vault is a Store that encrypts what is secret of webhooks before it hands
// them to another, and decrypts it on the way back. What no key opens stays
// sealed, and is handed back as it came.
type vault struct {
	Store
	keys []EncryptionKey // the first one seals
}

func (v *vault) PutWebhook(ctx context.Context, w Webhook) (int64, error) {
	if len(w.Sealed) == 0 && (w.URL != "" || len(w.Secrets)+len(w.Headers) > 0) {
		var err error
		if w.Sealed, err = v.seal(&w); err != nil {
			return 0, err
		}
		w.URL, w.Secrets, w.Headers = "", nil, nil
	}
	return v.Store.PutWebhook(ctx, w)
}

func (v *vault) Webhooks(ctx context.Context, q WebhookQuery) ([]Webhook, error) {
	return sealedOutbox{v.Store, v}.Webhooks(ctx, q)
}

// A sealedOutbox is an Outbox whose webhooks a vault decrypts.
type sealedOutbox struct {
	Outbox
	vault *vault
}

func (o sealedOutbox) Webhooks(ctx context.Context, q WebhookQuery) ([]Webhook, error) {
	ws, err := o.Outbox.Webhooks(ctx, q)
	for i := range ws {
		o.vault.open(&ws[i])
	}
	return ws, err
}

// outbox returns a transaction of the caller's on the store, as d reads it.
func (d *Dispatcher) outbox(tx Outbox) Outbox {
	if v, ok := d.store.(*vault); ok {
		return sealedOutbox{tx, v}
	}
	return tx
}

func (v *vault) seal(w *Webhook) ([]byte, error) {
	plain, err := json.Marshal(confidential{w.URL, w.Secrets, w.Headers})
	if err != nil {
		return nil, err
	}
	return sealed.Seal(v.keys[0], plain, w.sealedFor())
}

func (v *vault) open(w *Webhook) {
	plain, ok := sealed.Open(v.keys, w.Sealed, w.sealedFor())
	if !ok {
		return
	}
	var c confidential
	if json.Unmarshal(plain, &c) == nil {
		w.URL, w.Secrets, w.Headers, w.Sealed = c.URL, c.Secrets, c.Headers, nil
	}
}

// sealedFor is authenticated with what is sealed: whoever can write to the
// database cannot make one webhook's secrets another's.
func (w *Webhook) sealedFor() []byte {
	var data []byte
	for _, part := range []string{w.Account, w.ID} {
		data = binary.AppendUvarint(data, uint64(len(part)))
		data = append(data, part...)
	}
	return data
}

// SealWebhooks writes every webhook of every account anew, so that what is
// secret of it is encrypted with the first of Options.EncryptionKeys, and
// returns how many: after keys were given for the first time, and before an old
// one is taken away. Every process must have the first key by then. One that no
// key opens is an error that names it. When ctx ends or the store fails, n is
// how many were written until then.
func (d *Dispatcher) SealWebhooks(ctx context.Context) (n int, err error) {
	if len(d.opts.EncryptionKeys) == 0 {
		return 0, invalid("Options.EncryptionKeys", "is empty: there is no key to encrypt with")
	}
	q := WebhookQuery{All: true, Changed: time.Unix(0, 0).UTC(), Limit: 100}
	for {
		ws, err := d.store.Webhooks(ctx, q)
		if err == nil {
			err = firstSealed(ws)
		}
		if err != nil {
			return n, wrap("SealWebhooks", err)
		}
		for _, w := range ws {
			// A conflict means that somebody has just written it anew.
			if _, err := d.store.PutWebhook(ctx, w); err != nil && !errors.Is(err, ErrConflict) {
				return n, wrap("SealWebhooks", err)
			}
			n++
			q.After = w.ID
		}
		if len(ws) < q.Limit {
			return n, nil
		}
	}
}
