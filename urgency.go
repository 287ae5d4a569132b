package webhook

import "time"

// urgent reports whether a delivery must not wait behind others of its webhook. An
// update is urgent if others may stand in line behind it.
func urgent(t EventType, key string) bool {
	return t == TypeUnsubscribe || t == TypeBounce || t == TypeSubscribe || t == TypeUpdate && key != ""
}

// urgency is how much earlier an urgent delivery is due in the store: first in its
// queue, without a further column in every store. Nobody but the store sees it.
const urgency = 365 * 24 * time.Hour

// dueNow is when a delivery is due that is to be attempted at once.
func (d *Delivery) dueNow(at time.Time) time.Time {
	if urgent(d.Type, d.Key) {
		return at.Add(-urgency)
	}
	return at
}

// urgentFor is how long a delivery is urgent. Older deliveries, above all those that a
// disabled webhook kept or that are sent again, go in the order of their creation.
const urgentFor = 10 * time.Second

// urgent reports whether a delivery goes before others of its webhook.
func (d *Delivery) urgent() bool {
	return urgent(d.Type, d.Key) && now().Sub(d.Created) < urgentFor
}

// dueAgain is when a delivery is due that this process returns without an
// attempt: in its place by creation if it is not new, else at once.
func (d *Delivery) dueAgain() time.Time {
	at := now()
	if d.Attempts == 0 && at.Sub(d.Created) >= urgentFor {
		return d.Created
	}
	return d.dueNow(at)
}

// withoutUrgency returns d for the app: an urgent delivery that waits for its first
// attempt has been due since it was created.
func (d Delivery) withoutUrgency() Delivery {
	if d.Due.Before(d.Created) {
		d.Due = d.Created
	}
	return d
}

// hideUrgency replaces each delivery by what withoutUrgency returns for it.
func hideUrgency(ds []Delivery) []Delivery {
	for i := range ds {
		ds[i] = ds[i].withoutUrgency()
	}
	return ds
}
