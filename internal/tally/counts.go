// Package tally counts attempts by hour, six hours and day, with a histogram of how
// long they took, in a document of at most 8 KiB that several processes add to.
package tally

import (
	"math"
	"time"
)

// bounds are the upper bounds of the histogram's buckets; the last bucket has none.
var bounds = [buckets - 1]time.Duration{
	10 * time.Millisecond, 20 * time.Millisecond, 40 * time.Millisecond, 80 * time.Millisecond,
	150 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second,
}

const buckets = 14

// Counts are what is counted in a span of time. A count stops at 2^32-1.
type Counts struct {
	Attempts  uint32
	Delivered uint32
	Failed    uint32          // deliveries that failed for good
	took      [buckets]uint32 // attempts, by how long they took
}

// Took counts how long an attempt took.
func (c *Counts) Took(d time.Duration) {
	i := 0
	for i < len(bounds) && d > bounds[i] {
		i++
	}
	increase(&c.took[i], 1)
}

// Add adds other counts.
func (c *Counts) Add(other *Counts) {
	increase(&c.Attempts, other.Attempts)
	increase(&c.Delivered, other.Delivered)
	increase(&c.Failed, other.Failed)
	for i, n := range other.took {
		increase(&c.took[i], n)
	}
}

func increase(n *uint32, by uint32) { *n += min(by, math.MaxUint32-*n) }

// Quantile returns the time within which a share q, from 0 to 1, of the attempts
// ended whose time was counted: 0 if there are none. Within a bucket it
// interpolates. What took longer than 32 seconds counts as 32 seconds.
func (c *Counts) Quantile(q float64) time.Duration {
	total := 0.0
	for _, n := range c.took {
		total += float64(n)
	}
	if total == 0 {
		return 0
	}
	rank := min(max(q, 0), 1) * total
	var below time.Duration
	for i, above := range bounds {
		n := float64(c.took[i])
		if n > 0 && rank <= n {
			return below + time.Duration(rank/n*float64(above-below))
		}
		rank -= n
		below = above
	}
	return below
}

// An Hour is the counts of one hour.
type Hour struct {
	Start time.Time
	Counts
}

// Recent is what was counted and is in no Document yet, mostly of a single hour.
type Recent []Hour

// At returns the counts of the hour that holds a time.
func (r *Recent) At(t time.Time) *Counts {
	start := t.UTC().Truncate(time.Hour)
	for i := range *r {
		if (*r)[i].Start.Equal(start) {
			return &(*r)[i].Counts
		}
	}
	*r = append(*r, Hour{Start: start})
	return &(*r)[len(*r)-1].Counts
}
