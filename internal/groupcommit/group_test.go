package groupcommit

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// A run is a group that was stored, and when, in milliseconds after the start.
type run struct {
	at    int64
	items []int
}

// grouped adds items at the given times, in milliseconds, to a Group whose runs
// take so long, and returns the runs.
func grouped(t *testing.T, took, maxLinger time.Duration, at ...time.Duration) (runs []run) {
	synctest.Test(t, func(*testing.T) {
		began := time.Now()
		g := Group[int]{
			Run: func(items []int) {
				runs = append(runs, run{time.Since(began).Milliseconds(), items})
				time.Sleep(took)
			},
			Size:    func(int) (int, int) { return 1, 1 },
			MaxRows: 100, MaxBytes: 100, MaxLinger: maxLinger,
		}
		for i, ms := range at {
			time.Sleep(time.Until(began.Add(ms * time.Millisecond)))
			g.Add(i)
		}
		time.Sleep(time.Second)
	})
	return runs
}

func TestItemsThatArriveDuringAGroupAreTheNext(t *testing.T) {
	const ms = time.Millisecond
	assert.Equal(t, []run{{0, []int{0}}, {4, []int{1}}, {8, []int{2}}},
		grouped(t, 4*ms, 0, 0, 1, 6), "without lingering, the queue follows at once")
	assert.Equal(t, []run{{0, []int{0}}, {8, []int{1, 2}}},
		grouped(t, 4*ms, 5*ms, 0, 1, 6), "it lingers as long as the group took")
	assert.Equal(t, []run{{0, []int{0}}, {25, []int{1, 2}}},
		grouped(t, 20*ms, 5*ms, 0, 1, 24), "but no longer than MaxLinger")
	assert.Equal(t, []run{{0, []int{0}}, {5, []int{1}}},
		grouped(t, 4*ms, 5*ms, 0, 5), "a lone item never waits")
}

func TestAGroupKeepsToItsLimits(t *testing.T) {
	for _, c := range []struct {
		rule              string
		maxRows, maxBytes int
		added             []int // the bytes of each
		runs              [][]int
	}{
		{"rows", 2, 100, []int{1, 1, 1, 1, 1}, [][]int{{1, 1}, {1, 1}, {1}}},
		{"bytes", 100, 10, []int{6, 4, 1, 9, 1}, [][]int{{6, 4}, {1, 9}, {1}}},
		{"an item beyond the limit is a group of its own", 100, 10, []int{1, 50, 1}, [][]int{{1}, {50}, {1}}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var runs [][]int
				g := Group[int]{
					Run:     func(items []int) { runs = append(runs, items) },
					Size:    func(bytes int) (int, int) { return 1, bytes },
					MaxRows: c.maxRows, MaxBytes: c.maxBytes,
				}
				g.Add(c.added...)
				synctest.Wait()
				assert.Equal(t, c.runs, runs)
			})
		})
	}
}
