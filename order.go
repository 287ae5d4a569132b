package webhook

import (
	"context"
	"time"
)

// Blocking returns the delivery for which a pending one waits: the first of its line
// (see Order), without Body and Log. It returns nil if the delivery waits for none,
// and ErrNotFound if there is none with this ID in the account.
func (d *Dispatcher) Blocking(ctx context.Context, account, id string) (*Delivery, error) {
	del, err := d.delivery(ctx, account, id)
	if err != nil {
		return nil, wrap("Blocking", err)
	}
	first, err := d.lines.first(ctx, &del)
	return first, wrap("Blocking", err)
}

// Newer returns the newest delivery of the same webhook and key that came after a
// delivery, without Body and Log: to send the older one again may undo what the newer
// one told the receiver. It returns nil if there is none, and ErrNotFound if there is
// no delivery with this ID in the account.
func (d *Dispatcher) Newer(ctx context.Context, account, id string) (*Delivery, error) {
	del, err := d.delivery(ctx, account, id)
	if err != nil {
		return nil, wrap("Newer", err)
	}
	newer, err := d.lines.newest(ctx, &del)
	return newer, wrap("Newer", err)
}

// Skip lets the deliveries that wait for this one go on, before Options.OrderWait
// has passed: for an owner whose receiver will not take it. A delivery that a later
// one of its line replaces is canceled; any other one keeps its schedule. Skip
// returns the delivery as it is then, without Log.
//
// It returns ErrNotFound if there is none in the account, an *InvalidError if no
// delivery can wait for this one, and ErrUnderWay if an attempt may be under way.
func (d *Dispatcher) Skip(ctx context.Context, account, id string) (Delivery, error) {
	for tries := 0; ; tries++ {
		del, err := d.delivery(ctx, account, id)
		if err != nil {
			return Delivery{}, wrap("Skip", err)
		}
		first, err := d.lines.first(ctx, &del)
		if err != nil {
			return Delivery{}, wrap("Skip", err)
		}
		lease, err := d.longestLease(ctx, &del)
		if err != nil {
			return Delivery{}, wrap("Skip", err)
		}
		switch at := now(); {
		case !del.InLine() || first != nil:
			return Delivery{}, invalid("delivery", "is not the first of a line: no other one waits for it")
		case del.Due.After(at) && !del.Due.After(at.Add(lease)):
			return Delivery{}, ErrUnderWay
		}
		skipped, err := d.unblocker.skip(ctx, del)
		if err != nil {
			return Delivery{}, wrap("Skip", err)
		}
		if skipped != nil {
			skipped.Log = nil
			return *skipped, nil
		}
		if tries == 10 {
			return Delivery{}, ErrConflict
		}
	}
}

// longestLease returns how long a lease of a delivery is at most.
func (d *Dispatcher) longestLease(ctx context.Context, del *Delivery) (time.Duration, error) {
	t, err := d.cache.get(ctx, del.Account, del.WebhookID)
	if err != nil || t == nil {
		return 2 * d.opts.Timeout, err
	}
	return d.opts.longestLease(&t.Webhook), nil
}

// delivery reads one delivery of an account. It returns ErrNotFound if there is none.
func (d *Dispatcher) delivery(ctx context.Context, account, id string) (Delivery, error) {
	ds, err := d.store.Deliveries(ctx, DeliveryQuery{Account: account, IDs: []string{id}})
	if err == nil && len(ds) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Delivery{}, err
	}
	return ds[0], nil
}
