package manage

import (
	"context"
	"time"

	"github.com/listhook/webhook"
)

// A nextAttempt says when a pending delivery is attempted next, and why then.
// The page and the API both say what it says.
type nextAttempt struct {
	At     time.Time // zero: no time is set; see Reason
	Reason nextReason
}

// A nextReason is a word of the API.
type nextReason string

const (
	nextDue      nextReason = "due"       // as soon as there is room, since At
	nextUnderWay nextReason = "under_way" // an attempt is being made
	nextRetry    nextReason = "retry"     // at At, after an attempt that failed
	nextHeld     nextReason = "held"      // not before At, until when its webhook is held
	nextDisabled nextReason = "disabled"  // when its webhook, which keeps events, is enabled
	nextNone     nextReason = "none"      // never: its webhook is gone, or is disabled and keeps nothing
)

// nextAttemptOf says when d is attempted next. w is its webhook, nil when it was
// deleted. d.Due alone does not tell: urgent deliveries are due a year before
// they are created, and of a delivery that is leased Due is the lease's end.
func nextAttemptOf(d webhook.Delivery, w *webhook.Webhook, now time.Time) nextAttempt {
	switch {
	case w == nil || w.Deleted || w.Off != "" && !w.Keep:
		return nextAttempt{Reason: nextNone}
	case w.Off != "":
		return nextAttempt{Reason: nextDisabled}
	case w.Hold.After(now) && !d.Due.After(w.Hold):
		return nextAttempt{w.Hold, nextHeld}
	case !d.Due.After(now):
		at := d.Due
		if at.Before(d.Created) {
			at = d.Created
		}
		return nextAttempt{at, nextDue}
	case d.Attempts == 0 && d.Lease > 0:
		return nextAttempt{Reason: nextUnderWay}
	}
	return nextAttempt{d.Due, nextRetry}
}

// webhooksOf returns the webhooks of those deliveries that are pending, by ID.
func (a *account) webhooksOf(ctx context.Context, ds []webhook.Delivery) (map[string]*webhook.Webhook, error) {
	byID := map[string]*webhook.Webhook{}
	var ids []string
	for _, d := range ds {
		if _, known := byID[d.WebhookID]; d.State == webhook.StatePending && !known {
			byID[d.WebhookID] = nil
			ids = append(ids, d.WebhookID)
		}
	}
	if len(ids) == 0 {
		return byID, nil
	}
	ws, err := a.d.Webhooks(ctx, webhook.WebhookQuery{Account: a.Account, IDs: ids})
	for i := range ws {
		byID[ws[i].ID] = &ws[i]
	}
	return byID, err
}
