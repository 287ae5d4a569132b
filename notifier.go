package webhook

import (
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"
)

// A notifier tells the app what happens in the background: it logs, and calls
// Options.Hooks.
type notifier struct {
	opts   *Options
	logger *slog.Logger
	hooks  *Hooks

	mu             sync.Mutex           // guards all below
	lastLogged     map[string]time.Time // by operation
	lastUnreadable map[string]time.Time // by webhook: when it was logged that it cannot be read
}

func newNotifier(opts *Options) *notifier {
	return &notifier{opts: opts, logger: opts.Logger, hooks: &opts.Hooks, lastLogged: map[string]time.Time{}, lastUnreadable: map[string]time.Time{}}
}

// logError logs that an operation in the background failed. It logs each
// operation once a minute at most, since one that fails usually fails often.
func (n *notifier) logError(operation string, err error) {
	if n.mayLog(operation) {
		n.logger.Error("webhook: "+operation+" failed and will be tried again", "error", n.opts.timeoutError(err))
	}
}

// mayLog reports whether nothing was logged of an operation for a minute.
func (n *notifier) mayLog(operation string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return takeTurn(n.lastLogged, operation, time.Minute)
}

// takeTurn notes the time for a key, unless that was done within the interval.
func takeTurn(last map[string]time.Time, key string, interval time.Duration) bool {
	if time.Since(last[key]) < interval {
		return false
	}
	last[key] = time.Now()
	return true
}

const (
	// unreadableInterval is how often a webhook that cannot be read is logged.
	unreadableInterval = time.Hour

	// maxUnreadable is how many such webhooks are logged in that time.
	maxUnreadable = 1000
)

// unreadable logs that deliveries wait for a webhook that cannot be read.
func (n *notifier) unreadable(w *Webhook) {
	if n.mayLogUnreadable(w.ID) {
		n.logger.Error("webhook: a webhook cannot be read, so its deliveries wait: no key of Options.EncryptionKeys decrypts its URL, secrets and headers",
			"webhook", w.ID, "account", w.Account)
	}
}

func (n *notifier) mayLogUnreadable(webhook string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, known := n.lastUnreadable[webhook]; !known && len(n.lastUnreadable) >= maxUnreadable {
		maps.DeleteFunc(n.lastUnreadable, func(_ string, at time.Time) bool { return time.Since(at) >= unreadableInterval })
		if len(n.lastUnreadable) >= maxUnreadable {
			return false
		}
	}
	return takeTurn(n.lastUnreadable, webhook, unreadableInterval)
}

// safely calls a function of the app's and survives its panic.
func (n *notifier) safely(name string, call func()) {
	defer func() {
		if p := recover(); p != nil {
			n.logger.Error("webhook: "+name+" panicked", "panic", fmt.Sprint(p))
		}
	}()
	call()
}

// changed calls Hooks.Changed.
func (n *notifier) changed(d Delivery) {
	if n.hooks.Changed != nil {
		d = d.withoutUrgency()
		n.safely("Hooks.Changed", func() { n.hooks.Changed(d) })
	}
}

// lost logs that an outcome could not be stored, and calls Hooks.Lost.
func (n *notifier) lost(d Delivery) {
	n.logger.Warn("webhook: an outcome was not stored: somebody else had changed the delivery",
		"delivery", d.ID, "webhook", d.WebhookID)
	if n.hooks.Lost != nil {
		d = d.withoutUrgency()
		n.safely("Hooks.Lost", func() { n.hooks.Lost(d) })
	}
}

// dropped logs that EmitBuffered lost events, once a minute at most. total is how
// many it ever lost.
func (n *notifier) dropped(total int, err error) {
	if n.mayLog("EmitBuffered, dropping") {
		n.logger.Warn("webhook: EmitBuffered lost events", "total", total, "error", err)
	}
}
