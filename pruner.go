package webhook

import (
	"context"
	"slices"
	"time"
)

// A pruner removes deliveries that ended longer ago than Options.Retention, or the rule
// for them, says.
type pruner struct {
	store      Store
	opts       *Options
	notify     *notifier
	retained   *retained
	background context.Context // of calls of the store
	stop       <-chan struct{}
	stopped    func() bool
}

const (
	pruneInterval = 10 * time.Minute
	pruneRows     = 500

	// pruneRest is how long the pruner rests after a call of the store, in multiples of
	// the time that the call took, so that the calls of Emit and of deliveries hardly
	// notice a month that is pruned. If it has pruned for pruneInterval without an end,
	// more is stored than it removes, and it rests for as long as it works.
	pruneRest = 4
)

// run prunes at intervals until stop is closed.
func (p *pruner) run() {
	parts := slices.DeleteFunc(p.opts.prunables(), func(part prunable) bool { return part.keep < 0 })
	timer := time.NewTimer(pruneInterval)
	defer timer.Stop()
	for {
		for _, part := range parts {
			p.pruneAll(part)
		}
		if p.opts.Retention >= 0 && !p.stopped() {
			_, _ = p.prune(Prune{Deleted: now().Add(-p.opts.Retention)})
			p.retained.expireKept()
		}
		timer.Reset(jittered(pruneInterval))
		select {
		case <-p.stop:
			return
		case <-timer.C:
		}
	}
}

// pruneAll removes the deliveries of a part that ended longer ago than they are kept, in
// batches small enough to hold up nobody.
func (p *pruner) pruneAll(part prunable) {
	part.Limit = pruneRows
	for start := time.Now(); !p.stopped(); {
		began := time.Now()
		part.Before = now().Add(-part.keep)
		if n, err := p.prune(part.Prune); err != nil || n < pruneRows {
			return
		}
		rest := time.Since(began)
		if began.Sub(start) < pruneInterval {
			rest *= pruneRest
		}
		select {
		case <-p.stop:
		case <-time.After(rest):
		}
	}
}

// prune makes one call of the store, and logs its error.
func (p *pruner) prune(what Prune) (n int, err error) {
	ctx, cancel := p.opts.withStoreTimeout(p.background)
	defer cancel()
	n, err = p.store.Prune(ctx, what)
	if err != nil {
		p.notify.logError("pruning the log", err)
	}
	return n, err
}
