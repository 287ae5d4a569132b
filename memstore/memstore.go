// Package memstore keeps webhooks and deliveries in memory: for tests, for
// trying the library out, and for apps that can afford to lose events.
//
// Everything is lost with the process, what waits for a retry included, and no
// other process sees it. It has no transactions either: Dispatcher.EmitTx with
// a Store of this package is an Emit. Memory grows with the log until it is
// pruned, by the dispatcher's Retention.
package memstore

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/listhook/webhook"
)

// A Store is a webhook.Store in memory. New makes one; the zero value is empty
// and ready too. It is safe for concurrent use, and must not be copied after its first use.
type Store struct {
	mu sync.Mutex

	webhooks map[string]*webhook.Webhook
	accounts map[string]map[string]*webhook.Webhook // the same, by account and ID

	deliveries map[string]*webhook.Delivery
	log        ordered[*webhook.Delivery] // all of them, oldest first
	finished   ordered[*webhook.Delivery] // those that are not pending, by Due

	// Deliveries wait in lanes, one for each webhook that has any. Those with
	// pending ones are in one of two sets, so that Claim looks at nothing that
	// it cannot take: it moves to ready what has become due, and walks that.
	lanes   map[string]*lane
	waiting ordered[*lane] // by their next time
	ready   ordered[*lane] // by webhook
}

var _ webhook.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store { return &Store{} }

// A lane holds the deliveries of one webhook.
type lane struct {
	webhook string
	pending ordered[*webhook.Delivery] // by Due
	in      *ordered[*lane]            // waiting, ready, or nil
	next    time.Time                  // when the first can be claimed: it is due, and the webhook not held
	total   int                        // deliveries, finished ones too
}

// open locks s for a call, and makes its zero value usable. Every call starts
// with it, so that one with an ended context does nothing.
func (s *Store) open(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	if s.deliveries == nil {
		s.webhooks = map[string]*webhook.Webhook{}
		s.accounts = map[string]map[string]*webhook.Webhook{}
		s.deliveries = map[string]*webhook.Delivery{}
		s.lanes = map[string]*lane{}
		s.log.compare = byCreated
		s.finished.compare = byDue
		s.waiting.compare = byNext
		s.ready.compare = byWebhook
	}
	return nil
}

func byCreated(a, b *webhook.Delivery) int {
	if c := a.Created.Compare(b.Created); c != 0 {
		return c
	}
	return strings.Compare(a.ID, b.ID)
}

func byDue(a, b *webhook.Delivery) int {
	if c := a.Due.Compare(b.Due); c != 0 {
		return c
	}
	return strings.Compare(a.ID, b.ID)
}

func byWebhook(a, b *lane) int { return strings.Compare(a.webhook, b.webhook) }

func byNext(a, b *lane) int {
	if c := a.next.Compare(b.next); c != 0 {
		return c
	}
	return byWebhook(a, b)
}

// Enqueue implements webhook.Outbox.
func (s *Store) Enqueue(ctx context.Context, ds []webhook.Delivery) (had []string, err error) {
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	for i, d := range ds {
		if s.deliveries[d.ID] != nil {
			if !slices.ContainsFunc(ds[:i], func(before webhook.Delivery) bool { return before.ID == d.ID }) {
				had = append(had, d.ID)
			}
			continue
		}
		stored := cloneDelivery(d)
		s.deliveries[d.ID] = &stored
		s.log.insert(&stored)
		s.lane(d.WebhookID).total++
		s.queue(&stored)
	}
	return had, nil
}

// Claim implements webhook.Store.
func (s *Store) Claim(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	s.promote(c.Now)

	var taken []*webhook.Delivery // moved only after the walk, which needs its sets as they are
	for l := range s.turns(c.After) {
		if len(taken) >= c.Limit {
			break
		}
		room, ok := c.Room[l.webhook]
		if !ok {
			room = c.Each
		}
		if room = min(room, c.Limit-len(taken)); room <= 0 || l.next.After(c.Now) {
			continue
		}
		for d := range l.pending.ascend(all) {
			if room == 0 || d.Due.After(c.Now) {
				break
			}
			taken = append(taken, d)
			room--
		}
	}

	claimed := make([]webhook.Delivery, 0, len(taken))
	for _, d := range taken {
		s.unqueue(d)
		d.Lease++
		d.Due = c.Until
		s.queue(d)
		out := *d
		out.Log = nil
		claimed = append(claimed, cloneDelivery(out))
	}
	return claimed, nil
}

// Apply implements webhook.Store.
func (s *Store) Apply(ctx context.Context, cs []webhook.Change) (lost []string, err error) {
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	for _, c := range cs {
		d := s.deliveries[c.ID]
		if d == nil || d.Lease != c.Lease {
			lost = append(lost, c.ID)
			continue
		}
		s.unqueue(d)
		d.Lease++
		d.State, d.Due, d.Attempts = c.State, c.Due, c.Attempts
		if c.Erase {
			d.Body, d.Carrier, d.Log = nil, nil, nil
		}
		if c.Log != nil {
			d.Log = append(d.Log, cloneAttempt(*c.Log))
		}
		s.queue(d)
	}
	return lost, nil
}

// Prune implements webhook.Store.
func (s *Store) Prune(ctx context.Context, before time.Time, limit int) (n int, err error) {
	if err := s.open(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	for ; n < limit; n++ {
		d, ok := s.finished.first()
		if !ok || !d.Due.Before(before) {
			break
		}
		s.unqueue(d)
		s.log.delete(d)
		delete(s.deliveries, d.ID)
		l := s.lanes[d.WebhookID]
		if l.total--; l.total == 0 {
			delete(s.lanes, d.WebhookID)
		}
	}
	for id, w := range s.webhooks {
		if w.Deleted && w.Changed.Before(before) && s.lanes[id] == nil {
			s.forget(w)
		}
	}
	return n, nil
}

// queue puts d where its state and Due say.
func (s *Store) queue(d *webhook.Delivery) {
	if d.State != webhook.StatePending {
		s.finished.insert(d)
		return
	}
	l := s.lane(d.WebhookID)
	l.pending.insert(d)
	s.settle(l)
}

// unqueue undoes queue, before d's state or Due changes.
func (s *Store) unqueue(d *webhook.Delivery) {
	if d.State != webhook.StatePending {
		s.finished.delete(d)
		return
	}
	l := s.lane(d.WebhookID)
	l.pending.delete(d)
	s.settle(l)
}

// lane returns the lane of a webhook, a new one if there is none.
func (s *Store) lane(webhookID string) *lane {
	l := s.lanes[webhookID]
	if l == nil {
		l = &lane{webhook: webhookID}
		l.pending.compare = byDue
		s.lanes[webhookID] = l
	}
	return l
}

// settle makes l wait for its next time, after a change of its deliveries or
// of the webhook's Hold.
func (s *Store) settle(l *lane) {
	var next time.Time
	first, pending := l.pending.first()
	if pending {
		next = first.Due
		if w := s.webhooks[l.webhook]; w != nil && w.Hold.After(next) {
			next = w.Hold
		}
		if l.in != nil && next.Equal(l.next) {
			return
		}
	}
	if l.in != nil {
		l.in.delete(l)
		l.in = nil
	}
	if l.next = next; pending {
		l.move(&s.waiting)
	}
}

// move puts l, which is in neither, into a set of lanes.
func (l *lane) move(to *ordered[*lane]) {
	to.insert(l)
	l.in = to
}

// promote makes ready the lanes whose time has come.
func (s *Store) promote(now time.Time) {
	for {
		l, ok := s.waiting.first()
		if !ok || l.next.After(now) {
			return
		}
		s.waiting.delete(l)
		l.move(&s.ready)
	}
}

// turns yields the ready lanes in order of webhook from the first after the
// one named, then from the start. Some are ready only by a clock that is
// ahead of the caller's.
func (s *Store) turns(after string) iter.Seq[*lane] {
	return func(yield func(*lane) bool) {
		for l := range s.ready.ascend(func(l *lane) bool { return l.webhook > after }) {
			if !yield(l) {
				return
			}
		}
		for l := range s.ready.ascend(all) {
			if l.webhook > after || !yield(l) {
				return
			}
		}
	}
}

func all[T any](T) bool { return true }
