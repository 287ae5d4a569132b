package webhook

import (
	"context"
	"crypto/rand"
	"time"
)

// Deliveries returns the deliveries that q selects, newest first unless it
// says otherwise. Account is always looked at, unless q.All is set. Page with
// q.Limit and q.After.
func (d *Dispatcher) Deliveries(ctx context.Context, q DeliveryQuery) ([]Delivery, error) {
	ds, err := d.store.Deliveries(ctx, q)
	return ds, wrap("Deliveries", err)
}

// Count returns how many deliveries q selects, and stops counting at q.Limit.
func (d *Dispatcher) Count(ctx context.Context, q DeliveryQuery) (int, error) {
	n, err := d.store.Count(ctx, q)
	return n, wrap("Count", err)
}

// Redeliver makes a delivery due now, with the whole schedule before it again:
// one that ended is begun again under the same ID, and one that waits for its
// next attempt waits no longer. One of a webhook that is off and keeps its events
// waits until that is switched on; one of a webhook that is held waits for its
// next probe.
//
// It returns ErrNotFound if there is none in the account or its webhook was
// deleted, and an *InvalidError if its body was erased, or if its webhook is off
// and keeps nothing: it would be canceled.
func (d *Dispatcher) Redeliver(ctx context.Context, account, id string) error {
	for tries := 0; ; tries++ {
		ds, err := d.store.Deliveries(ctx, DeliveryQuery{Account: account, IDs: []string{id}})
		if err != nil {
			return wrap("Redeliver", err)
		}
		if len(ds) == 0 {
			return ErrNotFound
		}
		w, err := d.find(ctx, account, ds[0].WebhookID)
		if err != nil {
			return wrap("Redeliver", err)
		}
		if w.Off != "" && !w.Keep {
			return errKeepsNothing()
		}
		if len(ds[0].Body) == 0 {
			return invalid("Body", "was erased: there is nothing to deliver")
		}
		n, err := d.reopen(ctx, ds, func(Delivery) time.Time { return now() })
		if err != nil || n == 1 {
			return wrap("Redeliver", err)
		}
		if tries == 10 {
			return ErrConflict
		}
	}
}

// errKeepsNothing says why nothing is delivered again to a webhook that is off.
func errKeepsNothing() error {
	return invalid("webhook", "is off and keeps nothing: switch it on first")
}

// reopen begins deliveries again and returns how many: neither those that were
// erased nor those that somebody else changed since they were read.
func (d *Dispatcher) reopen(ctx context.Context, ds []Delivery, due func(Delivery) time.Time) (int, error) {
	changes := make([]Change, 0, len(ds))
	for _, del := range ds {
		if len(del.Body) > 0 {
			changes = append(changes, Change{ID: del.ID, Lease: del.Lease, State: StatePending, Due: due(del)})
		}
	}
	lost, err := d.store.Apply(ctx, changes)
	if err != nil {
		return 0, err
	}
	if len(changes) > 0 {
		d.expectBacklog(ds[0].WebhookID)
	}
	return len(changes) - len(lost), nil
}

// expectBacklog has what became due for a webhook claimed before what is emitted
// here from now on is attempted.
func (d *Dispatcher) expectBacklog(webhook string) {
	if d.running() {
		d.limiter.ExpectBacklog(webhook)
	}
	d.Wake()
}

// cancelRows is how many deliveries are canceled in one call of the store.
const cancelRows = 500

// cancelPending cancels what waits for a webhook that no longer wants any.
// The webhook is stored as it should be, so an error here is only logged: what
// is left is canceled when it comes due.
func (d *Dispatcher) cancelPending(ctx context.Context, w Webhook, reason string) {
	if _, err := d.cancelWaiting(ctx, w, reason); err != nil {
		d.notify.logError("canceling deliveries", err)
	}
}

// cancelWaiting cancels what waits for a webhook and returns how much it was.
func (d *Dispatcher) cancelWaiting(ctx context.Context, w Webhook, reason string) (n int, err error) {
	q := DeliveryQuery{
		Account: w.Account, Webhook: w.ID, States: []State{StatePending}, Limit: cancelRows, Brief: true,
	}
	for {
		ds, err := d.store.Deliveries(ctx, q)
		if err != nil || len(ds) == 0 {
			return n, err
		}
		done, err := d.cancelAll(ctx, ds, reason, false)
		n += done
		if err != nil || len(ds) < cancelRows {
			return n, err
		}
		last := ds[len(ds)-1]
		q.After = Cursor{Created: last.Created, ID: last.ID}
	}
}

// cancelAll cancels deliveries, and erases them if they are not to be kept in
// the log. It returns how many: not those that somebody else changed since
// they were read.
func (d *Dispatcher) cancelAll(ctx context.Context, ds []Delivery, reason string, erase bool) (int, error) {
	if len(ds) == 0 {
		return 0, nil
	}
	changes := make([]Change, len(ds))
	for i, del := range ds {
		changes[i] = cancellation(del, reason)
		changes[i].Erase = erase
	}
	lost, err := d.store.Apply(ctx, changes)
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
			d.notify.changed(del)
		}
	}
	return len(ds) - len(isLost), nil
}

// SendTest delivers the sample of an event type to a webhook at once, whether
// or not the webhook wants such events or is on, and returns the attempt. It
// is not kept in the log and is not tried again. Its webhook-id begins with
// "test_". It returns ErrNotFound if there is no such webhook in the account.
func (d *Dispatcher) SendTest(ctx context.Context, account, webhook string, t EventType) (Attempt, error) {
	sample := Sample(t)
	if sample == nil {
		return Attempt{}, invalid("type", "is none of the nine event types")
	}
	w, err := d.find(ctx, account, webhook)
	if err != nil {
		return Attempt{}, wrap("SendTest", err)
	}
	m := sample.meta()
	m.Time = time.Now()
	var customer CustomerAccount
	if w.Format == FormatCurrent {
		customer = d.customerAccount(ctx, account)
	}
	body, err := encodeFor(customer, sample, m, w.wireList(&m), w.Format)
	if err != nil {
		return Attempt{}, err
	}
	del := Delivery{ID: "test_" + rand.Text(), Account: account, WebhookID: webhook, Type: t, Body: body}
	return d.post(ctx, newTarget(w), &del, d.opts.leaseEnd()).Attempt, nil
}
