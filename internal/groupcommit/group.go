package groupcommit

import (
	"math"
	"runtime"
	"slices"
	"sync"
	"time"
)

// A Group calls Run with the items that were added, one group at a time. Items that are
// added while Run works wait for the next group. The first item never waits. No group
// runs under the context of a caller of Add. There is a goroutine only while there is
// work.
//
// The exported fields are set before the first call of Add.
type Group[T any] struct {
	// Run stores one group.
	Run func([]T)

	// Size returns what an item counts against the limits.
	Size func(T) (rows, bytes int)

	// MaxRows and MaxBytes limit a group. An item that exceeds a limit by
	// itself is a group of its own.
	MaxRows, MaxBytes int

	// MaxLinger is how long at most the next group waits, after one was stored,
	// for more items. Zero: it does not wait.
	MaxLinger time.Duration

	// StallAfter is how long Run may take before one more group may run beside
	// it. There are never more than two. Zero: groups run one after another,
	// and a call that hangs holds up all that is added.
	StallAfter time.Duration

	// Caller returns who added an item. Two groups that run at once never hold items
	// of one caller, so that these are stored in the order in which they were added.
	// Nil, or a nil result: it does not matter.
	Caller func(T) any

	// CallersWait says that whoever calls Add waits until the items are stored, and
	// then may come back. A group then has the items of about half of the calls: see
	// share.
	CallersWait bool

	// Abandoned reports whether nobody waits for an item any more. Such items
	// are stored like others, unless they become many: see Abandon.
	Abandoned func(T) bool

	// Dropped is called with each item that Abandon drops. Nil: it is not.
	Dropped func(T)

	mu      sync.Mutex
	queue   []added[T]
	calls   int // of Add, so far
	taken   int // how many calls' items were in the group that was taken last
	workers [2]worker
	left    int // how many items their callers have abandoned since the queue was last swept
}

// An added item is in the queue.
type added[T any] struct {
	item T
	call int // the number of the call of Add
}

// A worker is a goroutine that runs groups.
type worker struct {
	working bool
	began   time.Time // of the run under way; zero: there is none
	stalled bool      // the run under way has taken StallAfter
	last    any       // the Caller of the last item of the run under way
	timer   *time.Timer
}

// Add queues items for the next group. It never blocks.
func (g *Group[T]) Add(items ...T) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls++
	for _, item := range items {
		g.queue = append(g.queue, added[T]{item, g.calls})
	}
	g.start()
}

// start starts a worker, unless one works already and has not stalled. The
// caller holds mu.
func (g *Group[T]) start() {
	var free *worker
	for i := range g.workers {
		switch w := &g.workers[i]; {
		case !w.working:
			free = w
		case !w.stalled:
			return
		}
	}
	if free != nil {
		free.working = true
		go g.work(free)
	}
}

func (g *Group[T]) work(w *worker) {
	for {
		group := g.next(w)
		if len(group) == 0 {
			return
		}
		began := time.Now()
		g.Run(group)
		if !g.ran(w) {
			return
		}
		g.linger(time.Since(began))
	}
}

// minLinger is the shortest wait for which a timer is precise enough.
const minLinger = 200 * time.Microsecond

// linger waits as long as the last group took, up to MaxLinger, so that the
// next group is about twice as large and shares its fixed cost. Without a wait
// it yields once, so that callers who were told of the last group and come back
// at once are in the next.
func (g *Group[T]) linger(took time.Duration) {
	if wait := min(took, g.MaxLinger); wait >= minLinger && g.waiting() {
		time.Sleep(wait)
		return
	}
	runtime.Gosched()
}

func (g *Group[T]) waiting() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.queue) > 0
}

// next takes the next group off the queue: at least one item, and as many as
// the limits allow. It is empty, and the worker ends, when there is no work
// left.
func (g *Group[T]) next(w *worker) []T {
	g.mu.Lock()
	defer g.mu.Unlock()
	first := 0
	for first < len(g.queue) && g.waits(w, g.queue[first].item) {
		first++
	}
	queue := g.queue[first:]
	group := make([]T, 0, min(len(queue), g.MaxRows))
	most, rows, bytes := g.share(queue), 0, 0
	for _, a := range queue {
		r, b := g.Size(a.item)
		rows, bytes = rows+r, bytes+b
		if len(group) > 0 && (rows > g.MaxRows || bytes > g.MaxBytes || a.call-queue[0].call >= most || g.waits(w, a.item)) {
			break
		}
		group = append(group, a.item)
	}
	n := len(group)
	if n > 0 {
		g.taken = 1 + queue[n-1].call - queue[0].call
	}
	if first == 0 {
		g.queue = g.queue[n:]
	} else {
		g.queue = slices.Delete(g.queue, first, first+n)
	}
	w.last = nil
	if g.Caller != nil && n > 0 {
		w.last = g.Caller(group[n-1])
	}
	if len(g.queue) == 0 {
		g.queue, g.left = nil, 0
	}
	if w.working = n > 0; w.working {
		g.watch(w)
	}
	return group
}

// share returns how many calls' items the next group may hold. If callers wait, it is
// half of the calls that are in the queue or were in the group before, whose callers were
// just told and may come back. If all were in one group, none of the callers could work
// while it is stored. Then the first who comes back would be a group alone, which costs
// as much as a large one, and all others the next. Halves take turns. The caller holds mu.
func (g *Group[T]) share(queue []added[T]) int {
	if len(queue) == 0 || !g.CallersWait {
		return math.MaxInt
	}
	waiting := 1 + queue[len(queue)-1].call - queue[0].call
	return (waiting + g.taken + 1) / 2
}

// waits reports whether an item may not join w's group, because earlier items of
// its caller are in the other worker's group. The items of a caller follow each
// other in the queue, so these are the last ones of that group. The caller holds mu.
func (g *Group[T]) waits(w *worker, item T) bool {
	if g.Caller == nil {
		return false
	}
	for i := range g.workers {
		if other := &g.workers[i]; other != w && other.last != nil && other.last == g.Caller(item) {
			return true
		}
	}
	return false
}

// watch lets another group run beside w's group if that takes StallAfter. The caller
// holds mu.
func (g *Group[T]) watch(w *worker) {
	if g.StallAfter <= 0 {
		return
	}
	w.began = time.Now()
	if w.timer != nil {
		w.timer.Reset(g.StallAfter)
		return
	}
	w.timer = time.AfterFunc(g.StallAfter, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if w.began.IsZero() || time.Since(w.began) < g.StallAfter {
			return // it fired for an earlier run, which has just ended
		}
		if w.stalled = true; len(g.queue) > 0 {
			g.start()
		}
	})
}

// ran notes that w's group was run, and reports whether w goes on: it ends if
// there is another worker that has not stalled.
func (g *Group[T]) ran(w *worker) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
	}
	w.began, w.stalled, w.last = time.Time{}, false, nil
	for i := range g.workers {
		if other := &g.workers[i]; other != w && other.working && !other.stalled {
			w.working = false
			return false
		}
	}
	return true
}

// maxAbandoned is how many abandoned items the queue may hold.
const maxAbandoned = 10_000

// Abandon notes that callers no longer wait for n of the items. While Run
// hangs, callers give up and come again, so that items which nobody waits for
// would fill the memory. When there are more than 10,000 of them, and they are
// half of the queue, they are dropped from it.
func (g *Group[T]) Abandon(n int) {
	for _, item := range g.sweep(n) {
		if g.Dropped != nil {
			g.Dropped(item)
		}
	}
}

// sweep notes that n items were abandoned, and returns those that it dropped.
func (g *Group[T]) sweep(n int) (dropped []T) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.left += n; g.left <= maxAbandoned || g.left <= len(g.queue)/2 {
		return nil
	}
	g.queue, g.left = slices.DeleteFunc(g.queue, func(a added[T]) bool {
		abandoned := g.Abandoned(a.item)
		if abandoned {
			dropped = append(dropped, a.item)
		}
		return abandoned
	}), 0
	return dropped
}
