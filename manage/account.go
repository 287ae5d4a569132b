package manage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/listhook/webhook"
)

// An account is what one request may see and do: every call of the dispatcher
// goes through it, in the account of whoever asks.
type account struct {
	*handler
	Access
}

// errLimit is returned when an account has all the webhooks that it may have.
type errLimit int

func (e errLimit) Error() string {
	return fmt.Sprintf("The account has %d webhooks, which is the limit: delete one first.", int(e))
}

func (a *account) location() *time.Location {
	if a.Location == nil {
		return time.UTC
	}
	return a.Location
}

// lists returns the account's lists, and whether they are known at all.
func (a *account) lists(ctx context.Context) (lists []List, known bool, err error) {
	if a.opts.Lists == nil {
		return nil, false, nil
	}
	lists, err = a.opts.Lists(ctx, a.Account)
	if err != nil {
		return nil, true, fmt.Errorf("webhook: Options.Lists: %w", err)
	}
	return lists, true, nil
}

// checkList refuses a list that the account does not have.
func (a *account) checkList(ctx context.Context, id string) error {
	lists, known, err := a.lists(ctx)
	if err != nil || !known || id == "" || hasList(lists, id) {
		return err
	}
	return &webhook.InvalidError{Field: "List", Reason: "is none of the account's lists"}
}

func hasList(lists []List, id string) bool {
	return slices.ContainsFunc(lists, func(l List) bool { return l.ID == id })
}

func (a *account) webhooks(ctx context.Context) ([]webhook.Webhook, error) {
	return a.d.Webhooks(ctx, webhook.WebhookQuery{Account: a.Account})
}

func (a *account) webhook(ctx context.Context, id string) (webhook.Webhook, error) {
	return a.d.Webhook(ctx, a.Account, id)
}

// add adds webhooks, all or, if one cannot be taken, none.
func (a *account) add(ctx context.Context, ws ...webhook.Webhook) ([]webhook.Webhook, error) {
	for i := range ws {
		ws[i].Account, ws[i].ID, ws[i].Revision = a.Account, "", 0
		if err := checkName(ws[i].Name); err != nil {
			return nil, err
		}
		if err := a.checkList(ctx, ws[i].List); err != nil {
			return nil, err
		}
	}
	a.adding.Lock()
	defer a.adding.Unlock()
	have, err := a.webhooks(ctx)
	if err != nil {
		return nil, err
	}
	if len(have)+len(ws) > a.opts.MaxWebhooks {
		return nil, errLimit(a.opts.MaxWebhooks)
	}
	var added []webhook.Webhook
	for _, w := range ws {
		if w, err = a.d.PutWebhook(ctx, w); err != nil {
			for _, w := range added {
				err = errors.Join(err, a.d.DeleteWebhook(ctx, a.Account, w.ID))
			}
			return nil, err
		}
		added = append(added, w)
	}
	return added, nil
}

// checkName refuses what nobody could tell apart on the page.
func checkName(name string) error {
	if strings.TrimSpace(name) == "" {
		return &webhook.InvalidError{Field: "Name", Reason: "is empty"}
	}
	return nil
}

// edit changes what the owner edits of a webhook, again if somebody else did
// meanwhile.
func (a *account) edit(ctx context.Context, id string, change func(*webhook.Webhook) error) (webhook.Webhook, error) {
	for tries := 0; ; tries++ {
		w, err := a.webhook(ctx, id)
		if err != nil {
			return webhook.Webhook{}, err
		}
		name, list := w.Name, w.List
		if err := change(&w); err != nil {
			return webhook.Webhook{}, err
		}
		// What was there stays: the app may have given it no name, or have
		// deleted the list meanwhile.
		if w.Name != name {
			if err := checkName(w.Name); err != nil {
				return webhook.Webhook{}, err
			}
		}
		if w.List != list {
			if err := a.checkList(ctx, w.List); err != nil {
				return webhook.Webhook{}, err
			}
		}
		w, err = a.d.PutWebhook(ctx, w)
		if !errors.Is(err, webhook.ErrConflict) || tries == 5 {
			return w, err
		}
	}
}

// switchOff switches a webhook off for a reason. keep says what becomes of its
// events meanwhile.
func (a *account) switchOff(ctx context.Context, id, reason string, keep bool) (webhook.Webhook, error) {
	return a.edit(ctx, id, func(w *webhook.Webhook) error {
		w.Off, w.Keep = reason, keep
		return nil
	})
}

// switchOn switches a webhook on. What it kept while it was off is delivered
// then, or with drop dropped first, which it returns the number of.
func (a *account) switchOn(ctx context.Context, id string, drop bool) (w webhook.Webhook, dropped int, err error) {
	if w, err = a.webhook(ctx, id); err != nil {
		return webhook.Webhook{}, 0, err
	}
	if drop && w.Off != "" {
		if dropped, err = a.d.DropPending(ctx, a.Account, id); err != nil {
			return webhook.Webhook{}, dropped, err
		}
	}
	w, err = a.edit(ctx, id, func(w *webhook.Webhook) error {
		w.Off = ""
		return nil
	})
	return w, dropped, err
}

// rotate gives a webhook a new secret and lets the others sign for the overlap
// more. A negative overlap makes none: no secret signs any more.
func (a *account) rotate(ctx context.Context, id string, revision int64, overlap time.Duration) (webhook.Webhook, error) {
	now := time.Now()
	var first time.Time // when the first of the earlier secrets ends
	w, err := a.edit(ctx, id, func(w *webhook.Webhook) error {
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
	if errors.As(err, &invalid) && invalid.Field == "Secrets" { // all that rotating can make wrong is their number
		err = &webhook.InvalidError{Field: "Secrets", Reason: "cannot be replaced again while so many earlier ones still sign. " +
			"Replace it with no overlap, which ends them all at once, or wait until the first of them ends, in " +
			strings.TrimSuffix(max(first.Sub(now), time.Minute).Round(time.Minute).String(), "0s")}
	}
	return w, err
}

// maxOverlap is the longest overlap of a rotation.
const maxOverlap = 30 * 24 * time.Hour

// delivery returns one delivery of the account with its log.
func (a *account) delivery(ctx context.Context, id string) (webhook.Delivery, error) {
	ds, err := a.d.Deliveries(ctx, webhook.DeliveryQuery{Account: a.Account, IDs: []string{id}})
	if err != nil {
		return webhook.Delivery{}, err
	}
	if len(ds) == 0 {
		return webhook.Delivery{}, webhook.ErrNotFound
	}
	return ds[0], nil
}
