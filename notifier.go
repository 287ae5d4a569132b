package webhook

import (
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// A notifier tells the app what happens in the background: it logs, and calls
// Options.Hooks.
type notifier struct {
	opts   *Options
	logger *slog.Logger
	hooks  *Hooks

	mu         sync.Mutex           // guards lastLogged
	lastLogged map[string]time.Time // by operation
}

func newNotifier(opts *Options) *notifier {
	return &notifier{opts: opts, logger: opts.Logger, hooks: &opts.Hooks, lastLogged: map[string]time.Time{}}
}

// logError logs that an operation in the background failed. It logs each
// operation once a minute at most, since one that fails usually fails often.
func (n *notifier) logError(operation string, err error) {
	n.mu.Lock()
	quiet := time.Since(n.lastLogged[operation]) < time.Minute
	if !quiet {
		n.lastLogged[operation] = time.Now()
	}
	n.mu.Unlock()
	if !quiet {
		n.logger.Error("webhook: "+operation+" failed and will be tried again", "error", n.opts.timeoutError(err))
	}
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
	n.logger.Warn("webhook: an outcome was lost: somebody else had taken over the delivery",
		"delivery", d.ID, "webhook", d.WebhookID)
	if n.hooks.Lost != nil {
		d = d.withoutUrgency()
		n.safely("Hooks.Lost", func() { n.hooks.Lost(d) })
	}
}
