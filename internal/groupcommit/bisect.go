package groupcommit

import (
	"math/bits"
	"time"
)

// bisectTime is how long Bisect goes on trying parts.
const bisectTime = 5 * time.Second

// Bisect calls run with all items and, when it refuses them, with ever smaller
// parts, so that one bad item does not fail its neighbours. It returns the
// error of each item, or nil when there was none.
//
// refused reports whether an error may be about the items. After another error,
// such as a timeout, nobody knows which items were stored: Bisect ends, and the
// items that were not stored in a call of their own have this error. If run refuses most
// parts, the items are hardly at fault. Then, and once bisectTime is over, Bisect divides
// no further, and all items of a part have the error of that part.
//
// Bisect calls failed, unless it is nil, with items as soon as it knows that they
// have failed: before it calls run with items that come after them.
func Bisect[T any](items []T, run func([]T) error, refused func(error) bool, failed func([]T, error)) []error {
	err := run(items)
	if err == nil {
		return nil
	}
	errs := make([]error, len(items))
	budget := 4 * (bits.Len(uint(len(items))) + 1)
	deadline := time.Now().Add(bisectTime)
	var unknown error // after it, run is not called again
	var split func(from, to int, err error)
	split = func(from, to int, err error) {
		if unknown == nil && !refused(err) {
			unknown = err
		}
		if to-from == 1 || unknown != nil || budget <= 0 || time.Now().After(deadline) {
			for i := from; i < to; i++ {
				errs[i] = err
			}
			if failed != nil {
				failed(items[from:to], err)
			}
			return
		}
		middle := (from + to) / 2
		for _, part := range [2][2]int{{from, middle}, {middle, to}} {
			err := unknown
			if err == nil {
				err = run(items[part[0]:part[1]])
			}
			if err != nil {
				budget--
				split(part[0], part[1], err)
			}
		}
	}
	split(0, len(items), err)
	return errs
}
