package account

import "sync"

// locks are mutexes by account, so that a database that hangs holds up the accounts
// that it has, and no others. The zero value has none.
type locks struct {
	mu        sync.Mutex // guards all below
	byAccount map[string]*lock
}

type lock struct {
	sync.Mutex
	users int // that hold it or wait for it
}

// lock takes the mutex of an account, and returns the function that gives it back.
func (ls *locks) lock(account string) (unlock func()) {
	ls.mu.Lock()
	if ls.byAccount == nil {
		ls.byAccount = map[string]*lock{}
	}
	l := ls.byAccount[account]
	if l == nil {
		l = &lock{}
		ls.byAccount[account] = l
	}
	l.users++
	ls.mu.Unlock()
	l.Lock()
	return func() {
		l.Unlock()
		ls.mu.Lock()
		defer ls.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(ls.byAccount, account)
		}
	}
}
