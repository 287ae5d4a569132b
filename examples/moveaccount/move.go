package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/listhook/webhook"
)

// A mover moves an account from one database to another. It may be killed at any
// moment: move then does the rest when it is called again, in any process. Only one
// process at a time may move an account.
//
// While the account is moved it takes no events, so that emit waits. The account is
// at its new place as soon as its state there is here. Until then its webhooks are
// paused in both databases, so that nothing is attempted from either.
type mover struct {
	from, to *database
	account  string
	progress func(step string) // called after each step
}

// pageRows and pageBytes are how many deliveries, and how many bytes of bodies and
// answers, are copied in one call at most. A store need not take more.
const (
	pageRows  = 200
	pageBytes = 1 << 20
)

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
	switch state, err := m.from.state(ctx, m.account); {
	case err != nil:
		return err
	case state != here && state != frozen:
		return fmt.Errorf("%s is not in %s", m.account, m.from.name)
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
		{"deletions copied", m.copyDeletions},
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
	switch n, err := m.to.store.Count(ctx, webhook.DeliveryQuery{Account: m.account, Limit: 1}); {
	case err != nil:
		return err
	case n > 0:
		return fmt.Errorf("%s still has deliveries of an earlier stay in %s: wait until they are pruned", m.account, m.to.name)
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

// copyDeliveries copies the account's deliveries, with the log of those that are
// finished: so they can be delivered again, and an event that is emitted again is still
// known. Those that were copied before are left alone.
func (m *mover) copyDeliveries(ctx context.Context) error {
	q := webhook.DeliveryQuery{
		Account: m.account, Oldest: true, Limit: pageRows,
		States: []webhook.State{webhook.StateDelivered, webhook.StateFailed, webhook.StateCanceled},
	}
	for {
		ds, err := m.from.store.Deliveries(ctx, q)
		if err != nil {
			return err
		}
		if len(ds) == 0 {
			return m.copyPending(ctx)
		}
		if err := m.enqueue(ctx, ds); err != nil {
			return err
		}
		last := ds[len(ds)-1]
		q.After = webhook.Cursor{Created: last.Created, ID: last.ID}
		m.progress("copying deliveries")
	}
}

// copyPending copies the pending deliveries. Those with a key are attempted in the order
// in which they joined their line, which Enqueue makes anew. What joined within the same
// millisecond may change places: a store does not say its order.
func (m *mover) copyPending(ctx context.Context) error {
	ds, err := m.pending(ctx)
	if err != nil {
		return err
	}
	slices.SortStableFunc(ds, func(a, b webhook.Delivery) int {
		return cmp.Or(a.Joined.Compare(b.Joined), cmp.Compare(a.Sequence, b.Sequence))
	})
	for page := range slices.Chunk(ds, pageRows) {
		place := map[string]int{}
		for i, d := range page {
			place[d.ID] = i
		}
		whole, err := m.from.store.Deliveries(ctx, webhook.DeliveryQuery{Account: m.account, IDs: slices.Collect(maps.Keys(place))})
		if err != nil {
			return err
		}
		slices.SortFunc(whole, func(a, b webhook.Delivery) int { return place[a.ID] - place[b.ID] })
		if err := m.enqueue(ctx, whole); err != nil {
			return err
		}
		m.progress("copying deliveries")
	}
	return nil
}

// enqueue copies some deliveries.
func (m *mover) enqueue(ctx context.Context, ds []webhook.Delivery) error {
	var events []webhook.OutboxEvent
	var passedOver []webhook.Change
	size := 0
	for i, d := range ds {
		if d.State == webhook.StatePending {
			d.Lease = 0 // nobody has it any more
			if d.PassedOver {
				passedOver = append(passedOver, webhook.Change{ID: d.ID, State: d.State, Due: d.Due, Attempts: d.Attempts, LeaveLine: true})
			}
		}
		body := d.Body
		d.Body = nil
		events = append(events, webhook.OutboxEvent{Bodies: [][]byte{body}, Deliveries: []webhook.OutboxDelivery{{Delivery: d}}})
		size += len(body)
		for _, a := range d.Log {
			size += len(a.Response)
		}
		if size < pageBytes && i < len(ds)-1 {
			continue
		}
		if _, err := m.to.store.Enqueue(ctx, events); err != nil {
			return err
		}
		events, size = nil, 0
	}
	if len(passedOver) == 0 {
		return nil
	}
	_, err := m.to.store.Apply(ctx, passedOver) // those that were changed before are left alone
	return err
}

// copyWebhooks copies the account's webhooks, so that the new database does not take
// their deliveries for those of webhooks that are gone.
func (m *mover) copyWebhooks(ctx context.Context) error {
	ws, err := m.from.store.Webhooks(ctx, webhook.WebhookQuery{Account: m.account, Tallies: true})
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
		ws, err := m.from.store.Webhooks(ctx, webhook.WebhookQuery{Account: m.account, Tallies: true})
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

// copyDeletions deletes in the new database what was deleted in the old one after it was
// copied. Those that moveWebhooks deleted are held.
func (m *mover) copyDeletions(ctx context.Context) error {
	ws, err := m.from.store.Webhooks(ctx, webhook.WebhookQuery{Account: m.account, Deleted: true})
	if err != nil {
		return err
	}
	there, err := m.to.store.Webhooks(ctx, webhook.WebhookQuery{Account: m.account})
	if err != nil {
		return err
	}
	for _, w := range ws {
		copied := slices.ContainsFunc(there, func(other webhook.Webhook) bool { return other.ID == w.ID })
		if !copied || w.HeldUntil.Equal(pauseEnd) {
			continue
		}
		w.Changed = time.Now().UTC().Truncate(time.Millisecond)
		if err := m.putWebhook(ctx, w); err != nil {
			return err
		}
	}
	return nil
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
