package webhook

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A webhookCache remembers webhooks until they change, so that an event that
// nobody wants costs no call of the store. It holds whole accounts, those
// without a webhook too, and asks the store for changes: once in an
// interval while the Dispatcher runs, else when it is used after two intervals
// without asking.
//
// The store numbers changes, so none is missed. A database that was restored may
// number them anew, so the cache reads an account again before it is maxAge old.
//
// Callers who ask for the same at the same time share one call of the store.
type webhookCache struct {
	store    Store
	interval time.Duration
	onUpdate func(*Webhook) // called with each new version of a webhook, with mu held
	onPut    func(*Webhook) // called with each webhook that the store says was put, of any account, with mu held; nil: not

	polls   sharedCalls[struct{}]         // for changes
	reads   sharedCalls[*accountWebhooks] // of accounts, by their names
	rereads atomic.Int32                  // reads under way for which nobody waits

	mu       sync.RWMutex // guards all below
	accounts map[string]*accountWebhooks
	reading  map[string][]Webhook // what changed of the accounts that are being read
	size     int                  // webhooks in accounts
	checked  time.Time            // when the store was last asked for changes; zero: never
	seen     int64                // the last put that the accounts include
}

const (
	maxAccounts  = 10_000
	maxEndpoints = 100_000

	// maxRereads bounds the reads in the background. rereadPause is the wait after
	// a read that failed.
	maxRereads  = 4
	rereadPause = 10 * time.Second
)

func newWebhookCache(store Store, interval, timeout time.Duration, onUpdate func(*Webhook)) *webhookCache {
	c := &webhookCache{store: store, interval: interval, onUpdate: onUpdate,
		accounts: map[string]*accountWebhooks{}, reading: map[string][]Webhook{}}
	c.polls.timeout, c.reads.timeout = timeout, timeout
	return c
}

// wanting returns the webhooks that get an event. If tx is not nil and the cache
// cannot answer, wanting reads through the transaction: the store may have no second
// connection. The cache does not remember what it reads there, which may be rolled
// back, but reads the same in the background, for the next transaction.
func (c *webhookCache) wanting(ctx context.Context, tx Outbox, t EventType, m *Meta) ([]*endpoint, error) {
	if tx == nil {
		if err := c.refresh(ctx); err != nil {
			return nil, err
		}
	}
	c.mu.RLock()
	a := c.accounts[m.Account]
	if a != nil && a.usable() && (tx == nil || c.fresh()) {
		found, due := a.wanting(t, m), a.due()
		c.mu.RUnlock()
		if due {
			c.readSoon(m.Account)
		}
		return found, nil
	}
	stale := !c.fresh()
	c.mu.RUnlock()
	if tx != nil {
		if stale {
			c.polls.start("", c.pollOnce)
		}
		c.readSoon(m.Account)
		ws, err := readWebhooks(ctx, tx, WebhookQuery{Account: m.Account, Lists: append(slices.Clone(m.Lists), "")})
		if err != nil {
			return nil, err
		}
		return newAccountWebhooks(ws).wanting(t, m), nil
	}
	a, err := c.load(ctx, m.Account)
	if err != nil {
		return nil, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	return a.wanting(t, m), nil
}

// known returns a webhook, a tombstone too, or nil, if its account is
// remembered.
func (c *webhookCache) known(acct, id string) (t *endpoint, ok bool) {
	c.mu.RLock()
	a := c.accounts[acct]
	due := false
	if ok = a != nil && a.usable(); ok {
		t, due = a.byID[id], a.due()
	}
	c.mu.RUnlock()
	if due {
		c.readSoon(acct)
	}
	return t, ok
}

// get is known, for an account that it reads if it has to.
func (c *webhookCache) get(ctx context.Context, acct, id string) (*endpoint, error) {
	if t, ok := c.known(acct, id); ok {
		return t, nil
	}
	a, err := c.load(ctx, acct)
	if err != nil {
		return nil, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	return a.byID[id], nil
}

// load reads an account from the store and remembers it.
func (c *webhookCache) load(ctx context.Context, acct string) (*accountWebhooks, error) {
	return c.reads.do(ctx, acct, func(ctx context.Context) (*accountWebhooks, error) { return c.read(ctx, acct) })
}

// readSoon reads an account in the background, unless it was read lately, or many are
// being read.
func (c *webhookCache) readSoon(acct string) {
	c.mu.Lock()
	a := c.accounts[acct]
	if a != nil && !a.due() || c.rereads.Load() >= maxRereads {
		c.mu.Unlock()
		return
	}
	if a != nil {
		a.reread = time.Now().Add(rereadPause)
	}
	c.rereads.Add(1)
	c.mu.Unlock()
	_, began := c.reads.start(acct, func(ctx context.Context) (*accountWebhooks, error) {
		defer c.rereads.Add(-1)
		return c.read(ctx, acct)
	})
	if !began {
		c.rereads.Add(-1)
	}
}

// read reads an account and remembers it, with what changed meanwhile.
func (c *webhookCache) read(ctx context.Context, acct string) (*accountWebhooks, error) {
	if err := c.begin(ctx); err != nil {
		return nil, err
	}
	began := time.Now()
	c.mu.Lock()
	c.reading[acct] = nil
	c.mu.Unlock()
	ws, err := c.store.Webhooks(ctx, WebhookQuery{Account: acct})
	a := newAccountWebhooks(ws)
	a.read, a.reread = began, began.Add(maxAge/2+rand.N(maxAge/2))
	c.mu.Lock()
	defer c.mu.Unlock()
	changed := c.reading[acct]
	delete(c.reading, acct)
	if err != nil {
		return nil, err
	}
	for _, w := range changed { // before bury, which takes missing webhooks for deleted
		a.note(w)
	}
	old := c.accounts[acct]
	if old != nil {
		a.bury(old)
	}
	for _, t := range a.byID {
		if old == nil || old.byID[t.ID] == nil || old.byID[t.ID].Version < t.Version {
			c.onUpdate(&t.Webhook)
		}
	}
	c.remember(acct, a)
	return a, nil
}

// reread reads a webhook from the store. It returns nil if there is none.
func (c *webhookCache) reread(ctx context.Context, acct, id string) (*endpoint, error) {
	ws, err := c.store.Webhooks(ctx, WebhookQuery{Account: acct, IDs: []string{id}})
	if err != nil || len(ws) == 0 {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.note(ws[0])
	return newEndpoint(ws[0]), nil
}

// latest returns t as it is known now.
func (c *webhookCache) latest(t *endpoint) *endpoint {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if a := c.accounts[t.Account]; a != nil && a.byID[t.ID] != nil {
		return a.byID[t.ID]
	}
	return t
}

// remember adds an account that was read. The caller holds mu.
func (c *webhookCache) remember(acct string, a *accountWebhooks) {
	c.forget(acct)
	for other := range c.accounts {
		if len(c.accounts) < maxAccounts && c.size+len(a.byID) <= maxEndpoints {
			break
		}
		c.forget(other)
	}
	c.accounts[acct] = a
	c.size += len(a.byID)
}

// forget drops an account. The caller holds mu.
func (c *webhookCache) forget(acct string) {
	if a := c.accounts[acct]; a != nil {
		c.size -= len(a.byID)
		delete(c.accounts, acct)
	}
}

// refresh asks the store for changes if nobody did for two intervals: the
// Dispatcher polls only while it runs.
func (c *webhookCache) refresh(ctx context.Context) error {
	c.mu.RLock()
	fresh := c.fresh()
	c.mu.RUnlock()
	if fresh {
		return nil
	}
	return c.poll(ctx)
}

// fresh reports whether the accounts in the cache can be used. The caller holds mu.
func (c *webhookCache) fresh() bool {
	return len(c.accounts) == 0 || time.Since(c.checked) < 2*c.interval
}

// poll asks the store for changes.
func (c *webhookCache) poll(ctx context.Context) error {
	_, err := c.polls.do(ctx, "", c.pollOnce)
	return err
}

// pollOnce is a call of the store that polls shares.
func (c *webhookCache) pollOnce(ctx context.Context) (struct{}, error) {
	return struct{}{}, c.takeChanges(ctx)
}

// begin asks for the number of the last put, unless it is known: accounts that are
// read afterwards include it.
func (c *webhookCache) begin(ctx context.Context) error {
	c.mu.RLock()
	begun := !c.checked.IsZero()
	c.mu.RUnlock()
	if begun {
		return nil
	}
	began := time.Now()
	seen, err := lastPut(ctx, c.store)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.checked.IsZero() {
		c.checked, c.seen = began, seen
	}
	return nil
}

// takeChanges takes over what changed since the store was last asked.
func (c *webhookCache) takeChanges(ctx context.Context) error {
	if err := c.begin(ctx); err != nil {
		return err
	}
	began := time.Now()
	c.mu.RLock()
	seen := c.seen
	c.mu.RUnlock()
	ws, err := c.store.Webhooks(ctx, WebhookQuery{All: true, Deleted: true, PutAfter: seen})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checked = began
	for _, w := range ws {
		c.seen = max(c.seen, w.Put)
		c.note(w)
		if c.onPut != nil {
			c.onPut(&w)
		}
	}
	return nil
}

// changed notes a webhook that was put here.
func (c *webhookCache) changed(w Webhook) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.note(w)
}

// note takes over a webhook of an account that is remembered, or being read. The
// caller holds mu.
func (c *webhookCache) note(w Webhook) {
	if changed, ok := c.reading[w.Account]; ok {
		c.reading[w.Account] = append(changed, w)
	}
	a := c.accounts[w.Account]
	if a == nil {
		return
	}
	before := len(a.byID)
	if a.note(w) {
		c.onUpdate(&w)
	}
	c.size += len(a.byID) - before
}
