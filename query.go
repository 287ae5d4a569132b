package webhook

import (
	"slices"
	"time"
)

// forStore returns an app's query for the store: with times as a store keeps them,
// and so that DueBy selects by what withoutUrgency shows. A value that would select
// nothing whatever is stored is a mistake, and an *InvalidError.
func (q DeliveryQuery) forStore() (DeliveryQuery, error) {
	if err := q.validate(); err != nil {
		return DeliveryQuery{}, err
	}
	q.Since, q.Until, q.Blocking = ceilStoreTime(q.Since), ceilStoreTime(q.Until), ceilStoreTime(q.Blocking)
	if !q.After.Created.IsZero() {
		q.After.Created = storeTime(q.After.Created)
	}
	if q.DueBy.IsZero() {
		return q, nil
	}
	q.DueBy = storeTime(q.DueBy)
	if end := q.DueBy.Add(time.Millisecond); q.Until.IsZero() || end.Before(q.Until) {
		q.Until = end // what is created later is due later
	}
	return q, nil
}

// selectsNone reports whether q selects no delivery, whatever is stored: one that was
// delivered has no failure, since its last attempt succeeded.
func (q DeliveryQuery) selectsNone() bool {
	other := func(s State) bool { return s != StateDelivered }
	return len(q.Failures) > 0 && !slices.Contains(q.Failures, "") &&
		len(q.States) > 0 && !slices.ContainsFunc(q.States, other)
}

func (q DeliveryQuery) validate() error {
	if err := validateStates("States", q.States, states); err != nil {
		return err
	}
	for _, t := range q.Types {
		if !t.valid() && !t.isCustom() { // the log may hold a type that the catalogue no longer holds
			return invalid("Types", "contains the unknown type "+quote(string(t)))
		}
	}
	if q.After.ID != "" && q.After.Created.IsZero() {
		return invalid("After", "has an ID but no Created")
	}
	return validateLimit(q.Limit)
}

var states = []State{StatePending, StateDelivered, StateFailed, StateCanceled}

// validateStates refuses a state that is not one of allowed.
func validateStates(field string, chosen, allowed []State) error {
	for _, s := range chosen {
		if !slices.Contains(allowed, s) {
			return invalid(field, "contains "+notOneOf(s, allowed))
		}
	}
	return nil
}

func validateLimit(limit int) error {
	if limit < 0 {
		return invalid("Limit", "is negative; 0 means all")
	}
	return nil
}
