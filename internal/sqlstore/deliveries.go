package sqlstore

import (
	"context"
	"slices"

	"github.com/listhook/webhook"
)

// Deliveries returns the deliveries that q selects.
func (s *Store) Deliveries(ctx context.Context, q webhook.DeliveryQuery) (ds []webhook.Delivery, err error) {
	what := columns
	if !q.Brief {
		what += `, ` + documents + `, log`
	}
	err = s.read(ctx, func(db Querier) error {
		ds = nil
		b := s.selectDeliveries(what, q)
		if q.Oldest {
			b.add(` order by created, id`)
		} else {
			b.add(` order by created desc, id desc`)
		}
		b.limit(q.Limit)
		return b.query(ctx, db, func(scan Scan) error {
			d, err := scanDelivery(scan, !q.Brief, !q.Brief)
			ds = append(ds, d)
			return err
		})
	})
	return ds, err
}

// Count returns how many deliveries q selects, at most q.Limit unless that is 0.
func (s *Store) Count(ctx context.Context, q webhook.DeliveryQuery) (n int, err error) {
	err = s.read(ctx, func(db Querier) error {
		b := s.selectDeliveries(`1 as one`, q)
		b.limit(q.Limit)
		text := b.text.String()
		b.text.Reset()
		b.add(`select count(*) from (` + text + `) c`)
		return b.query(ctx, db, func(scan Scan) error { return scan(&n) })
	})
	return n, err
}

// selectDeliveries begins a query for what q selects, but for its order and limit.
func (s *Store) selectDeliveries(what string, q webhook.DeliveryQuery) *selection {
	b := s.selects(`select ` + what + ` from {}deliveries`)
	if !q.All {
		b.where(`account = @v`, q.Account)
	}
	if q.Webhook != "" {
		b.where(`webhook = @v`, q.Webhook)
	}
	if len(q.IDs) > 0 {
		whereIn(b, `id`, q.IDs)
	} else if slices.Equal(q.States, []webhook.State{webhook.StatePending}) && q.After == (webhook.Cursor{}) {
		// A few that wait are found in the queue, not in a log of millions.
		// The next page of many is found along the log, where the queue would
		// have to be sorted again.
		b.where(`id in (select id from ` + s.d.queues[0])
		b.ofWebhook(q.Webhook)
		b.add(` union all select id from ` + s.d.queues[1])
		b.ofWebhook(q.Webhook)
		b.add(`)`)
	}
	if len(q.States) > 0 {
		whereIn(b, `state`, q.States)
	}
	if len(q.Types) > 0 {
		whereIn(b, `type`, q.Types)
	}
	if !q.Since.IsZero() {
		b.where(`created >= @v`, milli(q.Since))
	}
	if !q.Until.IsZero() {
		b.where(`created < @v`, milli(q.Until))
	}
	if !q.DueBy.IsZero() {
		b.where(`due <= @v`, milli(q.DueBy))
	}
	if after := milli(q.After.Created); q.After != (webhook.Cursor{}) {
		// The first comparison is for the index, the others for rows of the
		// same millisecond.
		if q.Oldest {
			b.where(`created >= @v and (created > @v or id > @v)`, after, after, q.After.ID)
		} else {
			b.where(`created <= @v and (created < @v or id < @v)`, after, after, q.After.ID)
		}
	}
	return b
}

// ofWebhook appends to a condition that of a webhook, if there is one.
func (b *selection) ofWebhook(id string) {
	if id != "" {
		b.add(` and webhook = @v`, id)
	}
}

// scanDelivery reads the columns, with the documents and the log if they were
// asked for.
func scanDelivery(scan Scan, documents, log bool) (d webhook.Delivery, err error) {
	var (
		kind, state    string
		created, due   int64
		carrier, lines []byte
	)
	dest := []any{&d.ID, &d.Account, &d.WebhookID, &d.EventID, &kind, &created, &state, &due, &d.Lease, &d.Attempts}
	if documents {
		dest = append(dest, &d.Body, &carrier)
	}
	if log {
		dest = append(dest, &lines)
	}
	if err := scan(dest...); err != nil {
		return d, err
	}
	d.Type, d.State = webhook.EventType(kind), webhook.State(state)
	d.Created, d.Due = fromMilli(created), fromMilli(due)
	if d.Carrier, err = unmarshalCarrier(carrier); err != nil {
		return d, err
	}
	d.Log, err = unmarshalLog(lines)
	return d, err
}
