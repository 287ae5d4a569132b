package webhook

import (
	"context"
	"sync"
	"sync/atomic"
)

// A Waker is a Store that can tell the Dispatchers of other processes that deliveries
// are due, before they poll. A Store need not be one.
type Waker interface {
	// WakeOthers has other processes call Dispatcher.Wake soon.
	WakeOthers(ctx context.Context) error
}

// An announcer calls WakeOthers for deliveries that transactions of the app's have
// committed: once for all that are committed while a call is under way.
type announcer struct {
	waker  Waker // nil: the store is none
	opts   *Options
	notify *notifier

	uncommitted atomic.Int64 // calls of EmitTx of which no commit was announced

	mu    sync.Mutex
	busy  bool
	again bool
}

func newAnnouncer(store Store, opts *Options, notify *notifier) *announcer {
	waker, _ := store.(Waker)
	return &announcer{waker: waker, opts: opts, notify: notify}
}

// maxUncommitted bounds what transactions that were rolled back leave.
const maxUncommitted = 1000

// emitted notes that a transaction may add deliveries.
func (a *announcer) emitted() {
	if a.waker != nil && a.uncommitted.Load() < maxUncommitted {
		a.uncommitted.Add(1)
	}
}

// announce wakes other processes, if deliveries may have been committed since. It does
// not wait for the store. Without that condition, processes that only emit, and listen,
// would wake each other for ever.
func (a *announcer) announce() {
	for {
		n := a.uncommitted.Load()
		if n == 0 {
			return
		}
		if a.uncommitted.CompareAndSwap(n, n-1) {
			break
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.again = a.busy; !a.busy {
		a.busy = true
		go a.run() // it ends when nothing was announced during a call
	}
}

func (a *announcer) run() {
	for {
		ctx, cancel := a.opts.withStoreTimeout(context.Background())
		err := a.waker.WakeOthers(ctx)
		cancel()
		if err != nil {
			a.notify.logError("waking other processes", err)
		}
		a.mu.Lock()
		a.busy = a.again
		a.again = false
		done := !a.busy
		a.mu.Unlock()
		if done {
			return
		}
	}
}
