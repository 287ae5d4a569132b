//go:build unix

package crash

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/listhook/webhook"
)

// checkLines checks rule 7, and returns for how many deliveries.
func (a *audit) checkLines(complain func(string, ...any), log map[string]webhook.Delivery) (followers int) {
	lines := map[string][]webhook.Delivery{}
	for _, d := range log {
		if d.Key != "" && !d.PassedOver && lineOf(d.EventID) == d.Key && !slices.Contains(a.wild, d.WebhookID) {
			lines[d.WebhookID+" "+d.Key] = append(lines[d.WebhookID+" "+d.Key], d)
		}
	}
	for name, line := range lines {
		followers += len(line) - 1
		slices.SortFunc(line, func(a, b webhook.Delivery) int { return cmp.Compare(a.Sequence, b.Sequence) })
		latest := map[string]webhook.Delivery{} // of each emitter
		var ended request                       // the last request with those before
		for i, d := range line {
			if d.Sequence <= 0 || i > 0 && d.Sequence == line[i-1].Sequence {
				complain("%s of %s has the sequence %d", d.ID, name, d.Sequence)
			}
			from, _, n, _ := parseID(d.EventID)
			if before, ok := latest[from]; ok {
				if _, _, m, _ := parseID(before.EventID); m > n || m == n && before.EventID > d.EventID {
					complain("ORDER: %s is %d in %s, after %s", d.EventID, d.Sequence, name, before.EventID)
				}
			}
			latest[from] = d
			last := ended
			for _, r := range a.receiver.of(d.ID) {
				if r.sequence != d.Sequence {
					complain("%s of %s came with the sequence %d instead of %d", d.ID, name, r.sequence, d.Sequence)
				}
				if r.start.Before(ended.end) {
					complain("ORDER: %s (%d) of %s came %s before a request of %s with attempt %d of %s had ended, which took %s",
						d.EventID, d.Sequence, name, ended.end.Sub(r.start), ended.by, ended.attempt, ended.event, ended.end.Sub(ended.start))
				}
				if r.end = a.record.end(r); r.end.After(last.end) && !gaveUp(d, r) {
					last = r
				}
			}
			ended = last
		}
	}
	return followers
}

// Forty people change six times within a second, emitted by two processes whose clocks
// are three seconds apart, while these are killed. Their receivers need up to 50 ms and
// fail a fifth of the time. Everybody ends in the right state: the last that the receiver
// was told is the last that was emitted.
func TestEverybodyEndsInTheRightStateDespiteKill9(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, db database) {
		rng, s := newRand(t), newScene(t, db, steady, flaky)
		delays := make(chan time.Duration, 64)
		stop := make(chan struct{})
		defer close(stop)
		go func() { // it ends with the test
			for {
				select {
				case delays <- time.Duration(rng.Int64N(int64(51 * time.Millisecond))):
				case <-stop:
					return
				}
			}
		}()
		s.receiver.meets(func(*request) { pause(<-delays) })
		born := 0
		birth := func(skew time.Duration) *process {
			born++
			return start(t, s.record, childConfig{
				Name: fmt.Sprintf("c%d", born), Database: db, Skew: skew,
				Deliver: true, Timeout: 3 * time.Second, Concurrency: slots, Emit: 120, Transactions: true,
			}).ready()
		}
		slow, fast := birth(0), birth(3*time.Second)
		for range min(rounds(t), 5) {
			pause(time.Second)
			slow.kill()
			fast.kill()
			slow, fast = birth(0), birth(3*time.Second)
		}
		s.goesOn(20)
		for _, c := range []*process{slow, fast} {
			c.silence()
		}
		drained(t, s.store)
		for _, c := range []*process{slow, fast} {
			c.stop()
		}
		if f := s.check(audit{skewed: true}); f.followers < 10 {
			t.Errorf("only %d deliveries followed another one: the test has shown little", f.followers)
		}
	})
}
