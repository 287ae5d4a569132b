package webhook

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/listhook/webhook/internal/phpform"
)

// Deliveries returns the deliveries that q selects, newest first unless q.Oldest is set.
// They are of q.Account, even if that is empty, unless q.All is set. Page with q.Limit and
// q.After. An unknown state or type, a negative limit, and an After with an ID and no
// Created are an *InvalidError.
func (d *Dispatcher) Deliveries(ctx context.Context, q DeliveryQuery) ([]Delivery, error) {
	q, err := q.forStore()
	if err != nil || q.selectsNone() {
		return nil, err
	}
	ds, err := readDeliveries(ctx, d.store, q)
	return hideUrgency(ds), wrap("Deliveries", err)
}

// Count returns how many deliveries q selects, and stops counting at q.Limit. It
// refuses what Deliveries refuses.
func (d *Dispatcher) Count(ctx context.Context, q DeliveryQuery) (int, error) {
	q, err := q.forStore()
	if err != nil || q.selectsNone() {
		return 0, err
	}
	n, err := countDeliveries(ctx, d.store, q)
	return n, wrap("Count", err)
}

// Redeliver makes a delivery due now and restarts its schedule: one that has ended
// becomes pending again under the same ID, and one that waits for its next attempt
// waits no longer. If the webhook is disabled and keeps its events, the delivery waits
// until it is enabled; if the webhook is held, the delivery waits for the next probe.
//
// One that ended joins the end of its line (see Order), and keeps its
// HeaderSequence, by which receivers know that it is old. If a newer delivery of the
// same key exists, Redeliver leaves it ended and returns a *NewerError: RedeliverAnyway
// sends it all the same. One that is pending keeps its place before those that wait for
// it, so there is no such error. An attempt that is under way in another process is not
// waited for: its receiver may get the delivery twice at once, and those behind it before
// the older request has ended. HeaderSequence tells them apart.
//
// It returns ErrNotFound if there is none in the account or its webhook was
// deleted, and an *InvalidError if its body was erased or not kept (see
// Options.DropBodies), or if its webhook is disabled and keeps nothing: it would be
// canceled. ErrConflict means that others kept changing the delivery.
func (d *Dispatcher) Redeliver(ctx context.Context, account, id string) error {
	return d.redeliver(ctx, account, id, false)
}

// RedeliverAnyway is Redeliver for somebody who was warned: it sends a delivery even if
// a newer one with the same key exists.
func (d *Dispatcher) RedeliverAnyway(ctx context.Context, account, id string) error {
	return d.redeliver(ctx, account, id, true)
}

func (d *Dispatcher) redeliver(ctx context.Context, account, id string, anyway bool) error {
	for tries := 0; ; tries++ {
		ds, err := d.store.Deliveries(ctx, DeliveryQuery{Account: account, IDs: []string{id}})
		if err != nil {
			return wrap("Redeliver", err)
		}
		if len(ds) == 0 {
			return ErrNotFound
		}
		w, err := d.editor.find(ctx, account, ds[0].WebhookID)
		if err != nil {
			return wrap("Redeliver", err)
		}
		if w.Disabled != "" && !w.KeepEvents {
			return errKeepsNothing()
		}
		if ds[0].BodyDropped() {
			return invalid("Body", "was removed after delivery: there is nothing to deliver")
		}
		if len(ds[0].Body) == 0 {
			return invalid("Body", "was erased: there is nothing to deliver")
		}
		if !anyway && ds[0].State != StatePending {
			newer, err := d.lines.newest(ctx, &ds[0])
			if err != nil {
				return wrap("Redeliver", err)
			}
			if newer != nil {
				return &NewerError{*newer}
			}
		}
		n, err := d.editor.reopen(ctx, ds, func(Delivery) time.Time { return now() })
		if err != nil || n == 1 {
			return wrap("Redeliver", err)
		}
		if tries == 10 {
			return ErrConflict
		}
	}
}

// errKeepsNothing says why nothing is delivered again to a webhook that is disabled.
func errKeepsNothing() error {
	return invalid("webhook", "is off and keeps nothing: switch it on first")
}

// SendTest delivers the sample of an event type to a webhook at once, whether
// or not the webhook wants such events or is on, and returns the attempt. It
// is not kept in the log and is not tried again. Its webhook-id begins with "test_". A
// webhook with Settings.Batch gets it as a batch of one event, whose id begins so. It
// returns ErrNotFound if there is no such webhook in the account, and an *InvalidError for
// a type that the catalogue does not hold.
func (d *Dispatcher) SendTest(ctx context.Context, account, webhook string, t EventType) (Attempt, error) {
	info := d.opts.info(t)
	if info == nil {
		return Attempt{}, invalid("type", "is "+quote(string(t))+", none of the app's event types")
	}
	w, err := d.editor.find(ctx, account, webhook)
	if err != nil {
		return Attempt{}, wrap("SendTest", err)
	}
	sample, m := info.sample()
	m.Time = time.Now()
	var customer CustomerAccount
	if w.Format.namesCustomer() {
		customer = d.preparer.customerAccount(ctx, account)
	}
	if w.List != "" {
		m.Lists = []string{w.List}
	}
	body, err := encodeFor(customer, w.disclosed(sample), m, w.Format)
	if err != nil {
		return Attempt{}, err
	}
	id := "test_" + rand.Text()
	return d.sendTest(ctx, w, t, withID(body, id), id), nil
}

// SendTestBody is SendTest with a body of the caller's instead of the sample: for
// trying a receiver with other data. A body that is empty, longer than Options.BodyLimit
// or not one of the webhook's format is an *InvalidError of the field Body. In JSON, and
// in a batch, the test's id replaces that of the body.
func (d *Dispatcher) SendTestBody(ctx context.Context, account, webhook string, t EventType, body []byte) (Attempt, error) {
	if d.opts.info(t) == nil {
		return Attempt{}, invalid("type", "is "+quote(string(t))+", none of the app's event types")
	}
	w, err := d.editor.find(ctx, account, webhook)
	if err != nil {
		return Attempt{}, wrap("SendTestBody", err)
	}
	id := "test_" + rand.Text()
	if body, err = testBody(w.Format, body, id, d.opts.BodyLimit); err != nil {
		return Attempt{}, err
	}
	return d.sendTest(ctx, w, t, body, id), nil
}

// testBody returns a body of the caller's with an ID, where its format has one in the
// body, or an error if it is not of the format.
func testBody(format Format, body []byte, id string, limit int) ([]byte, error) {
	switch {
	case len(body) == 0:
		return nil, invalid("Body", "is empty")
	case len(body) > limit:
		return nil, invalid("Body", fmt.Sprintf("is longer than %d bytes", limit))
	}
	if format != FormatJSON {
		if _, err := url.ParseQuery(string(body)); err != nil || isJSON(body) {
			return nil, invalid("Body", "is not a form")
		}
		return body, nil
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(body, &object) != nil || object == nil {
		return nil, invalid("Body", "is not a JSON object")
	}
	object["id"], _ = json.Marshal(id) // a text is never an error
	return json.Marshal(object)
}

// sendTest sends a body under a test's ID.
func (d *Dispatcher) sendTest(ctx context.Context, w Webhook, t EventType, body []byte, id string) Attempt {
	del := Delivery{ID: id, Account: w.Account, WebhookID: w.ID, Type: t, Body: body, Created: now()}
	if w.batches() && sizeInBatch(&del).fits() {
		if !isJSON(body) { // of two ids, receivers would take the caller's
			del.Body = phpform.Without(body, batchID)
		}
		del = batchRequest([]*Delivery{&del})
	}
	return d.sender.send(ctx, newEndpoint(w), &del, d.opts.leaseEnd()).Attempt
}

// CancelPending cancels the pending deliveries of a webhook, and returns how many
// it canceled. It is for an owner who does not want a backlog, or the events that
// a disabled webhook kept. Replay can send them again as long as they are in the
// log. An attempt that is under way goes on, but its outcome is not stored. It
// returns ErrNotFound if there is no such webhook in the account.
func (d *Dispatcher) CancelPending(ctx context.Context, account, webhook string) (n int, err error) {
	w, err := d.editor.find(ctx, account, webhook)
	if err != nil {
		return 0, wrap("CancelPending", err)
	}
	n, err = d.editor.cancelWaiting(ctx, w, "Canceled: what waited for the webhook was dropped.")
	d.retained.forget(webhook)
	if n == 0 && err == nil {
		err = d.editor.confirmed(ctx)
	}
	return n, wrap("CancelPending", err)
}

// Replay sends the deliveries of a webhook that q selects again, for customers who come
// back and want what they missed. Each is made due under its own ID, with its whole
// schedule again. Attempts begin in the order of creation, to the millisecond. Several
// run in parallel, and retries come later, so some may arrive in another order. Events
// that this process emits from now on follow, except urgent ones. Replay leaves out
// those whose body was erased or not kept.
//
// It also leaves out a delivery with a key (see Order) that a newer delivery with the
// same key replaces, whatever the newer one's state: a subscribe or an unsubscribe is
// replaced by a newer one of the two for the same list, and an update by a newer
// update. A receiver that does not look at HeaderSequence would end in the older state.
// Set q.IncludeReplaced for a receiver that wants the whole history.
//
// Include StateCanceled in q.States to replay deliveries that were canceled when the
// webhook was disabled.
//
// Replay makes all of them due before it returns, so they go before events that are
// emitted later. Use it for some hundreds of deliveries, and StartReplay for more.
//
// It returns ErrNotFound if there is no such webhook in the account, and an
// *InvalidError if Until is not after Since, if a state is not final, or if the webhook
// is disabled and keeps nothing. When ctx ends or the store fails, the result counts
// the deliveries until then, which are the oldest ones.
func (d *Dispatcher) Replay(ctx context.Context, account, webhook string, q ReplayQuery) (r Replayed, err error) {
	if q.Pending() {
		return r, invalid("States", "contains pending, which only StartReplay accepts")
	}
	q, w, err := d.prepareReplay(ctx, account, webhook, q)
	if err != nil {
		return r, wrap("Replay", err)
	}
	selected := q.selected(&w)
	selected.Limit = replayRows
	for ds, err := range deliveryPages(ctx, d.store, selected) {
		inSequence(ds)
		if err == nil && !q.IncludeReplaced {
			found := len(ds)
			ds, err = d.lines.withoutReplaced(ctx, ds)
			r.Replaced += found - len(ds)
		}
		if err != nil {
			return r, wrap("Replay", err)
		}
		done, err := d.editor.reopen(ctx, ds, func(del Delivery) time.Time { return del.Created })
		r.Resent += done
		if err != nil {
			return r, wrap("Replay", err)
		}
	}
	return r, nil
}
