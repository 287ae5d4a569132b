package sqlstore

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/listhook/webhook"
)

// clock is the last time that a caller passed as the present, because a Store has no
// clock of its own. It is used only to choose a delivery's queue. A wrong choice is
// harmless: a claim does not take a ready delivery before it is due, and makes a
// waiting one ready that is due.
type clock struct{ ms atomic.Int64 }

func (c *clock) observe(t time.Time) { c.ms.Store(milli(t)) }

// now returns that time, or the latest time of all before the first one is known.
func (c *clock) now() int64 {
	if now := c.ms.Load(); now != 0 {
		return now
	}
	return math.MaxInt64
}

// A queue is one of the queues of pending deliveries; see Claim.
type queue int8

const (
	queueNone queue = iota // a delivery that is not pending
	queueReady
	queueWaiting
	queueLeased
	queueParked // a delivery with a key, until it is the first of its line; see lines.go
)

// column returns the value of the column r in @rows.
func (q queue) column() any {
	switch q {
	case queueReady:
		return 1
	case queueWaiting:
		return 0
	case queueParked:
		return 2
	}
	return nil
}

// queue returns the queue for a delivery in a state, due at a time, and leased or
// not.
func (b *batch) queue(state webhook.State, due time.Time, leased bool) queue {
	switch {
	case state != webhook.StatePending:
		return queueNone
	case milli(due) <= b.clock:
		return queueReady
	case leased:
		return queueLeased
	}
	return queueWaiting
}
