package account

import (
	"context"

	"github.com/listhook/webhook"
)

// WithTallies returns a webhook of the account that the caller sees, with its tallies.
func (c *Caller) WithTallies(ctx context.Context, id string) (webhook.Webhook, error) {
	ws, err := c.Query(ctx, webhook.WebhookQuery{IDs: []string{id}, Tallies: true})
	if err == nil && len(ws) == 0 {
		err = webhook.ErrNotFound
	}
	if err != nil {
		return webhook.Webhook{}, err
	}
	return ws[0], nil
}

// A Period is how far back figures reach, as both the page and the API name it.
type Period string

// The periods.
const (
	PeriodDay   Period = "24h"
	PeriodWeek  Period = "7d"
	PeriodMonth Period = "30d"
)

// Of returns the period's tallies, oldest first, and false if there is no such period.
func (p Period) Of(ts webhook.Tallies) ([]webhook.Tally, bool) {
	switch p {
	case PeriodDay:
		return ts.Day, true
	case PeriodWeek:
		return ts.Week, true
	case PeriodMonth:
		return ts.Month, true
	}
	return nil, false
}
