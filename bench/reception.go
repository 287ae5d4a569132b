package main

import (
	"math"
	"sync/atomic"
	"time"
)

// An expectation tells the receiver which events a phase is going to emit.
type expectation struct {
	First int // number of the first event
	Count int // events, those to other classes of targets too
	Plain int // how many of them make it complete
}

// A reception records which of the expected events have arrived.
type reception struct {
	first    int
	enough   int64
	complete chan struct{}  // closed when enough plain ones have arrived
	receipts []atomic.Int64 // each a latency in nanoseconds, times two, plus one for plain ones; 0: not arrived

	plain, others, hung, duplicates, strays, signed atomic.Int64
	requests                                        atomic.Int64
	last                                            atomic.Int64 // arrival of a plain one, in Unix nanoseconds
}

func newReception(first, count int) *reception {
	return &reception{first: first, enough: math.MaxInt64, complete: make(chan struct{}), receipts: make([]atomic.Int64, count)}
}

func (r *reception) note(number int, class string, emitted, at int64, signed bool) {
	i := number - r.first
	if i < 0 || i >= len(r.receipts) {
		r.strays.Add(1)
		return
	}
	receipt := 2 * max(at-emitted, 1)
	if class == classPlain {
		receipt++
	}
	if !r.receipts[i].CompareAndSwap(0, receipt) {
		r.duplicates.Add(1)
		return
	}
	if signed {
		r.signed.Add(1)
	}
	switch class {
	case classHang:
		r.hung.Add(1)
	case classOther:
		r.others.Add(1)
	default:
		for last := r.last.Load(); at > last && !r.last.CompareAndSwap(last, at); last = r.last.Load() {
		}
		if r.plain.Add(1) == r.enough {
			close(r.complete)
		}
	}
}

// A receptionReport counts the events that have arrived.
type receptionReport struct {
	Plain, Others, Hung int // events of each class
	Duplicates, Strays  int // beyond the first of an event; of events of no phase, or of one before
	Signed              int // events that carried a signature
	Requests            int
	Last                int64 // when the last plain one arrived, in Unix nanoseconds
	Latencies           []int64
	OtherLatencies      []int64
	CPU                 time.Duration // of this process, since it began
	Connections         int           // opened since then
}
