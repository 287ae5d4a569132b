package account

import (
	"context"
	"errors"
	"slices"

	"github.com/listhook/webhook"
)

// Faults returns all problems of the settings of a webhook, at most one for each field.
// Validate returns the first problem only, so Faults makes that field valid and calls it
// again.
func Faults(w webhook.Webhook) (all []*webhook.InvalidError) {
	for {
		var bad *webhook.InvalidError
		if !errors.As(w.Validate(), &bad) || slices.ContainsFunc(all, sameField(bad)) {
			return all
		}
		all = append(all, bad)
		if !makeValid(&w, bad.Field) {
			return all
		}
	}
}

// sameField reports of another error whether it is about the field of bad.
func sameField(bad *webhook.InvalidError) func(*webhook.InvalidError) bool {
	return func(other *webhook.InvalidError) bool { return other.Field == bad.Field }
}

// makeValid gives a field of a webhook a value that Validate accepts, whatever the other
// fields are, and reports whether it did.
func makeValid(w *webhook.Webhook, field string) bool {
	switch field {
	case "Name":
		w.Name = "x"
	case "URL":
		w.URL = "https://example.com"
	case "List":
		w.List = ""
	case "Events":
		w.Events = webhook.EventTypes()
	case "IgnoredEvents":
		w.IgnoredEvents = nil
	case "Sources":
		w.Sources = webhook.Sources()
	case "Format":
		w.Format = webhook.FormatJSON // which allows the most of Batch
	case "Order":
		w.Order = ""
	case "Disabled":
		w.Disabled = ""
	case "Batch":
		w.Batch = 2 // which allows a BatchWait
	case "BatchWait":
		w.BatchWait = 0
	case "Disclosure":
		w.Disclosure, w.FieldIDs = "", nil
	case "FieldIDs":
		w.FieldIDs = nil
	case "Headers":
		w.Headers = nil
	case "Secrets":
		w.Secrets = nil
	case "RateLimit":
		w.RateLimit = 0
	default:
		return false
	}
	return true
}

// Problems returns all for which Add refuses w, whose Revision is 0, or Edit its change
// from was, at most one problem for each field. It does not count webhooks.
func (c *Caller) Problems(ctx context.Context, was, w webhook.Webhook) ([]*webhook.InvalidError, error) {
	isNew := w.Revision == 0
	if isNew {
		was.List = NoList
	}
	all := Faults(w)
	add := func(bad *webhook.InvalidError) {
		if !slices.ContainsFunc(all, sameField(bad)) {
			all = append(all, bad)
		}
	}
	var checks []error
	if isNew || w.URL != was.URL {
		checks = append(checks, c.CheckURL(w.URL))
	}
	if isNew || w.Name != was.Name {
		checks = append(checks, CheckName(w.Name))
	}
	if w.List != was.List {
		checks = append(checks, c.CheckList(ctx, w.List))
	}
	for _, err := range checks {
		var bad *webhook.InvalidError
		switch {
		case errors.As(err, &bad):
			add(bad)
		case err != nil:
			return nil, err
		}
	}
	for _, bad := range c.EditProblems(was, w) {
		add(bad)
	}
	return all, nil
}
