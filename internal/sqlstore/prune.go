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
func (s *Store) Prune(ctx context.Context, before time.Time, limit int) (n int, err error) {
	for n < limit {
		most := limit - n
		if s.d.prunes > 0 {
			most = min(most, s.d.prunes)
		}
		k, err := s.prune(ctx, s.sql.prune, args{"before": milli(before), "n": most})
		n += k
		if err != nil {
			return n, err
		}
		if k < most {
			break
		}
	}
	if n >= limit && limit > 0 {
		return n, nil
	}
	_, err = s.prune(ctx, s.sql.pruneWebhooks, args{"before": milli(before)})
	return n, err
}

// prune removes rows in a transaction and returns how many.
func (s *Store) prune(ctx context.Context, st statement, a args) (n int, err error) {
	err = s.write(ctx, false, func(q Querier) error {
		k, err := s.exec(ctx, q, st, a)
		n = int(k)
		return err
	})
	return n, err
}
