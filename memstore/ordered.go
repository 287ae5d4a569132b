package memstore

import (
	"iter"
	"slices"
	"sort"
)

// ordered is a sorted set, in blocks that follow each other. An operation
// searches among the blocks and in one of them, and moves a part of that one:
// nothing at all where a value comes last, as in a log. A tree of nodes would be
// ten times as much for the garbage collector to walk over.
type ordered[T any] struct {
	compare func(a, b T) int // what it looks at must not change while a value is in the set
	blocks  [][]T            // none of them empty
}

// blockSize is how many values are in a block at most.
const blockSize = 256

// insert adds v, which must not be there yet.
func (o *ordered[T]) insert(v T) {
	if len(o.blocks) == 0 {
		o.blocks = append(o.blocks, []T{v})
		return
	}
	b, i := o.place(v)
	block := o.blocks[b]
	switch {
	case len(block) < blockSize:
		o.blocks[b] = slices.Insert(block, i, v)
	case b == len(o.blocks)-1 && i == blockSize: // full blocks stay so in a log
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

// place returns the block and the place there where v belongs. What comes last is
// met first.
func (o *ordered[T]) place(v T) (block, place int) {
	end := len(o.blocks) - 1
	if o.compare(last(o.blocks[end]), v) < 0 {
		return end, len(o.blocks[end])
	}
	block, place, _ = o.find(v)
	return block, place
}

// delete removes v if it is there.
func (o *ordered[T]) delete(v T) {
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

// find returns the block of v and v's place there, or where it belongs.
func (o *ordered[T]) find(v T) (block, place int, found bool) {
	// The last block that does not begin after v; the first, if all do.
	block = max(sort.Search(len(o.blocks), func(b int) bool { return o.compare(o.blocks[b][0], v) > 0 })-1, 0)
	if block == len(o.blocks) {
		return 0, 0, false
	}
	place, found = slices.BinarySearchFunc(o.blocks[block], v, o.compare)
	return block, place, found
}

// first returns the smallest value.
func (o *ordered[T]) first() (v T, ok bool) {
	if len(o.blocks) == 0 {
		return v, false
	}
	return o.blocks[0][0], true
}

// ascend yields in ascending order the values for which from holds: it is
// false up to some value, then true. The set must not change meanwhile.
func (o *ordered[T]) ascend(from func(T) bool) iter.Seq[T] {
	return func(yield func(T) bool) {
		b := sort.Search(len(o.blocks), func(b int) bool { return from(last(o.blocks[b])) })
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

// descend yields in descending order the values for which to holds: it is
// true up to some value, then false. The set must not change meanwhile.
func (o *ordered[T]) descend(to func(T) bool) iter.Seq[T] {
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

func last[T any](list []T) T { return list[len(list)-1] }
