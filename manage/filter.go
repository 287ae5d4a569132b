package manage

import "github.com/listhook/webhook"

// A filter selects webhooks as both APIs' filters[…] do. Empty fields select
// all.
type filter struct{ name, url, list string }

func (f filter) matches(w webhook.Webhook) bool {
	list := w.List
	if list == "" {
		list = "0"
	}
	return (f.name == "" || f.name == w.Name) && (f.url == "" || f.url == w.URL) && (f.list == "" || f.list == list)
}
