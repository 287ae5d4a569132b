package account

import (
	"context"
	"sync"
)

// locks are mutexes by account, so that a database that hangs holds up the accounts
// that it has, and no others. The zero value has none.
type locks struct {
	mu        sync.Mutex // guards all below
	byAccount map[string]*lock
}

type lock struct {
	held  chan struct{} // has an element while the lock is held
	users int           // that hold it or wait for it
}

// lock takes the mutex of an account, and returns the function that gives it back. It
// returns ctx's error if ctx ends before.
func (ls *locks) lock(ctx context.Context, account string) (unlock func(), err error) {
	ls.mu.Lock()
	if ls.byAccount == nil {
		ls.byAccount = map[string]*lock{}
	}
	l := ls.byAccount[account]
	if l == nil {
		l = &lock{held: make(chan struct{}, 1)}
		ls.byAccount[account] = l
	}
	l.users++
	ls.mu.Unlock()
	select {
	case l.held <- struct{}{}:
		return func() {
			<-l.held
			ls.leave(account, l)
		}, nil
	case <-ctx.Done():
		ls.leave(account, l)
		return nil, ctx.Err()
	}
}

// leave notes that somebody neither holds a lock nor waits for it any more.
func (ls *locks) leave(account string, l *lock) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l.users--; l.users == 0 {
		delete(ls.byAccount, account)
	}
}
