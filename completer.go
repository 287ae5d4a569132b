package webhook

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/listhook/webhook/internal/groupcommit"
)

const (
	// retryFirst is the first wait after outcomes could not be stored. It
	// doubles up to retryMost.
	retryFirst = 50 * time.Millisecond
	retryMost  = 5 * time.Second

	// maxLinger is how long outcomes wait at most, after some were stored, for
	// more of them: nobody waits for an outcome but its slot.
	maxLinger = 5 * time.Millisecond

	// maxRefusals is how often one outcome, or one event of EmitBuffered, is refused,
	// while others are stored, before it is given up. The delivery of the outcome
	// comes due again when its lease ends.
	maxRefusals = 5
)

// A completer stores the outcomes of attempts, in groups, and then releases the
// deliveries.
type completer struct {
	store      Store // whose Apply returns the error of durable
	opts       *Options
	notify     *notifier
	tracker    *tracker
	tallies    *tallyRecorder
	background context.Context // of calls of the store
	wake       func()          // asks for a claim
	lineMoved  func(*inflight) // called with one that ended and stood in a line
	outcomes   groupcommit.Group[*inflight]
	pause      atomic.Int64 // nanoseconds, after the last group could not be stored; 0: it could
}

func newCompleter(store Store, opts *Options, notify *notifier, tr *tracker, tallies *tallyRecorder, background context.Context, wake func()) *completer {
	c := &completer{store: store, opts: opts, notify: notify, tracker: tr, tallies: tallies, background: background, wake: wake}
	c.outcomes.Run, c.outcomes.Size = c.flush, (*inflight).size
	c.outcomes.MaxRows, c.outcomes.MaxBytes, c.outcomes.MaxLinger = groupRows, groupBytes, maxLinger
	c.outcomes.StallAfter = stallAfter
	return c
}

// add has outcomes stored.
func (c *completer) add(fs ...*inflight) { c.outcomes.Add(fs...) }

// addBatch is add for the outcomes of a batch. The one with the answer follows when the
// others are stored: if one of these is lost, somebody may have erased that delivery, and
// the answer, which may be about it too, is not stored.
func (c *completer) addBatch(b *batch, fs []*inflight) {
	i := slices.IndexFunc(fs, func(f *inflight) bool {
		return f.change.Log != nil && len(f.change.Log.Members) > 1 && f.change.Log.hasAnswer()
	})
	if i >= 0 {
		b.answered = fs[i]
		b.unstored.Store(int64(len(fs[i].change.Log.Members) - 1))
		fs = slices.Concat(fs[:i], fs[i+1:])
	}
	c.add(fs...)
}

// settled notes that the outcome of a delivery was stored or lost.
func (c *completer) settled(f *inflight, stored bool) {
	b := f.batch
	if b == nil || b.answered == nil || f.change.Log == nil || f.change.Log.First == "" {
		return
	}
	if !stored {
		b.anyLost.Store(true)
	}
	if b.unstored.Add(-1) > 0 {
		return
	}
	if b.anyLost.Load() {
		b.answered.change.Log.dropAnswer()
	}
	c.add(b.answered)
}

// lose releases a delivery whose outcome is not stored.
func (c *completer) lose(f *inflight) {
	c.settled(f, false)
	c.tracker.release(f)
}

// flush stores the outcomes of a group. Outcomes that it could not store join the
// next group, until all are stored. Their slots keep new attempts from beginning
// while the store is down.
func (c *completer) flush(group []*inflight) {
	group = slices.DeleteFunc(group, c.superseded)
	errs := groupcommit.Bisect(group, c.flushPart, isRefusal, nil)
	if errs == nil {
		c.pause.Store(0)
		return
	}
	var refused []*inflight
	for i, f := range group {
		if errs[i] != nil {
			refused = append(refused, f)
			c.notify.logError("storing outcomes", errs[i])
		}
	}
	if len(refused) < len(group) { // it is not the store that is down
		time.AfterFunc(retryMost, func() { c.add(c.dropRefused(refused)...) })
		return
	}
	pause := min(max(2*time.Duration(c.pause.Load()), retryFirst), retryMost)
	c.pause.Store(int64(pause))
	select {
	case <-c.background.Done():
		for _, f := range refused {
			c.lose(f)
		}
	case <-time.After(pause/2 + rand.N(pause)):
		c.add(refused...)
	}
}

// dropRefused gives up outcomes that the store refused often while it stored
// others, and returns the rest.
func (c *completer) dropRefused(refused []*inflight) []*inflight {
	return slices.DeleteFunc(refused, func(f *inflight) bool {
		f.refusals++
		if f.refusals < maxRefusals {
			return false
		}
		c.notify.logger.Error("webhook: the store refuses the outcome of a delivery; it will be delivered again",
			"delivery", f.ID, "webhook", f.WebhookID)
		c.lose(f)
		return true
	})
}

// superseded reports whether this process has begun with the delivery's next
// attempt. If so it releases f.
func (c *completer) superseded(f *inflight) bool {
	lease := c.tracker.superseded(f)
	switch {
	case lease == 0:
		return false
	case f.uncertain && lease == f.change.Lease+2: // one for the outcome, one for the claim
		c.notify.changed(f.changed())
		c.finish(f)
	default:
		c.lose(f)
		c.notify.lost(f.Delivery)
	}
	return true
}

// flushPart stores outcomes in one call.
func (c *completer) flushPart(part []*inflight) error {
	ctx, cancel := c.opts.withStoreTimeout(c.background)
	defer cancel()
	changes := make([]Change, len(part))
	for i, f := range part {
		f.change.Lease = c.tracker.lease(f)
		f.change.DropBody = c.opts.dropsBody(&f.Delivery, f.change.State)
		changes[i] = f.change
	}
	lost, err := c.store.Apply(ctx, changes)
	if err != nil {
		for _, f := range part {
			f.uncertain = true // it may have been carried out: the next call may be one of a part of these
		}
		return err
	}
	for _, f := range part {
		switch {
		case len(lost) == 0 || !slices.Contains(lost, f.ID):
			c.notify.changed(f.changed())
			c.finish(f)
		case c.superseded(f):
		case c.tracker.lease(f) != f.change.Lease:
			c.add(f) // claimed again meanwhile, by this process
		case f.uncertain:
			c.resolveUncertain(ctx, f)
		default:
			c.lose(f)
			c.notify.lost(f.Delivery)
		}
	}
	return nil
}

// resolveUncertain finds out whether an outcome that seems lost is stored: an earlier
// call may have stored it and lost the acknowledgement.
func (c *completer) resolveUncertain(ctx context.Context, f *inflight) {
	ds, err := c.store.Deliveries(ctx, DeliveryQuery{Account: f.Account, IDs: []string{f.ID}, Brief: true})
	switch {
	case err != nil:
		c.notify.logError("reading a delivery", err)
		time.AfterFunc(retryFirst, func() { c.add(f) }) // and then ask again
	case len(ds) == 1 && ds[0].Lease == f.change.Lease+1 &&
		ds[0].State == f.change.State && ds[0].Attempts == f.change.Attempts:
		c.notify.changed(f.changed())
		c.finish(f)
	default:
		c.lose(f)
		c.notify.lost(f.Delivery)
	}
}

// finish counts and releases a delivery whose outcome is stored. First it calls
// f.after, in a goroutine, since that calls the store.
func (c *completer) finish(f *inflight) {
	c.settled(f, true)
	c.tallies.count(f)
	if f.after == nil {
		c.release(f)
		return
	}
	go func() { // it ends once after has: within the store's time
		f.after()
		c.release(f)
	}()
}

// release releases a delivery whose outcome is stored. If that ended it, the next one
// of its line can be claimed.
func (c *completer) release(f *inflight) {
	c.tracker.release(f)
	if f.InLine() && f.change.State != StatePending {
		c.lineMoved(f)
		c.wake()
	}
}
