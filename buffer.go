package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// A buffer holds events in memory until they are many enough, or have waited long
// enough, to be stored as a group. A group that the store does not take stays in the
// buffer, in its place, and is stored again, until Shutdown's time is over.
//
// There is a goroutine only while there are events, and a second one beside a call of
// the store that has taken stallAfter.
type buffer struct {
	opts     *Options
	notify   *notifier
	preparer *preparer
	enqueuer *enqueuer

	ctx     context.Context // ends with the time that Shutdown has
	abandon context.CancelCauseFunc
	ripe    chan struct{} // tells a worker that waits to look again
	drained chan struct{} // closed once nothing is left after close

	mu      sync.Mutex // guards all below
	queue   []stampedEvent
	waiting int           // bytes in queue
	events  int           // in the queue and in the groups that are being stored
	bytes   int           // of these
	room    chan struct{} // closed when there is room again; nil: nobody waits for it
	workers int
	stalled int // workers whose call of the store has taken stallAfter
	retry   time.Time
	tries   int // that failed, since the store last took something
	closed  bool
	dropped int // ever
}

func newBuffer(b *buffer) *buffer {
	b.ctx, b.abandon = context.WithCancelCause(context.Background())
	b.ripe, b.drained = make(chan struct{}, 1), make(chan struct{})
	return b
}

// errBufferClosed says that the buffer takes no more events: its caller emits them.
var errBufferClosed = errors.New("the buffer is closed")

// add takes an event, or does what the options say when there is no room.
func (b *buffer) add(ctx context.Context, e stampedEvent, patience time.Duration) error {
	err := b.take(ctx, e, patience)
	switch {
	case err == nil:
		if hook := b.opts.Hooks.Buffered; hook != nil {
			b.notify.safely("Hooks.Buffered", func() { hook(e.Event) })
		}
	case err == errBufferClosed, b.opts.Buffer.WhenFull == WhenFullEmit:
		return wrap("EmitBuffered", b.emit(ctx, []stampedEvent{e})[0])
	default:
		b.drop(err, e)
	}
	return err
}

// take takes an event. When there is no room it waits, if the options say so, as long
// as patience and ctx allow. The error is ErrBufferFull or errBufferClosed.
func (b *buffer) take(ctx context.Context, e stampedEvent, patience time.Duration) error {
	var timeout <-chan time.Time
	for {
		room, err := b.tryTake(e)
		if err == nil || room == nil {
			return err
		}
		if timeout == nil {
			timer := time.NewTimer(patience)
			defer timer.Stop()
			timeout = timer.C
		}
		select {
		case <-room:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrBufferFull, ctx.Err())
		case <-timeout:
			return fmt.Errorf("%w, and the store has not answered for %s", ErrBufferFull, 3*b.opts.StoreTimeout)
		}
	}
}

// tryTake takes an event if there is room. Else it returns a channel that is closed
// once there is, if the caller is to wait.
func (b *buffer) tryTake(e stampedEvent) (room <-chan struct{}, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	limits := &b.opts.Buffer
	switch {
	case b.closed:
		return nil, errBufferClosed
	case b.events == 0: // it would never find more room
	case b.events >= limits.Events || b.bytes+e.size > limits.Bytes:
		b.signal()
		if limits.WhenFull != WhenFullWait {
			return nil, ErrBufferFull
		}
		if b.room == nil {
			b.room = make(chan struct{})
		}
		return b.room, ErrBufferFull
	}
	b.queue = append(b.queue, e)
	b.waiting += e.size
	b.events++
	b.bytes += e.size
	if len(b.queue) == limits.Group || b.waiting >= groupBytes {
		b.signal()
	}
	b.start()
	return nil, nil
}

// start starts a worker, unless one works that has not stalled. The caller holds mu.
func (b *buffer) start() {
	if len(b.queue) > 0 && b.workers == b.stalled && b.workers < 2 {
		b.workers++
		go b.work()
	}
}

// signal has a worker that waits look again.
func (b *buffer) signal() {
	select {
	case b.ripe <- struct{}{}:
	default:
	}
}

// work stores groups until nothing is left.
func (b *buffer) work() {
	for {
		group := b.next()
		if len(group) == 0 {
			return
		}
		left, err := group, context.Cause(b.ctx)
		if err == nil {
			left, err = b.store(group)
		}
		b.stored(group, left, err)
	}
}

// next waits for the next group and takes it off the queue. It is empty, and the
// worker ends, when there is no more work for it.
func (b *buffer) next() []stampedEvent {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.queue) > 0 && b.workers-b.stalled == 1 {
		if wait := b.wait(); wait > 0 {
			b.sleep(wait)
			continue
		}
		n, bytes := 0, 0
		for n < min(len(b.queue), b.opts.Buffer.Group) && (n == 0 || bytes+b.queue[n].size <= groupBytes) {
			bytes += b.queue[n].size
			n++
		}
		group := b.queue[:n:n]
		if b.queue = b.queue[n:]; len(b.queue) == 0 {
			b.queue = nil
		}
		b.waiting -= bytes
		return group
	}
	b.workers--
	b.ended()
	return nil
}

// wait returns how long the first event still has to wait. The caller holds mu.
func (b *buffer) wait() time.Duration {
	limits := &b.opts.Buffer
	switch {
	case b.ctx.Err() != nil:
		return 0
	case !b.retry.IsZero():
		return time.Until(b.retry)
	case b.closed || b.room != nil || b.events >= limits.Events || b.bytes >= limits.Bytes,
		len(b.queue) >= limits.Group, b.waiting >= groupBytes:
		return 0
	}
	return time.Until(b.queue[0].taken.Add(limits.Wait))
}

// sleep waits with mu unlocked.
func (b *buffer) sleep(wait time.Duration) {
	b.mu.Unlock()
	defer b.mu.Lock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-b.ripe:
	case <-b.ctx.Done():
	}
}

// store stores a group, and returns the events that the store may take later. It
// drops an event that the store refused maxRefusals times while it took others, and one
// that has too many deliveries.
func (b *buffer) store(group []stampedEvent) (left []stampedEvent, err error) {
	stall := time.AfterFunc(stallAfter, func() { b.stall(1) })
	defer func() {
		if !stall.Stop() {
			b.stall(-1)
		}
	}()
	errs := b.emit(b.ctx, group)
	some := slices.Contains(errs, error(nil))
	for i, e := range group {
		if errs[i] == nil {
			continue
		}
		if some && isRefusal(errs[i]) {
			e.refusals++
		}
		if e.refusals < maxRefusals && !errors.As(errs[i], new(*InvalidError)) {
			left, err = append(left, e), errs[i]
		} else {
			b.drop(errs[i], e)
		}
	}
	return left, err
}

// emit stores events as Emit does, and returns the error of each.
func (b *buffer) emit(ctx context.Context, events []stampedEvent) []error {
	errs := make([]error, len(events))
	acks := make([]*ack, len(events))
	ctx, cancel := context.WithTimeout(ctx, 3*b.opts.StoreTimeout)
	defer cancel()
	var group []*insert
	var failed error
	for i := range events {
		inserts, refused, err := []*insert(nil), []refusal(nil), failed
		if err == nil {
			inserts, refused, err = b.preparer.prepareStamped(ctx, &events[i])
		}
		switch {
		case err != nil:
			if errs[i] = err; !isRefusal(err) {
				failed = err // the store does not answer: it is not asked for each event
			}
		case len(inserts) == 0:
			b.preparer.retained.noteRefused(refused)
		default:
			acks[i] = newAck(inserts, refused)
			group = append(group, inserts...)
		}
	}
	if len(group) > 0 {
		b.enqueuer.queue(group)
	}
	for i, a := range acks {
		if a != nil {
			errs[i] = b.enqueuer.await(ctx, a, nil)
		}
	}
	return errs
}

// stall notes that a worker has stalled, or goes on.
func (b *buffer) stall(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stalled += n
	b.start()
}

// stored frees the room of the stored events, and puts the others of the group back at
// the front of the queue.
func (b *buffer) stored(group, left []stampedEvent, err error) {
	switch {
	case len(left) == 0:
	case b.ctx.Err() != nil:
		b.drop(context.Cause(b.ctx), left...)
		left = nil
	default:
		b.notify.logError("storing the events of EmitBuffered", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range group {
		b.events, b.bytes = b.events-1, b.bytes-e.size
	}
	if len(left) < len(group) {
		b.tries = 0
	}
	b.retry = time.Time{}
	if len(left) > 0 {
		b.retry = time.Now().Add(min(bufferRetry<<b.tries, maxBufferRetry))
		b.tries = min(b.tries+1, 10)
		for _, e := range left {
			b.events, b.bytes, b.waiting = b.events+1, b.bytes+e.size, b.waiting+e.size
		}
		b.queue = append(left, b.queue...)
	}
	if b.room != nil && len(left) < len(group) {
		close(b.room)
		b.room = nil
	}
}

// The first and the longest wait before a group is stored again.
const (
	bufferRetry    = 250 * time.Millisecond
	maxBufferRetry = 10 * time.Second
)

// close makes the buffer refuse events, and store those that it holds at once.
func (b *buffer) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	b.closed = true
	if b.room != nil {
		close(b.room)
		b.room = nil
	}
	b.signal()
	b.ended()
}

// ended closes drained, if nothing is left. The caller holds mu.
func (b *buffer) ended() {
	if b.closed && b.workers == 0 && len(b.queue) == 0 {
		select {
		case <-b.drained:
		default:
			close(b.drained)
		}
	}
}

// drop tells that events are lost.
func (b *buffer) drop(err error, events ...stampedEvent) {
	b.mu.Lock()
	b.dropped += len(events)
	total := b.dropped
	b.mu.Unlock()
	b.notify.dropped(total, err)
	hook := b.opts.Hooks.Dropped
	if hook == nil {
		return
	}
	dropped := make([]Event, len(events))
	for i, e := range events {
		dropped[i] = e.Event
	}
	b.notify.safely("Hooks.Dropped", func() { hook(dropped, err) })
}

// status returns how many events the buffer holds, and how many it dropped.
func (b *buffer) status() (held, dropped int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.events, b.dropped
}
