package limiter

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAFifoKeepsItsOrder(t *testing.T) {
	var q fifo[int]
	for i := range 10 {
		q.push(i)
	}
	assert.Equal(t, 0, q.pop())
	assert.Equal(t, 1, q.pop())
	q.pushFirst(-1)
	assert.Equal(t, 9, q.popLast())
	for _, want := range []int{-1, 2, 3, 4, 5, 6, 7, 8} {
		assert.Equal(t, want, q.first())
		assert.Equal(t, want, q.pop())
	}
	assert.Zero(t, q.len())
	q.pushFirst(7)
	q.pushFirst(6)
	assert.Equal(t, 6, q.pop())
	assert.Equal(t, 7, q.pop())
}
