package manage

import (
	"slices"

	"github.com/listhook/webhook"
)

// A label is a choice of a form, by its name on the wire and as ActiveCampaign's
// page called it.
type label struct {
	Value, Text string
}

var typeLabels = []label{
	{string(webhook.TypeSubscribe), "New Subscription"},
	{string(webhook.TypeUnsubscribe), "New Unsubscription"},
	{string(webhook.TypeUpdate), "Subscriber Updated"},
	{string(webhook.TypeSent), "Campaign Starts Sending"},
	{string(webhook.TypeOpen), "Campaign Opened"},
	{string(webhook.TypeClick), "Link Clicked"},
	{string(webhook.TypeForward), "Campaign Forwarded"},
	{string(webhook.TypeShare), "Campaign Shared"},
	{string(webhook.TypeBounce), "Email Bounce"},
}

var sourceLabels = []label{
	{string(webhook.SourcePublic), "By a subscriber"},
	{string(webhook.SourceAdmin), "By an admin user"},
	{string(webhook.SourceAPI), "By the API"},
	{string(webhook.SourceSystem), "By system processes"},
}

var formatLabels = []label{
	{string(webhook.Format2013), "2013: subscriber[…]"},
	{string(webhook.FormatCurrent), "Current: contact[…]"},
}

var stateLabels = []label{
	{string(webhook.StatePending), "Pending"},
	{string(webhook.StateDelivered), "Delivered"},
	{string(webhook.StateFailed), "Failed"},
	{string(webhook.StateCanceled), "Canceled"},
}

// labelOf returns the text of a value, or the value where there is none.
func labelOf[T ~string](labels []label, value T) string {
	i := slices.IndexFunc(labels, func(l label) bool { return l.Value == string(value) })
	if i < 0 {
		return string(value)
	}
	return labels[i].Text
}

// labelsOf returns the texts of values, in the labels' order.
func labelsOf[T ~string](labels []label, values []T) []string {
	var texts []string
	for _, l := range labels {
		if slices.Contains(values, T(l.Value)) {
			texts = append(texts, l.Text)
		}
	}
	return texts
}
