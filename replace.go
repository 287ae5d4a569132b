package webhook

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// newerThan reports whether d joined the line of the same key for the first time
// after another delivery did. Its Sequence says so, once a delivery has been claimed
// or has ended.
func (d *Delivery) newerThan(other *Delivery) bool {
	switch {
	case d.Sequence > 0 && other.Sequence > 0:
		return d.Sequence > other.Sequence
	case d.Sequence == other.Sequence || other.State == StateCanceled || d.State == StateCanceled:
		return d.Created.After(other.Created)
	}
	return other.Sequence > 0 // d stood behind it when it was claimed
}

// A subject says whom a delivery is about, and for which lists. A delivery replaces only
// older ones whose subject matches.
type subject struct {
	id, email string   // of the subscriber, as the body names them
	lists     []string // of a subscribe or an unsubscribe, sorted
}

// subjectOf reads the subject of a delivery from its body; ok is false if it has
// none.
func subjectOf(d *Delivery) (s subject, ok bool) {
	if len(d.Body) == 0 {
		return subject{}, false
	}
	read := decodeForm
	if isJSON(d.Body) {
		read = decodeJSON
	}
	e, err := read(d.Body, "")
	if err != nil || e.person() == nil {
		return subject{}, false
	}
	s.id, s.email = e.person().ID, strings.ToLower(e.person().Email)
	if perList(d.Type) {
		s.lists = slices.Sorted(slices.Values(e.meta().Lists))
	}
	return s, s.id != "" || s.email != ""
}

// replacing returns the types of the deliveries that replace one of type t: a
// subscribe and an unsubscribe of the same list say the opposite or the same, and an
// update holds all values of the subscriber.
func replacing(t EventType) []EventType {
	switch t {
	case TypeSubscribe, TypeUnsubscribe:
		return []EventType{TypeSubscribe, TypeUnsubscribe}
	case TypeUpdate:
		return []EventType{TypeUpdate}
	}
	return nil
}

// replaces reports whether a newer delivery of one of the replacing types makes an
// older one pointless: both are about the same subscriber, and the same list.
func (s subject) replaces(older subject) bool {
	if !slices.Equal(s.lists, older.lists) {
		return false
	}
	if s.id != "" && older.id != "" {
		return s.id == older.id
	}
	return s.email == older.email
}

// named describes a delivery in a sentence for people.
func (d *Delivery) named() string {
	return fmt.Sprintf("%s %s of %s", d.Type, d.ID, d.eventTime().Format("2 January 2006 15:04:05 MST"))
}

// inSequence sorts deliveries with the same key by their Sequence, leaving all others
// where they are. The clocks of two processes, by which a log is ordered, may differ.
func inSequence(ds []Delivery) {
	places := map[string][]int{}
	for i := range ds {
		if ds[i].Key != "" && ds[i].Sequence > 0 {
			places[ds[i].Key] = append(places[ds[i].Key], i)
		}
	}
	for _, at := range places {
		line := make([]Delivery, len(at))
		for j, i := range at {
			line[j] = ds[i]
		}
		slices.SortStableFunc(line, func(a, b Delivery) int { return cmp.Compare(a.Sequence, b.Sequence) })
		for j, i := range at {
			ds[i] = line[j]
		}
	}
}
