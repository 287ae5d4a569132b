// Package memstore keeps webhooks and deliveries in memory: for tests, for
// trying the library out, and for apps that can afford to lose events.
//
// Everything is lost when the process ends, pending deliveries too, and other
// processes do not see it. There are no transactions: Dispatcher.EmitTx with a Store
// of this package stores events at once. Memory grows with the log until the
// Dispatcher prunes it, after Options.Retention.
package memstore

import (
	"cmp"
	"context"
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

	deliveries map[string]*delivery
	log        sortedSet[*delivery]            // all deliveries, oldest first
	finished   map[class]*sortedSet[*delivery] // deliveries that are not pending, by Due

	// Each webhook with pending deliveries has a queue, which is in waiting or in ready. Claim moves the queues that have come due from waiting to
	// ready, and reads only those in ready.
	queues  map[string]*queue
	waiting sortedSet[*queue] // by next
	ready   sortedSet[*queue] // by webhook

	lines     map[lineKey]*line
	lastPlace int64

	found map[string]*sortedSet[*delivery] // deliveries by their Terms, oldest first; no set is empty
}

var (
	_ webhook.Store      = (*Store)(nil)
	_ webhook.LineLeaser = (*Store)(nil)
)

// New returns an empty store.
func New() *Store { return &Store{} }

// A delivery is one that is stored.
type delivery struct {
	webhook.Delivery
	line  *line // that it stands in; nil: none
	place int64 // in its line; 0: it stands in none
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
		s.deliveries = map[string]*delivery{}
		s.queues = map[string]*queue{}
		s.lines = map[lineKey]*line{}
		s.found = map[string]*sortedSet[*delivery]{}
		s.finished = map[class]*sortedSet[*delivery]{}
		s.puts.compare = byPut
		s.log.compare = byCreated
		s.waiting.compare = byNext
		s.ready.compare = byWebhook
	}
	return nil
}

func byPut(a, b *webhook.Webhook) int { return cmp.Compare(a.Put, b.Put) }

func byCreated(a, b *delivery) int {
	return webhook.DeliveryQuery{Oldest: true}.Compare(&a.Delivery, &b.Delivery)
}

func byDue(a, b *delivery) int {
	return cmp.Or(a.Due.Compare(b.Due), strings.Compare(a.ID, b.ID))
}

// Enqueue stores the deliveries of events, and returns the IDs of those that were
// stored before.
func (s *Store) Enqueue(ctx context.Context, events []webhook.OutboxEvent) (had []string, err error) {
	had, _, err = s.enqueue(ctx, events, false)
	return had, err
}

// EnqueueLeasing is Enqueue. It also leases the new deliveries that have a LeaseUntil and
// are the first of their line, and returns their Sequences by ID.
func (s *Store) EnqueueLeasing(ctx context.Context, events []webhook.OutboxEvent) (had []string, leased map[string]int64, err error) {
	return s.enqueue(ctx, events, true)
}

func (s *Store) enqueue(ctx context.Context, events []webhook.OutboxEvent, leasing bool) (had []string, leased map[string]int64, err error) {
	if err := s.lock(ctx); err != nil {
		return nil, nil, err
	}
	defer s.mu.Unlock()
	leased = map[string]int64{}
	added := map[string]bool{}
	for _, e := range events {
		e.Bodies = cloneBodies(e.Bodies)
		i := -1
		for d := range e.All() {
			i++
			if s.deliveries[d.ID] != nil {
				if !added[d.ID] {
					had = append(had, d.ID)
				}
				continue
			}
			s.add(d)
			added[d.ID] = true
			if until := e.Deliveries[i].LeaseUntil; leasing && !until.IsZero() {
				s.leaseFirst(s.deliveries[d.ID], until, leased)
			}
		}
	}
	return had, leased, nil
}

// leaseFirst leases a delivery that was just added, if it is the first of a line.
func (s *Store) leaseFirst(d *delivery, until time.Time, leased map[string]int64) {
	if d.place != 0 && !d.blocked() {
		s.lease(d, until)
		leased[d.ID] = d.Sequence
	}
}

// add stores a delivery. It keeps d.Body, which others of the event may share.
func (s *Store) add(d webhook.Delivery) {
	body := d.Body
	d.Body = nil
	d = cloneDelivery(d)
	d.Body = body
	stored := &delivery{Delivery: d}
	s.deliveries[d.ID] = stored
	s.log.insert(stored)
	s.index(stored)
	s.align(stored)
	s.schedule(stored)
}

// lease leases a delivery that is in its webhook's queue.
func (s *Store) lease(d *delivery, until time.Time) {
	s.unschedule(d)
	d.Lease++
	d.Due = until
	s.schedule(d)
}

// Claim leases deliveries that are due, as webhook.Claim describes.
func (s *Store) Claim(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	s.promote(c.Now)

	var claimed []webhook.Delivery
	for id, room := range c.Turns(s.nextReady) {
		if len(claimed) >= c.Limit {
			break
		}
		for _, d := range s.queues[id].due(c.Now, min(room, c.Limit-len(claimed))) {
			s.lease(d, c.Until)
			out := d.Delivery
			out.Log = nil
			claimed = append(claimed, cloneDelivery(out))
		}
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
		if c.Log != nil {
			attempt := cloneAttempt(*c.Log)
			c.Log = &attempt
		}
		c.Rewrite = cloneLog(c.Rewrite)
		was := *d
		c.ApplyTo(&d.Delivery)
		if c.Erase || d.Failure != was.Failure {
			s.unindex(&was)
			s.index(d)
		}
		s.align(d)
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
			if !ok || !p.Selects(&d.Delivery) {
				break
			}
			class.delete(d)
			s.log.delete(d)
			s.unindex(d)
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
