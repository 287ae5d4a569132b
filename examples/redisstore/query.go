package redisstore

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/listhook/webhook"
)

// Deliveries implements webhook.Store.
func (s *Store) Deliveries(ctx context.Context, q webhook.DeliveryQuery) (found []webhook.Delivery, err error) {
	fields := whole
	if q.Brief {
		fields = withoutBody
	}
	for d, err := range s.selected(ctx, q, fields) {
		if err != nil {
			return nil, err
		}
		found = append(found, d)
	}
	return found, nil
}

// Count implements webhook.Store.
func (s *Store) Count(ctx context.Context, q webhook.DeliveryQuery) (n int, err error) {
	for _, err := range s.selected(ctx, q, withoutBody) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// selected yields the deliveries that q selects, in the order that it asks for.
//
// It reads page by page, so that no query stops the server for long, and yet shows all
// deliveries of an event or none: it leaves out those that were added after it began.
func (s *Store) selected(ctx context.Context, q webhook.DeliveryQuery, fields []string) iter.Seq2[webhook.Delivery, error] {
	return func(yield func(webhook.Delivery, error) bool) {
		n := 0
		for ds, err := range s.candidates(ctx, q, fields) {
			if err != nil {
				yield(webhook.Delivery{}, err)
				return
			}
			for _, d := range ds {
				if !q.Selects(&d) {
					continue
				}
				if n++; !yield(d, nil) || n == q.Limit {
					return
				}
			}
		}
	}
}

// candidates yields pages of the deliveries among which q selects, in its order: those
// that it names or that block others, or else those of its span of time in the narrowest
// order that has them.
func (s *Store) candidates(ctx context.Context, q webhook.DeliveryQuery, fields []string) iter.Seq2[[]webhook.Delivery, error] {
	return func(yield func([]webhook.Delivery, error) bool) {
		latest, err := s.latest(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		ids := distinct(q.IDs)
		if !q.Blocking.IsZero() {
			ids, err = s.blocking(ctx, q)
		} else if len(ids) == 0 {
			s.pages(ctx, orderFor(q), spanOf(q), fields, latest)(yield)
			return
		}
		var ds []webhook.Delivery
		if err == nil {
			ds, err = s.read(ctx, ids, fields, latest)
		}
		slices.SortFunc(ds, func(a, b webhook.Delivery) int { return q.Compare(&a, &b) })
		yield(ds, err)
	}
}

// blocking returns the first ones of the lines in which others wait, among which q
// selects.
func (s *Store) blocking(ctx context.Context, q webhook.DeliveryQuery) ([]string, error) {
	which := map[string]any{"before": sortable(q.Blocking)}
	if len(q.IDs) > 0 {
		which["ids"] = distinct(q.IDs)
	} else if q.Webhook != "" && q.Key != "" {
		which["line"] = q.Webhook + "\x00" + q.Key
	}
	ids, err := s.run(ctx, blocking, which).StringSlice()
	return distinct(ids), err
}

// latest returns the number of the last call of Enqueue that added anything.
func (s *Store) latest(ctx context.Context) (int64, error) {
	n, err := s.client.Get(ctx, s.prefix+"added").Int64()
	if errors.Is(err, redis.Nil) {
		err = nil
	}
	return n, errors.Join(err, ctx.Err())
}

// orderFor returns the name of the narrowest order that has all deliveries which q selects.
func orderFor(q webhook.DeliveryQuery) string {
	order := "log:"
	if slices.Equal(q.States, []webhook.State{webhook.StatePending}) {
		order = "pending:"
	}
	switch {
	case q.Webhook != "" && q.Key != "":
		return order + "key:" + q.Webhook + "\x00" + q.Key
	case q.Subject != "":
		return order + "subject:" + q.Subject
	case len(q.Failures) == 1:
		return order + "failure:" + q.Failures[0]
	case q.Webhook != "":
		return order + "webhook:" + q.Webhook
	case !q.All:
		return order + "account:" + q.Account
	}
	return order
}

// A span is a part of an order: between two bounds as Redis writes them, "[" before the
// first entry, or "(" before one that is not part of it.
type span struct {
	from, to string
	backward bool
	page     int // how many entries are read at once
}

// spanOf returns the part of a log that q asks for.
func spanOf(q webhook.DeliveryQuery) span {
	in := span{"-", "+", !q.Oldest, pageSize}
	if q.Limit > 0 {
		in.page = min(q.Limit, pageSize-50) + 50 // of which not all may be selected
	}
	if !q.Since.IsZero() {
		in.from = "[" + sortable(q.Since)
	}
	if !q.Until.IsZero() {
		in.to = "(" + sortable(q.Until)
	}
	if q.After == (webhook.Cursor{}) {
		return in
	}
	switch after := sortable(q.After.Created) + q.After.ID; {
	case in.backward && (in.to == "+" || after < in.to[1:]):
		in.to = "(" + after
	case !in.backward && (in.from == "-" || after >= in.from[1:]):
		in.from = "(" + after
	}
	return in
}

const pageSize = 500 // deliveries

// pages yields the deliveries of a span of an order, page by page, but for those that
// were added by a later call of Enqueue than latest.
func (s *Store) pages(ctx context.Context, order string, in span, fields []string, latest int64) iter.Seq2[[]webhook.Delivery, error] {
	return func(yield func([]webhook.Delivery, error) bool) {
		for {
			by := redis.ZRangeArgs{Key: s.prefix + order, ByLex: true, Start: in.from, Stop: in.to, Count: int64(in.page)}
			if in.backward {
				by.Rev, by.Start, by.Stop = true, in.to, in.from
			}
			entries, err := s.client.ZRangeArgs(ctx, by).Result()
			var ids []string
			for _, entry := range entries {
				ids = append(ids, entry[timeLength:])
			}
			var ds []webhook.Delivery
			if err == nil {
				ds, err = s.read(ctx, ids, fields, latest)
			}
			if !yield(ds, err) || err != nil || len(entries) < in.page {
				return
			}
			if last := "(" + entries[in.page-1]; in.backward {
				in.to = last
			} else {
				in.from = last
			}
		}
	}
}

// read returns those of some deliveries that are stored, but for those that were added
// by a later call of Enqueue than latest.
func (s *Store) read(ctx context.Context, ids, fields []string, latest int64) (ds []webhook.Delivery, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, id := range ids {
			p.HMGet(ctx, s.prefix+"delivery:"+id, fields...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		d, added, failed := decode(fields, row.(*redis.SliceCmd).Val())
		err = errors.Join(err, failed)
		if d.ID != "" && added <= latest {
			ds = append(ds, d)
		}
	}
	return ds, err
}

func distinct(ids []string) []string {
	sorted := slices.Sorted(slices.Values(ids))
	return slices.Compact(sorted)
}
