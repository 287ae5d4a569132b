package webhook

import "slices"

// An Order says which deliveries of a webhook wait for each other: those with the
// same key are attempted one after another, in the order in which they were
// stored. The next one waits until the one before it is delivered, failed for good
// or canceled. Deliveries with different keys, or none, go side by side.
//
// The key is Meta.Key, else the subscriber's ID, else the subscriber's email in
// lower case. An event that has none of these has no order.
type Order string

const (
	OrderState Order = "state" // events that change a subscriber's state: subscribe, unsubscribe, update and bounce
	OrderAll   Order = "all"   // all events of a subscriber
	OrderNone  Order = "none"  // no events
)

var allOrders = []Order{OrderState, OrderAll, OrderNone}

func (o Order) valid() bool { return o == "" || slices.Contains(allOrders, o) }

// orders reports whether w's deliveries of a type wait for each other.
func (w *Webhook) orders(t EventType) bool {
	switch w.Order {
	case OrderAll:
		return true
	case OrderNone:
		return false
	}
	return changesState(t)
}

// changesState reports whether events of a type change a subscriber's state.
func changesState(t EventType) bool {
	return t == TypeSubscribe || t == TypeUnsubscribe || t == TypeUpdate || t == TypeBounce
}

// orderKey returns an event's key; "": it has none. One that is made from an ID or an
// email is a hash, so that any ID fits and no address stands in it.
func (h *hasher) orderKey(m *Meta, p *Subscriber) string {
	switch {
	case m.Key != "":
		return m.Key
	case p == nil:
		return ""
	}
	return h.subscriberKey(m.Account, p.ID, p.Email)
}

// subscriberKey returns the key of a subscriber; "": nobody is named.
func (h *hasher) subscriberKey(account, id, email string) string {
	if id != "" {
		return h.hash(account, SubjectSubscriber, id)
	}
	return h.hash(account, SubjectEmail, email)
}
