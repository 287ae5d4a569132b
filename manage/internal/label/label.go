// Package label has the texts that people read instead of the values of event
// types, sources, formats, disclosures, orders and states.
package label

import (
	"slices"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/text"
)

// A Label is a choice of a form: its value on the wire, and what people read. The
// older API says the English of event types, which is ActiveCampaign's.
type Label struct {
	Value string
	Text  text.Message
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
	{string(webhook.SourcePublic), "A subscriber"},
	{string(webhook.SourceAdmin), "An admin user"},
	{string(webhook.SourceAPI), "The API"},
	{string(webhook.SourceSystem), "System processes"},
}

// Formats are the formats.
var Formats = []Label{
	{string(webhook.Format2013), "2013: subscriber[…]"},
	{string(webhook.FormatCurrent), "Current: contact[…]"},
	{string(webhook.FormatJSON), "JSON"},
}

// Disclosures are what bodies hold of a subscriber.
var Disclosures = []Label{
	{string(webhook.DiscloseAll), "Everything"},
	{string(webhook.DiscloseFields), "Everything, but of the custom fields only those chosen here"},
	{string(webhook.DiscloseMinimal), "ID and email address only"},
}

// Orders are which events of a subscriber wait for each other.
var Orders = []Label{
	{string(webhook.OrderState), "Subscriptions, unsubscriptions, updates and bounces"},
	{string(webhook.OrderAll), "All events"},
	{string(webhook.OrderNone), "None"},
}

// States are the states of deliveries.
var States = []Label{
	{string(webhook.StatePending), "Pending"},
	{string(webhook.StateDelivered), "Delivered"},
	{string(webhook.StateFailed), "Failed"},
	{string(webhook.StateCanceled), "Canceled"},
}

// Has reports whether a value is one of the labels'.
func Has[T ~string](labels []Label, value T) bool {
	return slices.ContainsFunc(labels, func(l Label) bool { return l.Value == string(value) })
}

// TextOf returns the text of a value, or the value where there is none.
func TextOf[T ~string](labels []Label, value T) text.Message {
	for _, l := range labels {
		if l.Value == string(value) {
			return l.Text
		}
	}
	return text.Message(value)
}

// Of returns the labels of values, in the labels' order.
func Of[T ~string](labels []Label, values []T) []Label {
	var chosen []Label
	for _, l := range labels {
		if slices.Contains(values, T(l.Value)) {
			chosen = append(chosen, l)
		}
	}
	return chosen
}
