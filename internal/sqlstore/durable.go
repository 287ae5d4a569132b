package sqlstore

import (
	"context"
	"time"
)

// On PostgreSQL with synchronous standbys a transaction commits on the primary
// first, and then waits for the standbys. If it is canceled while it waits, it
// stays committed there: everybody sees it, and a failover undoes it. So what is
// seen there is not durable for that reason alone, and a call that finds that
// there is nothing to write would be answered without having waited.
//
// A commit that waits, waits for all before it. So whatever acknowledges what
// others committed commits something itself: statements that have found nothing
// to write write a message to the log of transactions, which nobody reads. See
// confirmation.

const (
	// A write that took so long may have waited for a standby until somebody
	// canceled the wait (pg_cancel_backend), and then reports a success, with a
	// warning that drivers do not pass on. It is confirmed by another commit.
	confirmAfter = time.Second / 10
	// The same where no standby is known to be waited for: the setting may have
	// been changed since.
	confirmLater = time.Second
)

// written returns the error of a write that began at start and returned err.
func (s *Store) written(ctx context.Context, start time.Time, err error) error {
	if s.d.confirm == "" {
		return err
	}
	if err == nil {
		// pq reports a success when the context ends in a commit that waits.
		err = ctx.Err()
	}
	patience := confirmLater
	if s.awaits.Load() {
		patience = confirmAfter
	}
	if err == nil && time.Since(start) >= patience {
		err = s.confirm(ctx)
	}
	if err != nil {
		s.doubt.Store(true)
	}
	return err
}

// confirm returns nil once everything that was committed before is as durable as
// a commit is.
func (s *Store) confirm(ctx context.Context) error {
	if s.d.confirm == "" {
		return nil
	}
	var awaits bool
	err := s.query(ctx, s.db, s.d.prepare(s.prefix, s.d.confirm), nil, func(scan Scan) error { return scan(&awaits) })
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		s.awaits.Store(awaits)
		s.doubt.Store(false)
	}
	return err
}

// sure confirms if an earlier write failed. A claim that is canceled while it
// waits for a standby leases deliveries for nobody: in an outage of the standby
// each poll would, until they are taken for what their processes die of.
func (s *Store) sure(ctx context.Context) error {
	if !s.doubt.Load() {
		return nil
	}
	s.known.Store(false) // the server may be another one since: it is checked again
	return s.confirm(ctx)
}
