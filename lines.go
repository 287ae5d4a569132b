package webhook

import "context"

// lines reads the lines in which deliveries with a key stand.
type lines struct{ store Store }

// lineRows is how many deliveries of a line are read in one call, with their bodies.
const lineRows = 100

// first returns the delivery for which d waits: the first of its line. It returns nil
// if d stands in no line, or is the first itself.
func (ls *lines) first(ctx context.Context, d *Delivery) (*Delivery, error) {
	if !d.InLine() {
		return nil, nil
	}
	ds, err := ls.store.Deliveries(ctx, DeliveryQuery{
		Account: d.Account, Webhook: d.WebhookID, Key: d.Key, Blocking: forever, Limit: 1, Brief: true,
	})
	if err != nil || len(ds) == 0 || ds[0].ID == d.ID {
		return nil, err
	}
	return &ds[0], nil
}

// blocks reports whether d is the first of its line, and another one of the line
// joined before a time.
func (ls *lines) blocks(ctx context.Context, d *Delivery, q DeliveryQuery) (bool, error) {
	q.Account, q.Webhook, q.IDs, q.Limit = d.Account, d.WebhookID, []string{d.ID}, 1
	n, err := ls.store.Count(ctx, q)
	return n > 0, err
}

// newest returns the newest delivery of d's webhook and key, or nil if that is d.
func (ls *lines) newest(ctx context.Context, d *Delivery) (*Delivery, error) {
	if d.Key == "" {
		return nil, nil
	}
	ds, err := ls.store.Deliveries(ctx, DeliveryQuery{
		Account: d.Account, Webhook: d.WebhookID, Key: d.Key, Limit: lineRows, Brief: true,
	})
	newest := d
	for i := range ds {
		if ds[i].ID != d.ID && ds[i].newerThan(newest) {
			newest = &ds[i]
		}
	}
	if newest == d {
		return nil, err
	}
	return newest, err
}

// replacement returns the newest delivery, in one of the states, that replaces d, or
// nil if there is none. d has its body.
func (ls *lines) replacement(ctx context.Context, d *Delivery, states ...State) (*Delivery, error) {
	types := replacing(d.Type)
	if types == nil || d.Key == "" {
		return nil, nil
	}
	about, ok := subjectOf(d)
	if !ok {
		return nil, nil
	}
	q := DeliveryQuery{
		Account: d.Account, Webhook: d.WebhookID, Key: d.Key, Types: types, States: states, Limit: lineRows,
	}
	for ds, err := range deliveryPages(ctx, ls.store, q) {
		if err != nil {
			return nil, err
		}
		for i := range ds {
			if ds[i].ID == d.ID || !ds[i].newerThan(d) {
				continue
			}
			if s, ok := subjectOf(&ds[i]); ok && s.replaces(about) {
				return &ds[i], nil
			}
		}
	}
	return nil, nil
}

// withoutReplaced returns the deliveries of one webhook that no newer one replaces.
// They have their bodies.
func (ls *lines) withoutReplaced(ctx context.Context, ds []Delivery) ([]Delivery, error) {
	var left []Delivery
	for i := range ds {
		newer, err := ls.replacement(ctx, &ds[i])
		if err != nil {
			return nil, err
		}
		if newer == nil {
			left = append(left, ds[i])
		}
	}
	return left, nil
}
