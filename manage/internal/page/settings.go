package page

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
	"github.com/listhook/webhook/manage/internal/label"
)

// A setting is a field of the form for a webhook.
type setting struct {
	label.Label
	value func(webhook.Webhook) string                   // a text that is equal for equal values
	take  func(w *webhook.Webhook, from webhook.Webhook) // sets the field of w to that of from
}

// settings are the fields of the form, in its order.
var settings = []setting{
	{
		label.Label{Value: "Name", Text: "Name"},
		func(w webhook.Webhook) string { return w.Name },
		func(w *webhook.Webhook, from webhook.Webhook) { w.Name = from.Name },
	},
	{
		label.Label{Value: "URL", Text: "URL"},
		func(w webhook.Webhook) string { return w.URL },
		func(w *webhook.Webhook, from webhook.Webhook) { w.URL = from.URL },
	},
	{
		label.Label{Value: "List", Text: "List"},
		func(w webhook.Webhook) string { return w.List },
		func(w *webhook.Webhook, from webhook.Webhook) { w.List = from.List },
	},
	{
		label.Label{Value: "Events", Text: "Events"},
		func(w webhook.Webhook) string { return values(w.Events) },
		func(w *webhook.Webhook, from webhook.Webhook) {
			w.Events, w.IgnoredEvents = from.Events, nil // the form asks for no others
		},
	},
	{
		label.Label{Value: "Sources", Text: "Triggered by"},
		func(w webhook.Webhook) string { return values(w.Sources) },
		func(w *webhook.Webhook, from webhook.Webhook) { w.Sources = from.Sources },
	},
	{
		label.Label{Value: "Format", Text: "Format"},
		func(w webhook.Webhook) string { return string(cmp.Or(w.Format, webhook.Format2013)) },
		func(w *webhook.Webhook, from webhook.Webhook) { w.Format = from.Format },
	},
	{
		label.Label{Value: "Disclosure", Text: "Subscriber data"},
		func(w webhook.Webhook) string {
			return strings.Join(append([]string{string(cmp.Or(w.Disclosure, webhook.DiscloseAll))}, w.FieldIDs...), "\n")
		},
		func(w *webhook.Webhook, from webhook.Webhook) {
			w.Disclosure, w.FieldIDs = from.Disclosure, from.FieldIDs
		},
	},
	{
		label.Label{Value: "Order", Text: "In order"},
		func(w webhook.Webhook) string { return string(cmp.Or(w.Order, webhook.OrderState)) },
		func(w *webhook.Webhook, from webhook.Webhook) { w.Order = from.Order },
	},
	{
		label.Label{Value: "Batch", Text: "Events per request"},
		batchValue,
		func(w *webhook.Webhook, from webhook.Webhook) { w.Batch, w.BatchWait = from.Batch, from.BatchWait },
	},
	{
		label.Label{Value: "Headers", Text: "Headers"},
		func(w webhook.Webhook) string { return headerLines(w.Headers) },
		func(w *webhook.Webhook, from webhook.Webhook) { w.Headers = from.Headers },
	},
	{
		label.Label{Value: "NoRetry", Text: "Retries"},
		func(w webhook.Webhook) string { return strconv.FormatBool(w.NoRetry) },
		func(w *webhook.Webhook, from webhook.Webhook) { w.NoRetry = from.NoRetry },
	},
	{
		label.Label{Value: "RateLimit", Text: "Requests per second"},
		func(w webhook.Webhook) string { return rateLimitText(w.RateLimit) },
		func(w *webhook.Webhook, from webhook.Webhook) { w.RateLimit = from.RateLimit },
	},
	{
		label.Label{Value: "KeepEvents", Text: "While the webhook is off"},
		func(w webhook.Webhook) string { return strconv.FormatBool(account.KeepsEvents(w)) },
		func(w *webhook.Webhook, from webhook.Webhook) { account.SetKeepsEvents(w, account.KeepsEvents(from)) },
	},
}

// values are those of a choice, a line each: in any order they are equal.
func values[T ~string](chosen []T) string {
	var lines strings.Builder
	for _, value := range slices.Sorted(slices.Values(chosen)) {
		lines.WriteString(string(value) + "\n")
	}
	return lines.String()
}
