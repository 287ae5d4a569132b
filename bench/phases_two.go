package main

import (
	"context"
	"errors"
	"time"
)

// A half is what each of two processes does in the phase two.
type half struct {
	CPU  time.Duration
	Peak float64 // MB
}

// runTwo is the phase live, shared by two processes that both emit and deliver.
func runTwo(ctx context.Context, b *bench) ([]row, error) {
	second, err := spawn(ctx, roleSecond, b.job)
	if err != nil {
		return nil, err
	}
	defer second.end()
	if err := second.hear(nil); err != nil { // it is ready
		return nil, err
	}
	if err := b.warmUp(ctx); err != nil {
		return nil, err
	}
	e, err := b.expect(ctx, b.Events, b.Events)
	if err != nil {
		return nil, err
	}
	measuring, err := b.measure(ctx, b.Phase)
	if err != nil {
		return nil, err
	}
	if err := second.tell(wordGo); err != nil {
		return nil, err
	}
	_, emitErr := b.emitAll(ctx, e.First, b.Events/2, b.Callers/2)
	report, err := b.complete(ctx, e)
	if err := errors.Join(emitErr, err); err != nil {
		return nil, err
	}
	if err := second.tell(wordEnough); err != nil {
		return nil, err
	}
	var other half
	if err := second.hear(&other); err != nil {
		return nil, err
	}
	measuring.at.own -= other.CPU
	m, err := measuring.end(ctx, b.Events, time.Unix(0, report.Last).Sub(measuring.began))
	if err != nil {
		return nil, err
	}
	m.latencies(report.Latencies, b.Events)
	m["peak_mb"] = max(m["peak_mb"], other.Peak)
	m.set("duplicates", float64(report.Duplicates))
	return []row{{Phase: b.Phase, Measures: m}}, nil
}

// wordEnough tells the second process that everything has arrived.
const wordEnough = "enough"

// runSecond is the process that shares the work. The number of its first event
// follows from what the other does before.
func runSecond(ctx context.Context, j *job, p parent) error {
	b, err := openBench(ctx, j)
	if err != nil {
		return err
	}
	defer b.subject.close()
	if err := b.subject.start(ctx); err != nil {
		return err
	}
	p.say("ready")
	p.await()
	before := ownCPU()
	first := b.next + b.Warmup
	if _, err := b.emitAll(ctx, first+b.Events/2, b.Events-b.Events/2, b.Callers/2); err != nil {
		return err
	}
	p.await()
	p.say(half{CPU: ownCPU() - before, Peak: ownPeak()})
	return nil
}
