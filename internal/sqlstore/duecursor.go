package sqlstore

import (
	"math"
	"sync"
	"time"
)

// A dueCursor lets a claim skip the index entries of removed rows when it looks
// for waiting deliveries and leases that have come due.
//
// Such a scan begins at the earliest due time. PostgreSQL keeps a removed row
// until no snapshot can see it: during a dump of an hour, each scan would step
// over every row removed in that hour. So after a slow full scan the next scans
// begin at the time up to which the last one got. A full scan is repeated after
// fullScanFactor times its duration. It finds what was committed late, or by a
// process whose clock is behind.
type dueCursor struct {
	mu       sync.Mutex // guards the fields below
	from     int64      // everything due before it was made ready
	nextFull time.Time  // when the next full scan is due
}

// SlowDueScan is the duration from which on a full scan counts as slow. A scan
// may also be slow because the machine is busy. That costs no more than
// fullScanMaxDelay.
const SlowDueScan = 50 * time.Millisecond

const (
	// fullScanFactor limits full scans to one part in 40 of the time.
	fullScanFactor = 40

	// fullScanMaxDelay is the longest time between full scans, and so the
	// longest delay of a delivery that only a full scan finds.
	fullScanMaxDelay = 5 * time.Second
)

// start returns the due time at which the next scan begins, and whether it is a
// full scan.
func (c *dueCursor) start() (from int64, full bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Now().Before(c.nextFull) {
		return c.from, false
	}
	return math.MinInt64, true
}

// advance records a scan that made ready everything due until then.
func (c *dueCursor) advance(until int64, full bool, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.from = until
	c.slowDown(full, took)
}

// rest records a scan that found nothing.
func (c *dueCursor) rest(full bool, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slowDown(full, took)
}

// slowDown delays the next full scan after a slow one. The caller holds mu.
func (c *dueCursor) slowDown(full bool, took time.Duration) {
	if full && took > SlowDueScan {
		c.nextFull = time.Now().Add(min(fullScanFactor*took, fullScanMaxDelay))
	}
}

// reset makes the next scan a full one, after a claim with an unknown outcome.
func (c *dueCursor) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nextFull = time.Time{}
}

// include makes the next scans begin at due or before, where this process is
// about to store a waiting or leased delivery.
func (c *dueCursor) include(due int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.from = min(c.from, due)
}

// includeRows is include for the rows that are waiting or leased.
func (c *dueCursor) includeRows(rows []row) {
	for i := range rows {
		if rows[i].Queue == queueWaiting || rows[i].Queue == queueLeased {
			c.include(rows[i].Due)
		}
	}
}
