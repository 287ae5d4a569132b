package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/listhook/webhook"
)

// A timedStore counts and times the dispatcher's calls of its store.
type timedStore struct {
	webhook.Store
	enqueue, claim, apply tally
	claims                stopwatch
	delivered             outcomeCount
}

// A tally counts the calls of one method.
type tally struct{ calls, rows, nanoseconds atomic.Int64 }

func (t *tally) add(rows int, began time.Time) {
	t.calls.Add(1)
	t.rows.Add(int64(rows))
	t.nanoseconds.Add(int64(time.Since(began)))
}

// A tallied is a tally at one moment.
type tallied struct{ calls, rows, ms float64 }

func (t *tally) read() tallied {
	return tallied{float64(t.calls.Load()), float64(t.rows.Load()), float64(t.nanoseconds.Load()) / 1e6}
}

func (t tallied) since(before tallied) tallied {
	return tallied{t.calls - before.calls, t.rows - before.rows, t.ms - before.ms}
}

// Enqueue implements webhook.Outbox.
func (s *timedStore) Enqueue(ctx context.Context, events []webhook.OutboxEvent) ([]string, error) {
	defer s.enqueue.add(countDeliveries(events), time.Now())
	return s.Store.Enqueue(ctx, events)
}

func countDeliveries(events []webhook.OutboxEvent) (n int) {
	for _, e := range events {
		n += len(e.Deliveries)
	}
	return n
}

// EnqueueLeasing implements webhook.LineLeaser. Stores that are none lease nothing.
func (s *timedStore) EnqueueLeasing(ctx context.Context, events []webhook.OutboxEvent) ([]string, map[string]int64, error) {
	leaser, ok := s.Store.(webhook.LineLeaser)
	if !ok {
		had, err := s.Enqueue(ctx, events)
		return had, nil, err
	}
	defer s.enqueue.add(countDeliveries(events), time.Now())
	return leaser.EnqueueLeasing(ctx, events)
}

// Claim implements webhook.Store.
func (s *timedStore) Claim(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
	began := time.Now()
	ds, err := s.Store.Claim(ctx, c)
	s.claim.add(len(ds), began)
	s.claims.add(time.Since(began))
	return ds, err
}

// Apply implements webhook.Store.
func (s *timedStore) Apply(ctx context.Context, cs []webhook.Change) ([]string, error) {
	defer s.apply.add(len(cs), time.Now())
	lost, err := s.Store.Apply(ctx, cs)
	if err == nil && len(lost) == 0 {
		s.delivered.note(cs)
	}
	return lost, err
}

// storeCalls are the tallies at one moment.
type storeCalls struct{ enqueue, claim, apply tallied }

func (s *timedStore) calls() storeCalls {
	return storeCalls{s.enqueue.read(), s.claim.read(), s.apply.read()}
}

// note adds to m the calls since before, by event: how large the groups were, which
// share of the deliveries had to be claimed because there was no room when they were
// emitted, and how long the store worked.
func (s *timedStore) note(m measures, before storeCalls) {
	now := s.calls()
	enqueue, claim, apply := now.enqueue.since(before.enqueue), now.claim.since(before.claim), now.apply.since(before.apply)
	m.set("rows_per_enqueue", enqueue.rows/enqueue.calls)
	m.set("rows_per_claim", claim.rows/claim.calls)
	m.set("rows_per_apply", apply.rows/apply.calls)
	m.set("claimed_share", claim.rows/apply.rows)
	m.set("calls_per_event", (enqueue.calls+claim.calls+apply.calls)/apply.rows)
	m.set("enqueue_ms_per_event", enqueue.ms/enqueue.rows)
	m.set("claim_ms_per_event", claim.ms/apply.rows)
	m.set("apply_ms_per_event", apply.ms/apply.rows)
}
