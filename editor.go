package webhook

import (
	"context"
	"errors"
	"time"

	"github.com/listhook/webhook/internal/ids"
)

// An editor changes stored webhooks by comparing and setting their version, and
// stored deliveries by their lease. What it changes, the cache knows at once.
type editor struct {
	store         Store
	opts          *Options
	notify        *notifier
	cache         *webhookCache
	background    context.Context      // of calls that no caller waits for
	expectBacklog func(webhook string) // called when deliveries of a webhook became due
	ids           ids.Webhooks         // of webhooks that are added
}

// find reads one webhook of an account. It returns ErrNotFound if there is none.
func (ed *editor) find(ctx context.Context, account, id string) (Webhook, error) {
	ws, err := ed.store.Webhooks(ctx, WebhookQuery{Account: account, IDs: []string{id}})
	if err == nil && len(ws) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Webhook{}, err
	}
	return ws[0], nil
}

// maxAddTries is how often another ID is tried because other processes have
// made the same, which takes as many additions in one microsecond.
const maxAddTries = 1000

// add stores a new webhook, under an ID that it makes unless w has one.
func (ed *editor) add(ctx context.Context, w Webhook) (Webhook, error) {
	added := Webhook{Account: w.Account, ID: w.ID, Created: now()}
	added.edit(w.Settings)
	for tries := 0; ; tries++ {
		if w.ID == "" {
			added.ID = ed.ids.Next(time.Now())
		}
		err := ed.put(ctx, &added)
		if w.ID != "" && errors.Is(err, ErrConflict) {
			err = errIDTaken
		}
		if !errors.Is(err, ErrConflict) || w.ID != "" || tries == maxAddTries {
			return added, err
		}
	}
}

// amend changes a webhook in the background, if change reports that there is
// something to change.
func (ed *editor) amend(what string, w Webhook, change func(*Webhook) bool) (Webhook, bool) {
	ctx, cancel := ed.opts.withStoreTimeout(ed.background)
	defer cancel()
	w, err := ed.update(ctx, w.Account, w.ID, func(w *Webhook) error {
		if !change(w) {
			return errUnchanged
		}
		return nil
	})
	if err != nil && err != errUnchanged && !errors.Is(err, ErrNotFound) {
		ed.notify.logError(what, err)
	}
	return w, err == nil
}

var errUnchanged = errors.New("nothing to change")

// update changes a stored webhook, and tries again if somebody else changed it
// meanwhile. If the webhook wants no deliveries any more, update cancels the pending
// ones.
func (ed *editor) update(ctx context.Context, account, id string, change func(*Webhook) error) (Webhook, error) {
	for tries := 0; ; tries++ {
		w, err := ed.find(ctx, account, id)
		if err != nil {
			return Webhook{}, err
		}
		was := w
		if err := change(&w); err != nil {
			return Webhook{}, err
		}
		if err := ed.put(ctx, &w); err != nil {
			if errors.Is(err, ErrConflict) && tries < 10 {
				continue
			}
			return Webhook{}, err
		}
		switch {
		case w.Deleted:
			ed.cancelPending(ctx, w, "Canceled: the webhook was deleted.")
		case w.Disabled != "" && !w.KeepEvents:
			ed.cancelPending(ctx, w, "Canceled: the webhook is off: "+w.Disabled)
		case was.HeldUntil.After(w.HeldUntil):
			ed.expectBacklog(w.ID)
		}
		return w, nil
	}
}

// put stores w and tells the cache.
func (ed *editor) put(ctx context.Context, w *Webhook) (err error) {
	w.Changed, w.Put = now(), 0
	if w.Version, err = ed.store.PutWebhook(ctx, *w); err != nil {
		return err
	}
	noted := *w
	noted.Tallies = nil // the cache has no use for them
	ed.cache.changed(noted)
	return nil
}

// cancelRows is how many deliveries are canceled in one call of the store.
const cancelRows = 500

// cancelPending cancels the pending deliveries of a webhook that wants none any
// more. It only logs an error: the webhook is stored, and the deliveries that are
// left are canceled when they come due.
func (ed *editor) cancelPending(ctx context.Context, w Webhook, reason string) {
	if _, err := ed.cancelWaiting(ctx, w, reason); err != nil {
		ed.notify.logError("canceling deliveries", err)
	}
}

// cancelWaiting cancels the pending deliveries of a webhook and returns how many.
func (ed *editor) cancelWaiting(ctx context.Context, w Webhook, reason string) (n int, err error) {
	q := DeliveryQuery{
		Account: w.Account, Webhook: w.ID, States: []State{StatePending}, Limit: cancelRows, Brief: true,
	}
	for ds, err := range deliveryPages(ctx, ed.store, q) {
		if err != nil {
			return n, err
		}
		done, err := ed.cancelAll(ctx, ds, reason, false)
		n += done
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// cancelAll cancels deliveries, and erases their contents if erase is set. It skips
// deliveries that somebody else changed since they were read, and returns how many it
// canceled.
func (ed *editor) cancelAll(ctx context.Context, ds []Delivery, reason string, erase bool) (int, error) {
	if len(ds) == 0 {
		return 0, nil
	}
	changes := make([]Change, len(ds))
	for i, del := range ds {
		changes[i] = cancellation(del, reason)
		changes[i].Erase = erase
	}
	lost, err := ed.store.Apply(ctx, changes)
	if err != nil {
		return 0, err
	}
	isLost := make(map[string]bool, len(lost))
	for _, id := range lost {
		isLost[id] = true
	}
	for i, del := range ds {
		if !isLost[del.ID] {
			del.State, del.Due, del.Lease = StateCanceled, changes[i].Due, del.Lease+1
			ed.notify.changed(del)
		}
	}
	return len(ds) - len(isLost), nil
}

// reopen makes deliveries pending again and returns how many. It skips deliveries
// without a body, and those that somebody else changed since they were read.
func (ed *editor) reopen(ctx context.Context, ds []Delivery, due func(Delivery) time.Time) (int, error) {
	changes := make([]Change, 0, len(ds))
	for _, del := range ds {
		if len(del.Body) > 0 {
			c := Change{ID: del.ID, Lease: del.Lease, State: StatePending, Due: due(del)}
			if del.Key != "" {
				c.Joined = now()
			}
			changes = append(changes, c)
		}
	}
	if len(changes) == 0 {
		return 0, nil
	}
	lost, err := ed.store.Apply(ctx, changes)
	if err != nil {
		return 0, err
	}
	ed.expectBacklog(ds[0].WebhookID)
	return len(changes) - len(lost), nil
}

// confirmed returns nil once everything that the store shows is durable. A caller
// who finds nothing to do may see the changes of an earlier call whose commit was
// canceled while it waited for a replica. The store reports a change that it cannot
// make only once what it shows is durable, so confirmed asks for one.
func (ed *editor) confirmed(ctx context.Context) error {
	_, err := ed.store.Apply(ctx, []Change{{ID: "none", Lease: -1, State: StateCanceled, Due: now()}})
	return err
}
