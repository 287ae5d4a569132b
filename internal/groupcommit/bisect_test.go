package groupcommit

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

var errRefused, errUnknown = errors.New("refused"), errors.New("no answer")

func always(error) bool { return true }

func isRefused(err error) bool { return err == errRefused }

func TestBisectFailsTheBadItemsAlone(t *testing.T) {
	var stored []int
	told := 0
	errs := Bisect([]int{0, 1, 2, 3, 4, 5, 6, 7}, func(part []int) error {
		if slices.Contains(part, 5) {
			return errRefused
		}
		stored = append(stored, part...)
		return nil
	}, always, func(items []int, err error) {
		assert.Equal(t, []int{5}, items)
		assert.Equal(t, errRefused, err)
		assert.Equal(t, []int{0, 1, 2, 3, 4}, stored, "it is told before the items behind it are stored")
		told++
	})
	assert.Equal(t, 1, told)
	assert.Equal(t, []error{nil, nil, nil, nil, nil, errRefused, nil, nil}, errs)
	assert.Equal(t, []int{0, 1, 2, 3, 4, 6, 7}, stored, "each of the others is stored once")
}

func TestBisectOfAGroupThatIsStored(t *testing.T) {
	calls := 0
	assert.Nil(t, Bisect([]int{1, 2, 3}, func([]int) error { calls++; return nil }, always, nil))
	assert.Equal(t, 1, calls)
}

func TestBisectGivesUpWhereMostPartsFail(t *testing.T) {
	items, calls := make([]int, 500), 0
	errs := Bisect(items, func([]int) error { calls++; return errRefused }, always, nil)
	assert.Len(t, errs, 500)
	assert.NotContains(t, errs, error(nil))
	assert.Less(t, calls, 100, "a database that is down is not asked for each item")
}

func TestBisectEndsWhenItIsNotKnownWhatWasStored(t *testing.T) {
	calls := 0
	errs := Bisect(make([]int, 500), func([]int) error { calls++; return errUnknown }, isRefused, nil)
	assert.Equal(t, 1, calls, "a group that timed out is not asked for again")
	assert.Equal(t, slices.Repeat([]error{errUnknown}, 500), errs)

	var parts [][]int
	errs = Bisect([]int{0, 1, 2, 3, 4, 5, 6, 7}, func(part []int) error {
		parts = append(parts, part)
		switch {
		case slices.Contains(part, 3):
			if len(part) == 2 {
				return errUnknown
			}
			return errRefused
		default:
			return nil
		}
	}, isRefused, nil)
	assert.Equal(t, [][]int{{0, 1, 2, 3, 4, 5, 6, 7}, {0, 1, 2, 3}, {0, 1}, {2, 3}}, parts)
	assert.Equal(t, []error{nil, nil, errUnknown, errUnknown, errUnknown, errUnknown, errUnknown, errUnknown}, errs,
		"what was stored before it stays stored; what had no call of its own is not")
}
