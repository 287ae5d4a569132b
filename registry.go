package webhook

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A registry remembers webhooks until they change, so that an event that
// nobody wants costs no call of the store. It holds whole accounts, those
// without a webhook too, and asks the store for what changed: once every
// interval while the Dispatcher runs, else when it is used and that long has
// passed.
//
// Changes are found by their writers' clocks. So that a clock which is wrong
// hides none for good, an account is read anew before it is maxAge old.
//
// Callers who want the same of the store at the same time share one call of it.
type registry struct {
	store    Store
	interval time.Duration
	learned  func(*Webhook) // called with each that is taken note of

	polls   shared[struct{}] // for changes
	reads   shared[*account] // of accounts, by their names
	rereads atomic.Int32     // reads under way for which nobody waits

	mu       sync.RWMutex
	accounts map[string]*account
	reading  map[string][]Webhook // what changed of the accounts that are being read
	size     int                  // webhooks in accounts
	checked  time.Time            // when the store was last asked for changes
}

const (
	maxAccounts = 10_000
	maxTargets  = 100_000

	// overlap is how far back changes are asked for again: transactions that
	// were open then, and clocks that differ.
	overlap = time.Minute

	// maxAge is how old an account may be that is used. From half of that on, at
	// a random time, it is read again in the background, so that nobody waits
	// for it, and those read together are not read again together.
	maxAge = 5 * time.Minute

	// maxRereads bounds the reads in the background, and rereadPause is how long
	// after one that failed another is begun.
	maxRereads  = 4
	rereadPause = 10 * time.Second
)

func newRegistry(store Store, interval, timeout time.Duration, learned func(*Webhook)) *registry {
	r := &registry{store: store, interval: interval, learned: learned,
		accounts: map[string]*account{}, reading: map[string][]Webhook{}}
	r.polls.timeout, r.reads.timeout = timeout, timeout
	return r
}

// wanting returns the webhooks that get an event. A transaction of the caller's,
// unless nil, is read through when what is remembered would not do: the store
// may have no second connection, and nothing read so may be remembered.
func (r *registry) wanting(ctx context.Context, tx Outbox, t EventType, m *Meta) ([]*target, error) {
	if tx == nil {
		if err := r.refresh(ctx); err != nil {
			return nil, err
		}
	}
	r.mu.RLock()
	a := r.accounts[m.Account]
	if a != nil && a.usable() && (tx == nil || r.fresh()) {
		found, due := a.wanting(t, m), a.due()
		r.mu.RUnlock()
		if due {
			r.readSoon(m.Account)
		}
		return found, nil
	}
	r.mu.RUnlock()
	if tx != nil && a != nil {
		r.readSoon(m.Account) // the next transaction has it ready
	}
	if tx != nil {
		ws, err := tx.Webhooks(ctx, WebhookQuery{Account: m.Account, Lists: append(slices.Clone(m.Lists), "")})
		if err != nil {
			return nil, err
		}
		return newAccount(ws).wanting(t, m), nil
	}
	a, err := r.load(ctx, m.Account)
	if err != nil {
		return nil, err
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	return a.wanting(t, m), nil
}

// known returns a webhook, a tombstone too, or nil, if its account is
// remembered.
func (r *registry) known(acct, id string) (t *target, ok bool) {
	r.mu.RLock()
	a := r.accounts[acct]
	due := false
	if ok = a != nil && a.usable(); ok {
		t, due = a.byID[id], a.due()
	}
	r.mu.RUnlock()
	if due {
		r.readSoon(acct)
	}
	return t, ok
}

// get is known, for an account that it reads if it has to.
func (r *registry) get(ctx context.Context, acct, id string) (*target, error) {
	if t, ok := r.known(acct, id); ok {
		return t, nil
	}
	a, err := r.load(ctx, acct)
	if err != nil {
		return nil, err
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	return a.byID[id], nil
}

// load reads an account from the store and remembers it.
func (r *registry) load(ctx context.Context, acct string) (*account, error) {
	return r.reads.do(ctx, acct, func(ctx context.Context) (*account, error) { return r.read(ctx, acct) })
}

// readSoon reads an account in the background, unless many are being read.
func (r *registry) readSoon(acct string) {
	r.mu.Lock()
	a := r.accounts[acct]
	if a == nil || !a.due() || r.rereads.Load() >= maxRereads {
		r.mu.Unlock()
		return
	}
	a.reread = time.Now().Add(rereadPause)
	r.rereads.Add(1)
	r.mu.Unlock()
	_, began := r.reads.start(acct, func(ctx context.Context) (*account, error) {
		defer r.rereads.Add(-1)
		return r.read(ctx, acct)
	})
	if !began {
		r.rereads.Add(-1)
	}
}

// read reads an account and remembers it, with what changed meanwhile.
func (r *registry) read(ctx context.Context, acct string) (*account, error) {
	began := time.Now()
	r.mu.Lock()
	r.reading[acct] = nil
	r.mu.Unlock()
	ws, err := r.store.Webhooks(ctx, WebhookQuery{Account: acct})
	a := newAccount(ws)
	a.read, a.reread = began, began.Add(maxAge/2+rand.N(maxAge/2))
	r.mu.Lock()
	defer r.mu.Unlock()
	changed := r.reading[acct]
	delete(r.reading, acct)
	if err != nil {
		return nil, err
	}
	old := r.accounts[acct]
	if old != nil {
		a.bury(old)
	}
	for _, w := range changed {
		a.note(w)
	}
	for _, t := range a.byID {
		if old == nil || old.byID[t.ID] == nil || old.byID[t.ID].Version < t.Version {
			r.learned(&t.Webhook)
		}
	}
	r.remember(acct, a)
	return a, nil
}

// reread returns a webhook as the store has it, or nil.
func (r *registry) reread(ctx context.Context, acct, id string) (*target, error) {
	ws, err := r.store.Webhooks(ctx, WebhookQuery{Account: acct, IDs: []string{id}})
	if err != nil || len(ws) == 0 {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note(ws[0])
	return newTarget(ws[0]), nil
}

// latest returns t as it is known now.
func (r *registry) latest(t *target) *target {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if a := r.accounts[t.Account]; a != nil && a.byID[t.ID] != nil {
		return a.byID[t.ID]
	}
	return t
}

// remember keeps what was read of an account. The caller holds mu.
func (r *registry) remember(acct string, a *account) {
	if r.checked.IsZero() {
		r.checked = a.read
	}
	r.forget(acct)
	for other := range r.accounts {
		if len(r.accounts) < maxAccounts && r.size+len(a.byID) <= maxTargets {
			break
		}
		r.forget(other)
	}
	r.accounts[acct] = a
	r.size += len(a.byID)
}

// forget drops an account. The caller holds mu.
func (r *registry) forget(acct string) {
	if a := r.accounts[acct]; a != nil {
		r.size -= len(a.byID)
		delete(r.accounts, acct)
	}
}

// refresh asks the store for changes if nobody did for two intervals: the
// Dispatcher polls only while it runs.
func (r *registry) refresh(ctx context.Context) error {
	r.mu.RLock()
	fresh := r.fresh()
	r.mu.RUnlock()
	if fresh {
		return nil
	}
	return r.poll(ctx)
}

// fresh reports whether what is remembered can be used. The caller holds mu.
func (r *registry) fresh() bool {
	return len(r.accounts) == 0 || time.Since(r.checked) < 2*r.interval
}

// poll asks the store for changes.
func (r *registry) poll(ctx context.Context) error {
	_, err := r.polls.do(ctx, "", func(ctx context.Context) (struct{}, error) { return struct{}{}, r.takeChanges(ctx) })
	return err
}

// takeChanges takes over what changed since the store was last asked.
func (r *registry) takeChanges(ctx context.Context) error {
	began := time.Now()
	r.mu.RLock()
	since := r.checked
	r.mu.RUnlock()
	if since.IsZero() {
		since = began
	}
	ws, err := r.store.Webhooks(ctx, WebhookQuery{All: true, Changed: storeTime(since).Add(-overlap)})
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.checked = began
	for _, w := range ws {
		r.note(w)
	}
	return nil
}

// changed notes a webhook that was put here.
func (r *registry) changed(w Webhook) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note(w)
}

// note takes over a webhook of an account that is remembered, or being read. The
// caller holds mu.
func (r *registry) note(w Webhook) {
	if changed, ok := r.reading[w.Account]; ok {
		r.reading[w.Account] = append(changed, w)
	}
	a := r.accounts[w.Account]
	if a == nil {
		return
	}
	before := len(a.byID)
	if a.note(w) {
		r.learned(&w)
	}
	r.size += len(a.byID) - before
}
