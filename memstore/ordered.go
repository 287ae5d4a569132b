package memstore

import (
	"iter"
	"math/rand/v2"
)

// ordered is a sorted set whose operations cost O(log n): a treap, a search
// tree that random priorities keep balanced. What compare looks at must not
// change while a value is in it.
type ordered[T any] struct {
	compare func(a, b T) int
	root    *node[T]
}

type node[T any] struct {
	value       T
	priority    uint64
	left, right *node[T]
}

// insert adds v, which must not be there yet.
func (o *ordered[T]) insert(v T) {
	below, above := o.split(o.root, v)
	o.root = merge(merge(below, &node[T]{value: v, priority: rand.Uint64()}), above)
}

// delete removes v if it is there.
func (o *ordered[T]) delete(v T) {
	at := &o.root
	for *at != nil {
		n := *at
		switch c := o.compare(v, n.value); {
		case c < 0:
			at = &n.left
		case c > 0:
			at = &n.right
		default:
			*at = merge(n.left, n.right)
			return
		}
	}
}

// first returns the smallest value.
func (o *ordered[T]) first() (v T, ok bool) {
	n := o.root
	if n == nil {
		return v, false
	}
	for n.left != nil {
		n = n.left
	}
	return n.value, true
}

// ascend yields in ascending order the values for which from holds: it is
// false up to some value, then true. The set must not change meanwhile.
func (o *ordered[T]) ascend(from func(T) bool) iter.Seq[T] {
	return func(yield func(T) bool) { o.root.ascend(from, yield) }
}

// descend yields in descending order the values for which to holds: it is
// true up to some value, then false. The set must not change meanwhile.
func (o *ordered[T]) descend(to func(T) bool) iter.Seq[T] {
	return func(yield func(T) bool) { o.root.descend(to, yield) }
}

func (n *node[T]) ascend(from, yield func(T) bool) bool {
	if n == nil {
		return true
	}
	if !from(n.value) {
		return n.right.ascend(from, yield)
	}
	return n.left.ascend(from, yield) && yield(n.value) && n.right.ascend(from, yield)
}

func (n *node[T]) descend(to, yield func(T) bool) bool {
	if n == nil {
		return true
	}
	if !to(n.value) {
		return n.left.descend(to, yield)
	}
	return n.right.descend(to, yield) && yield(n.value) && n.left.descend(to, yield)
}

// split parts the tree n into what is below v and the rest.
func (o *ordered[T]) split(n *node[T], v T) (below, rest *node[T]) {
	if n == nil {
		return nil, nil
	}
	if o.compare(n.value, v) < 0 {
		n.right, rest = o.split(n.right, v)
		return n, rest
	}
	below, n.left = o.split(n.left, v)
	return below, n
}

// merge joins two trees, all of a below all of b.
func merge[T any](a, b *node[T]) *node[T] {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.priority > b.priority:
		a.right = merge(a.right, b)
		return a
	default:
		b.left = merge(a, b.left)
		return b
	}
}
