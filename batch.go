package webhook

import (
	"math/bits"
	"runtime"
	"sync"
	"time"
)

// A batcher hands what is added to run in groups: what arrives while a group
// is under way forms the next one. The first never waits for a timer, and no
// group runs under the context of one of those who added to it. It has a
// goroutine only while there is work.
type batcher[T any] struct {
	run      func([]T)
	size     func(T) (rows, bytes int)
	maxRows  int
	maxBytes int
	maxRest  time.Duration // how long it may rest after a group; see rest

	mu      sync.Mutex
	queue   []T
	running bool
}

func (b *batcher[T]) add(items ...T) {
	b.mu.Lock()
	b.queue = append(b.queue, items...)
	start := !b.running
	b.running = true
	b.mu.Unlock()
	if start {
		go b.loop()
	}
}

func (b *batcher[T]) loop() {
	for {
		group := b.next()
		if len(group) == 0 {
			return
		}
		began := time.Now()
		b.run(group)
		b.rest(time.Since(began))
	}
}

// minRest is below what a timer is good for.
const minRest = 200 * time.Microsecond

// rest lets what waits already be joined by more, for as long as the last group
// took: what a group costs by itself is shared by about twice as many. Without a
// timer it still lets others run: who was told of the last group and comes back
// at once is in the next.
func (b *batcher[T]) rest(took time.Duration) {
	if wait := min(took, b.maxRest); wait >= minRest && b.waiting() {
		time.Sleep(wait)
		return
	}
	runtime.Gosched()
}

func (b *batcher[T]) waiting() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.queue) > 0
}

// next takes the next group off the queue: at least one item, and no more than
// keep to the limits. It is empty when there is no work left.
func (b *batcher[T]) next() []T {
	b.mu.Lock()
	defer b.mu.Unlock()
	rows, bytes, n := 0, 0, 0
	for _, item := range b.queue {
		r, s := b.size(item)
		rows, bytes = rows+r, bytes+s
		if n > 0 && (rows > b.maxRows || bytes > b.maxBytes) {
			break
		}
		n++
	}
	group := b.queue[:n:n]
	b.queue = b.queue[n:]
	if len(b.queue) == 0 {
		b.queue = nil
	}
	b.running = n > 0
	return group
}

// splitTime is how long halve goes on asking about parts.
const splitTime = 5 * time.Second

// halve calls run on items and, when that fails, on ever smaller parts, so
// that one bad item does not fail its neighbours. It returns the error of each
// item, or nil when there was none. Where most parts fail it is not the items'
// fault: it gives up early, with the error seen last for the rest.
func halve[T any](items []T, run func([]T) error) []error {
	err := run(items)
	if err == nil {
		return nil
	}
	errs := make([]error, len(items))
	budget := 4 * (bits.Len(uint(len(items))) + 1)
	deadline := time.Now().Add(splitTime)
	var split func(from, to int, err error)
	split = func(from, to int, err error) {
		if to-from == 1 || budget <= 0 || time.Now().After(deadline) {
			for i := from; i < to; i++ {
				errs[i] = err
			}
			return
		}
		middle := (from + to) / 2
		for _, part := range [2][2]int{{from, middle}, {middle, to}} {
			if err := run(items[part[0]:part[1]]); err != nil {
				budget--
				split(part[0], part[1], err)
			}
		}
	}
	split(0, len(items), err)
	return errs
}
