package sqlitestore

import (
	"context"

	"github.com/listhook/webhook"
)

// The methods of webhook.Store, which the Dispatcher calls.
var (
	_ webhook.Store        = (*Store)(nil)
	_ webhook.LineLeaser   = (*Store)(nil)
	_ webhook.SerialWriter = (*Store)(nil)
)

// PutWebhook stores w with its Version raised by one, and returns the new
// version. It returns webhook.ErrConflict if the stored version is not w.Version.
func (s *Store) PutWebhook(ctx context.Context, w webhook.Webhook) (version int64, err error) {
	return s.sql.PutWebhook(ctx, w)
}

// Webhooks returns the webhooks that q selects, in order of ID unless q.Newest is set.
func (s *Store) Webhooks(ctx context.Context, q webhook.WebhookQuery) ([]webhook.Webhook, error) {
	return s.sql.Webhooks(ctx, q)
}

// Enqueue stores the deliveries of events, all or none, and returns the IDs of those
// that were stored before.
func (s *Store) Enqueue(ctx context.Context, events []webhook.OutboxEvent) (had []string, err error) {
	return s.sql.Enqueue(ctx, events)
}

// EnqueueLeasing is Enqueue. It also leases the new deliveries that have a LeaseUntil and
// are the first of their line, and returns their Sequences by ID.
func (s *Store) EnqueueLeasing(ctx context.Context, events []webhook.OutboxEvent) (had []string, leased map[string]int64, err error) {
	return s.sql.EnqueueLeasing(ctx, events)
}

// WritesSerially returns true: a SQLite file has one writer at a time.
func (s *Store) WritesSerially() bool { return true }

// Claim leases deliveries that are due, as webhook.Claim describes.
func (s *Store) Claim(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
	return s.sql.Claim(ctx, c)
}

// Apply makes each change whose delivery still has the lease that the change
// names, and returns the IDs of the others.
func (s *Store) Apply(ctx context.Context, cs []webhook.Change) (lost []string, err error) {
	return s.sql.Apply(ctx, cs)
}

// Deliveries returns the deliveries that q selects, newest first unless q.Oldest
// is set.
func (s *Store) Deliveries(ctx context.Context, q webhook.DeliveryQuery) ([]webhook.Delivery, error) {
	return s.sql.Deliveries(ctx, q)
}

// Count returns the number of deliveries that q selects. A q.Limit above 0 ends
// the count there.
func (s *Store) Count(ctx context.Context, q webhook.DeliveryQuery) (int, error) {
	return s.sql.Count(ctx, q)
}

// Prune deletes deliveries that finished before p.Before and that p selects, up to
// p.Limit, and returns their number. It also deletes webhooks that their owners deleted
// before p.Deleted.
func (s *Store) Prune(ctx context.Context, p webhook.Prune) (n int, err error) {
	return s.sql.Prune(ctx, p)
}
