package memstore

import (
	"cmp"
	"strings"
	"time"

	"github.com/listhook/webhook"
)

// A queue holds the pending deliveries of one webhook, but for those that stand behind
// others in their lines.
type queue struct {
	webhook string
	pending sortedSet[*delivery] // by Due
	set     *sortedSet[*queue]   // waiting or ready; nil: in neither
	next    time.Time            // when the first can be claimed: it is due, and the webhook is not held
}

func byWebhook(a, b *queue) int { return strings.Compare(a.webhook, b.webhook) }

func byNext(a, b *queue) int { return cmp.Or(a.next.Compare(b.next), byWebhook(a, b)) }

// schedule adds d to its queue, or to finished if it is not pending. It does neither
// with a delivery that stands behind others in its line.
func (s *Store) schedule(d *delivery) {
	switch {
	case d.State != webhook.StatePending:
		s.finishedAs(d).insert(d)
		return
	case d.blocked():
		return
	}
	q := s.queue(d.WebhookID)
	q.pending.insert(d)
	s.reschedule(q)
}

// unschedule undoes schedule. It is called before d's State, Due or line changes.
func (s *Store) unschedule(d *delivery) {
	switch {
	case d.State != webhook.StatePending:
		s.finishedAs(d).delete(d)
		return
	case d.blocked():
		return
	}
	q := s.queue(d.WebhookID)
	q.pending.delete(d)
	s.reschedule(q)
}

// finishedAs returns the deliveries that finished like d.
func (s *Store) finishedAs(d *delivery) *sortedSet[*delivery] {
	class := class{d.State, d.Type}
	set := s.finished[class]
	if set == nil {
		set = &sortedSet[*delivery]{compare: byDue}
		s.finished[class] = set
	}
	return set
}

// queue returns the queue of a webhook. It adds one if there is none.
func (s *Store) queue(webhookID string) *queue {
	q := s.queues[webhookID]
	if q == nil {
		q = &queue{webhook: webhookID}
		q.pending.compare = byDue
		s.queues[webhookID] = q
	}
	return q
}

// reschedule moves a queue to its place in waiting, after a change of its deliveries
// or of the webhook's HeldUntil.
func (s *Store) reschedule(q *queue) {
	var next time.Time
	first, pending := q.pending.first()
	if pending {
		next = first.Due
		if w := s.webhooks[q.webhook]; w != nil && w.HeldUntil.After(next) {
			next = w.HeldUntil
		}
		if q.set != nil && next.Equal(q.next) {
			return
		}
	}
	if q.set != nil {
		q.set.delete(q)
		q.set = nil
	}
	if q.next = next; pending {
		q.moveTo(&s.waiting)
	} else {
		delete(s.queues, q.webhook)
	}
}

// moveTo adds q, which is in neither set, to one of them.
func (q *queue) moveTo(to *sortedSet[*queue]) {
	to.insert(q)
	q.set = to
}

// promote moves to ready the queues that have come due.
func (s *Store) promote(now time.Time) {
	for {
		q, ok := s.waiting.first()
		if !ok || q.next.After(now) {
			return
		}
		s.waiting.delete(q)
		q.moveTo(&s.ready)
	}
}

// nextReady returns the first webhook after the given one that has a ready queue. It
// may not be due yet: another caller's clock is ahead.
func (s *Store) nextReady(after string) (webhookID string, ok bool) {
	for q := range s.ready.ascend(func(q *queue) bool { return q.webhook > after }) {
		return q.webhook, true
	}
	return "", false
}

// due returns deliveries that can be claimed, up to limit, the longest due first.
func (q *queue) due(now time.Time, limit int) (ds []*delivery) {
	if q.next.After(now) {
		return nil // the webhook is held
	}
	for d := range q.pending.ascend(always) {
		if len(ds) == limit || d.Due.After(now) {
			break
		}
		ds = append(ds, d)
	}
	return ds
}

func always[T any](T) bool { return true }
