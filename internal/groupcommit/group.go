package groupcommit

import (
	"runtime"
	"sync"
	"time"
)

// A Group calls Run with what was added, one group at a time. What is added
// while Run works is the next group. The first item never waits. No group runs
// under the context of a caller of Add. There is a goroutine only while there
// is work.
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

	mu      sync.Mutex
	queue   []T
	running bool
}

// Add queues items for the next group. It never blocks.
func (g *Group[T]) Add(items ...T) {
	g.mu.Lock()
	g.queue = append(g.queue, items...)
	start := !g.running
	g.running = true
	g.mu.Unlock()
	if start {
		go g.loop()
	}
}

func (g *Group[T]) loop() {
	for {
		group := g.next()
		if len(group) == 0 {
			return
		}
		began := time.Now()
		g.Run(group)
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
// the limits allow. It is empty when there is no work left.
func (g *Group[T]) next() []T {
	g.mu.Lock()
	defer g.mu.Unlock()
	rows, bytes, n := 0, 0, 0
	for _, item := range g.queue {
		r, b := g.Size(item)
		rows, bytes = rows+r, bytes+b
		if n > 0 && (rows > g.MaxRows || bytes > g.MaxBytes) {
			break
		}
		n++
	}
	group := g.queue[:n:n]
	g.queue = g.queue[n:]
	if len(g.queue) == 0 {
		g.queue = nil
	}
	g.running = n > 0
	return group
}
