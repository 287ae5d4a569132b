package main

import (
	"bytes"
	"context"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/listhook/webhook"
)

// A Store is a webhook.Store in one file of bbolt: buckets of keys in order,
// one writer at a time, and a commit that is on disk when it returns. One
// process uses the file.
type Store struct{ db *bolt.DB }

var _ webhook.Store = (*Store)(nil)

// Open opens the store in the file at path, which need not exist.
func Open(path string) (*Store, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: 5 * time.Second})
	if err != nil {
		return nil, err
	}
	return &Store{db}, db.Update(func(t *bolt.Tx) error {
		for _, name := range buckets {
			if _, err := t.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Close closes the file.
func (s *Store) Close() error { return s.db.Close() }

// PutWebhook implements webhook.Store: a compare-and-set of the Version.
func (s *Store) PutWebhook(ctx context.Context, w webhook.Webhook) (version int64, err error) {
	err = s.run(ctx, true, func(t *tx) {
		var stored webhook.Webhook
		t.load(t.webhooks, w.ID, &stored)
		if stored.Version != w.Version {
			t.fail(webhook.ErrConflict)
			return
		}
		w.Version++
		w.Put = t.next(t.puts) // one at a time writes: in the order of the commits
		if w.Tallies != nil {
			t.put(t.tallies, []byte(w.ID), w.Tallies)
		}
		t.delete(t.puts, numberKey(stored.Put))
		t.put(t.puts, numberKey(w.Put), []byte(w.ID))
		t.put(t.holds, []byte(w.ID), timeKey(w.HeldUntil))
		t.save(t.webhooks, w.ID, w)
	})
	return w.Version, err
}

// Webhooks implements webhook.Outbox. But for those that were put lately it reads
// every webhook, which is well for some thousands; for more, add a bucket by account.
func (s *Store) Webhooks(ctx context.Context, q webhook.WebhookQuery) (found []webhook.Webhook, err error) {
	err = s.run(ctx, false, func(t *tx) { found = slices.Collect(t.newestPut(q)) })
	slices.SortFunc(found, func(a, b webhook.Webhook) int { return q.Compare(&a, &b) })
	if q.Limit > 0 {
		found = found[:min(q.Limit, len(found))]
	}
	return found, err
}

// Enqueue implements webhook.Outbox.
func (s *Store) Enqueue(ctx context.Context, events []webhook.OutboxEvent) (had []string, err error) {
	err = s.run(ctx, true, func(t *tx) {
		added := map[string]bool{}
		for _, e := range events {
			for d := range e.All() {
				if t.deliveries.Get([]byte(d.ID)) == nil {
					added[d.ID] = true
					t.put(t.log, logKey(d.Created, d.ID), nil)
					t.move(&delivery{Delivery: d}, func(*webhook.Delivery) {})
				} else if !added[d.ID] {
					had = append(had, d.ID)
				}
			}
		}
	})
	return had, err
}

// Apply implements webhook.Store: a compare-and-set of the Lease.
func (s *Store) Apply(ctx context.Context, cs []webhook.Change) (lost []string, err error) {
	err = s.run(ctx, true, func(t *tx) {
		for _, c := range cs {
			if d := t.delivery(c.ID); d != nil && d.Lease == c.Lease {
				t.move(d, c.ApplyTo)
			} else {
				lost = append(lost, c.ID)
			}
		}
	})
	return lost, err
}

// Claim implements webhook.Store. The walk jumps from webhook to webhook, past
// those that are full, held or not due, and reads of each no more than it takes:
// so its cost does not grow with what it leaves, but for those jumps. With very
// many webhooks, add a bucket of them by when the next of their deliveries is due.
func (s *Store) Claim(ctx context.Context, c webhook.Claim) (claimed []webhook.Delivery, err error) {
	err = s.run(ctx, true, func(t *tx) {
		for webhookID, room := range c.Turns(t.nextQueue) {
			if len(claimed) >= c.Limit {
				return
			}
			if bytes.Compare(t.holds.Get([]byte(webhookID)), timeKey(c.Now)) > 0 {
				continue
			}
			for _, d := range t.due(webhookID, c.Now, min(room, c.Limit-len(claimed))) {
				t.move(d, func(d *webhook.Delivery) { d.Lease, d.Due = d.Lease+1, c.Until })
				d.Log = nil
				claimed = append(claimed, d.Delivery)
			}
		}
	})
	return claimed, err
}

// Deliveries implements webhook.Store.
func (s *Store) Deliveries(ctx context.Context, q webhook.DeliveryQuery) (found []webhook.Delivery, err error) {
	err = s.run(ctx, false, func(t *tx) {
		for d := range t.selected(q) {
			if q.Brief {
				d.Body, d.Carrier, d.Log = nil, nil, nil
			}
			found = append(found, *d)
		}
	})
	return found, err
}

// Count implements webhook.Store.
func (s *Store) Count(ctx context.Context, q webhook.DeliveryQuery) (n int, err error) {
	err = s.run(ctx, false, func(t *tx) {
		for range t.selected(q) {
			n++
		}
	})
	return n, err
}

// Prune implements webhook.Store. It reads all that finished before p.Before; a
// store that keeps some states or types longer than others has a bucket for each.
func (s *Store) Prune(ctx context.Context, p webhook.Prune) (n int, err error) {
	err = s.run(ctx, true, func(t *tx) {
		var ds []*delivery // a bucket must not change while a cursor walks it
		c := t.finished.Cursor()
		for key, _ := c.First(); key != nil && len(ds) < p.Limit && bytes.Compare(key, timeKey(p.Before)) < 0; key, _ = c.Next() {
			if d := t.delivery(idOf(key)); p.Selects(&d.Delivery) {
				ds = append(ds, d)
			}
		}
		for _, d := range ds {
			t.delete(t.finished, finishedKey(d))
			t.delete(t.log, logKey(d.Created, d.ID))
			t.delete(t.keys, keyKey(d))
			t.delete(t.deliveries, []byte(d.ID))
		}
		n = len(ds)
		for _, w := range slices.Collect(t.newestPut(webhook.WebhookQuery{All: true, Deleted: true})) {
			if w.Deleted && w.Changed.Before(p.Deleted) {
				t.delete(t.webhooks, []byte(w.ID))
				t.delete(t.tallies, []byte(w.ID))
				t.delete(t.holds, []byte(w.ID))
				t.delete(t.puts, numberKey(w.Put))
			}
		}
	})
	return n, err
}
