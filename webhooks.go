package webhook

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/listhook/webhook/internal/netguard"
)

// Webhooks returns the webhooks that q selects, in order of ID, from the
// store. One that none of Options.EncryptionKeys opens is an error, which names
// it.
func (d *Dispatcher) Webhooks(ctx context.Context, q WebhookQuery) ([]Webhook, error) {
	ws, err := d.store.Webhooks(ctx, q)
	if err == nil {
		err = firstSealed(ws)
	}
	if err != nil {
		return nil, wrap("Webhooks", err)
	}
	return ws, nil
}

// Webhook returns one webhook of an account, or ErrNotFound.
func (d *Dispatcher) Webhook(ctx context.Context, account, id string) (Webhook, error) {
	w, err := d.find(ctx, account, id)
	if err == nil {
		err = firstSealed([]Webhook{w})
	}
	if err != nil {
		return Webhook{}, wrap("Webhook", err)
	}
	return w, nil
}

func (d *Dispatcher) find(ctx context.Context, account, id string) (Webhook, error) {
	ws, err := d.store.Webhooks(ctx, WebhookQuery{Account: account, IDs: []string{id}})
	if err == nil && len(ws) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Webhook{}, err
	}
	return ws[0], nil
}

// PutWebhook adds or edits a webhook, and returns it as it is then. One whose
// Revision is zero is added; without an ID it gets one, a decimal number below
// 2^53, as clients of ActiveCampaign's APIs expect. These are in the order in
// which webhooks were added, as far as the clocks of several processes agree to
// the microsecond. Otherwise the fields that
// its owner edits are taken over, if Revision is that of the stored webhook.
//
// A field that cannot be taken is an *InvalidError, as is a URL without a normal
// form (docs/addresses.md) or one that the client would refuse to dial. Spaces
// around the URL are dropped. ErrConflict means that the ID is taken or that
// somebody else edited the webhook since it was read; ErrNotFound that there
// is none to edit in w.Account.
//
// Switching a webhook off (Off says why) cancels what waits for it, unless
// Keep is set: then it waits, and so do further events, until the webhook is
// switched on. Then all that waited is due, the oldest first, retries too.
func (d *Dispatcher) PutWebhook(ctx context.Context, w Webhook) (Webhook, error) {
	if err := w.Validate(); err != nil {
		return Webhook{}, err
	}
	if err := checkURL(d.transport, w.URL); err != nil {
		return Webhook{}, err
	}
	w.URL = netguard.Trim(w.URL)
	var err error
	if w.Revision == 0 {
		w, err = d.addWebhook(ctx, w)
	} else {
		w, err = d.update(ctx, w.Account, w.ID, func(stored *Webhook) error {
			if stored.Revision != w.Revision {
				return ErrConflict
			}
			if stored.Off != "" && stored.Keep && w.Off == "" {
				if err := d.requeueRetained(ctx, *stored); err != nil {
					return err
				}
			}
			stored.edit(w)
			return nil
		})
	}
	if errors.Is(err, ErrConflict) {
		err = cmp.Or(d.confirmed(ctx), err)
	}
	return w, wrap("PutWebhook", err)
}

// maxAddTries is how often another ID is tried because other processes have
// made the same, which takes as many additions in one microsecond.
const maxAddTries = 1000

func (d *Dispatcher) addWebhook(ctx context.Context, w Webhook) (Webhook, error) {
	added := Webhook{Account: w.Account, ID: w.ID, Created: now()}
	added.edit(w)
	for tries := 0; ; tries++ {
		if w.ID == "" {
			added.ID = d.ids.Next(time.Now())
		}
		err := d.put(ctx, &added)
		if w.ID != "" && errors.Is(err, ErrConflict) {
			err = errIDTaken
		}
		if !errors.Is(err, ErrConflict) || w.ID != "" || tries == maxAddTries {
			return added, err
		}
	}
}

// DeleteWebhook deletes a webhook and cancels what waits for it. It returns
// ErrNotFound if there is none in the account.
func (d *Dispatcher) DeleteWebhook(ctx context.Context, account, id string) error {
	_, err := d.update(ctx, account, id, func(w *Webhook) error {
		w.Deleted = true
		w.Hold = time.Time{}
		w.Secrets, w.Headers, w.Sealed = nil, nil, nil
		return nil
	})
	if errors.Is(err, ErrNotFound) {
		err = cmp.Or(d.confirmed(ctx), err)
	}
	return wrap("DeleteWebhook", err)
}

// amend changes a webhook in the background, if change reports that there is
// something to change.
func (d *Dispatcher) amend(what string, w Webhook, change func(*Webhook) bool) (Webhook, bool) {
	ctx, cancel := d.opts.withStoreTimeout(d.settling)
	defer cancel()
	w, err := d.update(ctx, w.Account, w.ID, func(w *Webhook) error {
		if !change(w) {
			return errUnchanged
		}
		return nil
	})
	if err != nil && err != errUnchanged && !errors.Is(err, ErrNotFound) {
		d.notify.logError(what, err)
	}
	return w, err == nil
}

var errUnchanged = errors.New("nothing to change")

// update changes a stored webhook, again if somebody else did meanwhile, and
// cancels what waits for it if it no longer wants any.
func (d *Dispatcher) update(ctx context.Context, account, id string, change func(*Webhook) error) (Webhook, error) {
	for tries := 0; ; tries++ {
		w, err := d.find(ctx, account, id)
		if err != nil {
			return Webhook{}, err
		}
		was := w
		if err := change(&w); err != nil {
			return Webhook{}, err
		}
		if err := d.put(ctx, &w); err != nil {
			if errors.Is(err, ErrConflict) && tries < 10 {
				continue
			}
			return Webhook{}, err
		}
		switch {
		case w.Deleted:
			d.cancelPending(ctx, w, "Canceled: the webhook was deleted.")
		case w.Off != "" && !w.Keep:
			d.cancelPending(ctx, w, "Canceled: the webhook is off: "+w.Off)
		case was.Hold.After(w.Hold):
			d.expectBacklog(w.ID)
		}
		return w, nil
	}
}

// put stores w and lets the registry know.
func (d *Dispatcher) put(ctx context.Context, w *Webhook) (err error) {
	w.Changed = now()
	if w.Version, err = d.store.PutWebhook(ctx, *w); err != nil {
		return err
	}
	d.registry.changed(*w)
	return nil
}

// An Explanation says of one webhook whether it gets an event.
type Explanation struct {
	Webhook Webhook
	Matches bool
	Reason  string   // the first reason against it, in a sentence for the owner; or that it gets it
	Lists   []string // the list that each of its deliveries names, "0" for none; nil: it gets none
}

// Explain says of each webhook of the event's account whether it gets the
// event and, if not, the first reason why. Nothing is emitted.
func (d *Dispatcher) Explain(ctx context.Context, e Event) ([]Explanation, error) {
	if err := validate(e, d.opts.eventLimit()); err != nil {
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
