package webhook

import (
	"context"
	"errors"
	"time"

	"github.com/listhook/webhook/internal/diagnose"
)

// Start begins to deliver: first what is due in the store, and from then on what is
// emitted. It returns ErrClosed after Shutdown, and an error if the Dispatcher is
// already running.
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
	d.pool.workers.join()
	d.heartbeat.beat()
	d.loops.Go(d.claimer.run)
	d.loops.Go(d.pruner.run)
	d.loops.Go(d.unblocker.run)
	d.loops.Go(d.tallies.run)
	d.loops.Go(d.replayer.run)
	return nil
}

// Shutdown stops delivering, for good. It waits until the attempts that are under way
// have ended and their outcomes are stored. When ctx is done it cuts short those that
// still run, and returns ctx's error within three seconds. Deliveries whose attempt was cut
// short or not begun are given back to the store at once, for another process or the next
// start, and use up no attempt.
//
// It also waits until the events of EmitBuffered are stored; they are attempted by
// another process or after the next start. Those that are not stored when ctx is done
// are lost, and given to Hooks.Dropped. After Shutdown EmitBuffered does what Emit
// does.
//
// Give it a context of its own, with time for what is under way: twice
// Options.Timeout is enough where the store answers. The app's context has often
// ended by then, and each attempt would be cut short and made again.
func (d *Dispatcher) Shutdown(ctx context.Context) error {
	d.mu.Lock()
	if !d.stopped() {
		close(d.stop)
		d.batcher.close()
		d.limiter.Close() // from here on nothing begins
		if d.started {
			d.pool.workers.leave()
		}
	}
	d.mu.Unlock()
	d.buffer.close()
	defer d.abandon()
	defer d.abort(diagnose.ErrShutdown)

	loops := make(chan struct{})
	go func() { // it ends when the loops have: they end after stop is closed
		d.loops.Wait()
		close(loops)
	}()
	for _, done := range []<-chan struct{}{d.buffer.drained, loops, d.batcher.drained, d.limiter.Drained()} {
		select {
		case <-done:
		case <-ctx.Done():
			d.abort(diagnose.ErrShutdown)
			d.buffer.abandon(ctx.Err())
			d.giveUp(d.buffer.drained, loops, d.batcher.drained, d.limiter.Drained())
			return ctx.Err()
		}
	}
	return errors.Join(d.recorder.finish(ctx), d.tallies.finish(ctx))
}

// giveUp waits a little longer until aborted deliveries are given back, and stores the
// health and the tallies of webhooks.
func (d *Dispatcher) giveUp(waits ...<-chan struct{}) {
	grace, cancel := context.WithTimeout(context.Background(), shutdownGrace)
	defer cancel()
	for _, done := range waits {
		select {
		case <-done:
		case <-grace.Done():
			d.recorder.close()
			return
		}
	}
	_, _ = d.recorder.finish(grace), d.tallies.finish(grace)
}

// shutdownGrace is how long giveUp may take after Shutdown's context is done. A delivery
// that is not given back by then comes due when its lease ends.
const shutdownGrace = 3 * time.Second
