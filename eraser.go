package webhook

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// An eraser empties webhooks and deliveries whose data is to be forgotten.
type eraser struct {
	store  Store
	notify *notifier
	editor *editor
}

// An erasedPerson is who is to be forgotten.
type erasedPerson struct {
	id, email string   // one of them may be empty
	hashes    []string // of both, without empty ones; none: there is no Options.SearchKey
}

// queries returns queries that together select all deliveries that may be about the
// person: those with its hashes, and those from before a time. Zero: all.
func (p erasedPerson) queries(account string, searchable time.Time) (qs []DeliveryQuery) {
	for _, hash := range p.hashes {
		qs = append(qs, DeliveryQuery{Account: account, Subject: hash})
	}
	return append(qs, DeliveryQuery{Account: account, Until: ceilStoreTime(searchable)})
}

// is reports whether a delivery is about the person: by its hashes, or by its body.
func (p erasedPerson) is(d Delivery) bool {
	for _, hash := range p.hashes {
		if slices.Contains(d.Subjects, hash) {
			return true
		}
	}
	if len(d.Body) == 0 {
		return false
	}
	itsID, itsEmail, ok := personOf(d.Body)
	id, email := p.id, p.email
	if isJSON(d.Body) {
		id, email = inUTF8(id), inUTF8(email) // as the body has them
	}
	return ok && (id != "" && itsID == id || email != "" && strings.EqualFold(itsEmail, email))
}

// webhooks deletes and empties the webhooks of an account, and returns how many.
// It empties webhooks that were deleted before too, and does not count these.
func (er *eraser) webhooks(ctx context.Context, account string) (n int, err error) {
	q := WebhookQuery{Account: account, Deleted: true, Limit: eraseRows}
	for ws, err := range webhookPages(ctx, er.store, q) {
		if err != nil {
			return n, err
		}
		for _, w := range ws {
			if err := er.webhook(ctx, w); err != nil {
				return n, err
			}
			if !w.Deleted {
				n++
			}
		}
	}
	return n, nil
}

func (er *eraser) webhook(ctx context.Context, w Webhook) error {
	for tries := 0; ; tries++ {
		erased := Webhook{
			ID: w.ID, Account: w.Account, Deleted: true, Version: w.Version, Created: w.Created, Revision: w.Revision,
		}
		err := er.editor.put(ctx, &erased)
		if !errors.Is(err, ErrConflict) || tries == eraseTries {
			return err
		}
		ws, err := er.store.Webhooks(ctx, WebhookQuery{Account: w.Account, IDs: []string{w.ID}, Deleted: true})
		if err != nil || len(ws) == 0 {
			return err
		}
		w = ws[0]
	}
}

// deliveries erases the deliveries that q and which select, oldest first.
func (er *eraser) deliveries(ctx context.Context, q DeliveryQuery, which func(Delivery) bool, reason string) (n int, err error) {
	q.Oldest, q.Limit = true, eraseRows
	defer func() {
		if n == 0 && err == nil {
			err = er.editor.confirmed(ctx)
		}
	}()
	for ds, err := range deliveryPages(ctx, er.store, q) {
		if err != nil {
			return n, err
		}
		done, err := er.eraseAll(ctx, ds, which, reason)
		n += done
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// eraseAll erases the deliveries of ds, of one account and read with their logs, that which
// selects. It reads again those that somebody else changed since they were read.
func (er *eraser) eraseAll(ctx context.Context, ds []Delivery, which func(Delivery) bool, reason string) (n int, err error) {
	for tries := 0; ; tries++ {
		found := make(map[string]Delivery, len(ds))
		var changes []Change
		for _, del := range ds {
			if which(del) {
				found[del.ID] = del
				changes = append(changes, erasure(del, reason))
			}
		}
		if len(changes) == 0 {
			return n, nil
		}
		if err := removeBatchAnswers(ctx, er.store, ds[0].Account, found); err != nil {
			return n, err
		}
		lost, err := er.store.Apply(ctx, changes)
		if err != nil {
			return n, err
		}
		for _, id := range lost {
			delete(found, id)
		}
		n += len(found)
		for _, c := range changes {
			if del, ok := found[c.ID]; ok && del.State == StatePending {
				del.State, del.Due, del.Lease = c.State, c.Due, c.Lease+1
				del.Body, del.Carrier, del.Log = nil, nil, nil
				er.notify.changed(del)
			}
		}
		if len(lost) == 0 {
			return n, nil
		}
		if tries == eraseTries {
			return n, ErrConflict
		}
		if ds, err = er.store.Deliveries(ctx, DeliveryQuery{Account: ds[0].Account, IDs: lost}); err != nil {
			return n, err
		}
	}
}

// erasure empties a delivery. It cancels a pending one, and keeps the state of others.
func erasure(d Delivery, reason string) Change {
	c := cancellation(d, reason)
	c.Erase = true
	if d.State != StatePending {
		c.State, c.Due = d.State, d.Due
	}
	return c
}
