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
// a sequencing step and the claim. The lock is held until the commit. So the commit waits
// neither for the disk nor for standbys: the call waits for these after its commit, when the
// next call may have the lock already. A call that would have to wait long for the lock
// stores events instead, and so waits for nobody.
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

// wait takes the turn and reports true, unless that takes longer than patience.
func (t *lineTurn) wait(ctx context.Context, patience time.Duration) bool {
	select {
	case t.token <- struct{}{}:
		return true
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case t.token <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// try takes the turn and reports true, unless that takes long.
func (t *lineTurn) try(ctx context.Context) bool {
	return time.Now().UnixNano() >= t.pause.Load() && t.wait(ctx, shortLock)
}

func (t *lineTurn) end() { <-t.token }

// errLinesLocked is the error of a transaction that waited for a lock in vain.
var errLinesLocked = errors.New("webhook: another process is changing the lines")

// inTurn runs a query in a transaction that holds the lock on the lines, with the number of
// a step, unless least is negative. It makes the query anew for each try. It reports false
// if a lock is held for long: then it has done nothing. Without an error, what it did is
// durable.
func (s *Store) inTurn(ctx context.Context, least int64, query func() Query) (done bool, err error) {
	if !s.turn.try(ctx) {
		return false, nil
	}
	t := turnTx{s: s, ctx: ctx, least: least}
	defer t.end()
	err = s.retryChecked(ctx, func() error { return t.run(query()) })
	if errors.Is(err, errLinesLocked) {
		s.turn.pause.Store(time.Now().Add(lockPause).UnixNano())
		return false, nil
	}
	if err == nil {
		err = t.failed
	}
	return true, err
}

// A turnTx is a transaction of a call that has the turn.
type turnTx struct {
	s     *Store
	ctx   context.Context
	least int64

	ended  bool  // the turn is over: the transaction is committed, or run has returned
	failed error // the error of the wait after the commit
}

func (t *turnTx) end() {
	if !t.ended {
		t.ended = true
		t.s.turn.end()
	}
}

// run runs a query in the transaction.
func (t *turnTx) run(query Query) (err error) {
	db, afterwards := t.s.db.(Committer) // the wait comes after the commit
	lock := t.s.sql.lockLines[0].statement
	queries := []Query{{
		Text: t.s.text(lock), Args: lock.args(t.s.lockArgs(t.least, shortLock, !afterwards)),
		Row: func(scan Scan) error { return scan(new(int64)) }, // the step, which the query asks for itself
	}, query}
	start := time.Now()
	if afterwards {
		err = db.InTxThen(t.ctx, queries, func() { start = time.Now(); t.end() }, t.s.confirmation())
	} else {
		err = t.s.db.InTx(t.ctx, true, func(q Querier) error { return RunAll(t.ctx, q, queries) })
	}
	if err != nil && !t.ended && t.s.d.isLocked(err) && t.ctx.Err() == nil {
		return errLinesLocked
	}
	err = t.s.afterWrite(t.ctx, start, err)
	if t.ended {
		t.failed = err // without another try
		return nil
	}
	return err
}
