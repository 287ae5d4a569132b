// Package label has the texts that people read instead of the values of event
// types, sources, formats, disclosures, orders and states.
package label

import (
	"cmp"
	"slices"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/text"
)

// A Label is a choice of a form: its value on the wire, and what people read. The
// older API says the English of event types, which is ActiveCampaign's.
type Label struct {
	Value string
	Text  text.Message
	Own   string // the app's own text, which the page does not translate
}

// In returns the text in a language.
func (l Label) In(lang *text.Language) string {
	if l.Own != "" {
		return l.Own
	}
	return lang.Text(l.Text)
}

// English returns the text that the APIs say.
func (l Label) English() string {
	if l.Own != "" {
		return l.Own
	}
	return string(l.Text)
}

// OfTypes returns labels for the types of a catalogue, in its order, and then for
// others, such as those of a webhook that the catalogue no longer holds. Without a
// catalogue they are the nine.
func OfTypes(catalogue []webhook.EventInfo, others ...webhook.EventType) []Label {
	labels := make([]Label, 0, len(catalogue)+len(others))
	if catalogue == nil {
		labels = append(labels, types...)
	}
	for _, info := range catalogue {
		labels = append(labels, Label{string(info.Type), Find(types, info.Type).Text, cmp.Or(info.Label, Find(types, info.Type).Own)})
	}
	for _, t := range others {
		if !Has(labels, t) {
			labels = append(labels, Find(types, t))
		}
	}
	return labels
}

// OfSources returns labels for the sources that a catalogue names, and for others.
func OfSources(catalogue []webhook.EventInfo, others ...webhook.Source) []Label {
	if catalogue == nil {
		return sources
	}
	for _, info := range catalogue {
		others = append(others, info.Sources...)
	}
	return Of(sources, others)
}

// types are the nine.
var types = []Label{
	{Value: string(webhook.TypeSubscribe), Text: "New Subscription"},
	{Value: string(webhook.TypeUnsubscribe), Text: "New Unsubscription"},
	{Value: string(webhook.TypeUpdate), Text: "Subscriber Updated"},
	{Value: string(webhook.TypeSent), Text: "Campaign Starts Sending"},
	{Value: string(webhook.TypeOpen), Text: "Campaign Opened"},
	{Value: string(webhook.TypeClick), Text: "Link Clicked"},
	{Value: string(webhook.TypeForward), Text: "Campaign Forwarded"},
	{Value: string(webhook.TypeShare), Text: "Campaign Shared"},
	{Value: string(webhook.TypeBounce), Text: "Email Bounce"},
}

// sources are all four.
var sources = []Label{
	{Value: string(webhook.SourcePublic), Text: "A subscriber"},
	{Value: string(webhook.SourceAdmin), Text: "An admin user"},
	{Value: string(webhook.SourceAPI), Text: "The API"},
	{Value: string(webhook.SourceSystem), Text: "System processes"},
}

// Formats are the formats.
var Formats = []Label{
	{Value: string(webhook.Format2013), Text: "2013: subscriber[…]"},
	{Value: string(webhook.FormatCurrent), Text: "Current: contact[…]"},
	{Value: string(webhook.FormatJSON), Text: "JSON"},
}

// Disclosures are what bodies hold of a subscriber.
var Disclosures = []Label{
	{Value: string(webhook.DiscloseAll), Text: "Everything"},
	{Value: string(webhook.DiscloseFields), Text: "Everything, but only the custom fields chosen here"},
	{Value: string(webhook.DiscloseMinimal), Text: "ID and email address only"},
}

// Orders are which events of a subscriber wait for each other.
var Orders = []Label{
	{Value: string(webhook.OrderState), Text: "Subscriptions, unsubscriptions, updates and bounces"},
	{Value: string(webhook.OrderAll), Text: "All events"},
	{Value: string(webhook.OrderNone), Text: "None"},
}

// States are the states of deliveries.
var States = []Label{
	{Value: string(webhook.StatePending), Text: "Pending"},
	{Value: string(webhook.StateDelivered), Text: "Delivered"},
	{Value: string(webhook.StateFailed), Text: "Failed"},
	{Value: string(webhook.StateCanceled), Text: "Canceled"},
}

// Has reports whether a value is one of the labels'.
func Has[T ~string](labels []Label, value T) bool {
	return slices.ContainsFunc(labels, func(l Label) bool { return l.Value == string(value) })
}

// TextOf returns the text of a value, or the value where there is none.
func TextOf[T ~string](labels []Label, value T) text.Message { return Find(labels, value).Text }

// Find returns the label of a value: of one that has none, the value itself.
func Find[T ~string](labels []Label, value T) Label {
	for _, l := range labels {
		if l.Value == string(value) {
			return l
		}
	}
	return Label{Value: string(value), Own: string(value), Text: text.Message(value)}
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
