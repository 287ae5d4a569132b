// Package label has the texts that people read instead of the values of event
// types, sources, formats, disclosures and states.
package label

import (
	"slices"

	"github.com/listhook/webhook"
)

// A Label is a choice of a form, by its name on the wire and as ActiveCampaign's
// page called it.
type Label struct {
	Value, Text string
}

// Types are the event types.
var Types = []Label{
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

// Sources are the sources.
var Sources = []Label{
	{string(webhook.SourcePublic), "By a subscriber"},
	{string(webhook.SourceAdmin), "By an admin user"},
	{string(webhook.SourceAPI), "By the API"},
	{string(webhook.SourceSystem), "By system processes"},
}

// Formats are the formats.
var Formats = []Label{
	{string(webhook.Format2013), "2013: subscriber[…]"},
	{string(webhook.FormatCurrent), "Current: contact[…]"},
	{string(webhook.FormatJSON), "JSON"},
}

// Disclosures are what bodies hold of a subscriber.
var Disclosures = []Label{
	{string(webhook.DiscloseAll), "All that is known"},
	{string(webhook.DiscloseFields), "All, but only the custom fields that are chosen here"},
	{string(webhook.DiscloseMinimal), "ID and email address only"},
}

// States are the states of deliveries.
var States = []Label{
	{string(webhook.StatePending), "Pending"},
	{string(webhook.StateDelivered), "Delivered"},
	{string(webhook.StateFailed), "Failed"},
	{string(webhook.StateCanceled), "Canceled"},
}

// TextOf returns the text of a value, or the value where there is none.
func TextOf[T ~string](labels []Label, value T) string {
	i := slices.IndexFunc(labels, func(l Label) bool { return l.Value == string(value) })
	if i < 0 {
		return string(value)
	}
	return labels[i].Text
}

// TextsOf returns the texts of values, in the labels' order.
func TextsOf[T ~string](labels []Label, values []T) []string {
	var texts []string
	for _, l := range labels {
		if slices.Contains(values, T(l.Value)) {
			texts = append(texts, l.Text)
		}
	}
	return texts
}
