package groupcommit

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

var errRefused = errors.New("refused")

func TestBisectFailsTheBadItemsAlone(t *testing.T) {
	var stored []int
	errs := Bisect([]int{0, 1, 2, 3, 4, 5, 6, 7}, func(part []int) error {
		if slices.Contains(part, 5) {
			return errRefused
		}
		stored = append(stored, part...)
		return nil
	})
	assert.Equal(t, []error{nil, nil, nil, nil, nil, errRefused, nil, nil}, errs)
	assert.Equal(t, []int{0, 1, 2, 3, 4, 6, 7}, stored, "each of the others is stored once")
}

func TestBisectOfAGroupThatIsStored(t *testing.T) {
	calls := 0
	assert.Nil(t, Bisect([]int{1, 2, 3}, func([]int) error { calls++; return nil }))
	assert.Equal(t, 1, calls)
}

func TestBisectGivesUpWhereMostPartsFail(t *testing.T) {
	items, calls := make([]int, 500), 0
	errs := Bisect(items, func([]int) error { calls++; return errRefused })
	assert.Len(t, errs, 500)
	assert.NotContains(t, errs, error(nil))
	assert.Less(t, calls, 100, "a database that is down is not asked for each item")
}
