package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/listhook/webhook"
)

// paused is what a webhook is disabled for while its account is moved. It keeps its
// deliveries, and what is still learned of its receiver does not end the pause. If the
// webhook was held before, heldUntil and the end of that follow.
const (
	paused    = "Its account is being moved."
	heldUntil = " It was held until "
)

// pauseEnd is far enough.
var pauseEnd = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// pause pauses the account's webhooks in the old database.
func (m *mover) pause(ctx context.Context) error {
	return changeWebhooks(ctx, m.from, m.account, pause)
}

// pause pauses a webhook, unless it is disabled anyway, and its replay. It reports
// whether that changes it.
func pause(w *webhook.Webhook) (changed bool) {
	if w.Replay.UnderWay() && !w.Replay.Taken.Equal(pauseEnd) {
		w.Replay.Taken, changed = pauseEnd, true // as if another process worked on it
	}
	if w.Disabled != "" {
		return changed
	}
	w.Disabled, w.DisabledAt = paused, time.Now().UTC().Truncate(time.Millisecond)
	if w.HeldUntil.After(w.DisabledAt) {
		w.Disabled += heldUntil + w.HeldUntil.Format(time.RFC3339Nano)
	}
	if !w.KeepEvents {
		w.KeepEvents, w.KeepEventsOnce = true, true
	}
	w.HeldUntil = pauseEnd
	return true
}

// resume ends the pauses in the new database. Each delivery is attempted when it is
// due, as it would have been.
func (m *mover) resume(ctx context.Context) error {
	defer m.to.dispatcher.Wake()
	return changeWebhooks(ctx, m.to, m.account, resume)
}

// resume undoes pause. It reports whether that changes the webhook.
func resume(w *webhook.Webhook) (changed bool) {
	if w.Replay.Taken.Equal(pauseEnd) {
		w.Replay.Taken, changed = time.Time{}, true
	}
	held, isPaused := strings.CutPrefix(w.Disabled, paused)
	if !isPaused {
		return changed
	}
	until, _ := time.Parse(time.RFC3339Nano, strings.TrimPrefix(held, heldUntil)) // zero: it was not held
	w.Disabled, w.DisabledAt, w.HeldUntil = "", time.Time{}, until
	if w.KeepEventsOnce {
		w.KeepEvents, w.KeepEventsOnce = false, false
	}
	return true
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

// longestWindow is the longest BatchWait that a webhook may have.
const longestWindow = 50 * time.Second

// awaitAttempts waits until no delivery of the account is under way. One that was
// leased before its webhook was paused is due when its lease ends, after twice the
// timeout and, if the webhook gets batches, a window: perhaps that of another webhook, with
// which it was claimed. Once its outcome is stored it is due at another time, or finished.
func (m *mover) awaitAttempts(ctx context.Context) error {
	for {
		ws, err := m.from.store.Webhooks(ctx, webhook.WebhookQuery{Account: m.account, Deleted: true})
		if err != nil {
			return err
		}
		leased := map[string]time.Time{} // by webhook: when the last leases end
		for _, w := range ws {
			since := w.DisabledAt
			if w.Deleted {
				since = w.Changed
			}
			leased[w.ID] = since.Add(2*timeout + time.Second)
			if w.Batch > 1 {
				leased[w.ID] = leased[w.ID].Add(longestWindow)
			}
		}
		ds, err := m.pending(ctx)
		if err != nil {
			return err
		}
		now := time.Now()
		if !slices.ContainsFunc(ds, func(d webhook.Delivery) bool {
			return d.Lease > 0 && d.Due.After(now) && d.Due.Before(leased[d.WebhookID])
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

// pending returns the account's pending deliveries, without their bodies and logs.
func (m *mover) pending(ctx context.Context) ([]webhook.Delivery, error) {
	return m.from.store.Deliveries(ctx, webhook.DeliveryQuery{
		Account: m.account, States: []webhook.State{webhook.StatePending}, Oldest: true, Brief: true,
	})
}
