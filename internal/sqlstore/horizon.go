package sqlstore

import (
	"math"
	"sync"
	"time"
)

// A horizon spares a claim what others have long removed.
//
// The waiting are read from the earliest on. Where a database keeps what was
// removed until nobody's snapshot can see it, as PostgreSQL does, a dump that
// runs for an hour leaves every lease of that hour in front, to be stepped
// over by each claim. So when a look at the whole front has taken long, the
// next ones begin where that one ended, and only now and then, for a small
// part of the time, is the whole front looked at again: for what was committed
// late, or by a process whose clock goes after.
type horizon struct {
	mu    sync.Mutex
	past  int64     // what was due until here has been made ready
	again time.Time // when the whole front is next looked at
}

// LooksLong is how long a look at the whole front may take without consequence.
// A busy machine makes looks long, too; that does no harm but what looksBound
// says.
const LooksLong = 50 * time.Millisecond

const (
	looksPart  = 40              // one in so much of the time,
	looksBound = 5 * time.Second // but this often: so late at most is found what was committed late
)

// since returns from which due on to look, and whether that is the whole front.
func (h *horizon) since() (since int64, whole bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Now().Before(h.again) {
		return h.past, false
	}
	return math.MinInt64, true
}

// looked notes that what is due until then was made ready.
func (h *horizon) looked(until int64, whole bool, took time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.past = until
	if whole && took > LooksLong {
		h.again = time.Now().Add(min(looksPart*took, looksBound))
	}
}

// forget notes that nothing is known of what was made ready.
func (h *horizon) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.again = time.Time{}
}

// put notes that this process lets something wait until due.
func (h *horizon) put(due int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.past = min(h.past, due)
}

// putRows notes that this process lets those wait that are to, or leases them.
func (h *horizon) putRows(rows []row) {
	for i := range rows {
		if rows[i].Queue == isWaiting || rows[i].Queue == isLeased {
			h.put(rows[i].Due)
		}
	}
}
