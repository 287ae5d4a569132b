package account

import (
	"context"
	"time"

	"github.com/listhook/webhook"
)

// A NextAttempt says when a pending delivery is attempted next, and why then.
// The page and the API both say what it says.
type NextAttempt struct {
	At     time.Time // zero: no time is set; see Reason
	Reason NextReason
}

// A NextReason is a word of the API.
type NextReason string

// The reasons.
const (
	NextDue      NextReason = "due"       // as soon as there is room, since At
	NextUnderWay NextReason = "under_way" // an attempt is being made
	NextRetry    NextReason = "retry"     // at At, after an attempt that failed
	NextHeld     NextReason = "held"      // not before At, until when its webhook is held
	NextDisabled NextReason = "disabled"  // when its webhook, which keeps events, is enabled
	NextInOrder  NextReason = "in_order"  // when an earlier delivery of its key has ended

	NextUnreadable NextReason = "unreadable" // when the key of its webhook, which cannot be read, is back

	NextNone NextReason = "none" // never: its webhook is gone, or is disabled and keeps nothing
)

// NextAttemptOf says when d is attempted next. w is its webhook, nil when it was
// deleted. d.Due alone does not tell: of a delivery that is leased it is the lease's
// end.
func NextAttemptOf(d webhook.Delivery, w *webhook.Webhook, now time.Time) NextAttempt {
	switch {
	case w == nil || w.Deleted || w.Disabled != "" && !w.KeepEvents:
		return NextAttempt{Reason: NextNone}
	case w.Disabled != "":
		return NextAttempt{Reason: NextDisabled}
	case w.Unreadable() != "":
		return NextAttempt{Reason: NextUnreadable}
	case w.HeldUntil.After(now) && !d.Due.After(w.HeldUntil):
		return NextAttempt{w.HeldUntil, NextHeld}
	case !d.Due.After(now):
		return NextAttempt{d.Due, NextDue}
	case d.Attempts == 0 && d.Lease > 0:
		return NextAttempt{Reason: NextUnderWay}
	}
	return NextAttempt{d.Due, NextRetry}
}

// WebhooksOf returns the webhooks of deliveries, by ID; nil for those that are gone.
func (c *Caller) WebhooksOf(ctx context.Context, ds []webhook.Delivery) (map[string]*webhook.Webhook, error) {
	byID := map[string]*webhook.Webhook{}
	var ids []string
	for _, d := range ds {
		if _, known := byID[d.WebhookID]; !known {
			byID[d.WebhookID] = nil
			ids = append(ids, d.WebhookID)
		}
	}
	if len(ids) == 0 {
		return byID, nil
	}
	ws, err := c.Query(ctx, webhook.WebhookQuery{IDs: ids})
	for i := range ws {
		byID[ws[i].ID] = &ws[i]
	}
	return byID, err
}
