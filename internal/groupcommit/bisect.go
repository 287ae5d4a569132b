package groupcommit

import (
	"math/bits"
	"time"
)

// bisectTime is how long Bisect goes on trying parts.
const bisectTime = 5 * time.Second

// Bisect calls run with all items and, when that fails, with ever smaller
// parts, so that one bad item does not fail its neighbours. It returns the
// error of each item, or nil when there was none. Where most parts fail, the
// items are not at fault: it gives up early, with the last error for the rest.
func Bisect[T any](items []T, run func([]T) error) []error {
	err := run(items)
	if err == nil {
		return nil
	}
	errs := make([]error, len(items))
	budget := 4 * (bits.Len(uint(len(items))) + 1)
	deadline := time.Now().Add(bisectTime)
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
