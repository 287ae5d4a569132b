package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/ids"
	"github.com/listhook/webhook/internal/packed"
)

// Enqueue stores the deliveries of events, all or none, and returns the IDs of those
// that were stored before.
func (s *Store) Enqueue(ctx context.Context, events []webhook.OutboxEvent) (had []string, err error) {
	had, _, err = s.enqueueInTx(ctx, events, false)
	return had, err
}

// enqueueInTx is Enqueue, or EnqueueLeasing where a transaction excludes other writers.
func (s *Store) enqueueInTx(ctx context.Context, events []webhook.OutboxEvent, leasing bool) (had []string, leased map[string]int64, err error) {
	rows, size := approxSize(events)
	several := s.sql.insertLease.text != "" || rows > batchRows || size > batchBytes
	var a additions
	write := func(allNew bool) error {
		return s.write(ctx, several, func(q Querier) error {
			a, err = s.enqueue(ctx, q, events, allNew, leasing)
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
		s.leases.add(a.leases)
	}
	return a.had, a.leased, err
}

// additions are what a transaction of Enqueue found and stored.
type additions struct {
	had    []string
	leases []*lease         // of the deliveries that were stored leased
	leased map[string]int64 // the Sequences of those with a key among them
}

// enqueue is Enqueue in a transaction. With allNew it uses insertNew, which fails if one
// of the deliveries is stored already. With leasing it is EnqueueLeasing.
func (s *Store) enqueue(ctx context.Context, q Querier, events []webhook.OutboxEvent, allNew, leasing bool) (a additions, err error) {
	bs, err := s.deliveryBatches(events, leasing)
	if err != nil {
		return a, err
	}
	for i := range bs {
		s.due.includeRows(bs[i].rows)
		s.ready.includeRows(bs[i].rows)
		stored, err := s.add(ctx, q, &bs[i], allNew)
		if err != nil {
			return a, err
		}
		leases := bs[i].leases(stored)
		if err := s.insertLeases(ctx, q, leases); err != nil {
			return a, err
		}
		if err := s.insertExtras(ctx, q, &bs[i], stored); err != nil {
			return a, err
		}
		a.had, a.leases = append(a.had, stored...), append(a.leases, leases...)
		a.leased = bs[i].leasedFirst(a.leased, stored)
	}
	return a, nil
}

// leasedFirst adds to leased the Sequences of the deliveries with a key that were stored
// leased.
func (b *batch) leasedFirst(leased map[string]int64, stored []string) map[string]int64 {
	except := stringSet(stored)
	for i := range b.rows {
		if r := &b.rows[i]; r.Queue == queueLeased && r.Sequence.Valid && !except[r.ID] {
			if leased == nil {
				leased = map[string]int64{}
			}
			leased[r.ID] = r.Sequence.Int64
		}
	}
	return leased
}

// add stores a batch, and returns the IDs of the deliveries that were stored before.
func (s *Store) add(ctx context.Context, q Querier, b *batch, allNew bool) (had []string, err error) {
	switch {
	case s.joinsAtOnce(b):
		return s.addToLines(ctx, q, b)
	case s.sql.enqueueExtras != nil && b.hasExtras():
		return s.runBatch(ctx, q, s.sql.enqueueExtras, b)
	case s.sql.insertNew.text == "" && s.addsOne(q, b):
		return s.addOne(ctx, q, b)
	case s.sql.insertNew.text == "":
		return s.runBatch(ctx, q, s.sql.enqueueFor(b), b)
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

// addsOne reports whether enqueueOne may store the batch. In the app's transactions
// nobody is woken.
func (s *Store) addsOne(q Querier, b *batch) bool {
	_, app := q.(appTx)
	return app && s.sql.enqueueOne != nil && b.oneReady()
}

// addOne is add for enqueueOne, where no row needs a seq.
func (s *Store) addOne(ctx context.Context, q Querier, b *batch) (had []string, err error) {
	added := map[string]bool{}
	_, err = s.run(ctx, q, s.sql.enqueueOne, b.oneArgs(), 1, func(scan Scan) error {
		var id string
		err := scan(&id)
		added[id] = true
		return err
	})
	return missingIDs(b.rows, added), err
}

// insertion returns the statements that store a batch, and their arguments.
func (s *Store) insertion(b *batch, one bool) (prepared, args) {
	if one {
		return s.sql.enqueueOne, b.oneArgs()
	}
	return s.sql.enqueue, b.args(s.d.base64)
}

// maxSeqTries is how often upsert gives rows a seq, because another row has theirs.
const maxSeqTries = 5

// upsert stores a batch in which some deliveries may be stored already, and returns
// the IDs of those. It writes to their rows too: the transaction that stored them
// may not have reached a replica that commits wait for, and a transaction that
// writes nothing waits for no replica.
func (s *Store) upsert(ctx context.Context, q Querier, b *batch) (had []string, err error) {
	if _, app := q.(appTx); app {
		if had, err = s.storedBefore(ctx, q, b); err != nil || len(had) == len(b.rows) {
			return had, err
		}
		b = b.without(had)
	}
	b.assignSeqs()
	one := s.addsOne(q, b)
	for range maxSeqTries {
		script, a := s.insertion(b, one)
		a["again"] = rand.Int64()
		found := make(map[string]bool, len(b.rows))
		all, err := s.run(ctx, q, script, a, len(b.rows), func(scan Scan) error {
			var id string
			var added bool
			err := scan(&id, &added)
			if found[id] = true; !added {
				had = append(had, id)
			}
			return err
		})
		if all || err != nil {
			return had, err
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

// storedBefore returns the IDs of deliveries that an app's transaction sees. It locks
// nothing, whereas upsert locks the rows, and perhaps the gaps between them, until the
// transaction ends: then the outcomes and the claims of these deliveries wait, and so do
// those that are new. It does not ask for events that have no ID of the app's.
func (s *Store) storedBefore(ctx context.Context, q Querier, b *batch) (had []string, err error) {
	var asked []string
	for i := range b.rows {
		if r := &b.rows[i]; !ids.MayBeNew(r.Event, fromMilli(r.Created)) {
			asked = append(asked, r.ID)
		}
	}
	if len(asked) == 0 {
		return nil, nil
	}
	find := s.newQuery(`select id from {}deliveries`)
	whereIn(find, `id`, asked)
	err = find.query(ctx, q, func(scan Scan) error {
		var id string
		err := scan(&id)
		had = append(had, id)
		return err
	})
	if err != nil || len(had) < len(b.rows) {
		return had, err
	}
	// The transaction has to write something: see upsert.
	nothing := []*lease{{due: math.MaxInt64, token: b.token}}
	if err := s.insertLeases(ctx, q, nothing); err != nil {
		return nil, err
	}
	return had, s.deleteLeases(ctx, q, nothing)
}

// deliveryBatches returns the deliveries of events as batches. Of two with the same
// ID it takes the first. With leasing it heeds LeaseUntil.
func (s *Store) deliveryBatches(events []webhook.OutboxEvent, leasing bool) (bs batches, err error) {
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
			log, err := logs.encode(d.Log, nil)
			if err != nil {
				return nil, err
			}
			b := bs.next(s.clock.now(), rows, room)
			r.Queue = b.queue(d.State, d.Due, d.Lease > 0)
			if d.Key != "" && r.Queue != queueNone {
				r.Queue, r.Order = queueParked, len(b.rows)+1
				if leasing {
					r.Until = nullMilli(e.Deliveries[j].LeaseUntil)
				}
			}
			index := e.Deliveries[j].BodyIndex
			r.Body, r.BodyLen = bodies[index].put(b, len(bs), e.Bodies[index], s.d.base64)
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

// put returns the offset and the length of the body, which is packed, in the n-th batch.
// It packs the body there once, and stores it once, unless each row has a copy.
func (s *storedBody) put(b *batch, n int, body []byte, copies bool) (offset, length int) {
	switch {
	case s.batch != n:
		s.batch, s.offset = n, len(b.bytes)+1
		b.bytes = packed.Append(b.bytes, body)
		s.length = len(b.bytes) + 1 - s.offset
	case copies: // so that the batch is as long as its rows
		return b.put(b.slice(s.offset, s.length))
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
	var subjects []newSubjects
	for i := range b.rows {
		r := &b.rows[i]
		if except[r.ID] {
			continue
		}
		if r.Queue == queueParked && !b.inLines {
			events = append(events, lineEvent{ID: r.ID, Kind: joinedLine, Webhook: r.Webhook, Key: r.Key, Joined: zeroMilli})
			if r.Joined.Valid {
				events[len(events)-1].Joined = r.Joined.Int64
			}
		}
		if r.Subjects != "" {
			subjects = append(subjects, newSubjects{r.ID, r.Account, r.Created, json.RawMessage(r.Subjects)})
		}
	}
	if err := s.lineEvents(ctx, q, events); err != nil {
		return err
	}
	return s.execRows(ctx, q, s.sql.insertSubjects, subjects)
}

// newSubjects are the subjects of a new delivery.
type newSubjects struct {
	ID      string          `json:"i"`
	Account string          `json:"a"`
	Created int64           `json:"c"`
	List    json.RawMessage `json:"u"`
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
