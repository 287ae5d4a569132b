package webhook

import (
	"hash/fnv"
	"time"
)

// A gathering is what a batcher knows of one webhook. The batcher's mutex guards it.
type gathering struct {
	open  *batch      // takes deliveries; nil: none does
	seats int         // of deliveries that are being stored
	end   time.Time   // of the window of open
	timer *time.Timer // for end
	used  time.Time

	account string
	failing bool          // its webhook is: a batch is a probe, of one delivery
	most    int           // Settings.Batch
	wait    time.Duration // Settings.BatchWait
	rate    float64       // Settings.RateLimit
	reduced int           // instead of most, until reducedUntil

	reducedUntil time.Time

	moved map[string]time.Time // when lines moved on, by key
}

// follow takes over what the webhook says now.
func (g *gathering) follow(t *endpoint) {
	g.account, g.most, g.wait, g.rate, g.failing = t.Account, max(t.Batch, 1), t.BatchWait, t.RateLimit, t.Health.failing()
}

// size is how many deliveries a batch may have now.
func (g *gathering) size() int {
	if g.failing { // it uses up the attempt of one delivery
		return 1
	}
	if g.reduced > 0 && time.Now().Before(g.reducedUntil) {
		return min(g.most, g.reduced)
	}
	return g.most
}

// gathered is how many deliveries are in the open batch, or have a seat.
func (g *gathering) gathered() int {
	if g.open == nil {
		return g.seats
	}
	return g.seats + len(g.open.members)
}

// windowEnd returns when the window of a delivery ends. Windows of a webhook follow each
// other on a grid that its ID shifts, so that those of different webhooks end at
// different times. A delivery whose first window has ended already, or that waited for
// an earlier one of its key, has no window. timeout is how long an attempt takes at most.
func (g *gathering) windowEnd(f *inflight, at time.Time, timeout time.Duration) time.Time {
	if g.wait <= 0 || g.failing || g.hasWaited(f) {
		return at
	}
	from := at
	if f.Attempts == 0 && f.Created.Before(at) {
		from = f.Created
	}
	shift := fnv.New64a()
	_, _ = shift.Write([]byte(f.WebhookID))
	grid := int64(g.wait)
	phase := int64(shift.Sum64() % uint64(grid))
	past := (from.UnixNano() - phase) % grid
	end := from.Add(time.Duration(grid - (past+grid)%grid))
	// A lease that was taken without knowing of the window ends earlier.
	if last := f.Due.Add(-timeout - timeout/4); end.After(last) {
		end = last
	}
	return end
}

// hasWaited reports whether a delivery waited for an earlier one of its key.
func (g *gathering) hasWaited(f *inflight) bool {
	moved, ok := g.moved[f.Key]
	return ok && f.Key != "" && !f.Joined.After(moved)
}

// noteMoved notes when a delivery with a key ended.
func (g *gathering) noteMoved(key string, at time.Time) {
	if g.moved == nil || len(g.moved) >= maxMoved {
		g.moved = map[string]time.Time{}
	}
	g.moved[key] = at
}

// maxMoved is how many keys a gathering remembers: beyond that it forgets all.
const maxMoved = 1000
