package webhook

import (
	"context"
	"slices"
	"time"
)

// replayRows is how many deliveries are begun again in one call of the store.
// They are read with their bodies, to tell those that were erased.
const replayRows = 100

// Replay begins again the deliveries of a webhook that were created at or
// after since and before until: for customers who come back and want what they
// missed. Each is made due under its own ID, with the whole schedule before
// it. Attempts begin with the oldest and go on by the time of creation, to the
// millisecond, at the pace that the receiver earns; what is emitted from now on
// comes after them, but for what is urgent or emitted by another process. As
// many go side by side as that pace allows and retries come later, so that some
// may arrive in another order. It returns how many were made due; those whose
// body was erased are passed over.
//
// Without states it takes what was delivered or has failed; asked for by
// StateCanceled, what was canceled when the webhook was switched off too. A
// zero since is the beginning of the log, and a zero until the time of the
// call.
//
// It returns ErrNotFound if there is no such webhook in the account, and an
// *InvalidError if until is not after since, if a state is not final, or if
// the webhook is off and keeps nothing. When ctx ends or the store fails, n is
// how many were done until then: the oldest.
func (d *Dispatcher) Replay(ctx context.Context, account, webhook string, since, until time.Time, states ...State) (n int, err error) {
	if until.IsZero() {
		until = now().Add(time.Millisecond)
	}
	if len(states) == 0 {
		states = []State{StateDelivered, StateFailed}
	}
	if err := checkReplay(since, until, states); err != nil {
		return 0, err
	}
	w, err := d.find(ctx, account, webhook)
	if err != nil {
		return 0, wrap("Replay", err)
	}
	if w.Off != "" && !w.Keep {
		return 0, errKeepsNothing()
	}
	q := DeliveryQuery{
		Account: account, Webhook: webhook, States: states,
		Since: ceilStoreTime(since), Until: ceilStoreTime(until), Oldest: true, Limit: replayRows,
	}
	for {
		ds, err := d.store.Deliveries(ctx, q)
		if err != nil {
			return n, wrap("Replay", err)
		}
		done, err := d.reopen(ctx, ds, func(del Delivery) time.Time { return del.Created })
		n += done
		if err != nil || len(ds) < replayRows {
			return n, wrap("Replay", err)
		}
		last := ds[len(ds)-1]
		q.After = Cursor{Created: last.Created, ID: last.ID}
	}
}

func checkReplay(since, until time.Time, states []State) error {
	if !until.After(since) {
		return invalid("until", "is not after since")
	}
	final := []State{StateDelivered, StateFailed, StateCanceled}
	for _, s := range states {
		if !slices.Contains(final, s) {
			return invalid("states", "holds "+quote(string(s))+", not one of delivered, failed and canceled")
		}
	}
	return nil
}
