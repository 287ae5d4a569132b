package limiter

// A fifo is a first-in, first-out queue. Its zero value is empty.
type fifo[T any] struct {
	items []T
	head  int
}

func (q *fifo[T]) len() int { return len(q.items) - q.head }

func (q *fifo[T]) push(x T) { q.items = append(q.items, x) }

// pushFirst puts x before all others.
func (q *fifo[T]) pushFirst(x T) {
	if q.head == 0 {
		q.items = append(q.items, x)
		copy(q.items[1:], q.items)
	} else {
		q.head--
	}
	q.items[q.head] = x
}

// first returns the first item. The fifo must not be empty.
func (q *fifo[T]) first() T { return q.items[q.head] }

// pop removes the first item. The fifo must not be empty.
func (q *fifo[T]) pop() T {
	var zero T
	x := q.items[q.head]
	q.items[q.head] = zero
	q.head++
	if 2*q.head >= len(q.items) { // at most half of items is unused
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	return x
}

// popLast removes the last item. The fifo must not be empty.
func (q *fifo[T]) popLast() T {
	var zero T
	last := len(q.items) - 1
	x := q.items[last]
	q.items[last] = zero
	q.items = q.items[:last]
	return x
}

// remove removes the items that match, and returns them in their order.
func (q *fifo[T]) remove(match func(T) bool) (removed []T) {
	kept := make([]T, 0, q.len())
	for q.len() > 0 {
		if x := q.pop(); match(x) {
			removed = append(removed, x)
		} else {
			kept = append(kept, x)
		}
	}
	q.items, q.head = kept, 0
	return removed
}
