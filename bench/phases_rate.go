package main

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// loopCallers is how many callers the plain loop always has: its callers are
// its workers.
const loopCallers = 64

func (b *bench) isLoop() bool { return b.Subject == "loop" }

// emitAll emits n events from number first on, by a number of callers at once,
// and returns how long each took.
func (b *bench) emitAll(ctx context.Context, first, n, callers int) ([]int64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if b.isLoop() {
		callers = loopCallers
	}
	times := make([]int64, n)
	var taken atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(taken.Add(1)) - 1
				if i >= n {
					return
				}
				began := time.Now()
				if err := b.subject.emit(ctx, event{number: first + i, target: b.pick(first + i), at: began, keyed: b.keyed(first + i)}); err != nil {
					cancel(err)
					return
				}
				times[i] = int64(time.Since(began))
			}
		})
	}
	wg.Wait()
	return times, context.Cause(ctx)
}

// pick chooses the target of an event: each equally often, in no order. In batches each
// target gets the same number, so that few of them are sent before they are full.
func (b *bench) pick(number int) int {
	if isBatch(b.Phase) {
		return number % b.Webhooks
	}
	return int(rand.New(rand.NewPCG(uint64(number), 1)).Uint64N(uint64(b.Webhooks)))
}

// warmUp delivers some events, so that connections are open, plans made and
// queues as wide as they become. The subject is left started.
func (b *bench) warmUp(ctx context.Context) error {
	if err := b.subject.start(ctx); err != nil {
		return err
	}
	e, err := b.expect(ctx, b.Warmup, b.Warmup)
	if err != nil {
		return err
	}
	if _, err := b.emitAll(ctx, e.First, e.Count, b.Callers); err != nil {
		return err
	}
	_, err = b.complete(ctx, e)
	return err
}

// runEmit measures emitting while nothing is delivered, and then how fast the events
// drain, which also checks that every one arrives. The loop cannot emit, so it
// delivers.
func runEmit(ctx context.Context, b *bench) ([]row, error) {
	if b.isLoop() {
		rows, err := runLive(ctx, b)
		if err == nil && b.Phase == "emit64" {
			rows = append(rows, row{Phase: "drain", Measures: rows[0].Measures})
		}
		return rows, err
	}
	if err := b.warmUp(ctx); err != nil {
		return nil, err
	}
	if err := b.subject.stop(ctx); err != nil {
		return nil, err
	}
	e, err := b.expect(ctx, b.Events, b.Events)
	if err != nil {
		return nil, err
	}
	emitting, err := b.measure(ctx, b.Phase)
	if err != nil {
		return nil, err
	}
	times, err := b.emitAll(ctx, e.First, e.Count, b.Callers)
	if err != nil {
		return nil, err
	}
	emitted, err := emitting.end(ctx, b.Events, time.Since(emitting.began))
	if err != nil {
		return nil, err
	}
	slices.Sort(times)
	emitted.latencies(times, len(times))

	draining, err := b.measure(ctx, "drain")
	if err != nil {
		return nil, err
	}
	if err := b.subject.start(ctx); err != nil {
		return nil, err
	}
	report, err := b.complete(ctx, e)
	if err != nil {
		return nil, err
	}
	drained, err := draining.end(ctx, b.Events, time.Unix(0, report.Last).Sub(draining.began))
	if err != nil {
		return nil, err
	}
	drained.set("duplicates", float64(report.Duplicates))
	rows := []row{{Phase: b.Phase, Measures: emitted}}
	if b.Phase == "emit64" {
		rows = append(rows, row{Phase: "drain", Measures: drained})
	}
	return rows, nil
}

// runLive measures from the first emit to the last receipt.
func runLive(ctx context.Context, b *bench) ([]row, error) {
	if err := b.warmUp(ctx); err != nil {
		return nil, err
	}
	m, err := b.live(ctx, b.Events)
	if err != nil {
		return nil, err
	}
	return []row{{Phase: b.Phase, Measures: m}}, nil
}

// live delivers n events on a subject that is started and warm.
func (b *bench) live(ctx context.Context, n int) (measures, error) {
	e, err := b.expect(ctx, n, n)
	if err != nil {
		return nil, err
	}
	living, err := b.measure(ctx, b.Phase)
	if err != nil {
		return nil, err
	}
	if _, err := b.emitAll(ctx, e.First, e.Count, b.Callers); err != nil {
		return nil, err
	}
	report, err := b.complete(ctx, e)
	if err != nil {
		return nil, err
	}
	m, err := living.end(ctx, n, time.Unix(0, report.Last).Sub(living.began))
	if err != nil {
		return nil, err
	}
	if b.Keyed == 100 {
		report.Latencies = report.OtherLatencies
	}
	m.latencies(report.Latencies, n)
	m.set("duplicates", float64(report.Duplicates))
	return m, nil
}
