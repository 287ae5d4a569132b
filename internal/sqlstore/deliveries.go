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
	b := s.selects(`select ` + what + ` from `)
	if inQueue(q) {
		b.fromQueue(q)
	} else {
		b.fromLog(q)
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
		b.check("After.ID", q.After.ID)
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

// inQueue reports whether the queue is the best way to what q selects.
func inQueue(q webhook.DeliveryQuery) bool {
	return q.After == (webhook.Cursor{}) && len(q.IDs) == 0 &&
		slices.Equal(q.States, []webhook.State{webhook.StatePending}) &&
		checkText("Account", q.Account) == nil && checkText("Webhook", q.Webhook) == nil
}

// fromLog has the database go along the log, or from id to id.
func (b *selection) fromLog(q webhook.DeliveryQuery) {
	b.add(`{}deliveries`)
	if !q.All {
		b.whereIs(`account`, q.Account)
	}
	if q.Webhook != "" {
		b.whereIs(`webhook`, q.Webhook)
	}
	if len(q.IDs) > 0 {
		whereIn(b, `id`, q.IDs)
	}
}

// fromQueue has the database go over the queue: the few that wait are found so
// in a log of millions. That is for the first page only; the next ones of many
// are found along the log, where the queue would be sorted anew for each.
func (b *selection) fromQueue(q webhook.DeliveryQuery) {
	for i, queue := range b.s.d.queues {
		b.add([]string{`(`, ` union all `, ` union all `}[i] + `select id as qid, due as qdue from ` + queue)
		if q.Webhook != "" {
			b.add(` and webhook = @v`, q.Webhook)
		}
	}
	// Where the queue is a table of its own, an entry with another due is none.
	b.add(`) q cross join {}deliveries`)
	b.where(`id = qid and due = qdue`)
	if !q.All {
		// Such a condition is for no index: the way is by id.
		b.where(`(account = @v) is true`, q.Account)
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
