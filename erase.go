package webhook

import (
	"context"
	"errors"
	"strings"
	"time"
)

// eraseRows is how many deliveries are read, with their bodies, and erased in
// one call of the store.
const eraseRows = 100

// eraseTries is how often an erasure is begun again because somebody else
// changed the same at the same time.
const eraseTries = 10

// EraseSubscriber forgets a person: of each delivery of the account that is
// jittered the subscriber with this ID or this email address, whatever its state,
// the body, the carrier and the log are emptied; one that waits is canceled,
// and none can be delivered again. It returns how many these were. Either text
// may be empty, but not both; addresses are compared without regard to case.
//
// What remains of a delivery is its ID, the event's (Meta.ID), its type, its
// times and its state. A request that is under way goes on, and its outcome is
// not noted. The app is expected to emit nothing more about the person: what is
// emitted meanwhile may be missed.
//
// It reads all of the account's log, in pages. When ctx ends or the store
// fails, n is how many were erased until then; calling it again goes on.
func (d *Dispatcher) EraseSubscriber(ctx context.Context, account, id, email string) (n int, err error) {
	if id == "" && email == "" {
		return 0, invalid("id", "and email are empty: nobody is named")
	}
	about := func(del Delivery) bool {
		values, err := knownValues(del.Body)
		return err == nil && len(del.Body) > 0 &&
			(id != "" && values.Get("subscriber[id]") == id ||
				email != "" && strings.EqualFold(values.Get("subscriber[email]"), email))
	}
	n, err = d.eraseDeliveries(ctx, DeliveryQuery{Account: account}, about, "Erased: the subscriber is to be forgotten.")
	return n, wrap("EraseSubscriber", err)
}

// EraseAccount forgets an account: its webhooks are deleted, with all that
// their owner entered, and the body, the carrier and the log of each of its
// deliveries are emptied, those that wait being canceled. It returns how many
// webhooks and how many deliveries these were. What remains, IDs, types, times
// and states, is pruned in its time.
//
// The app is expected to emit nothing more for the account: what is emitted
// meanwhile, or in another process within Options.PollInterval, may be missed.
// Calling it again is harmless, and goes on where an error ended it.
func (d *Dispatcher) EraseAccount(ctx context.Context, account string) (webhooks, deliveries int, err error) {
	if webhooks, err = d.eraseWebhooks(ctx, account); err == nil {
		holds := func(del Delivery) bool { return len(del.Body) > 0 || del.State == StatePending }
		deliveries, err = d.eraseDeliveries(ctx, DeliveryQuery{Account: account}, holds, "Erased: the account is to be forgotten.")
	}
	return webhooks, deliveries, wrap("EraseAccount", err)
}

// eraseWebhooks deletes and empties the webhooks of an account, and returns how many.
// It empties webhooks that were deleted before too, and does not count these.
func (d *Dispatcher) eraseWebhooks(ctx context.Context, account string) (n int, err error) {
	q := WebhookQuery{Account: account, Changed: time.Unix(0, 0).UTC(), Limit: eraseRows}
	for {
		ws, err := d.store.Webhooks(ctx, q)
		if err != nil {
			return n, err
		}
		for _, w := range ws {
			if err := d.eraseWebhook(ctx, w); err != nil {
				return n, err
			}
			if !w.Deleted {
				n++
			}
			q.After = w.ID
		}
		if len(ws) < eraseRows {
			return n, nil
		}
	}
}

func (d *Dispatcher) eraseWebhook(ctx context.Context, w Webhook) error {
	for tries := 0; ; tries++ {
		erased := Webhook{
			ID: w.ID, Account: w.Account, Deleted: true, Version: w.Version, Created: w.Created, Revision: w.Revision,
		}
		err := d.editor.put(ctx, &erased)
		if !errors.Is(err, ErrConflict) || tries == eraseTries {
			return err
		}
		ws, err := d.store.Webhooks(ctx, WebhookQuery{Account: w.Account, IDs: []string{w.ID}, Changed: time.Unix(0, 0).UTC()})
		if err != nil || len(ws) == 0 {
			return err
		}
		w = ws[0]
	}
}

// eraseDeliveries erases the deliveries that q and which select, oldest first.
func (d *Dispatcher) eraseDeliveries(ctx context.Context, q DeliveryQuery, which func(Delivery) bool, reason string) (n int, err error) {
	q.Oldest, q.Limit = true, eraseRows
	defer func() {
		if n == 0 && err == nil {
			err = d.editor.confirmed(ctx)
		}
	}()
	for {
		ds, err := d.store.Deliveries(ctx, q)
		if err != nil || len(ds) == 0 {
			return n, err
		}
		done, err := d.eraseAll(ctx, ds, which, reason)
		n += done
		if err != nil || len(ds) < eraseRows {
			return n, err
		}
		last := ds[len(ds)-1]
		q.After = Cursor{Created: last.Created, ID: last.ID}
	}
}

// eraseAll erases the deliveries of ds that which selects. It reads again those that
// somebody else changed since they were read.
func (d *Dispatcher) eraseAll(ctx context.Context, ds []Delivery, which func(Delivery) bool, reason string) (n int, err error) {
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
		lost, err := d.store.Apply(ctx, changes)
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
				d.notify.changed(del)
			}
		}
		if len(lost) == 0 {
			return n, nil
		}
		if tries == eraseTries {
			return n, ErrConflict
		}
		if ds, err = d.store.Deliveries(ctx, DeliveryQuery{Account: ds[0].Account, IDs: lost}); err != nil {
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
