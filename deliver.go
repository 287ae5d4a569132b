package webhook

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/listhook/webhook/internal/diagnose"
)

// Start begins to deliver: what is due in the store, and from then on what is
// emitted. It returns ErrClosed after Shutdown, and an error when the
// Dispatcher runs already.
func (d *Dispatcher) Start() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.stopped():
		return ErrClosed
	case d.started:
		return errors.New("webhook: Start: the dispatcher is running already")
	}
	d.started = true
	d.vitals.turn()
	d.loops.Go(d.claimLoop)
	d.loops.Go(d.pruneLoop)
	return nil
}

// Shutdown stops delivering, for good. It waits until the attempts that are
// under way have ended and their outcomes are stored. When ctx is done it cuts
// short those that still run, and returns ctx's error. What was cut short or
// not begun is given back to the store at once, for another process or the
// next start, and uses up no attempt.
//
// Give it a context of its own, with time for what is under way: twice
// Options.Timeout is enough where the store answers. The app's context has often
// ended by then, and each attempt would be cut short and made again.
func (d *Dispatcher) Shutdown(ctx context.Context) error {
	d.mu.Lock()
	if !d.stopped() {
		close(d.stop)
		d.limiter.Close() // from here on nothing begins
		close(d.idle)
	}
	d.mu.Unlock()
	defer d.abandon()
	defer d.cut(diagnose.ErrShutdown)

	loops := make(chan struct{})
	go func() {
		d.loops.Wait()
		close(loops)
	}()
	for _, done := range []<-chan struct{}{loops, d.limiter.Drained()} {
		select {
		case <-done:
		case <-ctx.Done():
			d.cut(diagnose.ErrShutdown)
			d.giveUp(loops, d.limiter.Drained())
			d.sightings.close()
			return ctx.Err()
		}
	}
	return d.endSightings(ctx)
}

// giveUp waits a little longer for what was cut short to be given back.
func (d *Dispatcher) giveUp(waits ...<-chan struct{}) {
	grace := time.NewTimer(shutdownGrace)
	defer grace.Stop()
	for _, done := range waits {
		select {
		case <-done:
		case <-grace.C:
			return
		}
	}
}

// shutdownGrace is how long giving back may take after Shutdown's context is
// done. What is not given back by then comes due when its lease ends.
const shutdownGrace = 3 * time.Second

// stopped reports whether Shutdown was called.
func (d *Dispatcher) stopped() bool {
	select {
	case <-d.stop:
		return true
	default:
		return false
	}
}

func (d *Dispatcher) running() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.started && !d.stopped()
}

// claimLoop claims what is due, when it is woken and at every poll. A poll also
// asks for changed webhooks: while there is nothing to do, a process wakes its
// store's connection, and the server behind it, once in an interval.
func (d *Dispatcher) claimLoop() {
	poll := time.NewTimer(0)
	defer poll.Stop()
	after := ""
	for {
		select {
		case <-d.stop:
			return
		case <-d.woken:
		case <-poll.C:
			poll.Reset(jittered(d.opts.PollInterval))
			d.refresh()
		}
		d.vitals.turn()
		after = d.claim(after)
	}
}

// refresh keeps the remembered webhooks current.
func (d *Dispatcher) refresh() {
	ctx, cancel := d.opts.withStoreTimeout(d.settling)
	defer cancel()
	if err := d.registry.poll(ctx); err != nil {
		d.notify.logError("reading webhooks", err)
	}
}

// claim leases what there is room for and begins with it. It returns the
// webhook that had the last turn.
func (d *Dispatcher) claim(after string) string {
	most := d.outages.claimable(groupRows)
	if most == 0 {
		return after
	}
	r := d.limiter.Reserve(groupRows)
	if r.Limit == 0 {
		return after
	}
	d.outages.leaveOut(r.Room)
	ctx, cancel := d.opts.withStoreTimeout(d.settling)
	defer cancel()
	until := d.opts.leaseEnd()
	var ds []Delivery
	err := d.vitals.ask(func() (err error) {
		ds, err = d.store.Claim(ctx, Claim{
			Now: now(), Until: until, After: after, Limit: min(r.Limit, most), Each: r.Each, Room: r.Room,
		})
		return err
	})
	if err != nil {
		d.limiter.Cancel(r)
		d.notify.logError("claiming deliveries", err)
		return after
	}
	slices.SortFunc(ds, func(a, b Delivery) int { // a Store returns them in any order
		return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.ID, b.ID))
	})
	ids := make([]string, len(ds))
	for i := range ds {
		ids[i] = ds[i].WebhookID
	}
	for i, s := range d.limiter.Fill(r, ids) {
		d.hold(&flight{Delivery: ds[i], slot: s})
	}
	return lastTurn(after, ids)
}

// lastTurn returns which of ids had the last turn: turns go up from after and
// then on from the start. Without ids it is after.
func lastTurn(after string, ids []string) string {
	var up, on string
	for _, id := range ids {
		if id > after {
			up = max(up, id)
		} else {
			on = max(on, id)
		}
	}
	return cmp.Or(on, up, after)
}

const (
	pruneInterval = 10 * time.Minute
	pruneRows     = 500
)

// pruneLoop removes what finished or was kept longer ago than the retention.
func (d *Dispatcher) pruneLoop() {
	if d.opts.Retention < 0 {
		return
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-d.stop:
			return
		case <-timer.C:
			d.prune()
			d.expireKept()
			timer.Reset(jittered(pruneInterval))
		}
	}
}

// jittered shortens an interval by up to a tenth, so that processes started together
// do not act together. A pool that looks after connections which nobody used for
// a second, as pgx's does, has nothing to do at a poll interval of one.
func jittered(interval time.Duration) time.Duration {
	return interval - time.Duration(rand.Float64()*float64(interval)/10)
}

// prune removes what finished longer ago than the retention, in batches small
// enough to hold up nobody.
func (d *Dispatcher) prune() {
	for !d.stopped() {
		ctx, cancel := d.opts.withStoreTimeout(d.settling)
		n, err := d.store.Prune(ctx, now().Add(-d.opts.Retention), pruneRows)
		cancel()
		if err != nil {
			d.notify.logError("pruning the log", err)
		}
		if err != nil || n < pruneRows {
			return
		}
	}
}
