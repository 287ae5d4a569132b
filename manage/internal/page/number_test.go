package page

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestACountThatEndedEarlyIsNotShownAsExact(t *testing.T) {
	for n, want := range map[number]string{
		{}: "0", {Count: 999}: "999", {Count: 4999}: "4,999", {Count: 1_234_567}: "1,234,567",
		{5000, true}: "5,000 or more", {1, true}: "1 or more", {0, true}: "not counted",
	} {
		assert.Equal(t, want, n.String())
	}
}
