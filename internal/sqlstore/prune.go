package sqlstore

import (
	"context"
	"time"
)

// Prune deletes up to limit deliveries that finished before the given time. When
// there are no more of them, it deletes the webhooks that their owners deleted
// before that time and that have no delivery left.
//
// It finds the deliveries by the time of creation, which is before that of
// finishing. An index by the time of finishing would be written several times for
// each delivery, and read once.
func (s *Store) Prune(ctx context.Context, before time.Time, limit int) (n int, err error) {
	for n < limit {
		most := limit - n
		if s.d.maxPrune > 0 {
			most = min(most, s.d.maxPrune)
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

// prune deletes rows in a transaction and returns their number.
func (s *Store) prune(ctx context.Context, st statement, a args) (n int, err error) {
	err = s.write(ctx, false, func(q Querier) error {
		k, err := s.exec(ctx, q, st, a)
		n = int(k)
		return err
	})
	return n, err
}
