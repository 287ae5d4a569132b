// Package memstore keeps webhooks and deliveries in memory: for tests, for
// trying the library out, and for apps that can afford to lose events.
//
// Everything is lost when the process ends, pending deliveries too, and other
// processes do not see it. There are no transactions: Dispatcher.EmitTx with a Store
// of this package is the same as Emit. Memory grows with the log until the
// Dispatcher prunes it, after Options.Retention.
package memstore

import (
	"cmp"
	"context"
	"iter"
	"strings"
	"sync"
	"time"

	"github.com/listhook/webhook"
)

// Store is a webhook.Store in memory. New makes one, and the zero value is an empty
// Store too. It is safe for concurrent use, and must not be copied after its first
// use. The Dispatcher calls its methods.
type Store struct {
	mu sync.Mutex // guards the fields below, and what they point to

	webhooks map[string]*webhook.Webhook
	accounts map[string]map[string]*webhook.Webhook // the same webhooks, by account and ID
	puts     sortedSet[*webhook.Webhook]            // the same webhooks, by Put
	lastPut  int64

	deliveries map[string]*webhook.Delivery
	log        sortedSet[*webhook.Delivery]            // all deliveries, oldest first
	finished   map[class]*sortedSet[*webhook.Delivery] // deliveries that are not pending, by Due

	// Each webhook with pending deliveries has a queue, which is in waiting or in ready. Claim moves the queues that have come due from waiting to
	// ready, and reads only those in ready.
	queues  map[string]*queue
	waiting sortedSet[*queue] // by next
	ready   sortedSet[*queue] // by webhook
}

var _ webhook.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store { return &Store{} }

// A queue holds the pending deliveries of one webhook.
type queue struct {
	webhook string
	pending sortedSet[*webhook.Delivery] // by Due
	set     *sortedSet[*queue]           // waiting or ready; nil: in neither
	next    time.Time                    // when the first can be claimed: it is due, and the webhook is not held
}

// A class is what deliveries have in common that Prune may choose.
type class struct {
	state     webhook.State
	eventType webhook.EventType
}

// lock locks s.mu, and initializes a zero Store. Every method begins with it. It
// returns an error, without the lock, if ctx has ended.
func (s *Store) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	if s.deliveries == nil {
		s.webhooks = map[string]*webhook.Webhook{}
		s.accounts = map[string]map[string]*webhook.Webhook{}
		s.deliveries = map[string]*webhook.Delivery{}
		s.queues = map[string]*queue{}
		s.finished = map[class]*sortedSet[*webhook.Delivery]{}
		s.puts.compare = byPut
		s.log.compare = byCreated
		s.waiting.compare = byNext
		s.ready.compare = byWebhook
	}
	return nil
}

func byPut(a, b *webhook.Webhook) int { return cmp.Compare(a.Put, b.Put) }

func byCreated(a, b *webhook.Delivery) int {
	return webhook.DeliveryQuery{Oldest: true}.Compare(a, b)
}

func byDue(a, b *webhook.Delivery) int {
	if c := a.Due.Compare(b.Due); c != 0 {
		return c
	}
	return strings.Compare(a.ID, b.ID)
}

func byWebhook(a, b *queue) int { return strings.Compare(a.webhook, b.webhook) }

func byNext(a, b *queue) int {
	if c := a.next.Compare(b.next); c != 0 {
		return c
	}
	return byWebhook(a, b)
}

// Enqueue stores the deliveries of events, and returns the IDs of those that were
// stored before.
func (s *Store) Enqueue(ctx context.Context, events []webhook.OutboxEvent) (had []string, err error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	added := map[string]bool{}
	for _, e := range events {
		e.Bodies = cloneBodies(e.Bodies)
		for d := range e.All() {
			if s.deliveries[d.ID] == nil {
				s.add(d)
				added[d.ID] = true
			} else if !added[d.ID] {
				had = append(had, d.ID)
			}
		}
	}
	return had, nil
}

// add stores a delivery. It keeps d.Body, which others of the event may share.
func (s *Store) add(d webhook.Delivery) {
	body := d.Body
	d.Body = nil
	d = cloneDelivery(d)
	d.Body = body
	d.Sequence, d.Failure = 0, ""
	if n := len(d.Log); n > 0 {
		d.Failure = d.Log[n-1].Failure()
	}
	s.deliveries[d.ID] = &d
	s.log.insert(&d)
	s.schedule(&d)
}

// Claim leases deliveries that are due, as webhook.Claim describes.
func (s *Store) Claim(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	s.promote(c.Now)

	var taken []*webhook.Delivery // leased after the loop, because turns needs the sets unchanged
	for q := range s.turns(c.After) {
		if len(taken) >= c.Limit {
			break
		}
		room, ok := c.Room[q.webhook]
		if !ok {
			room = c.Each
		}
		if room = min(room, c.Limit-len(taken)); room <= 0 || q.next.After(c.Now) {
			continue
		}
		for d := range q.pending.ascend(always) {
			if room == 0 || d.Due.After(c.Now) {
				break
			}
			taken = append(taken, d)
			room--
		}
	}

	claimed := make([]webhook.Delivery, 0, len(taken))
	for _, d := range taken {
		s.unschedule(d)
		d.Lease++
		d.Due = c.Until
		s.schedule(d)
		out := *d
		out.Log = nil
		claimed = append(claimed, cloneDelivery(out))
	}
	return claimed, nil
}

// Apply makes each change whose delivery still has the lease that the change names,
// and returns the IDs of the others.
func (s *Store) Apply(ctx context.Context, cs []webhook.Change) (lost []string, err error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	for _, c := range cs {
		d := s.deliveries[c.ID]
		if d == nil || d.Lease != c.Lease {
			lost = append(lost, c.ID)
			continue
		}
		s.unschedule(d)
		d.Lease++
		d.State, d.Due, d.Attempts = c.State, c.Due, c.Attempts
		if c.Erase {
			d.Body, d.Carrier, d.Log, d.Failure, d.Key, d.Subjects = nil, nil, nil, "", "", nil
		}
		if c.LeaveLine {
			d.Key = ""
		}
		if c.Log != nil {
			d.Log = append(d.Log, cloneAttempt(*c.Log))
			d.Failure = c.Log.Failure()
		}
		s.schedule(d)
	}
	return lost, nil
}

// Prune removes the finished deliveries and the deleted webhooks that p selects.
func (s *Store) Prune(ctx context.Context, p webhook.Prune) (n int, err error) {
	if err := s.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	for _, class := range s.finished {
		for n < p.Limit {
			d, ok := class.first()
			if !ok || !p.Selects(d) {
				break
			}
			class.delete(d)
			s.log.delete(d)
			delete(s.deliveries, d.ID)
			n++
		}
	}
	for _, w := range s.webhooks {
		if w.Deleted && w.Changed.Before(p.Deleted) {
			s.removeWebhook(w)
			if q := s.queues[w.ID]; q != nil {
				s.reschedule(q) // without its HeldUntil
			}
		}
	}
	return n, nil
}

// schedule adds d to its queue, or to finished if it is not pending.
func (s *Store) schedule(d *webhook.Delivery) {
	if d.State != webhook.StatePending {
		s.finishedAs(d).insert(d)
		return
	}
	q := s.queue(d.WebhookID)
	q.pending.insert(d)
	s.reschedule(q)
}

// unschedule undoes schedule. It is called before d's State or Due changes.
func (s *Store) unschedule(d *webhook.Delivery) {
	if d.State != webhook.StatePending {
		s.finishedAs(d).delete(d)
		return
	}
	q := s.queue(d.WebhookID)
	q.pending.delete(d)
	s.reschedule(q)
}

// finishedAs returns the deliveries that finished like d.
func (s *Store) finishedAs(d *webhook.Delivery) *sortedSet[*webhook.Delivery] {
	class := class{d.State, d.Type}
	set := s.finished[class]
	if set == nil {
		set = &sortedSet[*webhook.Delivery]{compare: byDue}
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

// turns yields the ready queues in order of webhook, from the first one behind after,
// then from the start. Some may not be due yet: another caller's clock is ahead.
func (s *Store) turns(after string) iter.Seq[*queue] {
	return func(yield func(*queue) bool) {
		for q := range s.ready.ascend(func(q *queue) bool { return q.webhook > after }) {
			if !yield(q) {
				return
			}
		}
		for q := range s.ready.ascend(always) {
			if q.webhook > after || !yield(q) {
				return
			}
		}
	}
}

func always[T any](T) bool { return true }
