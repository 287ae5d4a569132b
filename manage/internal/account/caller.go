package account

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/listhook/webhook"
)

// A Caller is whoever asks, for one request, and what they may see and do. Every
// call of the dispatcher names the Account of its Access.
type Caller struct {
	*Service
	Access
	dispatcher *webhook.Dispatcher // of the Access's Account; nil: it has no right in one
}

// In returns the caller with an account, whatever rights it has there.
func (c *Caller) In(ctx context.Context, account string) (*Caller, error) {
	d, err := c.DispatcherOf(ctx, account)
	switch {
	case errors.Is(err, webhook.ErrNotFound), err == nil && d == nil:
		return nil, ErrNoAccount
	case err != nil:
		return nil, fmt.Errorf("webhook: Options.Dispatcher: %w", err)
	}
	access := c.Access
	if access.Account != account { // limits are those of somebody in an account
		access.Limits = Limits{}
	}
	access.Account = account
	return &Caller{c.Service, access, d}, nil
}

// TakeToken takes one call's token of the account's rate, or returns a
// BusyError.
func (c *Caller) TakeToken() error {
	if ok, seconds := c.rates.take(c.Account, time.Now()); !ok {
		return BusyError(seconds)
	}
	return nil
}

// Add adds webhooks, all or, if one cannot be taken, none.
func (c *Caller) Add(ctx context.Context, ws ...webhook.Webhook) ([]webhook.Webhook, error) {
	for i := range ws {
		ws[i].Account, ws[i].ID, ws[i].Revision = c.Account, "", 0
		if err := CheckName(ws[i].Name); err != nil {
			return nil, err
		}
		if err := c.CheckLimits(ws[i]); err != nil {
			return nil, err
		}
		if c.Limits.MustSign && len(ws[i].Secrets) == 0 {
			ws[i].Secrets = []webhook.Secret{webhook.NewSecret()}
		}
		if err := c.CheckList(ctx, ws[i].List); err != nil {
			return nil, err
		}
	}
	unlock, err := c.adding.lock(ctx, c.Account)
	if err != nil {
		return nil, err
	}
	defer unlock()
	// All of the account's count, those too that this caller does not see.
	have, err := c.dispatcher.Webhooks(ctx, webhook.WebhookQuery{Account: c.Account})
	if err != nil {
		return nil, err
	}
	if most := c.maxWebhooks(); len(have)+len(ws) > most {
		return nil, LimitError(most)
	}
	var added []webhook.Webhook
	for _, w := range ws {
		if w, err = c.dispatcher.AddWebhook(ctx, w); err != nil {
			if undone := c.remove(ctx, added); undone != nil {
				err = errors.Join(err, undone)
			}
			return nil, err
		}
		added = append(added, w)
	}
	return added, nil
}

// remove deletes webhooks that were just added, although ctx may have ended.
func (c *Caller) remove(ctx context.Context, ws []webhook.Webhook) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	var errs []error
	for _, w := range ws {
		errs = append(errs, c.dispatcher.DeleteWebhook(ctx, c.Account, w.ID))
	}
	return errors.Join(errs...)
}

// CheckName refuses what nobody could tell apart on the page.
func CheckName(name string) error {
	if strings.TrimSpace(name) == "" {
		return &webhook.InvalidError{Field: "Name", Reason: "is empty"}
	}
	return nil
}

// Edit changes what the owner edits of a webhook, again if somebody else did
// meanwhile. Of one that cannot be read it changes nothing.
func (c *Caller) Edit(ctx context.Context, id string, change func(*webhook.Webhook) error) (webhook.Webhook, error) {
	for tries := 0; ; tries++ {
		w, err := c.Webhook(ctx, id)
		if err != nil {
			return webhook.Webhook{}, err
		}
		if w.Unreadable() != "" {
			return webhook.Webhook{}, webhook.ErrUnreadable
		}
		name, list, stored := w.Name, w.List, w
		if err := change(&w); err != nil {
			return webhook.Webhook{}, err
		}
		if err := c.CheckEdit(stored, w); err != nil {
			return webhook.Webhook{}, err
		}
		// What was there stays: the app may have given it no name, or have
		// deleted the list meanwhile.
		if w.Name != name {
			if err := CheckName(w.Name); err != nil {
				return webhook.Webhook{}, err
			}
		}
		if w.List != list {
			if err := c.CheckList(ctx, w.List); err != nil {
				return webhook.Webhook{}, err
			}
		}
		w, err = c.dispatcher.UpdateWebhook(ctx, w)
		if !errors.Is(err, webhook.ErrConflict) || tries == 5 {
			return w, err
		}
	}
}

// Disable disables a webhook for a reason. keep says what becomes of its events
// until it is enabled; its setting for later times stays.
func (c *Caller) Disable(ctx context.Context, id, reason string, keep bool) (webhook.Webhook, error) {
	return c.Edit(ctx, id, func(w *webhook.Webhook) error {
		usual := KeepsEvents(*w)
		w.Disabled, w.KeepEvents, w.KeepEventsOnce = reason, keep, keep != usual
		return nil
	})
}

// KeepsEvents reports whether a webhook keeps its events whenever it is disabled,
// unless somebody chooses otherwise for one time.
func KeepsEvents(w webhook.Webhook) bool { return w.KeepEvents != w.KeepEventsOnce }

// SetKeepsEvents changes what KeepsEvents reports. Without a change, what somebody
// chose for the time that w is disabled now stays.
func SetKeepsEvents(w *webhook.Webhook, keep bool) {
	if keep != KeepsEvents(*w) {
		w.KeepEvents, w.KeepEventsOnce = keep, false
	}
}

// Enable enables a webhook. What it kept while it was disabled is then delivered. With
// drop it is canceled first, and Enable returns how many deliveries that were.
func (c *Caller) Enable(ctx context.Context, id string, drop bool) (w webhook.Webhook, dropped int, err error) {
	if w, err = c.Webhook(ctx, id); err != nil {
		return webhook.Webhook{}, 0, err
	}
	if w.Unreadable() != "" { // before anything is canceled
		return webhook.Webhook{}, 0, webhook.ErrUnreadable
	}
	if drop && w.Disabled != "" {
		if dropped, err = c.dispatcher.CancelPending(ctx, c.Account, id); err != nil {
			return webhook.Webhook{}, dropped, err
		}
	}
	w, err = c.Edit(ctx, id, func(w *webhook.Webhook) error {
		w.Disabled = ""
		return nil
	})
	return w, dropped, err
}

// Rotate gives a webhook a new secret and lets the others sign for the overlap
// more. A negative overlap makes none: no secret signs any more.
func (c *Caller) Rotate(ctx context.Context, id string, revision int64, overlap time.Duration) (webhook.Webhook, error) {
	now := time.Now()
	var first time.Time // when the first of the earlier secrets ends
	w, err := c.Edit(ctx, id, func(w *webhook.Webhook) error {
		if revision != 0 && w.Revision != revision {
			return webhook.ErrConflict
		}
		if overlap < 0 {
			w.Secrets = nil
			return nil
		}
		secrets := []webhook.Secret{webhook.NewSecret()}
		for _, s := range w.Secrets {
			if end := now.Add(overlap); s.Until.IsZero() || s.Until.After(end) {
				s.Until = end
			}
			if s.Until.After(now) {
				secrets = append(secrets, s)
			}
			if first.IsZero() || s.Until.Before(first) {
				first = s.Until
			}
		}
		w.Secrets = secrets
		return nil
	})
	var invalid *webhook.InvalidError
	if errors.As(err, &invalid) && invalid.Field == "Secrets" && overlap >= 0 { // all that rotating can make wrong is their number
		err = &webhook.InvalidError{Field: "Secrets", Reason: "cannot be replaced again while so many earlier ones still sign. " +
			"Replace it with no overlap, which ends them all at once, or wait until the first of them ends, in " +
			strings.TrimSuffix(max(first.Sub(now), time.Minute).Round(time.Minute).String(), "0s")}
	}
	return w, err
}

// MaxOverlap is the longest overlap of a rotation.
const MaxOverlap = 30 * 24 * time.Hour
