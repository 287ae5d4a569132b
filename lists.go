package webhook

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// perList reports whether a webhook of every list gets an event of type t once
// for each of the event's lists. A body has room for one list, and receivers of
// these two keep the members of each list by it.
func perList(t EventType) bool { return t == TypeSubscribe || t == TypeUnsubscribe }

// distinct returns values without repetitions, in the same order.
func distinct[T comparable](values []T) []T {
	if len(values) < 2 {
		return values
	}
	seen := make(map[T]bool, len(values))
	kept := make([]T, 0, len(values))
	for _, value := range values {
		if !seen[value] {
			seen[value] = true
			kept = append(kept, value)
		}
	}
	return kept
}

// splitLists returns the lists of an event of which a webhook of every list
// gets a delivery each, or nil: it gets one delivery. They are in the order of
// their bytes, so that one event is always stored in one order. The lists of m
// must be distinct.
func splitLists(t EventType, m *Meta) []string {
	if len(m.Lists) < 2 || !perList(t) {
		return nil
	}
	return slices.Sorted(slices.Values(m.Lists))
}

// wireList is the list that w's body names: its own, else the event's first,
// else 0, the protocol's word for none.
func (w *Webhook) wireList(m *Meta) string {
	switch {
	case w.List != "":
		return w.List
	case len(m.Lists) > 0:
		return m.Lists[0]
	}
	return "0"
}

// wireLists returns the list of each delivery of an event that w gets.
func (w *Webhook) wireLists(t EventType, m *Meta) []string {
	one := *m
	one.Lists = distinct(m.Lists)
	if split := splitLists(t, &one); split != nil && w.List == "" {
		return split
	}
	return []string{w.wireList(&one)}
}

// listsSentence says to w's owner which list the deliveries of an event name,
// where that is not plain: the event is for several.
func (w *Webhook) listsSentence(t EventType, m *Meta) string {
	all := distinct(m.Lists)
	if len(all) < 2 {
		return ""
	}
	switch lists := w.wireLists(t, m); {
	case len(lists) > 1:
		return fmt.Sprintf(" It comes %d times, once for each of the event's lists: %s.", len(lists), enumerate(lists))
	case w.List != "":
		return fmt.Sprintf(" It names the webhook's own list, %s.", w.List)
	case w.Format == FormatJSON:
		return fmt.Sprintf(" It comes once and names all of the event's lists: %s.", enumerate(all))
	default:
		return fmt.Sprintf(" It comes once and names %s, the first of the event's lists: %s.", lists[0], enumerate(all))
	}
}

// enumerate returns lists as text, the first few of many.
func enumerate(lists []string) string {
	const most = 10
	if len(lists) <= most {
		return strings.Join(lists, ", ")
	}
	return strings.Join(lists[:most], ", ") + " and " + strconv.Itoa(len(lists)-most) + " more"
}
