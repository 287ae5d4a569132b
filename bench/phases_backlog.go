package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/storetest"
)

// The words for an emitter.
const (
	wordFill = "fill" // emit the backlog
	wordGo   = "go"   // emit to the other account, now and then
)

// runBacklog measures how soon another account's events, which another process
// emits, arrive while a large backlog for one webhook is delivered; and what
// the backlog costs in memory and in claims.
func runBacklog(ctx context.Context, b *bench) ([]row, error) {
	emitter, err := spawn(ctx, roleEmitter, b.job)
	if err != nil {
		return nil, err
	}
	defer emitter.end()
	began := time.Now()
	if err := emitter.tell(wordFill); err != nil {
		return nil, err
	}
	if err := emitter.hear(nil); err != nil {
		return nil, err
	}
	filled := time.Since(began)

	// The emitter numbers the backlog from 1 on, and what comes later above it.
	e, err := b.expect(ctx, b.Backlog+int(b.Span.Seconds()*otherRate)+1, b.Backlog)
	if err != nil {
		return nil, err
	}
	measuring, err := b.measure(ctx, b.Phase)
	if err != nil {
		return nil, err
	}
	if err := b.subject.start(ctx); err != nil {
		return nil, err
	}
	if err := emitter.tell(wordGo); err != nil {
		return nil, err
	}
	var emitted int
	if err := emitter.hear(&emitted); err != nil {
		return nil, err
	}
	report, err := b.watch.report(ctx, 2*time.Second, true)
	if err != nil {
		return nil, err
	}
	m, err := measuring.end(ctx, max(report.Plain, 1), time.Since(measuring.began))
	if err != nil {
		return nil, err
	}
	if report.Plain == e.Plain {
		m.set("events_per_s", float64(report.Plain)/time.Unix(0, report.Last).Sub(measuring.began).Seconds())
	}
	m.latencies(report.OtherLatencies, emitted)
	m.set("max_ms", percentile(report.OtherLatencies, 100, emitted))
	m.set("fill_s", filled.Seconds())
	m.set("left", float64(b.Backlog-report.Plain))
	m.set("duplicates", float64(report.Duplicates))
	if o, ok := b.subject.(library); ok {
		claims := o.library().store.claims.sorted()
		m.set("claims", float64(len(claims)))
		m.set("claim_p50_ms", percentile(claims, 50, len(claims)))
		m.set("claim_p99_ms", percentile(claims, 99, len(claims)))
	}
	return []row{{Phase: b.Phase, Measures: m}}, nil
}

// otherRate is how many events a second the other account has, at most.
const otherRate = 2

// runEmitter is the process that emits in the phase backlog. It delivers
// nothing.
func runEmitter(ctx context.Context, j *job, p parent) error {
	opened, err := findSubject(j.Subject).open(ctx, j)
	if err != nil {
		return err
	}
	l, ok := opened.(library)
	if !ok {
		return fmt.Errorf("only this library has a backlog of several accounts")
	}
	o := l.library()
	for {
		switch word := p.await(); word {
		case wordFill:
			if err := o.fill(ctx, j.Backlog); err != nil {
				return err
			}
			p.say(j.Backlog)
		case wordGo:
			n, err := o.trickle(ctx, j.Backlog+1, j.Span)
			if err != nil {
				return err
			}
			p.say(n)
		default:
			return fmt.Errorf("unknown word %q", word)
		}
	}
}

// fill emits a backlog for the first target, in large groups.
func (o *ours) fill(ctx context.Context, n int) error {
	const group, callers = 500, 8
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var taken atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for ctx.Err() == nil {
				first := int(taken.Add(group)) - group
				var events []webhook.Event
				for i := first; i < min(first+group, n); i++ {
					events = append(events, event{number: i + 1, at: time.Now()}.open())
				}
				if len(events) == 0 {
					return
				}
				if err := o.dispatcher.Emit(ctx, events...); err != nil {
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// trickle emits single events to the other target, out of step with every
// poll, and returns how many.
func (o *ours) trickle(ctx context.Context, first int, span time.Duration) (n int, err error) {
	end := time.Now().Add(span)
	for pause := time.Second / otherRate; time.Now().Before(end); n++ {
		if err := o.emit(ctx, event{number: first + n, target: otherTarget, at: time.Now()}); err != nil {
			return n, err
		}
		time.Sleep(pause + time.Duration(n%10)*pause/13)
	}
	return n, nil
}

// idleRetries is how many deliveries wait for their next attempt in the phase
// idle.
const idleRetries = 10_000

// runIdle measures the cost of a dispatcher that only waits.
func runIdle(ctx context.Context, b *bench) ([]row, error) {
	l, ok := b.subject.(library)
	if !ok {
		return nil, fmt.Errorf("only this library's stores can be given retries")
	}
	if err := b.warmUp(ctx); err != nil {
		return nil, err
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	var ds []webhook.Delivery
	for i := range idleRetries {
		e := event{number: b.next + i, at: now}
		ds = append(ds, webhook.Delivery{
			ID: "retry-" + strconv.Itoa(i), Account: account(0), WebhookID: webhookID(0), EventID: strconv.Itoa(e.number), Type: webhook.TypeOpen,
			Body: e.body(), Created: now, State: webhook.StatePending, Due: now.Add(time.Hour), Attempts: 1,
		})
	}
	for len(ds) > 0 {
		n := min(500, len(ds))
		if _, err := l.library().store.Enqueue(ctx, storetest.Events(ds[:n]...)); err != nil {
			return nil, err
		}
		ds = ds[n:]
	}
	select { // the writing settles: PostgreSQL's own writers look for more for ten seconds
	case <-time.After(min(15*time.Second, b.Span)):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	measuring, err := b.measure(ctx, b.Phase)
	if err != nil {
		return nil, err
	}
	select {
	case <-time.After(b.Span):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	m, err := measuring.end(ctx, 0, b.Span)
	return []row{{Phase: b.Phase, Measures: m}}, err
}
