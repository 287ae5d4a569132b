package sqlstore

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/listhook/webhook"
)

// Enqueue adds ds, all or none, and returns the ids of those that were stored
// before.
func (s *Store) Enqueue(ctx context.Context, ds []webhook.Delivery) (had []string, err error) {
	several := s.sql.lease.text != "" || len(ds) > batchRows || size(ds) > batchBytes
	var leases []*lease
	write := func(fresh bool) error {
		return s.write(ctx, several, func(q Querier) error {
			had, leases, err = s.enqueue(ctx, q, ds, fresh)
			return err
		})
	}
	fresh := s.sql.fresh.text != ""
	err = write(fresh)
	if fresh && err != nil && s.d.isDuplicate(err) {
		// Begun anew, so that it holds no lock that another waits for.
		err = write(false)
	}
	if err == nil {
		s.tenants.enter(leases)
	}
	return had, err
}

// enqueue also returns the leases of what was born leased. Fresh says that
// nothing of it is expected to be stored: it fails if something is.
func (s *Store) enqueue(ctx context.Context, q Querier, ds []webhook.Delivery, fresh bool) (had []string, leases []*lease, err error) {
	bs, err := s.deliveryBatches(ds)
	if err != nil {
		return nil, nil, err
	}
	for i := range bs {
		s.front.putRows(bs[i].rows)
		s.trail.putRows(bs[i].rows)
		there, err := s.add(ctx, q, &bs[i], fresh)
		if err != nil {
			return nil, nil, err
		}
		born := bs[i].leases(there)
		if err := s.lease(ctx, q, born); err != nil {
			return nil, nil, err
		}
		had, leases = append(had, there...), append(leases, born...)
	}
	return had, leases, nil
}

// add adds a batch, and returns the ids of those that were stored before.
func (s *Store) add(ctx context.Context, q Querier, b *batch, fresh bool) (had []string, err error) {
	switch {
	case s.sql.fresh.text == "" && s.sql.born != nil && b.all(isLeased):
		return s.runBatch(ctx, q, s.sql.born, b)
	case s.sql.fresh.text == "":
		return s.runBatch(ctx, q, s.sql.enqueue, b)
	case fresh:
		b.number()
		n, err := s.exec(ctx, q, s.sql.fresh, b.args(s.d.base64))
		if err == nil && n != int64(len(b.rows)) {
			err = fmt.Errorf("webhook: the database added %d of %d deliveries", n, len(b.rows))
		}
		return nil, err
	}
	return s.addOthers(ctx, q, b)
}

// numberings is how often rows are given other numbers because theirs are taken.
const numberings = 5

// addOthers adds a batch in which some may be stored, and reads of each row
// whether it was added or was stored before. A row that was stored is written
// to: its transaction may not have reached a replica that the commit has to wait
// for, and one that writes nothing waits for no replica.
func (s *Store) addOthers(ctx context.Context, q Querier, b *batch) (had []string, err error) {
	b.number()
	for range numberings {
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
		absent := missing(b.rows, found)
		if len(absent) == 0 {
			return had, nil
		}
		b = b.only(absent) // their numbers are those of other rows
		b.scatter()
	}
	return nil, fmt.Errorf("webhook: the database neither added %d deliveries nor had them", len(b.rows))
}

// deliveryBatches returns ds as batches, of two with one id the first.
func (s *Store) deliveryBatches(ds []webhook.Delivery) (bs batches, err error) {
	if len(ds) > 0 {
		s.clock.see(ds[len(ds)-1].Created)
	}
	seen, lines, room := make(map[string]bool, len(ds)), newLines(), size(ds)
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
		log, err := lines.marshal(d.Log)
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

// size returns about how many bytes ds will be.
func size(ds []webhook.Delivery) (n int) {
	for i := range ds {
		n += len(ds[i].Body)
		for k, v := range ds[i].Carrier {
			n += len(k) + len(v) + 6
		}
		for j := range ds[i].Log {
			n += logSize(&ds[i].Log[j])
		}
	}
	return n
}

// logSize is the same of an entry of the log.
func logSize(a *webhook.Attempt) int { return 200 + len(a.Reason) + len(a.Detail) + 2*len(a.Response) }

// missing returns the ids of the rows that are not in ids.
func missing(rows []row, ids map[string]bool) (list []string) {
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
