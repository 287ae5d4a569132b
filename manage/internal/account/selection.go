package account

import (
	"fmt"
	"slices"
	"strings"

	"github.com/listhook/webhook"
)

// SetEvents takes over the event types that a client asks for. Clients written
// for ActiveCampaign ask for types that do not exist here (deal_add, list_add)
// beside those that do, and many overlook a refusal: the others become the
// webhook's IgnoredEvents. Names without a single type are refused.
func (c *Caller) SetEvents(w *webhook.Webhook, names []string) error {
	had := w.Events
	w.Events, w.IgnoredEvents = nil, nil
	for _, name := range names {
		name = strings.TrimSpace(name)
		t := webhook.EventType(strings.ToLower(name))
		switch {
		case name == "":
		case c.Emits(t), slices.Contains(had, t): // the catalogue may no longer hold one that it has
			if !slices.Contains(w.Events, t) {
				w.Events = append(w.Events, t)
			}
		case !slices.Contains(w.IgnoredEvents, name):
			w.IgnoredEvents = append(w.IgnoredEvents, name)
		}
	}
	if len(w.Events) == 0 && len(w.IgnoredEvents) > 0 {
		return &webhook.InvalidError{
			Field: "Events", Reason: fmt.Sprintf("contains none of the app's event types, but %.40q", w.IgnoredEvents[0]),
		}
	}
	return nil
}

// SetSources takes over the sources that a client asks for.
func SetSources(w *webhook.Webhook, names []string) {
	w.Sources = nil
	for _, name := range names {
		s := webhook.Source(strings.ToLower(strings.TrimSpace(name)))
		if s != "" && !slices.Contains(w.Sources, s) {
			w.Sources = append(w.Sources, s)
		}
	}
}

// ListID returns the id of a webhook's list as clients read it: 0 is every list.
func ListID(w webhook.Webhook) string {
	if w.List == "" {
		return "0"
	}
	return w.List
}

// ParseListID reads it as clients write it.
func ParseListID(text string) string {
	text = strings.TrimSpace(text)
	if text == "0" {
		return ""
	}
	return text
}

// IgnoredNote says which event types were ignored, as a sentence to append; ""
// when there are none.
func IgnoredNote(w webhook.Webhook) string {
	if len(w.IgnoredEvents) == 0 {
		return ""
	}
	return ". Ignored, since there are no such event types here: " + strings.Join(w.IgnoredEvents, ", ")
}
