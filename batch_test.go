package webhook

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// A group is what a batcher ran, and how many milliseconds after the beginning.
type group struct {
	at    int64
	items []int
}

// grouped adds items at their times, in milliseconds, to a batcher whose groups
// take so long, and returns these.
func grouped(t *testing.T, took, maxRest time.Duration, at ...time.Duration) (groups []group) {
	synctest.Test(t, func(*testing.T) {
		began := time.Now()
		b := batcher[int]{
			run: func(items []int) {
				groups = append(groups, group{time.Since(began).Milliseconds(), items})
				time.Sleep(took)
			},
			size:    func(int) (int, int) { return 1, 1 },
			maxRows: 100, maxBytes: 100, maxRest: maxRest,
		}
		for i, ms := range at {
			time.Sleep(time.Until(began.Add(ms * time.Millisecond)))
			b.add(i)
		}
		time.Sleep(time.Second)
	})
	return groups
}

func TestWhatComesWhileAGroupRestsIsInTheNext(t *testing.T) {
	const ms = time.Millisecond
	assert.Equal(t, []group{{0, []int{0}}, {4, []int{1}}, {8, []int{2}}},
		grouped(t, 4*ms, 0, 0, 1, 6), "without a rest, what came during a group follows it")
	assert.Equal(t, []group{{0, []int{0}}, {8, []int{1, 2}}},
		grouped(t, 4*ms, 5*ms, 0, 1, 6), "it rests as long as the group took")
	assert.Equal(t, []group{{0, []int{0}}, {25, []int{1, 2}}},
		grouped(t, 20*ms, 5*ms, 0, 1, 24), "but no longer than it may")
	assert.Equal(t, []group{{0, []int{0}}, {5, []int{1}}},
		grouped(t, 4*ms, 5*ms, 0, 5), "what comes alone never waits")
}
