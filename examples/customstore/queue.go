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

// A tx is a transaction, and the buckets. Webhooks and deliveries are JSON documents;
// the other buckets are orders in which they are looked for, with keys of the parts
// named here. A delivery is in log with no term and with each of its Terms, in lines while
// it stands in one, and in finished or in queue, unless others stand before it.
type tx struct {
	webhooks   *bolt.Bucket // ID: the webhook
	tallies    *bolt.Bucket // webhook: its Tallies
	puts       *bolt.Bucket // Put: the webhook's ID
	deliveries *bolt.Bucket // ID: the delivery
	log        *bolt.Bucket // a term, Created, ID
	lines      *bolt.Bucket // webhook, Key, Place: Joined, the delivery's ID
	queue      *bolt.Bucket // webhook, Due, ID: pending
	finished   *bolt.Bucket // State, Type, Due, ID: the ID
	changed    bool
	err        error // the first one: the transaction is not committed
}

var buckets = []string{"webhooks", "tallies", "puts", "deliveries", "log", "lines", "queue", "finished"}

func newTx(t *bolt.Tx) *tx {
	b := func(name string) *bolt.Bucket { return t.Bucket([]byte(name)) }
	return &tx{b("webhooks"), b("tallies"), b("puts"), b("deliveries"), b("log"), b("lines"), b("queue"), b("finished"), false, nil}
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

func (t *tx) fail(err error) { t.err = cmp.Or(t.err, err) }
func (t *tx) put(b *bolt.Bucket, key, value string) {
	t.changed = true
	t.fail(b.Put([]byte(key), []byte(value)))
}
func (t *tx) delete(b *bolt.Bucket, key string) { t.changed = true; t.fail(b.Delete([]byte(key))) } // if it is there

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
	t.put(b, id, string(text))
}

// A delivery is the document of one.
type delivery struct {
	webhook.Delivery
	Place int64 // in its line; 0: it stands in none
}

// Keys are compared byte for byte, like everything in a Store. Texts before the last
// part end with a NUL, which none holds, so that keys are in order of them first.

const end = "\xff" // greater than every key: no text has this byte, and no number that is stored begins with it

func numberKey(n int64) string               { return string(binary.BigEndian.AppendUint64(nil, uint64(n)^1<<63)) } // negative ones sort before
func timeKey(t time.Time) string             { return numberKey(t.UnixMilli()) }
func logKey(term string, d *delivery) string { return term + "\x00" + timeKey(d.Created) + d.ID }
func dueKey(d *delivery) string              { return timeKey(d.Due) + d.ID }
func classOf(d *delivery) string             { return string(d.State) + "\x00" + string(d.Type) }
func finishedKey(d *delivery) string         { return classOf(d) + "\x00" + dueKey(d) }
func queueOf(webhookID string) string        { return webhookID + "\x00" }
func queueKey(d *delivery) string            { return queueOf(d.WebhookID) + dueKey(d) }
func lineOf(d *delivery) string              { return queueOf(d.WebhookID) + d.Key + "\x00" }
func placeKey(d *delivery) string            { return lineOf(d) + numberKey(d.Place) }
func idOf(key string) string                 { return key[8:] } // behind a time

// webhook returns a webhook, a zero one if it is not stored, and delivery nil then.
func (t *tx) webhook(id string) (w webhook.Webhook) { t.load(t.webhooks, id, &w); return w }
func (t *tx) delivery(id string) (d *delivery)      { t.load(t.deliveries, id, &d); return d }

// move changes d and stores it, in its new places.
func (t *tx) move(d *delivery, change func(*webhook.Delivery)) {
	before := *d
	change(&d.Delivery)
	t.index(&before, d)
	t.delete(t.queue, queueKey(&before))
	t.delete(t.finished, finishedKey(&before))
	if before.Place != 0 && !d.InLine() {
		d.Place = 0
		t.delete(t.lines, placeKey(&before))
		t.queueFirst(lineOf(&before))
	} else if before.Place == 0 && d.InLine() {
		t.fail(t.lines.SetSequence(max(t.lines.Sequence(), uint64(max(d.Joined.UnixMilli(), 0))<<10)))
		d.Place = t.next(t.lines)
		d.Sequence = cmp.Or(d.Sequence, d.Place)
		t.put(t.lines, placeKey(d), timeKey(d.Joined)+d.ID)
	}
	t.save(t.deliveries, d.ID, d)
	switch {
	case d.State != webhook.StatePending:
		t.put(t.finished, finishedKey(d), d.ID)
	case d.InLine():
		t.queueFirst(lineOf(d))
	default:
		t.put(t.queue, queueKey(d), "")
	}
}

// index makes a delivery found by the terms that it has instead of those before.
func (t *tx) index(before, d *delivery) {
	had, has := before.Terms(), d.Terms()
	for _, term := range had {
		if !slices.Contains(has, term) {
			t.delete(t.log, logKey(term, before))
		}
	}
	for _, term := range has {
		if !slices.Contains(had, term) {
			t.put(t.log, logKey(term, d), "")
		}
	}
}

// queueFirst queues the first delivery of a line, if it is not queued already.
func (t *tx) queueFirst(line string) {
	for _, first := range walk(t.lines, line, line+end, false) {
		t.put(t.queue, queueKey(t.delivery(idOf(first))), "")
		break
	}
}

// nextQueue returns the first webhook after another that has a queue.
func (t *tx) nextQueue(after string) (webhookID string, ok bool) {
	key, _ := t.queue.Cursor().Seek([]byte(after + "\x01"))
	webhookID, _, ok = strings.Cut(string(key), "\x00")
	return webhookID, ok
}

// due returns the longest due of a webhook, up to limit, which is positive.
func (t *tx) due(webhookID string, now time.Time, limit int) (ds []*delivery) {
	queue := queueOf(webhookID)
	for key := range walk(t.queue, queue, queue+timeKey(now.Add(time.Millisecond)), false) {
		if ds = append(ds, t.delivery(idOf(key[len(queue):]))); len(ds) == limit {
			break
		}
	}
	return ds
}

// blocking returns the first ones of the lines in which another delivery joined
// before a time.
func (t *tx) blocking(before time.Time) (ids []string) {
	var line, first string
	for key, value := range walk(t.lines, "", end, false) {
		if of := key[:len(key)-8]; of != line {
			line, first = of, value
		} else if first != "" && value < timeKey(before) {
			ids = append(ids, idOf(first))
			first = "" // it is named
		}
	}
	return ids
}

// newestPut returns the webhooks that q selects, the one put last first.
func (t *tx) newestPut(q webhook.WebhookQuery) (ws []webhook.Webhook) {
	for _, id := range walk(t.puts, numberKey(q.PutAfter+1), end, true) {
		w := t.webhook(id)
		if q.Tallies {
			w.Tallies = bytes.Clone(t.tallies.Get([]byte(id)))
		}
		if q.Selects(&w) {
			ws = append(ws, w)
		}
	}
	return ws
}

// selected returns the deliveries that q selects, in the order that it asks for.
func (t *tx) selected(q webhook.DeliveryQuery) (ds []webhook.Delivery) {
	for d := range t.candidates(q) {
		if q.Selects(&d.Delivery) {
			if q.Brief {
				d.Body, d.Carrier, d.Log = nil, nil, nil
			}
			if ds = append(ds, d.Delivery); len(ds) == q.Limit {
				break
			}
		}
	}
	return ds
}

// candidates yields the deliveries that q names or that block others, or else those of a
// term and a span of time that q asks for, in the order that it asks for.
func (t *tx) candidates(q webhook.DeliveryQuery) iter.Seq[*delivery] {
	if !q.Blocking.IsZero() {
		return t.named(q, t.blocking(q.Blocking))
	}
	if len(q.IDs) > 0 {
		return t.named(q, q.IDs)
	}
	from, to, after := timeKey(q.Since), end, timeKey(q.After.Created)+q.After.ID
	if !q.Until.IsZero() {
		to = timeKey(q.Until)
	}
	if q.Oldest {
		from = max(from, after)
	} else if q.After != (webhook.Cursor{}) {
		to = min(to, after)
	}
	term := q.Term() + "\x00"
	return func(yield func(*delivery) bool) {
		for key := range walk(t.log, term+from, term+to, !q.Oldest) {
			if !yield(t.delivery(idOf(key[len(term):]))) {
				return
			}
		}
	}
}

// named yields the deliveries with these IDs that are stored, in the order that q asks for.
func (t *tx) named(q webhook.DeliveryQuery, ids []string) iter.Seq[*delivery] {
	var ds []*delivery
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		if d := t.delivery(id); d != nil {
			ds = append(ds, d)
		}
	}
	slices.SortFunc(ds, func(a, b *delivery) int { return q.Compare(&a.Delivery, &b.Delivery) })
	return slices.Values(ds)
}

// walk yields the entries of a bucket from one key up to another, or backwards. The bucket
// must not change meanwhile.
func walk(b *bolt.Bucket, from, to string, backwards bool) iter.Seq2[string, string] {
	return func(yield func(key, value string) bool) {
		c := b.Cursor()
		step := c.Next
		key, value := c.Seek([]byte(from))
		if backwards {
			step = c.Prev
			c.Seek([]byte(to))
			key, value = step()
		}
		for key != nil && string(key) >= from && string(key) < to && yield(string(key), string(value)) {
			key, value = step()
		}
	}
}
