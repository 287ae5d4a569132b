package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/packed"
)

// Deliveries returns the deliveries that q selects, in the order that it asks for.
func (s *Store) Deliveries(ctx context.Context, q webhook.DeliveryQuery) (ds []webhook.Delivery, err error) {
	what := columns
	if !q.Brief {
		what += `, ` + documents + `, log`
	}
	if err := s.sequenceFor(ctx, q); err != nil {
		return nil, err
	}
	ds, err = s.deliveries(ctx, what, q)
	if err == nil && slices.ContainsFunc(ds, unnumbered) {
		// It ended since the last sequencing step, which nobody needed to claim it.
		if _, err = s.sequence(ctx, s.clock.now(), nil); err == nil {
			ds, err = s.deliveries(ctx, what, q)
		}
	}
	return ds, err
}

// unnumbered reports whether a delivery that has ended may lack its Sequence.
func unnumbered(d webhook.Delivery) bool {
	return d.State != webhook.StatePending && d.Key != "" && d.Sequence == 0
}

func (s *Store) deliveries(ctx context.Context, what string, q webhook.DeliveryQuery) (ds []webhook.Delivery, err error) {
	err = s.read(ctx, func(db Querier) error {
		if s.sortsLog(q) {
			ds, err = s.pageByEnd(ctx, db, what, q)
			return err
		}
		ds, err = s.page(ctx, db, q, s.selectDeliveries(what, q))
		return err
	})
	return ds, err
}

// page returns the first deliveries of a query for those that q selects.
func (s *Store) page(ctx context.Context, db Querier, q webhook.DeliveryQuery, b *queryBuilder) (ds []webhook.Delivery, err error) {
	b.inOrder(q)
	b.limit(q.Limit)
	err = b.query(ctx, db, func(scan Scan) error {
		d, err := scanDelivery(scan, !q.Brief, !q.Brief)
		ds = appendRow(ds, d)
		return err
	})
	return ds, err
}

// sortsLog reports whether the database would sort all deliveries of the log that q selects,
// to return one page of them.
func (s *Store) sortsLog(q webhook.DeliveryQuery) bool {
	few := len(q.IDs) > 0 || q.Key != "" || !q.Blocking.IsZero() || usesQueue(q)
	return s.d.sortsWhole && q.Limit > 0 && !few && q.Subject == "" && checkText("Account", q.Account) == nil
}

// pageByEnd reads a page where sortsLog is true. Its first query asks when the last delivery of
// the page was created: it follows an index, and ends with the page. The second one reads the
// deliveries up to that time.
func (s *Store) pageByEnd(ctx context.Context, db Querier, what string, q webhook.DeliveryQuery) (ds []webhook.Delivery, err error) {
	last, direction, within := `min`, ` desc`, `created >= @v`
	if q.Oldest {
		last, direction, within = `max`, ``, `created <= @v`
	}
	b, order := s.selectInRange(`created as place`, q), `created`+direction
	if !q.All {
		order = `account` + direction + `, ` + order
	}
	b.add(` order by ` + order)
	b.limit(q.Limit)
	text := b.text.String()
	b.text.Reset()
	b.add(`select count(*), coalesce(` + last + `(place), 0) from (` + text + `) p`)
	var n int
	var end int64
	if err := b.query(ctx, db, func(scan Scan) error { return scan(&n, &end) }); err != nil || n == 0 {
		return nil, err
	}
	b = s.selectInRange(what, q)
	b.where(within, end)
	ds, err = s.page(ctx, db, q, b)
	if err == nil && len(ds) < n { // some were removed in between
		ds, err = s.page(ctx, db, q, s.selectDeliveries(what, q))
	}
	return ds, err
}

// selectInRange is selectDeliveries with a range of one account. With "account = @v" MariaDB
// looks up the account, and reads all its entries.
func (s *Store) selectInRange(what string, q webhook.DeliveryQuery) *queryBuilder {
	account, all := q.Account, q.All
	q.All = true
	b := s.selectDeliveries(what, q)
	if !all {
		b.where(`account >= @v`, account)
		b.where(`account <= @v`, account)
	}
	return b
}

// appendRow appends one of perhaps thousands of rows. It doubles the capacity where append
// would add a quarter, and copy large structs twice as often.
func appendRow[T any](rows []T, row T) []T {
	if len(rows) == cap(rows) {
		rows = slices.Grow(rows, max(len(rows), 1))
	}
	return append(rows, row)
}

// Count returns the number of deliveries that q selects, at most q.Limit unless that
// is 0.
func (s *Store) Count(ctx context.Context, q webhook.DeliveryQuery) (n int, err error) {
	if err := s.sequenceFor(ctx, q); err != nil {
		return 0, err
	}
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

// selectDeliveries returns a query for the deliveries that q selects, without q's
// order and limit.
func (s *Store) selectDeliveries(what string, q webhook.DeliveryQuery) *queryBuilder {
	b := s.newQuery(`select ` + what + ` from `)
	switch {
	case usesQueue(q):
		b.fromQueue(q)
		q.States = nil // fromQueue selects pending deliveries only
	case q.Subject != "":
		b.fromSubjects(q)
	default:
		b.fromLog(q)
	}
	if len(q.States) > 0 {
		whereIn(b, `state`, q.States)
	}
	if len(q.Types) > 0 {
		whereIn(b, `type`, q.Types)
	}
	if len(q.Failures) > 0 {
		column := `failure` // which has an index
		if slices.Contains(q.Failures, "") {
			column = `coalesce(failure, '')`
		}
		whereIn(b, column, q.Failures)
	}
	if q.Key != "" {
		b.whereIs(`line_key`, q.Key)
	}
	if !q.Blocking.IsZero() {
		b.where(blocking, milli(q.Blocking))
	}
	created, id := placeColumns(q)
	if !q.Since.IsZero() {
		b.whereTime(created+` >= @v`, milli(q.Since))
	}
	if !q.Until.IsZero() {
		b.whereTime(created+` < @v`, milli(q.Until))
	}
	if !q.DueBy.IsZero() {
		b.where(`due <= @v`, milli(q.DueBy))
	}
	if after := milli(q.After.Created); q.After != (webhook.Cursor{}) {
		b.check("After.ID", q.After.ID)
		// The index serves the first comparison. The others are for rows of the same
		// millisecond.
		if q.Oldest {
			b.whereTime(created+` >= @v`, after)
			b.where(`(`+created+` > @v or `+id+` > @v)`, after, q.After.ID)
		} else {
			b.whereTime(created+` <= @v`, after)
			b.where(`(`+created+` < @v or `+id+` < @v)`, after, q.After.ID)
		}
	}
	return b
}

// placeColumns returns the columns by which q's deliveries are ordered: those of the
// index that finds them.
func placeColumns(q webhook.DeliveryQuery) (created, id string) {
	if q.Subject != "" {
		return `found_created`, `found_id`
	}
	return `created`, `id`
}

// inOrder appends q's order.
func (b *queryBuilder) inOrder(q webhook.DeliveryQuery) {
	created, id := placeColumns(q)
	if q.Oldest {
		b.add(` order by ` + created + `, ` + id)
	} else {
		b.add(` order by ` + created + ` desc, ` + id + ` desc`)
	}
}

// blocking is the condition that a delivery is the first of its line, and that another
// one of the line joined before @v.
const blocking = `id in (
  select h.id from (
    select webhook, line_key, min(place) as head from {}lines group by webhook, line_key having count(*) > 1) g
  join {}lines h on h.webhook = g.webhook and h.line_key = g.line_key and h.place = g.head
  where exists (
    select 1 from {}lines l where l.webhook = h.webhook and l.line_key = h.line_key and l.place > h.place and l.joined < @v))`

// sequenceFor runs sequencing steps before a query that needs to see the lines, if
// there are events.
func (s *Store) sequenceFor(ctx context.Context, q webhook.DeliveryQuery) error {
	if q.Blocking.IsZero() {
		return nil
	}
	_, err := s.sequence(ctx, s.clock.now(), nil)
	return err
}

// usesQueue reports whether to select from the queues rather than from the log.
func usesQueue(q webhook.DeliveryQuery) bool {
	return q.After == (webhook.Cursor{}) && len(q.IDs) == 0 &&
		slices.Equal(q.States, []webhook.State{webhook.StatePending}) &&
		q.Subject == "" && q.Key == "" && q.Blocking.IsZero() &&
		checkText("Account", q.Account) == nil && checkText("Webhook", q.Webhook) == nil
}

// fromLog selects from the log: by q's IDs, or in order of creation.
func (b *queryBuilder) fromLog(q webhook.DeliveryQuery) {
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

// fromSubjects selects from the index of subjects, which is in the order of the log, so
// that a page of it is read without the rest.
func (b *queryBuilder) fromSubjects(q webhook.DeliveryQuery) {
	b.check("Subject", q.Subject)
	b.add(`(select created as found_created, id as found_id from {}subjects where subject = @v`, q.Subject)
	if !q.All {
		b.check("Account", q.Account)
		b.add(` and account = @v`, q.Account)
	}
	b.add(`) f cross join {}deliveries`)
	b.where(`id = found_id`)
	if q.Webhook != "" {
		b.whereIs(`webhook`, q.Webhook)
	}
	if len(q.IDs) > 0 {
		whereIn(b, `id`, q.IDs)
	}
}

// fromQueue selects from the queues, which finds few pending deliveries in a log of
// millions. It serves a first page only. Later pages come from the log, because each
// would sort the queues again.
func (b *queryBuilder) fromQueue(q webhook.DeliveryQuery) {
	if b.s.d.queuesHaveSeq {
		b.add(`{}deliveries`)
		b.where(`state = 'pending' and seq in (`)
		b.queues(`seq`, q.Webhook)
		b.add(`)`)
	} else {
		b.add(`(`)
		b.queues(`id as qid, due as qdue`, q.Webhook)
		// An entry of a queue table applies only if it has the delivery's due.
		b.add(`) q ` + b.s.d.byID(`qid`, `due = qdue and state = 'pending'`))
	}
	if !q.All {
		// "is true" keeps planners from an index by account: the index by ID is better.
		b.where(`(account = @v) is true`, q.Account)
	}
}

// queues selects columns of all queues, or of those of a webhook.
func (b *queryBuilder) queues(columns, webhookID string) {
	for i, queue := range b.s.d.queues {
		if i > 0 {
			b.add(` union all `)
		}
		b.add(`select ` + columns + ` from ` + queue)
		if webhookID != "" {
			b.add(` and webhook = @v`, webhookID)
		}
	}
}

// scanDelivery scans a row of columns, followed by documents and the log if they are
// selected.
func scanDelivery(scan Scan, documents, log bool) (d webhook.Delivery, err error) {
	var (
		kind, state                 string
		created, due                int64
		key, failure, subjects      sql.NullString
		passedOver                  sql.NullBool
		sequence, joined, eventTime sql.NullInt64
		carrier, lines              []byte
	)
	dest := []any{&d.ID, &d.Account, &d.WebhookID, &d.EventID, &kind, &created, &state, &due, &d.Lease, &d.Attempts,
		&key, &passedOver, &sequence, &joined, &eventTime, &failure, &subjects}
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
	d.Key, d.PassedOver, d.Failure, d.Sequence = key.String, passedOver.Bool, failure.String, sequence.Int64
	d.Joined, d.Time = fromNullMilli(joined), fromNullMilli(eventTime)
	if subjects.Valid {
		if err := json.Unmarshal([]byte(subjects.String), &d.Subjects); err != nil {
			return d, err
		}
	}
	if d.Body, err = packed.Unpack(d.Body); err != nil {
		return d, err
	}
	if d.Carrier, err = unmarshalCarrier(carrier); err != nil {
		return d, err
	}
	d.Log, err = unmarshalLog(lines)
	return d, err
}
