package webhook

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/listhook/webhook/internal/signature"
)

// A registry remembers webhooks until they change, so that an event that
// nobody wants costs no call of the store. It holds whole accounts, those
// without a webhook too, and asks the store for what changed: once every
// interval while the Dispatcher runs, else when it is used and that long has
// passed.
type registry struct {
	store    Store
	interval time.Duration
	learned  func(*Webhook) // called with each that is taken note of

	refreshing sync.Mutex // one at a time

	mu       sync.RWMutex
	accounts map[string]*account
	size     int       // webhooks in accounts
	puts     int       // changes noted so far
	checked  time.Time // when the store was last asked for changes
}

// An account is what the registry holds of one.
type account struct {
	byID   map[string]*target // tombstones too, so that nothing older comes back
	byList map[string][]*target
}

// A target is a webhook made ready: what each event and attempt needs of it is
// computed once.
type target struct {
	Webhook
	url    *url.URL // in its normal form
	host   string   // which it shares with other webhooks
	header http.Header
	signer *signature.Signer
	broken error // why it cannot be attempted; nil: it can
}

const (
	maxAccounts = 10_000
	maxTargets  = 100_000

	// overlap is how far back changes are asked for again: transactions that
	// were open then, and clocks that differ.
	overlap = time.Minute
)

func newRegistry(store Store, interval time.Duration, learned func(*Webhook)) *registry {
	return &registry{store: store, interval: interval, learned: learned, accounts: map[string]*account{}}
}

// newTarget makes w ready. w was validated when it was put; should it be
// invalid all the same, its attempts fail and say so.
func newTarget(w Webhook) *target {
	t := &target{Webhook: w, header: http.Header{}}
	if len(w.Sealed) > 0 {
		t.broken = errSealed(&w)
	} else if t.url, t.broken = normalURL(w.URL); t.broken == nil {
		t.host = t.url.Hostname()
		t.signer, t.broken = newSigner(w.Secrets)
	}
	if t.url != nil && t.url.User != nil {
		password, _ := t.url.User.Password()
		(&http.Request{Header: t.header}).SetBasicAuth(t.url.User.Username(), password)
	}
	for name, value := range w.Headers {
		t.header.Set(name, value)
		if name = http.CanonicalHeaderKey(name); name == "X-Idempotency-Key" {
			// net/http sends again by itself what has a field of this spelling.
			t.header["x-idempotency-key"] = t.header[name]
			delete(t.header, name)
		}
	}
	return t
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
	if a := r.accounts[m.Account]; a != nil && (tx == nil || r.fresh()) {
		defer r.mu.RUnlock()
		return a.wanting(t, m), nil
	}
	r.mu.RUnlock()
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
	defer r.mu.RUnlock()
	a, ok := r.accounts[acct]
	if ok {
		t = a.byID[id]
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

// load reads an account from the store and remembers it, unless webhooks are
// put here so busily that it cannot tell whether what it read is older.
func (r *registry) load(ctx context.Context, acct string) (a *account, err error) {
	for range 3 {
		r.mu.RLock()
		puts := r.puts
		r.mu.RUnlock()
		ws, err := r.store.Webhooks(ctx, WebhookQuery{Account: acct})
		if err != nil {
			return nil, err
		}
		a = newAccount(ws)
		if r.remember(acct, a, puts) {
			for i := range ws {
				r.learned(&ws[i])
			}
			break
		}
	}
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

// remember keeps what was read of an account if nothing was put since.
func (r *registry) remember(acct string, a *account, puts int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.puts != puts {
		return false
	}
	if r.checked.IsZero() {
		r.checked = time.Now()
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
	return true
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
	if r.freshNow() {
		return nil
	}
	r.refreshing.Lock()
	defer r.refreshing.Unlock()
	if r.freshNow() {
		return nil
	}
	return r.poll(ctx)
}

func (r *registry) freshNow() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.fresh()
}

// fresh reports whether what is remembered can be used. The caller holds mu.
func (r *registry) fresh() bool {
	return len(r.accounts) == 0 || time.Since(r.checked) < 2*r.interval
}

// poll asks the store for changes.
func (r *registry) poll(ctx context.Context) error {
	began := time.Now()
	r.mu.RLock()
	since := r.checked
	r.mu.RUnlock()
	if since.IsZero() {
		since = began
	}
	ws, err := r.store.Webhooks(ctx, WebhookQuery{All: true, Changed: clock(since).Add(-overlap)})
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
	r.puts++
	r.note(w)
}

// note takes over a webhook of a remembered account. The caller holds mu.
func (r *registry) note(w Webhook) {
	a := r.accounts[w.Account]
	if a == nil {
		return
	}
	old := a.byID[w.ID]
	if old != nil && old.Version >= w.Version {
		return
	}
	if old == nil {
		r.size++
	} else {
		list := slices.DeleteFunc(slices.Clone(a.byList[old.List]), func(t *target) bool { return t == old })
		if a.byList[old.List] = list; len(list) == 0 {
			delete(a.byList, old.List)
		}
	}
	a.add(newTarget(w))
	r.learned(&w)
}

func newAccount(ws []Webhook) *account {
	a := &account{byID: make(map[string]*target, len(ws)), byList: map[string][]*target{}}
	for _, w := range ws {
		a.add(newTarget(w))
	}
	return a
}

func (a *account) add(t *target) {
	a.byID[t.ID] = t
	if !t.Deleted {
		a.byList[t.List] = append(a.byList[t.List], t)
	}
}

// wanting returns the webhooks of the account that get an event, in order of
// ID, so that what is enqueued together is always enqueued in one order.
func (a *account) wanting(t EventType, m *Meta) []*target {
	found := a.pick(nil, "", t, m)
	for i, list := range m.Lists {
		if list != "" && !slices.Contains(m.Lists[:i], list) {
			found = a.pick(found, list, t, m)
		}
	}
	if len(found) > 1 {
		slices.SortFunc(found, func(x, y *target) int { return strings.Compare(x.ID, y.ID) })
	}
	return found
}

func (a *account) pick(found []*target, list string, t EventType, m *Meta) []*target {
	for _, target := range a.byList[list] {
		if target.compare(t, m) == matches {
			found = append(found, target)
		}
	}
	return found
}
