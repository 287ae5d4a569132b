package webhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/listhook/webhook/internal/netguard"
)

// Webhooks returns the webhooks that q selects from the store, in order of ID, or
// newest first if q.Newest is set. A webhook that no key of Options.EncryptionKeys decrypts
// is among them, without URL, Secrets and Headers: see Webhook.Unreadable. A negative
// limit is an *InvalidError.
func (d *Dispatcher) Webhooks(ctx context.Context, q WebhookQuery) ([]Webhook, error) {
	if err := validateLimit(q.Limit); err != nil {
		return nil, err
	}
	ws, err := readWebhooks(ctx, d.store, q)
	if err != nil {
		return nil, wrap("Webhooks", err)
	}
	return ws, nil
}

// Webhook returns one webhook of an account, or ErrNotFound. One that cannot be read is
// returned as Webhooks returns it.
func (d *Dispatcher) Webhook(ctx context.Context, account, id string) (Webhook, error) {
	w, err := d.editor.find(ctx, account, id)
	return w, wrap("Webhook", err)
}

// AddWebhook stores a new webhook, and returns it as stored, with a Revision. It uses
// only the ID, Account and Settings of w. An empty ID is replaced by a new one, a
// decimal number below 2^53, as clients of ActiveCampaign's APIs expect. These are in
// the order in which webhooks were added, as far as the clocks of several processes
// agree to the microsecond.
//
// A field that is not acceptable is an *InvalidError, as is a URL without a normal form
// (docs/addresses.md) or one that the client would refuse to dial, and a Revision other
// than zero: such a webhook was added before. Spaces around the URL are dropped.
// ErrConflict means that the ID is taken. After any other error the webhook may have been
// stored, under the ID of the one that is returned.
func (d *Dispatcher) AddWebhook(ctx context.Context, w Webhook) (Webhook, error) {
	if w.Revision != 0 {
		return Webhook{}, invalid("Revision", "is not 0, so the webhook was added before: use UpdateWebhook")
	}
	if err := w.normalize(); err != nil {
		return Webhook{}, err
	}
	if err := checkURL(d.sender.transport, w.URL); err != nil {
		return Webhook{}, err
	}
	if err := d.opts.validateEvents(w.Events, nil); err != nil {
		return Webhook{}, err
	}
	w, err := d.editor.add(ctx, w)
	return w, wrap("AddWebhook", d.confirmConflict(ctx, err))
}

// UpdateWebhook replaces the Settings of the webhook w.ID of w.Account, if
// w.Revision is that of the stored webhook, and returns the webhook as it is then.
// The other fields of w are ignored.
//
// Fields are refused as AddWebhook refuses them, but for a URL and event types that are
// stored: the client's options or the catalogue may have changed since. A Revision of zero
// is refused, since such a webhook was never added. ErrConflict means that somebody else
// edited the webhook since it was read; ErrNotFound that w.Account has no webhook w.ID.
//
// ErrUnreadable means that w was read without its URL, Secrets and Headers: see
// Webhook.Unreadable. Where the key is lost, an app can set all three anew and clear
// Sealed: then UpdateWebhook replaces them, and what waits is delivered.
//
// Disabling a webhook (Disabled says why) cancels its pending deliveries, unless
// KeepEvents is set: then they wait, and so do further events, until the webhook is
// enabled. Then all of them are due, the oldest first, retries too.
func (d *Dispatcher) UpdateWebhook(ctx context.Context, w Webhook) (Webhook, error) {
	if w.Revision == 0 {
		return Webhook{}, invalid("Revision", "is 0, so the webhook was not read from the store: use AddWebhook for a new one")
	}
	if w.Unreadable() != "" {
		return Webhook{}, ErrUnreadable
	}
	if err := w.normalize(); err != nil {
		return Webhook{}, err
	}
	w, err := d.editor.update(ctx, w.Account, w.ID, func(stored *Webhook) error {
		if stored.Revision != w.Revision {
			return ErrConflict
		}
		if w.URL != stored.URL {
			if err := checkURL(d.sender.transport, w.URL); err != nil {
				return err
			}
		}
		if err := d.opts.validateEvents(w.Events, stored.Events); err != nil {
			return err
		}
		if stored.Disabled != "" && stored.KeepEvents && w.Disabled == "" {
			if err := d.retained.requeue(ctx, *stored); err != nil {
				return err
			}
		}
		stored.edit(w.Settings)
		return nil
	})
	return w, wrap("UpdateWebhook", d.confirmConflict(ctx, err))
}

// CheckURL returns the *InvalidError with which AddWebhook and UpdateWebhook refuse a
// new URL, for forms that show all mistakes at once. It looks no name up.
func (d *Dispatcher) CheckURL(rawURL string) error {
	if _, err := normalURL(rawURL); err != nil {
		return err
	}
	return checkURL(d.sender.transport, rawURL)
}

// normalize returns an error for what cannot be taken of w, and drops spaces around its
// URL and what is named twice.
func (w *Webhook) normalize() error {
	if err := w.Validate(); err != nil {
		return err
	}
	w.URL = netguard.Trim(w.URL)
	w.Events, w.Sources, w.IgnoredEvents = distinct(w.Events), distinct(w.Sources), distinct(w.IgnoredEvents)
	return nil
}

// confirmConflict returns err. If err is ErrConflict, it first waits until what
// conflicts is durable, and returns an error if that fails.
func (d *Dispatcher) confirmConflict(ctx context.Context, err error) error {
	if errors.Is(err, ErrConflict) {
		err = cmp.Or(d.editor.confirmed(ctx), err)
	}
	return err
}

// DeleteWebhook deletes a webhook and cancels what waits for it. It returns
// ErrNotFound if there is none in the account.
func (d *Dispatcher) DeleteWebhook(ctx context.Context, account, id string) error {
	_, err := d.editor.update(ctx, account, id, func(w *Webhook) error {
		w.Deleted = true
		w.HeldUntil = time.Time{}
		w.Secrets, w.Headers, w.Sealed = nil, nil, nil
		return nil
	})
	if errors.Is(err, ErrNotFound) {
		err = cmp.Or(d.editor.confirmed(ctx), err)
	}
	return wrap("DeleteWebhook", err)
}

// An Explanation says of one webhook whether it gets an event.
type Explanation struct {
	Webhook Webhook
	Matches bool
	Reason  string   // the first reason against it, in a sentence for the owner; or that it gets it
	Lists   []string // the list of each of its deliveries, "0" for none; nil: it gets none
}

// Explain says of each webhook of the event's account whether it gets the
// event and, if not, the first reason why. Nothing is emitted. An event that Emit would
// refuse is an *InvalidError.
func (d *Dispatcher) Explain(ctx context.Context, e Event) ([]Explanation, error) {
	if _, _, err := d.opts.sendable(e); err != nil {
		return nil, err
	}
	m := e.meta()
	ws, err := d.store.Webhooks(ctx, WebhookQuery{Account: m.Account})
	if err != nil {
		return nil, wrap("Explain", err)
	}
	explained := make([]Explanation, len(ws))
	for i, w := range ws {
		why := w.compare(e.Type(), &m)
		explained[i] = Explanation{Webhook: w, Matches: why == matches, Reason: w.sentence(why, e.Type(), &m)}
		if why == matches {
			explained[i].Lists = w.wireLists(e.Type(), &m)
		}
	}
	return explained, nil
}

// Catalogue returns the types of events that the app emits, as Options.Catalogue has
// them, with Sources and a Sample for each. The samples are shared: do not change them.
func (d *Dispatcher) Catalogue() []EventInfo { return slices.Clone(d.opts.Catalogue) }

// SampleBody returns the body of the catalogue's sample of a type for a webhook of
// format f that is tied to no list of its own: what a receiver gets. For a type that
// the catalogue does not hold, or an unknown format, it returns nil.
func (d *Dispatcher) SampleBody(t EventType, f Format) []byte {
	info := d.opts.info(t)
	if info == nil {
		return nil
	}
	e, m := info.sample()
	return sampleBody(e, m, f)
}

// ReencryptWebhooks rewrites every webhook of every account, so that its URL, Secrets
// and Headers are encrypted with the first of Options.EncryptionKeys, and returns how
// many it rewrote. Call it after setting keys for the first time, and before removing an
// old one. Every process must have the first key by then. Webhooks that no key decrypts
// stay as they are, and the others are rewritten; then the error is ErrUnreadable, and
// names the first of them. When ctx ends or the store fails, n is how many were written
// until then.
func (d *Dispatcher) ReencryptWebhooks(ctx context.Context) (n int, err error) {
	if len(d.opts.EncryptionKeys) == 0 {
		return 0, invalid("Options.EncryptionKeys", "is empty: there is no key to encrypt with")
	}
	q := WebhookQuery{All: true, Deleted: true, Limit: 100}
	left, first := 0, ""
	for ws, err := range webhookPages(ctx, d.store, q) {
		if err != nil {
			return n, wrap("ReencryptWebhooks", err)
		}
		for _, w := range ws {
			if w.Unreadable() != "" {
				left, first = left+1, cmp.Or(first, w.ID)
				continue
			}
			// A conflict means that somebody has just written it anew.
			if _, err := d.store.PutWebhook(ctx, w); err != nil && !errors.Is(err, ErrConflict) {
				return n, wrap("ReencryptWebhooks", err)
			}
			n++
		}
	}
	if left > 0 {
		return n, fmt.Errorf("webhook: ReencryptWebhooks: webhooks that no key decrypts: %d, the first is %s: %w", left, first, ErrUnreadable)
	}
	return n, nil
}

// ProbeNow ends the hold on a webhook whose receiver failed or asked to wait. Call it
// when the owner has fixed the receiver. If the webhook is failing, one delivery is
// attempted as a probe, and the others follow when that succeeds; its Health stays as it
// is. A webhook that is disabled, or not held, is left alone. ProbeNow returns the
// webhook as it is then, or ErrNotFound if there is none in the account.
func (d *Dispatcher) ProbeNow(ctx context.Context, account, webhook string) (Webhook, error) {
	w, err := d.editor.update(ctx, account, webhook, func(w *Webhook) error {
		if w.Disabled != "" || !w.HeldUntil.After(now()) {
			return errUnchanged
		}
		w.HeldUntil, w.OpenSince = time.Time{}, now()
		return nil
	})
	if errors.Is(err, errUnchanged) {
		w, err = d.editor.find(ctx, account, webhook)
	}
	return w, wrap("ProbeNow", err)
}
