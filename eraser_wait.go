package webhook

import (
	"context"
	"maps"
	"slices"
	"time"
)

// The first and the longest wait between two looks at whether deliveries have ended.
const (
	eraseWaitMin = time.Second
	eraseWaitMax = time.Minute
)

// deliveriesAfter erases the deliveries of an account that which selects: those that
// have ended at once, and those that are pending once they have ended, or at a time.
func (er *eraser) deliveriesAfter(ctx context.Context, account string, until time.Time, which func(Delivery) bool, reason string) (n int, err error) {
	all := DeliveryQuery{Account: account}
	if time.Until(until) <= 0 {
		return er.deliveries(ctx, all, which, reason)
	}
	pending := map[string]bool{}
	ended := func(d Delivery) bool {
		if which(d) && d.State == StatePending {
			pending[d.ID] = true
			return false
		}
		return which(d)
	}
	if n, err = er.deliveries(ctx, all, ended, reason); err != nil || len(pending) == 0 {
		return n, err
	}
	for wait := eraseWaitMin; len(pending) > 0 && time.Until(until) > 0; wait = min(2*wait, eraseWaitMax) {
		select {
		case <-time.After(min(wait, time.Until(until))):
		case <-ctx.Done():
			return n, ctx.Err()
		}
		ids := slices.Sorted(maps.Keys(pending))
		clear(pending)
		more, err := er.deliveries(ctx, DeliveryQuery{Account: account, IDs: ids}, ended, reason)
		if n += more; err != nil {
			return n, err
		}
	}
	more, err := er.deliveries(ctx, all, which, reason) // what is pending still, or came meanwhile
	return n + more, err
}
