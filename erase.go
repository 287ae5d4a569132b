package webhook

import (
	"context"
	"time"
)

// EraseOptions change what EraseSubscriber does. The zero value of a field is its
// default.
type EraseOptions struct {
	// DeliverUntil lets what is pending about the person be delivered first, such as
	// the unsubscription that tells receivers of it. Each delivery is erased once it
	// has ended, within a minute; at this time those that are still pending are
	// canceled and erased. Zero, or a time that is past: at once.
	DeliverUntil time.Time

	// SearchableSince is a time since which every process that emits has had the
	// Options.SearchKey of today, by all their clocks. Deliveries that were created then
	// or later are found by their hashes, and only earlier ones by reading their bodies.
	// Zero: all bodies are read, whether or not there is a SearchKey. It is an
	// *InvalidError without one.
	SearchableSince time.Time
}

// EraseSubscriber erases the data of a person. It empties the body, the carrier and the
// log of every delivery of the account about the subscriber with this ID or this email
// address, and cancels those that are pending; none can be delivered again. It returns
// how many deliveries it changed. Either text may be empty, but not both; addresses are
// compared without regard to case. Nil options are the defaults.
//
// What remains of a delivery is its ID, the event's (Meta.ID), its type, its
// times and its state. A request that is under way goes on, and its outcome is
// not noted. The app is expected to emit nothing more about the person: what is
// emitted meanwhile may be missed.
//
// Receivers may echo what they get. So the answer to a batch (Settings.Batch) that
// brought a delivery about the person is removed from the log of any other delivery
// that holds it. If that delivery is under way, it is attempted once more.
//
// With EraseOptions.DeliverUntil it first erases what has ended, and then waits,
// perhaps until that time: call it in the background. The request itself is not stored,
// so if ctx or the process ends before that, pending deliveries are sent and not
// erased. Keep the request with its time in a table of the app's until EraseSubscriber
// has returned nil, and call it again with the same time at the next start.
//
// A delivery whose body was dropped (Options.DropBodies) is found by Options.SearchKey
// alone.
//
// It reads all of the account's log, with the bodies, in pages of 100; once more after it
// has waited. With EraseOptions.SearchableSince it reads only deliveries that are older, and
// finds the others by Options.SearchKey. After Options.Retention the log holds none that
// are older, so EraseSubscriber reads only the deliveries that it erases. When ctx
// ends or the store fails, n is how many were erased until then; calling it again goes
// on. ErrConflict means that others kept changing one of the deliveries.
func (d *Dispatcher) EraseSubscriber(ctx context.Context, account, id, email string, opts *EraseOptions) (n int, err error) {
	if id == "" && email == "" {
		return 0, invalid("id", "and email are both empty")
	}
	var o EraseOptions
	if opts != nil {
		o = *opts
	}
	if !o.SearchableSince.IsZero() && !d.Searchable() {
		return 0, invalid("SearchableSince", "is set, but Options.SearchKey is not")
	}
	person := erasedPerson{
		id: id, email: email,
		hashes: d.hasher.person(account, id, email),
	}
	n, err = d.eraser.deliveriesAfter(ctx, person.queries(account, o.SearchableSince), o.DeliverUntil, person.is, "Erased: the subscriber is to be forgotten.")
	return n, wrap("EraseSubscriber", err)
}

// EraseAccount erases an account: it deletes the webhooks with all that their owner
// entered, empties the body, the carrier and the log of each delivery, and cancels
// pending ones. It returns how many webhooks and deliveries it erased. IDs, types,
// times and states remain until they are pruned.
//
// The app is expected to emit nothing more for the account: what is emitted
// meanwhile, or in another process within Options.PollInterval, may be missed.
// Calling it again is harmless, and goes on where an error ended it. ErrConflict means
// that others kept changing one of the webhooks or deliveries.
func (d *Dispatcher) EraseAccount(ctx context.Context, account string) (webhooks, deliveries int, err error) {
	if webhooks, err = d.eraser.webhooks(ctx, account); err == nil {
		holds := func(del Delivery) bool {
			return len(del.Body) > 0 || del.State == StatePending || del.BodyDropped()
		}
		deliveries, err = d.eraser.deliveries(ctx, DeliveryQuery{Account: account}, holds, "Erased: the account is to be forgotten.")
	}
	return webhooks, deliveries, wrap("EraseAccount", err)
}
