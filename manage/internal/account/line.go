package account

import (
	"context"
	"time"

	"github.com/listhook/webhook"
)

// A Line is what the order of deliveries means for one of them.
type Line struct {
	Blocking *webhook.Delivery // for which it waits; nil: for none
	Behind   int               // how many wait for it
	Newer    *webhook.Delivery // of one that ended, a newer one of its key; nil: there is none
}

// lineLimit is where counting those that wait stops.
const lineLimit = 1001

// LineOf returns the line of a delivery.
func (c *Caller) LineOf(ctx context.Context, d webhook.Delivery) (l Line, err error) {
	switch {
	case d.State != webhook.StatePending:
		l.Newer, err = c.dispatcher.Newer(ctx, c.Account, d.ID)
		return l, err
	case !d.InLine():
		return l, nil
	}
	if l.Blocking, err = c.dispatcher.Blocking(ctx, c.Account, d.ID); err != nil || l.Blocking != nil {
		return l, err
	}
	ds, err := c.dispatcher.Deliveries(ctx, webhook.DeliveryQuery{
		Account: c.Account, Webhook: d.WebhookID, Key: d.Key, States: []webhook.State{webhook.StatePending}, Limit: lineLimit + 1, Brief: true,
	})
	for i := range ds {
		if ds[i].ID != d.ID && ds[i].InLine() {
			l.Behind++
		}
	}
	return l, err
}

// EventTime returns when a delivery's event happened.
func EventTime(d webhook.Delivery) time.Time {
	if d.Time.IsZero() {
		return d.Created
	}
	return d.Time
}
