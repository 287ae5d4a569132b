package account

import "github.com/listhook/webhook"

// A Filter selects webhooks as both APIs' filters[…] do. Empty fields select
// all.
type Filter struct{ Name, URL, List string }

// Matches reports whether f selects w.
func (f Filter) Matches(w webhook.Webhook) bool {
	return (f.Name == "" || f.Name == w.Name) && (f.URL == "" || f.URL == w.URL) && (f.List == "" || f.List == ListID(w))
}
