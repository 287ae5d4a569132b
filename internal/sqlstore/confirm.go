package sqlstore

import (
	"context"
	"time"
)

// On PostgreSQL with synchronous standbys a transaction commits on the primary
// first, and then waits for the standbys. If the wait is canceled, the transaction
// stays committed: everybody sees it, but a failover undoes it. So a row that can
// be seen need not be durable, and a call that finds nothing to write would return
// without a wait.
//
// Nor does the commit of a transaction that holds the lock on the lines wait, not even for
// the disk: see lineTurn.
//
// The wait of a commit covers all commits before it. So a call that acknowledges
// another transaction's commit commits something itself: a statement that has
// nothing to write writes a message to the write-ahead log, which nobody reads. See
// confirmIfEmpty.

// A slow write may have waited for a standby until somebody canceled the wait
// (pg_cancel_backend). It then reports success, with a warning that drivers do not
// pass on. So a slow write is confirmed by another commit.
const (
	// slowStandbyCommit is the duration of a slow write while commits are known to
	// wait for standbys.
	slowStandbyCommit = time.Second / 10
	// slowCommit is that of others. The setting may have changed since it was read.
	slowCommit = time.Second
)

// afterWrite returns the error of a write that began at start and returned err.
func (s *Store) afterWrite(ctx context.Context, start time.Time, err error) error {
	if s.d.confirm == "" {
		return err
	}
	if err == nil {
		// pq reports success if the context ends while a commit waits.
		err = ctx.Err()
	}
	slow := slowCommit
	if s.awaitsStandbys.Load() {
		slow = slowStandbyCommit
	}
	if err == nil && time.Since(start) >= slow {
		err = s.confirm(ctx)
	}
	if err != nil {
		s.uncertain.Store(true)
	}
	return err
}

// confirm returns nil once everything that was committed before is as durable as
// a new commit.
func (s *Store) confirm(ctx context.Context) error {
	if s.d.confirm == "" {
		return nil
	}
	s.uncertain.Store(false) // before it, since another write may fail meanwhile
	q := s.confirmation()
	err := s.db.Query(ctx, q.Text, q.Args, q.Row)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		s.uncertain.Store(true)
	}
	return err
}

// confirmation returns the query that confirms.
func (s *Store) confirmation() Query {
	return Query{s.text(s.sql.confirm), nil, func(scan Scan) error {
		var awaits bool
		err := scan(&awaits)
		if err == nil {
			s.awaitsStandbys.Store(awaits)
		}
		return err
	}}
}

// confirmUncertain confirms if an earlier write failed. A claim that is canceled
// while it waits for a standby leases deliveries to nobody. Without this, each poll
// would do so while a standby is down, until the deliveries count as poison.
func (s *Store) confirmUncertain(ctx context.Context) error {
	if !s.uncertain.Load() {
		return nil
	}
	s.checked.Store(false) // after a failover it may be another server
	return s.confirm(ctx)
}
