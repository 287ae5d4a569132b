package groupcommit

import (
	"slices"
	"sync"
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

// stalling adds an item now and then each 100 ms from 150 ms on to a Group, until the given time, whose
// first runs take so long, and the others no time. It returns the runs.
func stalling(t *testing.T, until time.Duration, took ...time.Duration) (runs []run, peak int) {
	synctest.Test(t, func(*testing.T) {
		var mu sync.Mutex
		began, running := time.Now(), 0
		note := func(items []int, more int) (n int) {
			mu.Lock()
			defer mu.Unlock()
			running += more
			peak = max(peak, running)
			if more > 0 {
				runs = append(runs, run{time.Since(began).Milliseconds(), items})
			}
			return len(runs)
		}
		g := Group[int]{
			Run: func(items []int) {
				if n := note(items, 1); n <= len(took) {
					time.Sleep(took[n-1])
				}
				note(items, -1)
			},
			Size:    func(int) (int, int) { return 1, 1 },
			MaxRows: 1000, MaxBytes: 1000, StallAfter: time.Second,
		}
		g.Add(0)
		time.Sleep(50 * time.Millisecond) // so that nothing falls on a second
		for i := 1; time.Since(began) < until; i++ {
			time.Sleep(100 * time.Millisecond)
			g.Add(i)
		}
		time.Sleep(time.Minute)
	})
	return runs, peak
}

func starts(runs []run) (at []int64) {
	for _, r := range runs {
		at = append(at, r.at)
	}
	return at
}

func TestAGroupThatStallsLetsOneMoreRunBesideIt(t *testing.T) {
	const s = time.Second
	runs, peak := stalling(t, 1200*time.Millisecond, 970*time.Millisecond)
	assert.Equal(t, []int64{0, 970, 1050, 1150, 1250}, starts(runs), "one that is faster does not")
	assert.Equal(t, 1, peak)

	runs, peak = stalling(t, 1200*time.Millisecond, 5*s)
	assert.Equal(t, []int64{0, 1000, 1050, 1150, 1250}, starts(runs), "the others go on beside it")
	assert.Equal(t, 2, peak)

	runs, peak = stalling(t, 100*time.Millisecond, 5*s)
	assert.Equal(t, []int64{0, 1000}, starts(runs), "what waits already does not wait for the next item")
	assert.Equal(t, 2, peak)

	runs, peak = stalling(t, 13*s, 5*s, 5*s, 5*s, 5*s)
	assert.Equal(t, []int64{0, 1000, 5000, 6000, 10000}, starts(runs)[:5], "two that hang are the most")
	assert.Equal(t, 2, peak)

	var all []int
	for _, r := range runs {
		all = append(all, r.items...)
	}
	slices.Sort(all)
	assert.Len(t, all, 131, "each item is in one group")
	assert.Len(t, slices.Compact(all), 131)
}

func TestWhatNobodyWaitsForDoesNotFillTheMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var stored, dropped []int
		g := Group[int]{
			Run: func(items []int) {
				<-release
				stored = append(stored, items...)
			},
			Size:    func(int) (int, int) { return 1, 1 },
			MaxRows: 1 << 20, MaxBytes: 1 << 20, StallAfter: time.Second,
			Abandoned: func(i int) bool { return i < 0 },
			Dropped:   func(i int) { dropped = append(dropped, i) },
		}
		g.Add(1)
		synctest.Wait()
		g.Add(-1, 2)
		g.Abandon(1)
		for range 2 * maxAbandoned {
			g.Add(-2)
			g.Abandon(1)
		}
		g.Add(3)
		assert.LessOrEqual(t, len(g.queue), maxAbandoned+3)
		close(release)
		synctest.Wait()
		assert.Subset(t, stored, []int{1, 2, 3}, "what somebody waits for is stored")
		assert.Contains(t, dropped, -1)
		assert.Equal(t, 2*maxAbandoned+4, len(stored)+len(dropped), "each item is stored, or said to be dropped")
	})
}

// While one group stalls, items of its last caller do not go on beside it.
func TestItemsOfOneCallerAreStoredInTheirOrder(t *testing.T) {
	type item struct{ caller, n int }
	var stored []item
	synctest.Test(t, func(*testing.T) {
		var mu sync.Mutex
		runs := 0
		g := Group[item]{
			Run: func(items []item) {
				mu.Lock()
				runs++
				hangs := runs == 1
				mu.Unlock()
				if hangs {
					time.Sleep(time.Minute)
				}
				mu.Lock()
				defer mu.Unlock()
				stored = append(stored, items...)
			},
			Size:    func(item) (int, int) { return 1, 1 },
			MaxRows: 3, MaxBytes: 100, StallAfter: time.Second,
			Caller: func(i item) any {
				if i.caller == 0 {
					return nil
				}
				return i.caller
			},
		}
		var first []item
		for n := range 5 {
			first = append(first, item{1, n})
		}
		g.Add(first...)
		g.Add(item{2, 0}, item{2, 1}, item{2, 2}, item{2, 3}, item{0, 0})
		time.Sleep(30 * time.Second)
		mu.Lock()
		assert.Equal(t, []item{{2, 0}, {2, 1}, {2, 2}, {2, 3}, {0, 0}}, stored, "others go on")
		mu.Unlock()
		time.Sleep(time.Minute)
	})
	assert.Equal(t, []item{{1, 0}, {1, 1}, {1, 2}, {1, 3}, {1, 4}}, stored[5:])
}

// Callers who come back at once take turns in halves: half of them work while the items of
// the others are stored.
func TestAGroupHasHalfOfTheCallers(t *testing.T) {
	var runs []int
	synctest.Test(t, func(*testing.T) {
		g := Group[chan struct{}]{
			Run: func(items []chan struct{}) {
				time.Sleep(2 * time.Millisecond)
				for _, stored := range items {
					close(stored)
				}
				runs = append(runs, len(items))
			},
			Size:    func(chan struct{}) (int, int) { return 1, 1 },
			MaxRows: 1000, MaxBytes: 1000, CallersWait: true,
		}
		for range 16 {
			go func() {
				for range 10 {
					stored := make(chan struct{})
					g.Add(stored)
					<-stored
					time.Sleep(time.Millisecond) // it works
				}
			}()
		}
		time.Sleep(time.Second)
	})
	for n, items := range runs[2 : len(runs)-2] {
		assert.Equal(t, 8, items, "group %d", n+2)
	}
}

func TestWhatACallerAddsAtOnceIsOneGroup(t *testing.T) {
	var runs [][]int
	synctest.Test(t, func(*testing.T) {
		g := Group[int]{
			Run:     func(items []int) { runs = append(runs, items) },
			Size:    func(int) (int, int) { return 1, 1 },
			MaxRows: 100, MaxBytes: 100, CallersWait: true,
		}
		g.Add(1, 1, 1, 1, 1, 1)
		synctest.Wait()
		g.Add(2, 2, 2)
	})
	assert.Equal(t, [][]int{{1, 1, 1, 1, 1, 1}, {2, 2, 2}}, runs)
}
