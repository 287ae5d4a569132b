package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/listhook/webhook"
)

// add stores a delivery that is new.
func (t *tx) add(d webhook.Delivery) error {
	return errors.Join(
		save(t.deliveries, d.ID, d),
		t.log.Put(logKey(d.Created, d.ID), nil),
		t.lanes.Put(laneKey(d.WebhookID, d.ID), nil),
		t.queue(d),
	)
}

// queue puts d where its state and Due say.
func (t *tx) queue(d webhook.Delivery) error {
	if d.State == webhook.StatePending {
		return t.waiting.Put(dueKey(d), []byte(d.WebhookID))
	}
	return t.finished.Put(dueKey(d), nil)
}

// unqueue takes d from wherever it is. To delete a key that is not there is no
// error.
func (t *tx) unqueue(d webhook.Delivery) error {
	return errors.Join(
		t.waiting.Delete(dueKey(d)),
		t.ready.Delete(readyKey(d.WebhookID, dueKey(d))),
		t.finished.Delete(dueKey(d)),
	)
}

// move changes d and stores it, in its new place.
func (t *tx) move(d webhook.Delivery, change func(*webhook.Delivery)) error {
	if err := t.unqueue(d); err != nil {
		return err
	}
	change(&d)
	return errors.Join(save(t.deliveries, d.ID, d), t.queue(d))
}

// remove removes a delivery.
func (t *tx) remove(id string) error {
	var d webhook.Delivery
	if _, err := load(t.deliveries, id, &d); err != nil {
		return err
	}
	return errors.Join(
		t.unqueue(d),
		t.lanes.Delete(laneKey(d.WebhookID, id)),
		t.log.Delete(logKey(d.Created, id)),
		t.deliveries.Delete([]byte(id)),
	)
}

// removeWebhooks removes those deleted before a time that have no delivery.
func (t *tx) removeWebhooks(before time.Time) (changed bool, err error) {
	var gone []string // a bucket must not change while a cursor walks it
	err = t.webhooks.ForEach(func(id, doc []byte) error {
		var w webhook.Webhook
		if err := json.Unmarshal(doc, &w); err != nil {
			return err
		}
		lane := laneKey(w.ID, "")
		first, _ := t.lanes.Cursor().Seek(lane)
		if w.Deleted && w.Changed.Before(before) && !bytes.HasPrefix(first, lane) {
			gone = append(gone, w.ID)
		}
		return nil
	})
	for _, id := range gone {
		err = errors.Join(err, t.webhooks.Delete([]byte(id)), t.holds.Delete([]byte(id)))
	}
	return len(gone) > 0, err
}

// promote moves what has come due from waiting to ready.
func (t *tx) promote(now time.Time) (changed bool, err error) {
	end := timeKey(now.Add(time.Millisecond))
	for {
		due, webhookID := t.waiting.Cursor().First()
		if due == nil || bytes.Compare(due, end) >= 0 {
			return changed, nil
		}
		changed = true
		if err := errors.Join(t.ready.Put(readyKey(string(webhookID), due), nil), t.waiting.Delete(due)); err != nil {
			return false, err
		}
	}
}

// turns yields the webhooks that have something ready, in order of ID, from
// the first one after the one named, then from the start.
func (t *tx) turns(after string) iter.Seq[string] {
	next := func(webhookID string) (string, bool) {
		key, _ := t.ready.Cursor().Seek([]byte(webhookID + "\x01"))
		return webhookOf(key), key != nil
	}
	return func(yield func(string) bool) {
		for id, ok := next(after); ok; id, ok = next(id) {
			if !yield(id) {
				return
			}
		}
		for id, ok := next(""); ok && id <= after; id, ok = next(id) {
			if !yield(id) {
				return
			}
		}
	}
}

// due returns the longest due of a webhook, up to limit. Some may be ready by
// a clock that was ahead of this caller's.
func (t *tx) due(webhookID string, now time.Time, limit int) (ids []string) {
	start := readyKey(webhookID, nil)
	end := readyKey(webhookID, timeKey(now.Add(time.Millisecond)))
	c := t.ready.Cursor()
	for key, _ := c.Seek(start); key != nil && bytes.Compare(key, end) < 0 && len(ids) < limit; key, _ = c.Next() {
		ids = append(ids, string(key[len(start)+len(timeKey(now)):]))
	}
	return ids
}

// each calls do with the deliveries that q selects, in the order asked for.
func (t *tx) each(q webhook.DeliveryQuery, do func(webhook.Delivery)) error {
	keys, err := t.keys(q)
	if err != nil {
		return err
	}
	n := 0
	for key := range keys {
		var d webhook.Delivery
		if _, err := load(t.deliveries, string(key[len(timeKey(time.Time{})):]), &d); err != nil {
			return err
		}
		if (q.All || d.Account == q.Account) &&
			(q.Webhook == "" || d.WebhookID == q.Webhook) &&
			(len(q.States) == 0 || slices.Contains(q.States, d.State)) &&
			(len(q.Types) == 0 || slices.Contains(q.Types, d.Type)) &&
			(q.DueBy.IsZero() || !d.Due.After(q.DueBy)) {
			do(d)
			if n++; n == q.Limit {
				return nil
			}
		}
	}
	return nil
}

// keys yields the keys of log that q's times, cursor and IDs leave, in the
// order asked for.
func (t *tx) keys(q webhook.DeliveryQuery) (iter.Seq[[]byte], error) {
	from, to := bounds(q)
	if len(q.IDs) > 0 {
		keys, err := t.keysOf(q, from, to)
		return slices.Values(keys), err
	}
	c := t.log.Cursor()
	return func(yield func([]byte) bool) {
		if q.Oldest {
			for key, _ := c.Seek(from); key != nil && (to == nil || bytes.Compare(key, to) < 0) && yield(key); key, _ = c.Next() {
			}
			return
		}
		key, _ := c.Last()
		if to != nil {
			if beyond, _ := c.Seek(to); beyond != nil {
				key, _ = c.Prev()
			} else {
				key, _ = c.Last()
			}
		}
		for ; key != nil && bytes.Compare(key, from) >= 0 && yield(key); key, _ = c.Prev() {
		}
	}, nil
}

// bounds returns the first key of log that q may select, and the first beyond;
// nil: there is none.
func bounds(q webhook.DeliveryQuery) (from, to []byte) {
	if !q.Since.IsZero() {
		from = timeKey(q.Since)
	}
	if !q.Until.IsZero() {
		to = timeKey(q.Until)
	}
	if q.After == (webhook.Cursor{}) {
		return from, to
	}
	after := logKey(q.After.Created, q.After.ID)
	if q.Oldest {
		return slices.MaxFunc([][]byte{from, append(after, 0)}, bytes.Compare), to
	}
	if to == nil || bytes.Compare(after, to) < 0 {
		to = after
	}
	return from, to
}

// keysOf returns the keys of the deliveries that q names.
func (t *tx) keysOf(q webhook.DeliveryQuery, from, to []byte) (keys [][]byte, err error) {
	for id := range set(q.IDs) {
		var d struct{ Created time.Time }
		ok, err := load(t.deliveries, id, &d)
		if err != nil {
			return nil, err
		}
		if key := logKey(d.Created, id); ok && bytes.Compare(key, from) >= 0 && (to == nil || bytes.Compare(key, to) < 0) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, bytes.Compare)
	if !q.Oldest {
		slices.Reverse(keys)
	}
	return keys, nil
}
