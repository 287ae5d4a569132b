package main

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/listhook/webhook"
)

// batchSize is how many events a request brings at most in the phases batch64, batch256
// and batch20, and batchWindow is how long the first of them waits for others.
const (
	batchSize   = 100
	batchWindow = 250 * time.Millisecond
)

// batchEmit is how many events a call of Emit brings in the phase batch20.
const batchEmit = 20

func isBatch(phase string) bool { return strings.HasPrefix(phase, "batch") }

// runBatch delivers events in batches, and measures from the first emit until the last
// outcome is stored. The loop makes a request for each event.
func runBatch(ctx context.Context, b *bench) ([]row, error) {
	if b.isLoop() {
		return runLive(ctx, b)
	}
	o := b.subject.(library).library()
	if err := b.subject.start(ctx); err != nil {
		return nil, err
	}
	var m measures
	for _, events := range []int{b.Warmup, b.Events} {
		var err error
		if m, err = b.liveInBatches(ctx, o, events); err != nil {
			return nil, err
		}
	}
	return []row{{Phase: b.Phase, Measures: m}}, nil
}

// liveInBatches delivers n events on a subject that is started.
func (b *bench) liveInBatches(ctx context.Context, o *ours, n int) (measures, error) {
	e, err := b.expect(ctx, n, n)
	if err != nil {
		return nil, err
	}
	delivered := o.store.delivered.await(n)
	living, err := b.measure(ctx, b.Phase)
	if err != nil {
		return nil, err
	}
	if b.Phase == "batch20" {
		err = o.emitGroups(ctx, b.Callers, batchEmit, e, func(i int) webhook.Event {
			return event{number: e.First + i, target: b.pick(e.First + i), at: time.Now()}.open()
		})
	} else {
		_, err = b.emitAll(ctx, e.First, e.Count, b.Callers)
	}
	if err != nil {
		return nil, err
	}
	report, err := b.complete(ctx, e)
	if err != nil {
		return nil, err
	}
	var last time.Time
	select {
	case last = <-delivered:
	case <-time.After(stall):
		return nil, fmt.Errorf("some of %d outcomes were not stored", n)
	}
	m, err := living.end(ctx, n, last.Sub(living.began))
	if err != nil {
		return nil, err
	}
	m.latencies(report.Latencies, n)
	m.set("events_per_request", float64(n)/float64(report.Requests))
	m.set("duplicates", float64(report.Duplicates))
	return m, nil
}

// An outcomeCount counts the deliveries that are stored as delivered.
type outcomeCount struct {
	left atomic.Int64
	done atomic.Pointer[chan time.Time]
}

// await returns a channel that gets the time when n more are.
func (c *outcomeCount) await(n int) <-chan time.Time {
	done := make(chan time.Time, 1)
	c.done.Store(&done)
	c.left.Store(int64(n))
	return done
}

// note counts those of a call that has returned.
func (c *outcomeCount) note(changes []webhook.Change) {
	n := 0
	for _, change := range changes {
		if change.State == webhook.StateDelivered {
			n++
		}
	}
	if n > 0 && c.left.Add(int64(-n)) == 0 {
		*c.done.Load() <- time.Now()
	}
}
