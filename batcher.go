package webhook

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/listhook/webhook/internal/limiter"
)

const (
	// batchLinger is how long a batch gathers at least: until those that were stored
	// or claimed with its first delivery have joined.
	batchLinger = time.Millisecond

	// batchBytes is how much of batches a process holds: bodies, and batchRow for each
	// delivery. At that size no further delivery is pre-leased for a batch or claimed
	// for one, and the oldest batch is sent before its window ends.
	batchBytes = 32 << 20
	batchRow   = 1 << 10

	// reducedFor is how long a webhook gets smaller batches after its receiver
	// answered 413.
	reducedFor = time.Hour

	// gatheringKept is how long the batcher remembers a webhook that has no batch.
	gatheringKept = 2 * maxBatchWait
)

// A batcher has deliveries of webhooks with Settings.Batch go together. They gather in
// memory, leased, until the batch is full or its window ends. The batch then takes one
// slot of the limiter, and goes on taking deliveries until its turn comes. It calls
// neither the limiter nor the cache with its own mutex held: the limiter calls it with the
// pool's mutex held, and the cache calls the limiter.
type batcher struct {
	opts    *Options
	cache   *webhookCache
	limiter *limiter.Limiter[*inflight]

	mu      sync.Mutex            // guards all below, and the fields of batches that say so
	byID    map[string]*gathering // by webhook
	held    int                   // deliveries in batches, and seats
	bytes   int                   // of the deliveries in batches
	closed  bool
	drained chan struct{} // closed once closed is set and held is 0
}

func newBatcher(opts *Options, cache *webhookCache) *batcher {
	return &batcher{opts: opts, cache: cache, byID: map[string]*gathering{}, drained: make(chan struct{})}
}

// gathering returns that of a webhook. The caller holds mu.
func (bt *batcher) gathering(t *endpoint) *gathering {
	g := bt.byID[t.ID]
	if g == nil {
		g = &gathering{}
		bt.byID[t.ID] = g
	}
	g.follow(t)
	g.used = time.Now()
	return g
}

// expect notes that the store has deliveries of a webhook that are to be claimed.
func (bt *batcher) expect(t *endpoint) {
	bt.mu.Lock()
	defer bt.mu.Unlock()
	bt.gathering(t)
}

// reserve takes a seat for a new delivery of a webhook, or returns false: it must wait
// in the store to be claimed. Either hold or giveUp follows.
func (bt *batcher) reserve(t *endpoint) bool {
	requests := bt.limiter.Room(t.ID, bt.opts.rateShare(t.RateLimit))
	bt.mu.Lock()
	defer bt.mu.Unlock()
	g := bt.gathering(t)
	if bt.closed || bt.bytes >= batchBytes || (g.gathered()+g.size())/g.size() > requests {
		return false
	}
	g.seats++
	bt.held++
	return true
}

// giveUp returns a seat.
func (bt *batcher) giveUp(t *endpoint) {
	bt.mu.Lock()
	defer bt.mu.Unlock()
	bt.gathering(t).seats--
	bt.held--
	bt.signalDrained()
}

// gathers reports whether there are webhooks that rooms may name.
func (bt *batcher) gathers() bool {
	bt.mu.Lock()
	defer bt.mu.Unlock()
	return len(bt.byID) > 0
}

// rooms returns how many more deliveries of each webhook that gathers may be claimed,
// where so many requests may wait, and the longest window of these webhooks. The rate is
// this process's share.
func (bt *batcher) rooms(requests func(webhook string, rate float64) int) (rooms map[string]int, wait time.Duration) {
	bt.followAll()
	bt.mu.Lock()
	defer bt.mu.Unlock()
	for id, g := range bt.byID {
		if g.open == nil && g.seats == 0 && time.Since(g.used) > gatheringKept && time.Now().After(g.reducedUntil) {
			delete(bt.byID, id)
			continue
		}
		if rooms == nil {
			rooms = make(map[string]int, len(bt.byID))
		}
		rooms[id] = 0
		if bt.bytes < batchBytes {
			rooms[id] = max(requests(id, bt.opts.rateShare(g.rate))*g.size()-g.gathered(), 0)
		}
		wait = max(wait, g.wait)
	}
	return rooms, wait
}

// followAll takes over what the cache says now of the webhooks that gather.
func (bt *batcher) followAll() {
	type id struct{ account, webhook string }
	bt.mu.Lock()
	all := make([]id, 0, len(bt.byID))
	for webhook, g := range bt.byID {
		all = append(all, id{g.account, webhook})
	}
	bt.mu.Unlock()
	known := make([]*endpoint, 0, len(all))
	for _, id := range all {
		if t, ok := bt.cache.known(id.account, id.webhook); ok && t != nil {
			known = append(known, t)
		}
	}
	bt.mu.Lock()
	defer bt.mu.Unlock()
	for _, t := range known {
		if g := bt.byID[t.ID]; g != nil {
			g.follow(t)
		}
	}
}

// join has a delivery go in a batch if its webhook takes them. Otherwise it has a slot
// of its own when join returns false.
func (bt *batcher) join(f *inflight) bool {
	t, ok := bt.cache.known(f.Account, f.WebhookID)
	if ok && t != nil && bt.takes(t, f) {
		bt.gather(t, f)
		return true
	}
	if f.slot == nil {
		f.slot = bt.limiter.TakeSlot(f.WebhookID)
	}
	if f.seat != nil {
		bt.giveUp(f.seat)
		f.seat = nil
	}
	return false
}

// takes reports whether a delivery goes in a batch of its webhook. One that may crash the
// process goes alone.
func (bt *batcher) takes(t *endpoint, f *inflight) bool {
	return t.batches() && f.batchable() && !bt.opts.suspects(&f.Delivery, t)
}

// batchable reports whether a delivery fits into a batch. One that does not goes alone.
func (f *inflight) batchable() bool { return sizeInBatch(&f.Delivery).fits() }

// gather has a delivery join the open batch of its webhook. The slot that it may have is
// released: the batch takes one.
func (bt *batcher) gather(t *endpoint, f *inflight) {
	slot := f.slot
	f.slot = nil
	ready := bt.add(t, f)
	for _, b := range ready {
		bt.enqueue(b)
	}
	if slot != nil {
		slot.Release()
	}
}

// add is gather under the mutex. It returns the batches that are to wait for their turn.
func (bt *batcher) add(t *endpoint, f *inflight) (ready []*batch) {
	size := sizeInBatch(&f.Delivery)
	bt.mu.Lock()
	defer bt.mu.Unlock()
	g := bt.gathering(t)
	if f.seat != nil {
		f.seat = nil
		g.seats--
	} else {
		bt.held++
	}
	cost := len(f.Body) + batchRow
	bt.bytes += cost
	most := g.size()
	if b := g.open; b != nil && (len(b.members) >= most || !b.size.plus(size).fits() || isJSON(b.members[0].Body) != isJSON(f.Body)) {
		ready = bt.detach(g, ready)
	}
	if g.open == nil {
		g.open = bt.newBatch(f)
	}
	b := g.open
	b.members, b.size = append(b.members, f), b.size.plus(size)
	b.held.Add(1)
	if f.since.Before(b.since) { // it waited for its own turn before
		b.since = f.since
	}
	f.batch, f.cost = b, cost
	if len(b.members) >= most || bt.closed {
		return bt.detach(g, ready)
	}
	at := time.Now()
	if end := g.windowEnd(f, at, bt.opts.Timeout); len(b.members) == 1 || end.Before(g.end) {
		g.end = end
		if g.timer != nil {
			g.timer.Stop()
		}
		g.timer = time.AfterFunc(max(end.Sub(at), batchLinger), func() { bt.endWindow(b) })
	}
	if bt.bytes >= batchBytes {
		ready = bt.detachOldest(ready)
	}
	return ready
}

// newBatch returns a batch of f's webhook without members.
func (bt *batcher) newBatch(f *inflight) *batch {
	b := &batch{account: f.Account, webhook: f.WebhookID, since: f.since}
	b.ended = func() {
		bt.mu.Lock()
		defer bt.mu.Unlock()
		for _, f := range b.all {
			bt.bytes -= f.cost
		}
		bt.held -= len(b.all)
		bt.signalDrained()
	}
	return b
}

// detach closes the open batch, and adds it to ready unless it waits for its turn
// already. The caller holds mu.
func (bt *batcher) detach(g *gathering, ready []*batch) []*batch {
	b := g.open
	g.open = nil
	if g.timer != nil {
		g.timer.Stop()
	}
	if !b.queued {
		b.queued = true
		ready = append(ready, b)
	}
	return ready
}

// detachOldest detaches the batch that has gathered longest and does not wait for its
// turn. The caller holds mu.
func (bt *batcher) detachOldest(ready []*batch) []*batch {
	var oldest *gathering
	for _, g := range bt.byID {
		if g.open != nil && !g.open.queued && (oldest == nil || g.open.since.Before(oldest.open.since)) {
			oldest = g
		}
	}
	if oldest == nil {
		return ready
	}
	return bt.detach(oldest, ready)
}

// endWindow has a batch wait for its turn. It takes deliveries until then.
func (bt *batcher) endWindow(b *batch) {
	bt.mu.Lock()
	queued := b.queued
	b.queued = true
	bt.mu.Unlock()
	if !queued {
		bt.enqueue(b)
	}
}

// enqueue has a batch wait for its turn in the limiter.
func (bt *batcher) enqueue(b *batch) {
	b.slot = bt.limiter.TakeSlot(b.webhook)
	b.slot.Enqueue(&inflight{batch: b}, false)
}

// lineMoved notes that a delivery ended for which others of its key may have waited.
func (bt *batcher) lineMoved(f *inflight) {
	if f.batch == nil {
		return
	}
	bt.mu.Lock()
	defer bt.mu.Unlock()
	g := bt.byID[f.WebhookID]
	if g == nil {
		return
	}
	g.noteMoved(f.Key, f.change.Due)
}

// begin returns the deliveries of a batch whose turn has come: the urgent ones first. No
// others join it then.
func (bt *batcher) begin(b *batch) []*inflight {
	bt.mu.Lock()
	defer bt.mu.Unlock()
	if g := bt.byID[b.webhook]; g != nil && g.open == b {
		bt.detach(g, nil)
	}
	if b.all == nil {
		slices.SortStableFunc(b.members, func(x, y *inflight) int { return cmp.Compare(rank(x), rank(y)) })
		b.all = b.members
	}
	return b.members
}

// rank orders the deliveries of a batch.
func rank(f *inflight) int {
	if f.urgent() {
		return 0
	}
	return 1
}

// reduce halves the batches of a webhook for a while, whose receiver would not take one
// of so many deliveries.
func (bt *batcher) reduce(webhook string, events int) {
	bt.mu.Lock()
	defer bt.mu.Unlock()
	if g := bt.byID[webhook]; g != nil {
		g.reduced, g.reducedUntil = max(events/2, 1), time.Now().Add(reducedFor)
	}
}

// dissolve has the deliveries of a batch attempted one by one: its webhook takes no
// batches any more.
func (bt *batcher) dissolve(b *batch, members []*inflight) {
	for _, f := range members {
		f.batch, f.slot = nil, bt.limiter.TakeSlot(f.WebhookID)
		f.slot.Enqueue(f, f.urgent())
	}
	for range members {
		b.leave()
	}
}

// close ends all windows, and those of deliveries that come later.
func (bt *batcher) close() {
	bt.mu.Lock()
	bt.closed = true
	var ready []*batch
	for _, g := range bt.byID {
		if g.open != nil {
			ready = bt.detach(g, ready)
		}
	}
	bt.signalDrained()
	bt.mu.Unlock()
	for _, b := range ready {
		bt.enqueue(b)
	}
}

// signalDrained closes drained if nothing is held after close. The caller holds mu.
func (bt *batcher) signalDrained() {
	if bt.closed && bt.held == 0 {
		select {
		case <-bt.drained:
		default:
			close(bt.drained)
		}
	}
}

// status returns how many deliveries are in batches.
func (bt *batcher) status() int {
	bt.mu.Lock()
	defer bt.mu.Unlock()
	return bt.held
}
