package memstore

import (
	"iter"
	"slices"
	"sort"
)

// sortedSet is a sorted set of values in a list of blocks. An operation finds a block
// by binary search, and moves a part of that block, or nothing if it inserts the
// largest value, as in a log. A tree would give the garbage collector about ten times
// as many objects to scan.
type sortedSet[T any] struct {
	compare func(a, b T) int // its result must not change while the values are in the set
	blocks  [][]T            // none of them empty
}

// blockSize is the largest number of values in a block.
const blockSize = 256

// insert adds v, which must not be in the set.
func (o *sortedSet[T]) insert(v T) {
	if len(o.blocks) == 0 {
		o.blocks = append(o.blocks, []T{v})
		return
	}
	b, i := o.position(v)
	block := o.blocks[b]
	switch {
	case len(block) < blockSize:
		o.blocks[b] = slices.Insert(block, i, v)
	case b == len(o.blocks)-1 && i == blockSize: // do not split a full block: a log grows at the end only
		o.blocks = append(o.blocks, []T{v})
	default:
		const half = blockSize / 2
		upper := slices.Clone(block[half:])
		clear(block[half:])
		o.blocks[b] = block[:half]
		o.blocks = slices.Insert(o.blocks, b+1, upper)
		if i > half {
			b, i = b+1, i-half
		}
		o.blocks[b] = slices.Insert(o.blocks[b], i, v)
	}
}

// position returns the block and the index where v belongs. It tries the end first.
func (o *sortedSet[T]) position(v T) (block, index int) {
	end := len(o.blocks) - 1
	if o.compare(lastOf(o.blocks[end]), v) < 0 {
		return end, len(o.blocks[end])
	}
	block, index, _ = o.find(v)
	return block, index
}

// delete removes v if it is in the set.
func (o *sortedSet[T]) delete(v T) {
	b, i, found := o.find(v)
	if !found {
		return
	}
	if len(o.blocks[b]) == 1 {
		o.blocks = slices.Delete(o.blocks, b, b+1)
		return
	}
	o.blocks[b] = slices.Delete(o.blocks[b], i, i+1)
}

// find returns the block and the index of v, or those where it belongs.
func (o *sortedSet[T]) find(v T) (block, index int, found bool) {
	// The last block that does not begin after v; the first, if all do.
	block = max(sort.Search(len(o.blocks), func(b int) bool { return o.compare(o.blocks[b][0], v) > 0 })-1, 0)
	if block == len(o.blocks) {
		return 0, 0, false
	}
	index, found = slices.BinarySearchFunc(o.blocks[block], v, o.compare)
	return block, index, found
}

// first returns the smallest value.
func (o *sortedSet[T]) first() (v T, ok bool) {
	if len(o.blocks) == 0 {
		return v, false
	}
	return o.blocks[0][0], true
}

// ascend yields, in ascending order, the values for which from returns true: it is
// false up to some value, then true. The set must not change meanwhile.
func (o *sortedSet[T]) ascend(from func(T) bool) iter.Seq[T] {
	return func(yield func(T) bool) {
		b := sort.Search(len(o.blocks), func(b int) bool { return from(lastOf(o.blocks[b])) })
		if b == len(o.blocks) {
			return
		}
		i := sort.Search(len(o.blocks[b]), func(i int) bool { return from(o.blocks[b][i]) })
		for ; b < len(o.blocks); b, i = b+1, 0 {
			for _, v := range o.blocks[b][i:] {
				if !yield(v) {
					return
				}
			}
		}
	}
}

// descend yields, in descending order, the values for which to returns true: it is
// true up to some value, then false. The set must not change meanwhile.
func (o *sortedSet[T]) descend(to func(T) bool) iter.Seq[T] {
	return func(yield func(T) bool) {
		b := sort.Search(len(o.blocks), func(b int) bool { return !to(o.blocks[b][0]) }) - 1
		if b < 0 {
			return
		}
		n := sort.Search(len(o.blocks[b]), func(i int) bool { return !to(o.blocks[b][i]) })
		for {
			for _, v := range slices.Backward(o.blocks[b][:n]) {
				if !yield(v) {
					return
				}
			}
			if b--; b < 0 {
				return
			}
			n = len(o.blocks[b])
		}
	}
}

func lastOf[T any](list []T) T { return list[len(list)-1] }
