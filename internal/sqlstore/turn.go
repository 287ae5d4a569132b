package sqlstore

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// On PostgreSQL, calls that hold the lock on the lines need no event: EnqueueLeasing
// appends deliveries with a key to the lines, and leases those that are first, and Apply
// removes those that have ended, and makes ready those behind them. That saves the events,
// a sequencing step and the claim. The lock is held until the commit. A call that would
// have to wait long for it stores events, and then waits for nobody.
//
// The calls and steps of a process wait for each other here, in order, because a wait in
// the database takes a connection.

// A lineTurn is the turn of one call or step of the process to hold the lock.
type lineTurn struct {
	token chan struct{} // taken by whoever has the turn
	pause atomic.Int64  // when calls may ask for the lock again, in nanoseconds since 1970
}

const (
	// shortLock is how long a call waits for its turn, for the lock, and with it for any
	// other lock.
	shortLock = 250 * time.Millisecond

	// lockPause is how long calls store events after one has waited for the lock in
	// vain: its holder may be frozen.
	lockPause = time.Second
)

func newLineTurn() lineTurn { return lineTurn{token: make(chan struct{}, 1)} }

// wait takes the turn, unless ctx ends.
func (t *lineTurn) wait(ctx context.Context) error {
	select {
	case t.token <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// try takes the turn and reports true, unless that takes long.
func (t *lineTurn) try(ctx context.Context) bool {
	if time.Now().UnixNano() < t.pause.Load() {
		return false
	}
	select {
	case t.token <- struct{}{}:
		return true
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, shortLock)
	defer cancel()
	return t.wait(ctx) == nil
}

func (t *lineTurn) end() { <-t.token }

// errLinesLocked is the error of a transaction that waited for a lock in vain.
var errLinesLocked = errors.New("webhook: another process is changing the lines")

// inTurn runs a query in a transaction that holds the lock on the lines, with the number of
// a step, unless least is negative. It makes the query anew for each try. It reports false
// if a lock is held for long: then it has done nothing.
func (s *Store) inTurn(ctx context.Context, least int64, query func() Query) (done bool, err error) {
	if !s.turn.try(ctx) {
		return false, nil
	}
	defer s.turn.end()
	lock := s.sql.lockLines[0].statement
	err = s.retryChecked(ctx, func() error {
		start := time.Now()
		err := runTogether(ctx, s.db, Query{
			Text: s.text(lock), Args: lock.args(s.lockArgs(least, shortLock, true)),
			Row: func(scan Scan) error { return scan(new(int64)) }, // the step, which the query asks for itself
		}, query())
		if err != nil && s.d.isLocked(err) && ctx.Err() == nil {
			return errLinesLocked
		}
		return s.afterWrite(ctx, start, err)
	})
	if errors.Is(err, errLinesLocked) {
		s.turn.pause.Store(time.Now().Add(lockPause).UnixNano())
		return false, nil
	}
	return true, err
}
