package account

import (
	"context"
	"crypto/rand"

	"github.com/listhook/webhook"
)

// CountReplay counts the deliveries of a webhook that q selects.
func (c *Caller) CountReplay(ctx context.Context, id string, q webhook.ReplayQuery) (int, error) {
	if _, err := c.Webhook(ctx, id); err != nil {
		return 0, err
	}
	return c.dispatcher.CountReplay(ctx, c.Account, id, q)
}

// StartReplay has deliveries of a webhook sent again in the background, once for each
// job; "": it is a new one. Where what waits is to be sent, a webhook that is held is tried.
func (c *Caller) StartReplay(ctx context.Context, id, job string, q webhook.ReplayQuery) (webhook.ReplayJob, error) {
	if _, err := c.Webhook(ctx, id); err != nil {
		return webhook.ReplayJob{}, err
	}
	if job == "" {
		job = NewReplay()
	}
	started, err := c.dispatcher.StartReplay(ctx, c.Account, id, job, q)
	if err == nil && started.ID == job && q.Pending() {
		_, err = c.dispatcher.ProbeNow(ctx, c.Account, id)
	}
	return started, err
}

// NewReplay returns the ID of a new job.
func NewReplay() string { return rand.Text() }

// CancelReplay ends the replay of a webhook.
func (c *Caller) CancelReplay(ctx context.Context, id string) (webhook.ReplayJob, error) {
	if _, err := c.Webhook(ctx, id); err != nil {
		return webhook.ReplayJob{}, err
	}
	return c.dispatcher.CancelReplay(ctx, c.Account, id)
}
