package sqlstore

import (
	"context"
	"time"
)

// Prune removes up to limit deliveries that finished before the given time.
// When there are no more of them, it removes the webhooks that were deleted
// before it and have no delivery left.
//
// What finished long ago was created longer ago, so it is found along the log,
// from its beginning: an index by the time of finishing would be one more to
// write for each delivery, all its life, to be read once.
func (s *Store) Prune(ctx context.Context, before time.Time, limit int) (int, error) {
	a := args{"before": milli(before), "n": max(limit, 0)}
	var n int64
	err := s.write(ctx, false, func(q Querier) (err error) {
		n, err = s.exec(ctx, q, s.sql.prune, a)
		return err
	})
	if err != nil || n >= int64(limit) && limit > 0 {
		return int(n), err
	}
	err = s.write(ctx, false, func(q Querier) error {
		_, err := s.exec(ctx, q, s.sql.pruneWebhooks, a)
		return err
	})
	return int(n), err
}
