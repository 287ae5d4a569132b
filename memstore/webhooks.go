package memstore

import (
	"context"
	"iter"
	"maps"
	"slices"

	"github.com/listhook/webhook"
)

// PutWebhook stores w with its Version raised by one, and returns the new version. It
// returns webhook.ErrConflict if the stored version is not w.Version.
func (s *Store) PutWebhook(ctx context.Context, w webhook.Webhook) (version int64, err error) {
	if err := s.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	old := s.webhooks[w.ID]
	if old != nil {
		version = old.Version
	}
	if w.Version != version {
		return 0, webhook.ErrConflict
	}
	stored := cloneWebhook(w)
	stored.Version++
	s.lastPut++
	stored.Put = s.lastPut
	if old != nil {
		if w.Tallies == nil {
			stored.Tallies = old.Tallies
		}
		s.removeWebhook(old)
	}
	s.webhooks[w.ID] = &stored
	s.puts.insert(&stored)
	if s.accounts[w.Account] == nil {
		s.accounts[w.Account] = map[string]*webhook.Webhook{}
	}
	s.accounts[w.Account][w.ID] = &stored
	if q := s.queues[w.ID]; q != nil {
		s.reschedule(q) // by the new HeldUntil
	}
	return stored.Version, nil
}

// removeWebhook removes w.
func (s *Store) removeWebhook(w *webhook.Webhook) {
	delete(s.webhooks, w.ID)
	s.puts.delete(w)
	delete(s.accounts[w.Account], w.ID)
	if len(s.accounts[w.Account]) == 0 {
		delete(s.accounts, w.Account)
	}
}

// Webhooks returns the webhooks that q selects, in order of ID, or the newest put first
// if q.Newest is set.
func (s *Store) Webhooks(ctx context.Context, q webhook.WebhookQuery) ([]webhook.Webhook, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var found []*webhook.Webhook
	for w := range s.candidateWebhooks(q) {
		if q.Selects(w) {
			found = append(found, w)
			if q.Newest && len(found) == q.Limit {
				break
			}
		}
	}
	slices.SortFunc(found, q.Compare)
	if q.Limit > 0 && len(found) > q.Limit {
		found = found[:q.Limit]
	}
	out := make([]webhook.Webhook, len(found))
	for i, w := range found {
		out[i] = *w
		if !q.Tallies {
			out[i].Tallies = nil
		}
		out[i] = cloneWebhook(out[i])
	}
	return out, nil
}

// candidateWebhooks yields the webhooks that q may select. With q.Newest it yields them
// in the order that q asks for.
func (s *Store) candidateWebhooks(q webhook.WebhookQuery) iter.Seq[*webhook.Webhook] {
	switch {
	case q.Newest:
		return s.puts.descend(always)
	case len(q.IDs) > 0:
		byID := map[string]*webhook.Webhook{}
		for _, id := range q.IDs {
			if w := s.webhooks[id]; w != nil {
				byID[id] = w
			}
		}
		return maps.Values(byID)
	case q.PutAfter > 0:
		return s.puts.ascend(func(w *webhook.Webhook) bool { return w.Put > q.PutAfter })
	case q.All:
		return maps.Values(s.webhooks)
	default:
		return maps.Values(s.accounts[q.Account])
	}
}

// cloneWebhook returns a copy that shares no memory with w.
func cloneWebhook(w webhook.Webhook) webhook.Webhook {
	w.Events = slices.Clone(w.Events)
	w.Sources = slices.Clone(w.Sources)
	w.IgnoredEvents, w.FieldIDs = slices.Clone(w.IgnoredEvents), slices.Clone(w.FieldIDs)
	w.Secrets = slices.Clone(w.Secrets)
	w.Headers = maps.Clone(w.Headers)
	w.Sealed = slices.Clone(w.Sealed)
	w.Tallies = slices.Clone(w.Tallies)
	w.Replay.Earlier = slices.Clone(w.Replay.Earlier)
	w.Replay.Query.States = slices.Clone(w.Replay.Query.States)
	return w
}
