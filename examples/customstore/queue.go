package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"iter"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/listhook/webhook"
)

// A tx is a transaction, and the buckets. Webhooks and deliveries are JSON
// documents; all the other buckets are orders in which they are looked for, with
// keys of the parts named here. A delivery is in log while it is stored, in keys
// while it has a Key, in lines while it stands in one, and in finished or in queue,
// unless it stands behind others in its line.
type tx struct {
	webhooks   *bolt.Bucket // ID: the webhook
	tallies    *bolt.Bucket // webhook: its Tallies
	holds      *bolt.Bucket // webhook: its HeldUntil
	puts       *bolt.Bucket // Put: the webhook's ID
	deliveries *bolt.Bucket // ID: the delivery
	log        *bolt.Bucket // Created, ID
	keys       *bolt.Bucket // webhook, Key, Created, ID
	lines      *bolt.Bucket // webhook, Key, Place: Joined, the delivery's ID
	queue      *bolt.Bucket // webhook, Due, ID: pending
	finished   *bolt.Bucket // Due, ID

	changed bool
	err     error // the first one: the transaction is not committed
}

var buckets = []string{"webhooks", "tallies", "holds", "puts", "deliveries", "log", "keys", "lines", "queue", "finished"}

func newTx(t *bolt.Tx) *tx {
	var b []*bolt.Bucket
	for _, name := range buckets {
		b = append(b, t.Bucket([]byte(name)))
	}
	return &tx{b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], false, nil}
}

// run runs do in a transaction that sees one state of the file, and commits it if
// do changed anything. So each call is made whole or not at all, and one that
// finds nothing to do costs no write to the disk.
func (s *Store) run(ctx context.Context, writes bool, do func(*tx)) error {
	b, err := s.db.Begin(writes)
	if err != nil {
		return err
	}
	defer func() { _ = b.Rollback() }() // does nothing after a commit
	t := newTx(b)
	if t.fail(ctx.Err()); t.err == nil { // it may have ended while others wrote
		do(t)
	}
	if t.fail(ctx.Err()); t.err != nil || !t.changed {
		return t.err
	}
	return b.Commit()
}

func (t *tx) fail(err error)                        { t.err = cmp.Or(t.err, err) }
func (t *tx) put(b *bolt.Bucket, key, value []byte) { t.changed = true; t.fail(b.Put(key, value)) }
func (t *tx) delete(b *bolt.Bucket, key []byte)     { t.changed = true; t.fail(b.Delete(key)) } // if it is there

// next returns a number that is greater than those before.
func (t *tx) next(b *bolt.Bucket) int64 {
	n, err := b.NextSequence()
	t.fail(err)
	return int64(n)
}

func (t *tx) load(b *bolt.Bucket, id string, doc any) {
	if stored := b.Get([]byte(id)); stored != nil {
		t.fail(json.Unmarshal(stored, doc))
	}
}

func (t *tx) save(b *bolt.Bucket, id string, doc any) {
	text, err := json.Marshal(doc)
	t.fail(err)
	t.put(b, []byte(id), text)
}

// A delivery is the document of one.
type delivery struct {
	webhook.Delivery
	Place int64 // in its line; 0: it stands in none
}

// Keys are compared byte for byte, like everything in a Store. A webhook's ID
// and a Key end with a NUL, which neither holds, so that keys are in order of
// webhook first.

func numberKey(n int64) []byte                   { return binary.BigEndian.AppendUint64(nil, uint64(n)^1<<63) } // negative ones sort before
func timeKey(t time.Time) []byte                 { return numberKey(t.UnixMilli()) }
func logKey(created time.Time, id string) []byte { return append(timeKey(created), id...) }
func finishedKey(d *delivery) []byte             { return append(timeKey(d.Due), d.ID...) }
func queueOf(webhookID string) []byte            { return []byte(webhookID + "\x00") }
func queueKey(d *delivery) []byte                { return append(queueOf(d.WebhookID), finishedKey(d)...) }
func lineOf(webhookID, key string) []byte        { return append(queueOf(webhookID), key+"\x00"...) }
func placeKey(d *delivery) []byte                { return append(lineOf(d.WebhookID, d.Key), numberKey(d.Place)...) }
func keyKey(d *delivery) []byte {
	return append(lineOf(d.WebhookID, d.Key), logKey(d.Created, d.ID)...)
}
func idOf(key []byte) string { return string(key[8:]) } // behind a time

// delivery returns a delivery, nil if it is not stored.
func (t *tx) delivery(id string) (d *delivery) { t.load(t.deliveries, id, &d); return d }

// move changes d and stores it, in its new places.
func (t *tx) move(d *delivery, change func(*webhook.Delivery)) {
	before := *d
	t.delete(t.queue, queueKey(d))
	t.delete(t.finished, finishedKey(d))
	t.delete(t.keys, keyKey(d))
	if change(&d.Delivery); d.Key != "" {
		t.put(t.keys, keyKey(d), nil)
	}
	if before.Place != 0 && !d.InLine() {
		d.Place = 0
		t.delete(t.lines, placeKey(&before))
		t.queueFirst(lineOf(before.WebhookID, before.Key))
	} else if before.Place == 0 && d.InLine() {
		t.fail(t.lines.SetSequence(max(t.lines.Sequence(), uint64(max(d.Joined.UnixMilli(), 0))<<10)))
		d.Place = t.next(t.lines)
		d.Sequence = cmp.Or(d.Sequence, d.Place)
		t.put(t.lines, placeKey(d), append(timeKey(d.Joined), d.ID...))
	}
	t.save(t.deliveries, d.ID, d)
	switch {
	case d.State != webhook.StatePending:
		t.put(t.finished, finishedKey(d), nil)
	case d.InLine():
		t.queueFirst(lineOf(d.WebhookID, d.Key))
	default:
		t.put(t.queue, queueKey(d), nil)
	}
}

// queueFirst queues the first delivery of a line, if it is not queued already.
func (t *tx) queueFirst(line []byte) {
	if key, first := t.lines.Cursor().Seek(line); bytes.HasPrefix(key, line) {
		t.put(t.queue, queueKey(t.delivery(idOf(first))), nil)
	}
}

// nextQueue returns the first webhook after another that has a queue.
func (t *tx) nextQueue(after string) (webhookID string, ok bool) {
	key, _ := t.queue.Cursor().Seek([]byte(after + "\x01"))
	webhookID, _, ok = strings.Cut(string(key), "\x00")
	return webhookID, ok
}

// due returns the longest due of a webhook, up to limit.
func (t *tx) due(webhookID string, now time.Time, limit int) (ds []*delivery) {
	queue := queueOf(webhookID)
	end := append(queueOf(webhookID), timeKey(now.Add(time.Millisecond))...)
	c := t.queue.Cursor()
	for key, _ := c.Seek(queue); key != nil && bytes.Compare(key, end) < 0 && len(ds) < limit; key, _ = c.Next() {
		ds = append(ds, t.delivery(idOf(key[len(queue):])))
	}
	return ds
}

// blocking returns the first ones of the lines in which another delivery joined
// before a time.
func (t *tx) blocking(before time.Time) (ids []string) {
	var line, first []byte
	c := t.lines.Cursor()
	for key, value := c.First(); key != nil; key, value = c.Next() {
		if of := key[:len(key)-8]; !bytes.Equal(of, line) {
			line, first = of, value
		} else if first != nil && bytes.Compare(value, timeKey(before)) < 0 {
			ids = append(ids, idOf(first))
			first = nil // it is named
		}
	}
	return ids
}

// newestPut yields the webhooks that q selects, the one put last first.
func (t *tx) newestPut(q webhook.WebhookQuery) iter.Seq[webhook.Webhook] {
	return func(yield func(webhook.Webhook) bool) {
		c := t.puts.Cursor()
		for put, id := c.Last(); put != nil && bytes.Compare(put, numberKey(q.PutAfter)) > 0; put, id = c.Prev() {
			var w webhook.Webhook
			t.load(t.webhooks, string(id), &w)
			if q.Tallies {
				w.Tallies = bytes.Clone(t.tallies.Get(id))
			}
			if q.Selects(&w) && !yield(w) {
				return
			}
		}
	}
}

// selected yields the deliveries that q selects, in the order that it asks for.
func (t *tx) selected(q webhook.DeliveryQuery) iter.Seq[*webhook.Delivery] {
	return func(yield func(*webhook.Delivery) bool) {
		n := 0
		for key := range t.entries(q) {
			if d := t.delivery(idOf(key)); q.Selects(&d.Delivery) {
				if n++; !yield(&d.Delivery) || n == q.Limit {
					return
				}
			}
		}
	}
}

// entries yields entries of log or keys in the order that q asks for: of the
// deliveries that it names or that block others, or else of those in its span of time.
func (t *tx) entries(q webhook.DeliveryQuery) iter.Seq[[]byte] {
	if !q.Blocking.IsZero() {
		return t.entriesOf(t.blocking(q.Blocking), q.Oldest)
	}
	if len(q.IDs) > 0 {
		return t.entriesOf(q.IDs, q.Oldest)
	}
	from, to, after := timeKey(q.Since), []byte{0xff}, logKey(q.After.Created, q.After.ID)
	if !q.Until.IsZero() {
		to = timeKey(q.Until)
	}
	if q.Oldest && bytes.Compare(after, from) > 0 {
		from = after
	} else if !q.Oldest && q.After != (webhook.Cursor{}) && bytes.Compare(after, to) < 0 {
		to = after
	}
	c, prefix := t.log.Cursor(), []byte(nil)
	if q.Webhook != "" && q.Key != "" {
		c, prefix = t.keys.Cursor(), lineOf(q.Webhook, q.Key)
	}
	from, to = slices.Concat(prefix, from), slices.Concat(prefix, to)
	return func(yield func([]byte) bool) {
		step := c.Next
		key, _ := c.Seek(from)
		if !q.Oldest {
			step = c.Prev
			c.Seek(to)
			key, _ = step()
		}
		for key != nil && bytes.Compare(key, from) >= 0 && bytes.Compare(key, to) < 0 && yield(key[len(prefix):]) {
			key, _ = step()
		}
	}
}

// entriesOf yields the entries in log of the deliveries with these IDs that are stored.
func (t *tx) entriesOf(ids []string, oldest bool) iter.Seq[[]byte] {
	var keys [][]byte
	for _, id := range ids {
		if d := t.delivery(id); d != nil {
			keys = append(keys, logKey(d.Created, id))
		}
	}
	slices.SortFunc(keys, bytes.Compare)
	if !oldest {
		slices.Reverse(keys)
	}
	return slices.Values(slices.CompactFunc(keys, bytes.Equal))
}
