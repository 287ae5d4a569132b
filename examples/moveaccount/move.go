package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/listhook/webhook"
)

// A mover moves an account from one database to another. It may be killed at any
// moment: move then does the rest when it is called again, and is the same in any
// process.
//
// While the account is moved it takes no events, so that emit waits. The account is
// at its new place as soon as its state there is here. Until then its webhooks are
// paused in both databases, so that nothing is attempted from either.
type mover struct {
	from, to *database
	account  string
	progress func(step string) // called after each step
}

// paused is what a webhook is disabled for while its account is moved. It keeps its
// deliveries, and what is still learned of its receiver does not end the pause.
const paused = "Its account is being moved."

// pauseEnd is far enough.
var pauseEnd = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// pageRows is how many deliveries are copied in one call.
const pageRows = 200

// move moves the account, or finishes a move that was begun.
func (m *mover) move(ctx context.Context) error {
	state, err := m.to.state(ctx, m.account)
	if err != nil {
		return err
	}
	if state != here {
		if err := m.bring(ctx); err != nil {
			return err
		}
	}
	return m.finish(ctx)
}

// bring copies the account, and ends with its being in the new database.
func (m *mover) bring(ctx context.Context) error {
	if state, err := m.from.state(ctx, m.account); err != nil || state != here && state != frozen {
		return errors.Join(err, fmt.Errorf("%s is not in %s", m.account, m.from.name))
	}
	if err := m.announce(ctx); err != nil {
		return err
	}
	m.progress("announced")
	if _, err := m.from.setState(ctx, m.account, frozen, here); err != nil {
		return err
	}
	m.progress("frozen")
	for _, step := range []struct {
		does string
		do   func(context.Context) error
	}{
		{"paused", m.pause},
		{"quiet", m.awaitAttempts},
		{"webhooks copied", m.copyWebhooks},
		{"deliveries copied", m.copyDeliveries},
		{"webhooks moved", m.moveWebhooks},
	} {
		if err := step.do(ctx); err != nil {
			return err
		}
		m.progress(step.does)
	}
	if _, err := m.to.setState(ctx, m.account, here, arriving); err != nil {
		return err
	}
	m.progress("switched")
	return nil
}

// announce notes in the new database that the account is coming. What an earlier stay
// left there has to be pruned first: a delivery that it has is not copied over it.
func (m *mover) announce(ctx context.Context) error {
	state, err := m.to.state(ctx, m.account)
	if err != nil || state == arriving {
		return err
	}
	n, err := m.to.store.Count(ctx, webhook.DeliveryQuery{Account: m.account, Limit: 1})
	if err != nil || n > 0 {
		return errors.Join(err, fmt.Errorf("%s still has deliveries of an earlier stay in %s: wait until they are pruned", m.account, m.to.name))
	}
	_, err = m.to.setState(ctx, m.account, arriving, "", gone)
	return err
}

// finish ends the pauses in the new database, and forgets the account in the old one.
func (m *mover) finish(ctx context.Context) error {
	// A webhook that was added at the moment of freezing follows.
	if err := m.moveWebhooks(ctx); err != nil {
		return err
	}
	if err := m.resume(ctx); err != nil {
		return err
	}
	m.progress("resumed")
	if _, _, err := m.from.dispatcher.EraseAccount(ctx, m.account); err != nil {
		return err
	}
	m.progress("erased")
	_, err := m.from.setState(ctx, m.account, gone, frozen)
	return err
}

// pause pauses the account's webhooks in the old database.
func (m *mover) pause(ctx context.Context) error {
	return changeWebhooks(ctx, m.from, m.account, pause)
}

// pause pauses a webhook, unless it is disabled anyway. It reports whether that
// changes it.
func pause(w *webhook.Webhook) bool {
	if w.Disabled != "" {
		return false
	}
	w.Disabled, w.DisabledAt, w.KeepEvents, w.HeldUntil = paused, time.Now().UTC().Truncate(time.Millisecond), true, pauseEnd
	return true
}

// resume ends the pauses in the new database. Each delivery is attempted when it is
// due, as it would have been.
func (m *mover) resume(ctx context.Context) error {
	defer m.to.dispatcher.Wake()
	return changeWebhooks(ctx, m.to, m.account, func(w *webhook.Webhook) bool {
		if w.Disabled != paused {
			return false
		}
		w.Disabled, w.DisabledAt, w.KeepEvents, w.HeldUntil = "", time.Time{}, false, time.Time{}
		return true
	})
}

// changeWebhooks changes the account's webhooks for which change returns true. It
// begins again with a webhook that somebody else changed meanwhile.
func changeWebhooks(ctx context.Context, d *database, account string, change func(*webhook.Webhook) bool) error {
	for {
		ws, err := d.store.Webhooks(ctx, webhook.WebhookQuery{Account: account})
		if err != nil {
			return err
		}
		conflict := false
		for _, w := range ws {
			if !change(&w) {
				continue
			}
			w.Changed = time.Now().UTC().Truncate(time.Millisecond) // by which other processes find it
			_, err := d.store.PutWebhook(ctx, w)
			conflict = conflict || errors.Is(err, webhook.ErrConflict)
			if err != nil && !errors.Is(err, webhook.ErrConflict) {
				return err
			}
		}
		if !conflict {
			return nil
		}
	}
}

// awaitAttempts waits until no delivery of the account is under way. One that was
// leased before its webhook was paused is due when its lease ends, after twice the
// timeout; once its outcome is stored it is due at another time, or finished.
func (m *mover) awaitAttempts(ctx context.Context) error {
	for {
		ws, err := m.from.store.Webhooks(ctx, webhook.WebhookQuery{Account: m.account})
		if err != nil {
			return err
		}
		var since time.Time // of the last pause
		for _, w := range ws {
			if w.DisabledAt.After(since) {
				since = w.DisabledAt
			}
		}
		ds, err := m.from.store.Deliveries(ctx, webhook.DeliveryQuery{
			Account: m.account, States: []webhook.State{webhook.StatePending}, Brief: true,
		})
		if err != nil {
			return err
		}
		now, leased := time.Now(), since.Add(2*timeout+time.Second)
		if !slices.ContainsFunc(ds, func(d webhook.Delivery) bool {
			return d.Lease > 0 && d.Due.After(now) && d.Due.Before(leased)
		}) {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// copyDeliveries copies the account's deliveries, oldest first, with the log of those
// that are finished: so they can be delivered again, and an event that is emitted
// again is still known. Those that were copied before are left alone.
func (m *mover) copyDeliveries(ctx context.Context) error {
	q := webhook.DeliveryQuery{Account: m.account, Oldest: true, Limit: pageRows}
	for {
		ds, err := m.from.store.Deliveries(ctx, q)
		if err != nil || len(ds) == 0 {
			return err
		}
		events := make([]webhook.OutboxEvent, len(ds))
		for i, d := range ds {
			if d.State == webhook.StatePending {
				d.Lease = 0 // nobody has it any more
			}
			body := d.Body
			d.Body = nil
			events[i] = webhook.OutboxEvent{Bodies: [][]byte{body}, Deliveries: []webhook.OutboxDelivery{{Delivery: d}}}
		}
		if _, err := m.to.store.Enqueue(ctx, events); err != nil {
			return err
		}
		last := ds[len(ds)-1]
		q.After = webhook.Cursor{Created: last.Created, ID: last.ID}
		m.progress("copying deliveries")
	}
}

// copyWebhooks copies the account's webhooks, so that the new database does not take
// their deliveries for those of webhooks that are gone.
func (m *mover) copyWebhooks(ctx context.Context) error {
	ws, err := m.from.store.Webhooks(ctx, webhook.WebhookQuery{Account: m.account})
	if err != nil {
		return err
	}
	for _, w := range ws {
		if err := m.putWebhook(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// moveWebhooks copies the account's webhooks as they are now, and deletes each in the
// old database, so that an edit that comes too late fails.
func (m *mover) moveWebhooks(ctx context.Context) error {
	for {
		ws, err := m.from.store.Webhooks(ctx, webhook.WebhookQuery{Account: m.account})
		if err != nil || len(ws) == 0 {
			return err
		}
		for _, w := range ws {
			pause(&w)
			w.Changed = time.Now().UTC().Truncate(time.Millisecond)
			if err := m.putWebhook(ctx, w); err != nil {
				return err
			}
			w.Deleted, w.HeldUntil = true, pauseEnd
			if _, err := m.from.store.PutWebhook(ctx, w); err != nil && !errors.Is(err, webhook.ErrConflict) {
				return err // after a conflict it is copied again
			}
			m.progress("moving webhooks")
		}
	}
}

// putWebhook stores a webhook in the new database, over what an earlier move left.
func (m *mover) putWebhook(ctx context.Context, w webhook.Webhook) error {
	for {
		there, err := m.to.store.Webhooks(ctx, webhook.WebhookQuery{
			Account: m.account, IDs: []string{w.ID}, Deleted: true,
		})
		if err != nil {
			return err
		}
		w.Version = 0
		if len(there) > 0 {
			w.Version = there[0].Version
		}
		if _, err := m.to.store.PutWebhook(ctx, w); !errors.Is(err, webhook.ErrConflict) {
			return err
		}
	}
}
