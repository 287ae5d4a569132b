package main

import (
	"context"
	"sync"
	"time"
)

// latencyRate is how many events a second the phase latency emits.
const latencyRate = 100

// runLatency measures from emit to receipt under almost no load, and the time of a
// durable commit in the same database.
func runLatency(ctx context.Context, b *bench) ([]row, error) {
	if err := b.warmUp(ctx); err != nil {
		return nil, err
	}
	n := int(b.Span.Seconds() * latencyRate)
	e, err := b.expect(ctx, n, n)
	if err != nil {
		return nil, err
	}
	measuring, err := b.measure(ctx, b.Phase)
	if err != nil {
		return nil, err
	}
	var emits, commits stopwatch
	tick := time.NewTicker(time.Second / latencyRate / 2)
	defer tick.Stop()
	for i := range n {
		<-tick.C
		began := time.Now()
		if err := b.subject.emit(ctx, event{number: e.First + i, target: b.pick(i), at: began, keyed: b.keyed(e.First + i)}); err != nil {
			return nil, err
		}
		emits.add(time.Since(began))
		<-tick.C
		if c, ok := b.subject.(committer); ok {
			began := time.Now()
			if err := c.commit(ctx); err != nil {
				return nil, err
			}
			commits.add(time.Since(began))
		}
	}
	report, err := b.complete(ctx, e)
	if err != nil {
		return nil, err
	}
	m, err := measuring.end(ctx, n, time.Since(measuring.began))
	if err != nil {
		return nil, err
	}
	if b.Keyed == 100 {
		report.Latencies = report.OtherLatencies
	}
	m.latencies(report.Latencies, n)
	m.set("emit_p50_ms", percentile(emits.sorted(), 50, n))
	m.set("commit_p50_ms", percentile(commits.sorted(), 50, n))
	m.set("duplicates", float64(report.Duplicates))
	return []row{{Phase: b.Phase, Measures: m}}, nil
}

// offerers is how many callers emit a fixed load at most at once. If they are too few,
// events wait, and the waiting counts as latency.
const offerers = 256

// An offer is a load whose rate does not depend on the subject.
type offer struct {
	rate   float64             // events a second
	span   time.Duration       // for so long
	target func(event int) int // of the nth event
}

func (o offer) count() int { return int(o.rate * o.span.Seconds()) }

// offer emits events, from number first on, at their times. It returns when
// the span is over, even if some are still being emitted.
func (b *bench) offer(ctx context.Context, first int, o offer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	due := make(chan event, o.count())
	callers := offerers
	if b.isLoop() {
		callers = loopCallers
	}
	var emitting sync.WaitGroup
	for range callers {
		emitting.Go(func() {
			for e := range due {
				if err := b.subject.emit(ctx, e); err != nil && ctx.Err() == nil {
					cancel(err)
				}
			}
		})
	}
	go func() {
		emitting.Wait()
		cancel(nil)
	}()
	began := time.Now()
	for i := 0; i < o.count() && ctx.Err() == nil; {
		for at := began.Add(time.Duration(float64(i) / o.rate * float64(time.Second))); i < o.count() && !time.Now().Before(at); {
			due <- event{number: first + i, target: o.target(i), at: at, keyed: b.keyed(first + i)}
			i++
			at = began.Add(time.Duration(float64(i) / o.rate * float64(time.Second)))
		}
		time.Sleep(time.Millisecond)
	}
	close(due)
	if err := context.Cause(ctx); err != nil && err != context.Canceled {
		return err
	}
	return nil
}

// grace is how long after the end of a load its last events may arrive.
const grace = time.Second

// runHang offers half of what the subject can do, first to receivers that all
// answer, then with a tenth of them hanging, and measures those that do not.
func runHang(ctx context.Context, b *bench) ([]row, error) {
	if err := b.warmUp(ctx); err != nil {
		return nil, err
	}
	most, err := b.live(ctx, max(b.Events/2, 1000))
	if err != nil {
		return nil, err
	}
	o := offer{rate: most["events_per_s"] / 2, span: b.Span}

	o.target = func(i int) int { return i % b.Webhooks }
	before, err := b.load(ctx, o, o.count())
	if err != nil {
		return nil, err
	}

	// Of every ten numbers, the last is that of a webhook that hangs.
	o.target = func(i int) int {
		if i%10 == 9 {
			return b.Webhooks + i/10%b.Hanging
		}
		return i % b.Webhooks
	}
	healthy := o.count() - o.count()/10
	m, err := b.load(ctx, o, healthy)
	if err != nil {
		return nil, err
	}
	m.set("offered_per_s", o.rate*float64(healthy)/float64(o.count()))
	m.set("healthy_ratio_before", before["healthy_ratio"])
	for _, p := range []string{"p50_ms", "p99_ms"} {
		if v, ok := before[p]; ok {
			m[p+"_before"] = v
		}
	}
	return []row{{Phase: b.Phase, Measures: m}}, nil
}

// load offers a load and measures those of its plain events that have arrived when it
// is over. Latencies are of those that are not keyed.
func (b *bench) load(ctx context.Context, o offer, plain int) (measures, error) {
	e, err := b.expect(ctx, o.count(), plain)
	if err != nil {
		return nil, err
	}
	measuring, err := b.measure(ctx, b.Phase)
	if err != nil {
		return nil, err
	}
	if err := b.offer(ctx, e.First, o); err != nil {
		return nil, err
	}
	report, err := b.watch.report(ctx, grace, true)
	if err != nil {
		return nil, err
	}
	m, err := measuring.end(ctx, max(report.Plain, 1), o.span)
	if err != nil {
		return nil, err
	}
	keyed := 0
	for i := range o.count() {
		if b.keyed(e.First + i) {
			keyed++
		}
	}
	m.latencies(report.Latencies, plain-keyed)
	m.set("healthy_ratio", float64(report.Plain)/float64(plain))
	m.set("duplicates", float64(report.Duplicates))
	return m, nil
}

// runMany is the phase live with very many webhooks.
func runMany(ctx context.Context, b *bench) ([]row, error) { return runLive(ctx, b) }
