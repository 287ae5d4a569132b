package webhook

import (
	"context"
	"slices"
)

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
	found, err := ls.replacements(ctx, []Delivery{*d}, states...)
	return found[0], err
}

// replacements is replacement for several deliveries of one webhook. It reads the newer
// deliveries of a key once for all of them.
func (ls *lines) replacements(ctx context.Context, ds []Delivery, states ...State) ([]*Delivery, error) {
	found := make([]*Delivery, len(ds))
	type history struct {
		key string
		of  EventType // the first of the types that replace each other
	}
	sought := map[history][]int{} // in ds
	about := make([]subject, len(ds))
	for i := range ds {
		types := replacing(ds[i].Type)
		if types == nil || ds[i].Key == "" {
			continue
		}
		var ok bool
		if about[i], ok = subjectOf(&ds[i]); ok {
			h := history{ds[i].Key, types[0]}
			sought[h] = append(sought[h], i)
		}
	}
	for h, list := range sought {
		q := DeliveryQuery{
			Account: ds[list[0]].Account, Webhook: ds[list[0]].WebhookID, Key: h.key, Types: replacing(h.of), States: states, Limit: lineRows,
		}
		for newer, err := range deliveryPages(ctx, ls.store, q) {
			if err != nil {
				return found, err
			}
			for j := range newer {
				s, ok := subjectOf(&newer[j])
				if !ok {
					continue
				}
				list = slices.DeleteFunc(list, func(i int) bool {
					if newer[j].ID != ds[i].ID && newer[j].newerThan(&ds[i]) && s.replaces(about[i]) {
						found[i] = &newer[j]
					}
					return found[i] != nil
				})
			}
			if len(list) == 0 {
				break
			}
		}
	}
	return found, nil
}

// withoutReplaced returns the deliveries of one webhook that no newer one replaces.
// They have their bodies.
func (ls *lines) withoutReplaced(ctx context.Context, ds []Delivery) (left []Delivery, err error) {
	found, err := ls.replacements(ctx, ds)
	if err != nil {
		return nil, err
	}
	for i := range ds {
		if found[i] == nil {
			left = append(left, ds[i])
		}
	}
	return left, nil
}
