package account

import (
	"context"

	"github.com/listhook/webhook"
)

// A Filter selects webhooks as both APIs' filters[…] do. Empty fields select
// all.
type Filter struct{ Name, URL, List string }

// Filtered returns those of the account's webhooks that f selects, as the caller
// may see them.
func (c *Caller) Filtered(ctx context.Context, f Filter) ([]webhook.Webhook, error) {
	ws, err := c.Webhooks(ctx)
	var found []webhook.Webhook
	for _, w := range ws {
		if w = c.Shown(w); f.matches(w) {
			found = append(found, w)
		}
	}
	return found, err
}

func (f Filter) matches(w webhook.Webhook) bool {
	return (f.Name == "" || f.Name == w.Name) && (f.URL == "" || f.URL == w.URL) && (f.List == "" || f.List == ListID(w))
}
