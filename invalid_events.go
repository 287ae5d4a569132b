package webhook

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// InvalidEventsError says which of the events of a call cannot be delivered, each with
// its first reason. errors.As finds the *InvalidError of the first of them too.
type InvalidEventsError struct {
	Events  int            // how many the call was given
	Invalid []InvalidEvent // in the order of the events, at least one
}

// An InvalidEvent is an event that cannot be delivered.
type InvalidEvent struct {
	Index int           // of the event among those of the call
	Err   *InvalidError // why
}

func (e *InvalidEventsError) Error() string {
	if e.Events == 1 {
		return e.Invalid[0].Err.Error()
	}
	const most = 5
	var b strings.Builder
	b.WriteString("webhook: ")
	for i, bad := range e.Invalid {
		if i == most {
			fmt.Fprintf(&b, "; and %d more", len(e.Invalid)-most)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString("events[" + strconv.Itoa(bad.Index) + "]." + bad.Err.Field + " " + bad.Err.Reason)
	}
	return b.String()
}

// Unwrap returns the error of each event.
func (e *InvalidEventsError) Unwrap() []error {
	errs := make([]error, len(e.Invalid))
	for i, bad := range e.Invalid {
		errs[i] = bad.Err
	}
	return errs
}

// invalidEvents collects the errors of the events of a call.
type invalidEvents struct{ err *InvalidEventsError }

// indexOf returns the index of the event that is at a place among those that are not
// invalid.
func (c *invalidEvents) indexOf(place int) int {
	if c.err != nil {
		for _, bad := range c.err.Invalid {
			if bad.Index <= place {
				place++
			}
		}
	}
	return place
}

// merge adds the errors of other events of the same call.
func (c *invalidEvents) merge(others invalidEvents) {
	switch {
	case others.err == nil:
	case c.err == nil:
		c.err = others.err
	default:
		c.err.Invalid = append(c.err.Invalid, others.err.Invalid...)
		slices.SortFunc(c.err.Invalid, func(a, b InvalidEvent) int { return a.Index - b.Index })
	}
}

// add adds the error of an event.
func (c *invalidEvents) add(events, index int, err error) {
	if c.err == nil {
		c.err = &InvalidEventsError{Events: events}
	}
	var bad *InvalidError
	if !errors.As(err, &bad) {
		bad = &InvalidError{Field: "Event", Reason: err.Error()}
	}
	c.err.Invalid = append(c.err.Invalid, InvalidEvent{index, bad})
}

// error returns the error of all of them, or nil.
func (c *invalidEvents) error() error {
	if c.err == nil {
		return nil
	}
	return c.err
}
