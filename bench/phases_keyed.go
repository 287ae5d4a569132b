package main

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/listhook/webhook"
)

// runBeside offers half of what the subject can do, first without keyed events, then
// with a tenth of them keyed, and measures those that are not.
func runBeside(ctx context.Context, b *bench) ([]row, error) {
	if err := b.warmUp(ctx); err != nil {
		return nil, err
	}
	most, err := b.live(ctx, max(b.Events/2, 1000))
	if err != nil {
		return nil, err
	}
	o := offer{rate: most["events_per_s"] / 2, span: b.Span, target: b.pick}
	before, err := b.load(ctx, o, o.count())
	if err != nil {
		return nil, err
	}
	b.Keyed = 10
	m, err := b.load(ctx, o, o.count())
	if err != nil {
		return nil, err
	}
	m.set("offered_per_s", o.rate)
	for _, p := range []string{"p50_ms", "p99_ms"} {
		if v, ok := before[p]; ok {
			m[p+"_before"] = v
		}
	}
	return []row{{Phase: b.Phase, Measures: m}}, nil
}

// importGroup is how many subscribers a call of Emit brings in the phase import.
const importGroup = 500

// runImport emits an event for each of many subscribers, in large groups, as an app does
// that imports a file, and measures until all have arrived.
func runImport(ctx context.Context, b *bench) ([]row, error) {
	l, ok := b.subject.(library)
	if !ok {
		return nil, fmt.Errorf("only this library takes groups of events")
	}
	if err := b.warmUp(ctx); err != nil {
		return nil, err
	}
	e, err := b.expect(ctx, people, people)
	if err != nil {
		return nil, err
	}
	measuring, err := b.measure(ctx, b.Phase)
	if err != nil {
		return nil, err
	}
	if err := l.library().emitGroups(ctx, b.Callers, importGroup, e, func(i int) webhook.Event {
		return event{number: e.First + i, target: b.pick(i), at: time.Now()}.update()
	}); err != nil {
		return nil, err
	}
	emitted := time.Since(measuring.began)
	report, err := b.complete(ctx, e)
	if err != nil {
		return nil, err
	}
	m, err := measuring.end(ctx, people, time.Unix(0, report.Last).Sub(measuring.began))
	if err != nil {
		return nil, err
	}
	m.set("fill_s", emitted.Seconds())
	m.set("duplicates", float64(report.Duplicates))
	return []row{{Phase: b.Phase, Measures: m}}, nil
}

// emitGroups emits the expected events in groups of a size, from several callers.
func (o *ours) emitGroups(ctx context.Context, callers, size int, e expectation, nth func(i int) webhook.Event) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	groups := makeGroups(e.Count, size)
	var emitting sync.WaitGroup
	for range callers {
		emitting.Go(func() {
			for first := range groups {
				var events []webhook.Event
				for i := first; i < min(first+size, e.Count); i++ {
					events = append(events, nth(i))
				}
				if err := o.dispatcher.Emit(ctx, events...); err != nil {
					cancel(err)
				}
			}
		})
	}
	emitting.Wait()
	return context.Cause(ctx)
}

// makeGroups returns the first numbers of the groups that n events make.
func makeGroups(n, size int) <-chan int {
	groups := make(chan int, n/size+1)
	for first := 0; first < n; first += size {
		groups <- first
	}
	close(groups)
	return groups
}

// blockedDeliveries wait behind one that hangs in the phase blocked.
const blockedDeliveries = 100_000

// runBlocked measures what deliveries cost that wait for an earlier one of their key:
// the dispatcher's memory, and the time of its claims.
func runBlocked(ctx context.Context, b *bench) ([]row, error) {
	l, ok := b.subject.(library)
	if !ok {
		return nil, fmt.Errorf("only this library has keys")
	}
	o := l.library()
	if err := b.warmUp(ctx); err != nil {
		return nil, err
	}
	block := func(n int) error {
		e, err := b.expect(ctx, n, n)
		if err != nil {
			return err
		}
		return o.emitGroups(ctx, b.Callers, importGroup, e, func(i int) webhook.Event {
			u := event{number: e.First + i, target: b.Webhooks, at: time.Now()}.update() // which hangs
			u.Key = "one"
			return u
		})
	}
	if err := block(importGroup * b.Callers); err != nil { // buffers become as large as they will
		return nil, err
	}
	before := heap()
	if err := block(blockedDeliveries); err != nil {
		return nil, err
	}
	measuring, err := b.measure(ctx, b.Phase)
	if err != nil {
		return nil, err
	}
	claims := o.store.claims.len()
	select {
	case <-time.After(b.Span):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	m, err := measuring.end(ctx, 0, b.Span)
	if err != nil {
		return nil, err
	}
	m.set("heap_mb", float64(heap()-before)/1e6)
	during := o.store.claims.since(claims)
	m.set("claims", float64(len(during)))
	m.set("claim_p50_ms", percentile(during, 50, len(during)))
	m.set("claim_p99_ms", percentile(during, 99, len(during)))
	return []row{{Phase: b.Phase, Measures: m}}, nil
}

// heap returns the bytes in use after a collection.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
