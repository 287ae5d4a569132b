package sqlstore

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/listhook/webhook"
)

// Enqueue stores ds, all or none, and returns the IDs of those that were stored
// before.
func (s *Store) Enqueue(ctx context.Context, ds []webhook.Delivery) (had []string, err error) {
	several := s.sql.insertLease.text != "" || len(ds) > batchRows || approxSize(ds) > batchBytes
	var leases []*lease
	write := func(allNew bool) error {
		return s.write(ctx, several, func(q Querier) error {
			had, leases, err = s.enqueue(ctx, q, ds, allNew)
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
// ds is stored already.
func (s *Store) enqueue(ctx context.Context, q Querier, ds []webhook.Delivery, allNew bool) (had []string, leases []*lease, err error) {
	bs, err := s.deliveryBatches(ds)
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
		had, leases = append(had, stored...), append(leases, preLeased...)
	}
	return had, leases, nil
}

// add stores a batch, and returns the IDs of the deliveries that were stored before.
func (s *Store) add(ctx context.Context, q Querier, b *batch, allNew bool) (had []string, err error) {
	switch {
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

// deliveryBatches returns ds as batches. Of two with the same ID it takes the first.
func (s *Store) deliveryBatches(ds []webhook.Delivery) (bs batches, err error) {
	if len(ds) > 0 {
		s.clock.observe(ds[len(ds)-1].Created)
	}
	seen, lines, room := make(map[string]bool, len(ds)), newLogEncoder(), approxSize(ds)
	for i := range ds {
		d := &ds[i]
		if seen[d.ID] {
			continue
		}
		seen[d.ID] = true
		if err := checkDelivery(d); err != nil {
			return nil, err
		}
		carrier, err := marshalCarrier(d.Carrier)
		if err != nil {
			return nil, err
		}
		log, err := lines.encode(d.Log)
		if err != nil {
			return nil, err
		}
		b := bs.next(s.clock.now(), len(ds), room)
		r := row{
			ID: d.ID, Account: d.Account, Webhook: d.WebhookID, Event: d.EventID, Type: string(d.Type),
			Created: milli(d.Created), State: string(d.State), Due: milli(d.Due),
			Lease: d.Lease, Attempts: d.Attempts, Queue: b.queue(d.State, d.Due, d.Lease > 0),
		}
		r.Body, r.BodyLen = b.put(d.Body)
		r.Carrier, r.CarrierLen = b.put(carrier)
		r.Log, r.LogLen = b.put(log)
		b.rows = append(b.rows, r)
	}
	return bs, nil
}

func checkDelivery(d *webhook.Delivery) error {
	for _, t := range []struct{ field, text string }{
		{"ID", d.ID}, {"Account", d.Account}, {"WebhookID", d.WebhookID}, {"EventID", d.EventID},
		{"Type", string(d.Type)}, {"State", string(d.State)},
	} {
		if err := checkText(t.field, t.text); err != nil {
			return err
		}
	}
	return nil
}

// approxSize returns about how many bytes ds take in a batch.
func approxSize(ds []webhook.Delivery) (n int) {
	for i := range ds {
		n += len(ds[i].Body)
		for k, v := range ds[i].Carrier {
			n += len(k) + len(v) + 6
		}
		for j := range ds[i].Log {
			n += approxLogSize(&ds[i].Log[j])
		}
	}
	return n
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
