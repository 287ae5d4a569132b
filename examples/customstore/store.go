package main

import (
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
		stored := t.webhook(w.ID)
		if stored.Version != w.Version {
			t.fail(webhook.ErrConflict)
			return
		}
		w.Version++
		w.Put = t.next(t.puts) // one at a time writes: in the order of the commits
		if w.Tallies != nil {
			t.put(t.tallies, w.ID, string(w.Tallies))
		}
		t.delete(t.puts, numberKey(stored.Put))
		t.put(t.puts, numberKey(w.Put), w.ID)
		t.save(t.webhooks, w.ID, w)
	})
	return w.Version, err
}

// Webhooks implements webhook.Outbox. But for those that were put lately it reads
// every webhook, which is well for some thousands; for more, add a bucket by account.
func (s *Store) Webhooks(ctx context.Context, q webhook.WebhookQuery) (found []webhook.Webhook, err error) {
	err = s.run(ctx, false, func(t *tx) { found = t.newestPut(q) })
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
				if t.delivery(d.ID) == nil {
					added[d.ID] = true
					t.put(t.log, logKey("", &delivery{Delivery: d}), "")
					t.move(&delivery{}, func(to *webhook.Delivery) { *to = d })
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

// Claim implements webhook.Store. The walk jumps from webhook to webhook, past those that
// are full, held or not due, and reads of each no more than it takes. With very many
// webhooks, add a bucket of them by when the next of their deliveries is due.
func (s *Store) Claim(ctx context.Context, c webhook.Claim) (claimed []webhook.Delivery, err error) {
	err = s.run(ctx, true, func(t *tx) {
		for webhookID, room := range c.Turns(t.nextQueue) {
			if len(claimed) >= c.Limit {
				return
			}
			if t.webhook(webhookID).HeldUntil.After(c.Now) {
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
	err = s.run(ctx, false, func(t *tx) { found = t.selected(q) })
	return found, err
}

// Count implements webhook.Store.
func (s *Store) Count(ctx context.Context, q webhook.DeliveryQuery) (n int, err error) {
	err = s.run(ctx, false, func(t *tx) { n = len(t.selected(q)) })
	return n, err
}

// Prune implements webhook.Store. It walks from class to class: states and types.
func (s *Store) Prune(ctx context.Context, p webhook.Prune) (n int, err error) {
	err = s.run(ctx, true, func(t *tx) {
		var ds []*delivery // a bucket must not change while a cursor walks it
		c := t.finished.Cursor()
		for _, id := c.First(); id != nil && len(ds) < p.Limit; {
			d := t.delivery(string(id))
			if _, id = c.Next(); p.Selects(&d.Delivery) {
				ds = append(ds, d)
			} else { // nor any later one of its class
				_, id = c.Seek([]byte(classOf(d) + "\x01"))
			}
		}
		for _, d := range ds {
			t.delete(t.finished, finishedKey(d))
			t.delete(t.log, logKey("", d))
			t.index(d, &delivery{})
			t.delete(t.deliveries, d.ID)
		}
		n = len(ds)
		for _, w := range t.newestPut(webhook.WebhookQuery{All: true, Deleted: true}) {
			if w.Deleted && w.Changed.Before(p.Deleted) {
				t.delete(t.webhooks, w.ID)
				t.delete(t.tallies, w.ID)
				t.delete(t.puts, numberKey(w.Put))
			}
		}
	})
	return n, err
}
