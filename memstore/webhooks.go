package memstore

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"

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
	if old != nil {
		s.removeWebhook(old)
	}
	stored := cloneWebhook(w)
	stored.Version++
	s.webhooks[w.ID] = &stored
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
	delete(s.accounts[w.Account], w.ID)
	if len(s.accounts[w.Account]) == 0 {
		delete(s.accounts, w.Account)
	}
}

// Webhooks returns the webhooks that q selects, in order of ID.
func (s *Store) Webhooks(ctx context.Context, q webhook.WebhookQuery) ([]webhook.Webhook, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var found []webhook.Webhook
	for w := range s.candidateWebhooks(q) {
		if matchesWebhook(q, w) {
			found = append(found, *w)
		}
	}
	slices.SortFunc(found, func(a, b webhook.Webhook) int { return strings.Compare(a.ID, b.ID) })
	if q.Limit > 0 && len(found) > q.Limit {
		found = found[:q.Limit]
	}
	for i := range found {
		found[i] = cloneWebhook(found[i])
	}
	return found, nil
}

// candidateWebhooks yields the webhooks that q may select: those with its IDs, those
// of its account, or all.
func (s *Store) candidateWebhooks(q webhook.WebhookQuery) iter.Seq[*webhook.Webhook] {
	switch {
	case len(q.IDs) > 0:
		byID := map[string]*webhook.Webhook{}
		for _, id := range q.IDs {
			if w := s.webhooks[id]; w != nil {
				byID[id] = w
			}
		}
		return maps.Values(byID)
	case q.All:
		return maps.Values(s.webhooks)
	default:
		return maps.Values(s.accounts[q.Account])
	}
}

// matchesWebhook reports whether q selects w, a candidate.
func matchesWebhook(q webhook.WebhookQuery, w *webhook.Webhook) bool {
	switch {
	case !q.All && w.Account != q.Account:
	case q.Changed.IsZero() && w.Deleted:
	case w.Changed.Before(q.Changed):
	case w.ID <= q.After && q.After != "":
	case len(q.Lists) > 0 && !slices.Contains(q.Lists, w.List):
	default:
		return true
	}
	return false
}

// cloneWebhook returns a copy that shares no memory with w.
func cloneWebhook(w webhook.Webhook) webhook.Webhook {
	w.Events = slices.Clone(w.Events)
	w.Sources = slices.Clone(w.Sources)
	w.IgnoredEvents, w.FieldIDs = slices.Clone(w.IgnoredEvents), slices.Clone(w.FieldIDs)
	w.Secrets = slices.Clone(w.Secrets)
	w.Headers = maps.Clone(w.Headers)
	w.Sealed = slices.Clone(w.Sealed)
	return w
}
