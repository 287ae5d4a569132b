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

// deliveriesAfter erases the deliveries that one of the queries, of one account, and
// which select: those that have ended at once, and those that are pending once they have
// ended, or at a time.
func (er *eraser) deliveriesAfter(ctx context.Context, qs []DeliveryQuery, until time.Time, which func(Delivery) bool, reason string) (n int, err error) {
	if time.Until(until) <= 0 {
		return er.deliveriesOf(ctx, qs, which, reason)
	}
	pending := map[string]bool{}
	ended := func(d Delivery) bool {
		if which(d) && d.State == StatePending {
			pending[d.ID] = true
			return false
		}
		return which(d)
	}
	if n, err = er.deliveriesOf(ctx, qs, ended, reason); err != nil || len(pending) == 0 {
		return n, err
	}
	account := qs[0].Account
	for wait := eraseWaitMin; len(pending) > 0 && time.Until(until) > 0; wait = min(2*wait, eraseWaitMax) {
		select {
		case <-time.After(min(wait, time.Until(until))):
		case <-ctx.Done():
			return n, ctx.Err()
		}
		var byIDs []DeliveryQuery
		for ids := range chunks(slices.Sorted(maps.Keys(pending))) {
			byIDs = append(byIDs, DeliveryQuery{Account: account, IDs: ids})
		}
		clear(pending)
		more, err := er.deliveriesOf(ctx, byIDs, ended, reason)
		if n += more; err != nil {
			return n, err
		}
	}
	more, err := er.deliveriesOf(ctx, qs, which, reason) // those still pending, and those added meanwhile
	return n + more, err
}

// deliveriesOf erases the deliveries that one of the queries and which select.
func (er *eraser) deliveriesOf(ctx context.Context, qs []DeliveryQuery, which func(Delivery) bool, reason string) (n int, err error) {
	for _, q := range qs {
		more, err := er.deliveries(ctx, q, which, reason)
		if n += more; err != nil {
			return n, err
		}
	}
	return n, nil
}
