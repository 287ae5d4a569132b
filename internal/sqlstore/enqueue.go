package sqlstore

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/listhook/webhook"
)

// Enqueue stores the deliveries of events, all or none, and returns the IDs of those
// that were stored before.
func (s *Store) Enqueue(ctx context.Context, events []webhook.OutboxEvent) (had []string, err error) {
	rows, size := approxSize(events)
	several := s.sql.insertLease.text != "" || rows > batchRows || size > batchBytes
	var leases []*lease
	write := func(allNew bool) error {
		return s.write(ctx, several, func(q Querier) error {
			had, leases, err = s.enqueue(ctx, q, events, allNew)
			return err
		})
	}
	insertNew := s.sql.insertNew.text != ""
	err = write(insertNew)
	if insertNew && err != nil && s.d.isDuplicate(err) {
		// In a new transaction, so that this one's locks cannot cause a deadlock.
		err = write(false)
	}
	if err == nil {
		s.leases.add(leases)
	}
	return had, err
}

// enqueue is Enqueue in a transaction. It also returns the leases of the deliveries
// that were stored pre-leased. With allNew it uses insertNew, which fails if one of
// the deliveries is stored already.
func (s *Store) enqueue(ctx context.Context, q Querier, events []webhook.OutboxEvent, allNew bool) (had []string, leases []*lease, err error) {
	bs, err := s.deliveryBatches(events)
	if err != nil {
		return nil, nil, err
	}
	for i := range bs {
		s.due.includeRows(bs[i].rows)
		s.ready.includeRows(bs[i].rows)
		stored, err := s.add(ctx, q, &bs[i], allNew)
		if err != nil {
			return nil, nil, err
		}
		preLeased := bs[i].leases(stored)
		if err := s.insertLeases(ctx, q, preLeased); err != nil {
			return nil, nil, err
		}
		if err := s.insertExtras(ctx, q, &bs[i], stored); err != nil {
			return nil, nil, err
		}
		had, leases = append(had, stored...), append(leases, preLeased...)
	}
	return had, leases, nil
}

// add stores a batch, and returns the IDs of the deliveries that were stored before.
func (s *Store) add(ctx context.Context, q Querier, b *batch, allNew bool) (had []string, err error) {
	switch {
	case s.sql.enqueueExtras != nil && b.hasExtras():
		return s.runBatch(ctx, q, s.sql.enqueueExtras, b)
	case s.sql.insertNew.text == "" && s.sql.enqueuePreLeased != nil && b.all(queueLeased):
		return s.runBatch(ctx, q, s.sql.enqueuePreLeased, b)
	case s.sql.insertNew.text == "":
		return s.runBatch(ctx, q, s.sql.enqueue, b)
	case allNew:
		b.assignSeqs()
		n, err := s.exec(ctx, q, s.sql.insertNew, b.args(s.d.base64))
		if err == nil && n != int64(len(b.rows)) {
			err = fmt.Errorf("webhook: the database stored %d of %d deliveries", n, len(b.rows))
		}
		return nil, err
	}
	return s.upsert(ctx, q, b)
}

// maxSeqTries is how often upsert gives rows a seq, because another row has theirs.
const maxSeqTries = 5

// upsert stores a batch in which some deliveries may be stored already, and returns
// the IDs of those. It writes to their rows too: the transaction that stored them
// may not have reached a replica that commits wait for, and a transaction that
// writes nothing waits for no replica.
func (s *Store) upsert(ctx context.Context, q Querier, b *batch) (had []string, err error) {
	b.assignSeqs()
	for range maxSeqTries {
		a := b.args(s.d.base64)
		a["again"] = rand.Int64()
		found := make(map[string]bool, len(b.rows))
		_, err := s.run(ctx, q, s.sql.enqueue, a, 0, func(scan Scan) error {
			var id string
			var added bool
			err := scan(&id, &added)
			if found[id] = true; !added {
				had = append(had, id)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		absent := missingIDs(b.rows, found)
		if len(absent) == 0 {
			return had, nil
		}
		b = b.only(absent) // other rows have their seq
		b.randomizeSeqs()
	}
	return nil, fmt.Errorf("webhook: the database neither stored %d deliveries nor had them before", len(b.rows))
}

// deliveryBatches returns the deliveries of events as batches. Of two with the same
// ID it takes the first.
func (s *Store) deliveryBatches(events []webhook.OutboxEvent) (bs batches, err error) {
	for i := range events {
		if n := len(events[i].Deliveries); n > 0 {
			s.clock.observe(events[i].Deliveries[n-1].Created)
		}
	}
	rows, room := approxSize(events)
	seen, logs := make(map[string]bool, rows), newLogEncoder()
	for i := range events {
		e := &events[i]
		bodies := make([]storedBody, len(e.Bodies))
		for j := range e.Deliveries {
			d := &e.Deliveries[j].Delivery
			if seen[d.ID] {
				continue
			}
			seen[d.ID] = true
			r, err := deliveryRow(d)
			if err != nil {
				return nil, err
			}
			carrier, err := marshalCarrier(d.Carrier)
			if err != nil {
				return nil, err
			}
			log, err := logs.encode(d.Log)
			if err != nil {
				return nil, err
			}
			b := bs.next(s.clock.now(), rows, room)
			r.Queue = b.queue(d.State, d.Due, d.Lease > 0)
			if d.Key != "" && r.Queue != queueNone {
				r.Queue, r.Order = queueParked, len(b.rows)+1
			}
			index := e.Deliveries[j].BodyIndex
			if s.d.base64 { // the rows have the bodies, each its own
				bodies[index] = storedBody{}
			}
			r.Body, r.BodyLen = bodies[index].put(b, len(bs), e.Bodies[index])
			r.Carrier, r.CarrierLen = b.put(carrier)
			r.Log, r.LogLen = b.put(log)
			b.rows = append(b.rows, r)
		}
	}
	return bs, nil
}

// deliveryRow returns the columns of a delivery, without its queue and its bytes.
func deliveryRow(d *webhook.Delivery) (r row, err error) {
	if err := checkDelivery(d); err != nil {
		return r, err
	}
	r = row{
		ID: d.ID, Account: d.Account, Webhook: d.WebhookID, Event: d.EventID, Type: string(d.Type),
		Created: milli(d.Created), State: string(d.State), Due: milli(d.Due), Lease: d.Lease, Attempts: d.Attempts,
		Key: d.Key, Joined: nullMilli(d.Joined), Time: nullMilli(d.Time),
	}
	if n := len(d.Log); n > 0 {
		r.Failure = d.Log[n-1].Failure()
	}
	if len(d.Subjects) > 0 {
		r.Subjects, err = jsonArray(d.Subjects)
	}
	return r, err
}

// storedBody is where one of an event's bodies is in a batch.
type storedBody struct{ batch, offset, length int }

// put returns the offset and the length of the body in the n-th batch. It stores the
// body there once.
func (s *storedBody) put(b *batch, n int, body []byte) (offset, length int) {
	if s.batch != n {
		s.batch = n
		s.offset, s.length = b.put(body)
	}
	return s.offset, s.length
}

// insertExtras stores what rows that were not stored before have besides their
// columns: the events of their lines, and their subjects. PostgreSQL's enqueueExtras
// has done so.
func (s *Store) insertExtras(ctx context.Context, q Querier, b *batch, stored []string) error {
	if s.sql.enqueueExtras != nil || !b.hasExtras() {
		return nil
	}
	except := stringSet(stored)
	var events []lineEvent
	subjects := false
	for i := range b.rows {
		r := &b.rows[i]
		if except[r.ID] {
			continue
		}
		if r.Queue == queueParked {
			events = append(events, lineEvent{ID: r.ID, Kind: joinedLine, webhook: r.Webhook, key: r.Key, joined: zeroMilli})
			if r.Joined.Valid {
				events[len(events)-1].joined = r.Joined.Int64
			}
		}
		subjects = subjects || r.Subjects != ""
	}
	if err := s.lineEvents(ctx, q, events); err != nil || !subjects {
		return err
	}
	ids := make([]string, 0, len(b.rows))
	for i := range b.rows {
		if r := &b.rows[i]; r.Subjects != "" && !except[r.ID] {
			ids = append(ids, r.ID)
		}
	}
	data, err := jsonArray(ids)
	if err != nil {
		return err
	}
	_, err = s.exec(ctx, q, s.sql.insertSubjects, args{"rows": data})
	return err
}

func checkDelivery(d *webhook.Delivery) error {
	for _, t := range []struct{ field, text string }{
		{"ID", d.ID}, {"Account", d.Account}, {"WebhookID", d.WebhookID}, {"EventID", d.EventID},
		{"Type", string(d.Type)}, {"State", string(d.State)}, {"Key", d.Key},
	} {
		if err := checkText(t.field, t.text); err != nil {
			return err
		}
	}
	for _, subject := range d.Subjects {
		if err := checkText("Subjects", subject); err != nil {
			return err
		}
	}
	return nil
}

// approxSize returns how many deliveries events have, and about how many bytes these
// take in a batch.
func approxSize(events []webhook.OutboxEvent) (rows, bytes int) {
	for i := range events {
		e := &events[i]
		rows += len(e.Deliveries)
		for _, body := range e.Bodies {
			bytes += len(body)
		}
		for j := range e.Deliveries {
			d := &e.Deliveries[j]
			for k, v := range d.Carrier {
				bytes += len(k) + len(v) + 6
			}
			for k := range d.Log {
				bytes += approxLogSize(&d.Log[k])
			}
		}
	}
	return rows, bytes
}

// approxLogSize is approxSize for an entry of the log.
func approxLogSize(a *webhook.Attempt) int {
	return 200 + len(a.Reason) + len(a.Detail) + 2*len(a.Response)
}

// missingIDs returns the IDs of the rows that are not in ids.
func missingIDs(rows []row, ids map[string]bool) (list []string) {
	if len(ids) == len(rows) {
		return nil
	}
	for i := range rows {
		if !ids[rows[i].ID] {
			list = append(list, rows[i].ID)
		}
	}
	return list
}
