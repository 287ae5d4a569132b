package webhook

import (
	"context"
	"time"
)

// A pruner removes deliveries that are older than Options.Retention.
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
)

// run prunes at intervals until stop is closed, unless Retention is negative.
func (p *pruner) run() {
	if p.opts.Retention < 0 {
		return
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-timer.C:
			p.prune()
			p.retained.expireKept()
			timer.Reset(jittered(pruneInterval))
		}
	}
}

// prune removes deliveries that finished longer ago than the retention, in batches
// small enough to hold up nobody.
func (p *pruner) prune() {
	for !p.stopped() {
		ctx, cancel := p.opts.withStoreTimeout(p.background)
		before := now().Add(-p.opts.Retention)
		n, err := p.store.Prune(ctx, Prune{Before: before, Limit: pruneRows, Deleted: before})
		cancel()
		if err != nil {
			p.notify.logError("pruning the log", err)
		}
		if err != nil || n < pruneRows {
			return
		}
	}
}
