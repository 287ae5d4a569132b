package main

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/listhook/webhook"
)

// A Store is a webhook.Store in one file of bbolt: buckets of keys in order,
// one writer at a time, and a commit that is on disk when it returns. One
// process uses the file.
type Store struct{ db *bolt.DB }

var _ webhook.Store = (*Store)(nil)

// A tx is a transaction, and the buckets. Webhooks and deliveries are JSON
// documents; all the other buckets are orders in which deliveries are looked
// for, with keys of the parts named here. A delivery is in log and in lanes for
// as long as it is stored, and in one of waiting, ready and finished.
type tx struct {
	webhooks   *bolt.Bucket // ID: the webhook
	holds      *bolt.Bucket // webhook: its HeldUntil
	deliveries *bolt.Bucket // ID: the delivery
	log        *bolt.Bucket // Created, ID
	lanes      *bolt.Bucket // webhook, ID
	waiting    *bolt.Bucket // Due, ID: pending, not known to be due; the value is the webhook
	ready      *bolt.Bucket // webhook, Due, ID: pending and due
	finished   *bolt.Bucket // Due, ID
}

var buckets = []string{"webhooks", "holds", "deliveries", "log", "lanes", "waiting", "ready", "finished"}

func newTx(t *bolt.Tx) *tx {
	var b []*bolt.Bucket
	for _, name := range buckets {
		b = append(b, t.Bucket([]byte(name)))
	}
	return &tx{b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]}
}

// Open opens the store in the file at path, which need not exist.
func Open(path string) (*Store, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: 5 * time.Second})
	if err != nil {
		return nil, err
	}
	err = db.Update(func(t *bolt.Tx) error {
		for _, name := range buckets {
			if _, err := t.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &Store{db}, nil
}

// Close closes the file.
func (s *Store) Close() error { return s.db.Close() }

// read runs do in a transaction that sees one state of the file.
func (s *Store) read(ctx context.Context, do func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.db.View(func(t *bolt.Tx) error { return do(newTx(t)) })
}

// write runs do in a transaction of its own, and commits it if do changed
// anything. So each call is made whole or not at all, and one that finds
// nothing to do costs no write to the disk.
func (s *Store) write(ctx context.Context, do func(*tx) (changed bool, err error)) error {
	t, err := s.db.Begin(true)
	if err != nil {
		return err
	}
	defer func() { _ = t.Rollback() }() // does nothing after a commit
	if err := ctx.Err(); err != nil {   // it may have ended while others wrote
		return err
	}
	if changed, err := do(newTx(t)); err != nil || !changed {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return t.Commit()
}

// Keys are compared byte for byte, like everything in a Store. A webhook's ID
// ends with a NUL, which no ID holds, so that keys are in order of webhook
// first.

func timeKey(t time.Time) []byte {
	ms := uint64(t.UnixMilli()) ^ 1<<63 // times before 1970 sort before
	return []byte{byte(ms >> 56), byte(ms >> 48), byte(ms >> 40), byte(ms >> 32), byte(ms >> 24), byte(ms >> 16), byte(ms >> 8), byte(ms)}
}

func logKey(created time.Time, id string) []byte { return append(timeKey(created), id...) }
func dueKey(d webhook.Delivery) []byte           { return append(timeKey(d.Due), d.ID...) }
func laneKey(webhookID, id string) []byte        { return []byte(webhookID + "\x00" + id) }
func readyKey(webhookID string, dueKey []byte) []byte {
	return append([]byte(webhookID+"\x00"), dueKey...)
}

// PutWebhook implements webhook.Store: a compare-and-set of the Version.
func (s *Store) PutWebhook(ctx context.Context, w webhook.Webhook) (version int64, err error) {
	err = s.write(ctx, func(t *tx) (bool, error) {
		var stored webhook.Webhook
		if _, err := load(t.webhooks, w.ID, &stored); err != nil {
			return false, err
		}
		if stored.Version != w.Version {
			return false, webhook.ErrConflict
		}
		w.Version++
		if err := t.holds.Put([]byte(w.ID), timeKey(w.HeldUntil)); err != nil {
			return false, err
		}
		return true, save(t.webhooks, w.ID, w)
	})
	return w.Version, err
}

// Webhooks implements webhook.Outbox. It reads every webhook, which is well for
// some thousands; for more, add buckets by account and by Changed.
func (s *Store) Webhooks(ctx context.Context, q webhook.WebhookQuery) (found []webhook.Webhook, err error) {
	wanted := set(q.IDs)
	err = s.read(ctx, func(t *tx) error {
		c := t.webhooks.Cursor()
		for id, doc := c.Seek([]byte(q.After + "\x00")); id != nil && (q.Limit == 0 || len(found) < q.Limit); id, doc = c.Next() {
			if len(wanted) > 0 && !wanted[string(id)] {
				continue
			}
			var w webhook.Webhook
			if err := json.Unmarshal(doc, &w); err != nil {
				return err
			}
			if (q.All || w.Account == q.Account) &&
				(len(q.Lists) == 0 || slices.Contains(q.Lists, w.List)) &&
				(!w.Deleted || !q.Changed.IsZero()) && !w.Changed.Before(q.Changed) {
				found = append(found, w)
			}
		}
		return nil
	})
	return found, err
}

// Enqueue implements webhook.Outbox.
func (s *Store) Enqueue(ctx context.Context, ds []webhook.Delivery) (had []string, err error) {
	err = s.write(ctx, func(t *tx) (changed bool, err error) {
		added := map[string]bool{}
		for _, d := range ds {
			if t.deliveries.Get([]byte(d.ID)) != nil {
				if !added[d.ID] {
					had = append(had, d.ID)
				}
				continue
			}
			added[d.ID] = true
			if err := t.add(d); err != nil {
				return false, err
			}
		}
		return len(added) > 0, nil
	})
	return had, err
}

// Apply implements webhook.Store: a compare-and-set of the Lease.
func (s *Store) Apply(ctx context.Context, cs []webhook.Change) (lost []string, err error) {
	err = s.write(ctx, func(t *tx) (changed bool, err error) {
		for _, c := range cs {
			var d webhook.Delivery
			if ok, err := load(t.deliveries, c.ID, &d); err != nil {
				return false, err
			} else if !ok || d.Lease != c.Lease {
				lost = append(lost, c.ID)
				continue
			}
			err := t.move(d, func(d *webhook.Delivery) {
				d.Lease++
				d.State, d.Due, d.Attempts = c.State, c.Due, c.Attempts
				if c.Erase {
					d.Body, d.Carrier, d.Log = nil, nil, nil
				}
				if c.Log != nil {
					d.Log = append(d.Log, *c.Log)
				}
			})
			if err != nil {
				return false, err
			}
			changed = true
		}
		return changed, nil
	})
	return lost, err
}

// Claim implements webhook.Store. What has come due moves from waiting to
// ready first. The walk then jumps from webhook to webhook, past those that
// are full or held, and reads of each no more than it takes: so its cost does
// not grow with what it leaves.
func (s *Store) Claim(ctx context.Context, c webhook.Claim) (claimed []webhook.Delivery, err error) {
	err = s.write(ctx, func(t *tx) (changed bool, err error) {
		changed, err = t.promote(c.Now)
		if err != nil {
			return false, err
		}
		for webhookID := range t.turns(c.After) {
			if len(claimed) >= c.Limit {
				break
			}
			room, ok := c.Room[webhookID]
			if !ok {
				room = c.Each
			}
			room = min(room, c.Limit-len(claimed))
			if room <= 0 || bytes.Compare(t.holds.Get([]byte(webhookID)), timeKey(c.Now)) > 0 {
				continue
			}
			for _, id := range t.due(webhookID, c.Now, room) {
				var d webhook.Delivery
				if _, err := load(t.deliveries, id, &d); err != nil {
					return false, err
				}
				err := t.move(d, func(moved *webhook.Delivery) {
					moved.Lease++
					moved.Due = c.Until
					d = *moved
				})
				if err != nil {
					return false, err
				}
				d.Log = nil
				claimed = append(claimed, d)
			}
		}
		return changed || len(claimed) > 0, nil
	})
	return claimed, err
}

// Deliveries implements webhook.Store.
func (s *Store) Deliveries(ctx context.Context, q webhook.DeliveryQuery) (found []webhook.Delivery, err error) {
	err = s.read(ctx, func(t *tx) error {
		return t.each(q, func(d webhook.Delivery) {
			if q.Brief {
				d.Body, d.Carrier, d.Log = nil, nil, nil
			}
			found = append(found, d)
		})
	})
	return found, err
}

// Count implements webhook.Store.
func (s *Store) Count(ctx context.Context, q webhook.DeliveryQuery) (n int, err error) {
	err = s.read(ctx, func(t *tx) error {
		return t.each(q, func(webhook.Delivery) { n++ })
	})
	return n, err
}

// Prune implements webhook.Store.
func (s *Store) Prune(ctx context.Context, before time.Time, limit int) (n int, err error) {
	err = s.write(ctx, func(t *tx) (changed bool, err error) {
		end := timeKey(before)
		for ; n < limit; n++ {
			key, _ := t.finished.Cursor().First()
			if key == nil || bytes.Compare(key, end) >= 0 {
				break
			}
			if err := t.remove(string(key[len(end):])); err != nil {
				return false, err
			}
		}
		gone, err := t.removeWebhooks(before)
		return n > 0 || gone, err
	})
	return n, err
}

func load(b *bolt.Bucket, id string, doc any) (ok bool, err error) {
	stored := b.Get([]byte(id))
	if stored == nil {
		return false, nil
	}
	return true, json.Unmarshal(stored, doc)
}

func save(b *bolt.Bucket, id string, doc any) error {
	text, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	return b.Put([]byte(id), text)
}

func set(values []string) map[string]bool {
	m := map[string]bool{}
	for _, v := range values {
		m[v] = true
	}
	return m
}

// webhookOf returns the webhook that a key begins with.
func webhookOf(key []byte) string {
	id, _, _ := strings.Cut(string(key), "\x00")
	return id
}
