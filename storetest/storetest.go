// Package storetest checks a webhook.Store against every rule that the
// comments of webhook.Store, Outbox, Claim, Change and the queries state.
//
// A store's own test is a few lines:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) webhook.Store {
//			s, err := mystore.Open(t.TempDir())
//			if err != nil {
//				t.Fatal(err)
//			}
//			t.Cleanup(func() { s.Close() })
//			return s
//		})
//	}
//
// Each rule is a subtest with a store of its own, so that one can be worked on
// alone:
//
//	go test -run 'TestStore/claim_heeds_hold'
//
// and a failure prints the rule in words, how it was broken, and what was asked
// before about the IDs that it names. The suite ends whatever the store does: a
// call that hangs or panics fails its case only. No case asserts how long
// anything takes, but for that bound.
//
// A store whose storage outlives the process, or is shared by several, should
// be checked for that too: see Suite.
package storetest

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/listhook/webhook"
)

// Run checks the stores that open returns, one for each case. Each must be
// empty when it is returned; open cleans up by t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) webhook.Store) {
	t.Helper()
	Suite{Open: open}.Run(t)
}

// A Suite is what Run does, with more to check.
type Suite struct {
	// Open returns an empty store, and cleans up by t.Cleanup. It is required.
	Open func(t *testing.T) webhook.Store

	// Second returns another handle on the storage of s, as a second process
	// would open, while s stays in use. Cases with concurrent callers then use
	// both. Nil: the storage has one user, and its case is skipped.
	Second func(t *testing.T, s webhook.Store) webhook.Store

	// Reopen ends s and opens its storage anew, as after a restart. Nil: the
	// store forgets with its process, and the case is skipped.
	Reopen func(t *testing.T, s webhook.Store) webhook.Store

	// Blocked is how many deliveries the case claim_gets_past_long_lines enqueues
	// behind the first ones of their lines, and enqueue_takes_thousands at once, but for
	// 50,000 at most. Zero: 10,000, which any storage takes in a moment.
	Blocked int

	// Light makes the suite several times as short, for a storage that takes long for each
	// call. Cases of many rows, many texts or many random calls then have fewer of them,
	// and each logs what it left out. Let the whole suite pass before each release.
	Light bool

	// Timeout bounds each case. Once a call has hung it is a fortieth for the
	// cases that remain. Zero: one minute.
	Timeout time.Duration
}

// Run checks every rule, each in a subtest.
func (s Suite) Run(t *testing.T) {
	t.Helper()
	if s.Timeout <= 0 {
		s.Timeout = time.Minute
	}
	if s.Blocked <= 0 {
		s.Blocked = 10_000
	}
	var hung atomic.Bool
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) { s.check(t, r, &hung) })
	}
}

// A rule is one that a store keeps.
type rule struct {
	name  string // of its subtest
	says  string // in words
	check func(c *checker)
}

// rules returns all rules. One comes behind those that its case builds on, so that the first
// failure is of the rule that was broken.
func rules() []rule {
	return slices.Concat(
		putRules, webhookRules, numberRules,
		enqueueRules, logRules,
		claimRules, turnRules, applyRules, rewriteRules, pruneRules,
		addedRules, eventRules,
		lineRules, leavingRules, sequenceRules, joiningRules, leasingRules, leaseUntilRules, fieldRules,
		valueRules, documentRules, prefixRules, farRules, memoryRules, contextRules, idleRules, insideRules,
		storageRules, randomRules,
		bodyRules, largeRules, limitRules, expiryRules, duplicateRules, // what takes longest
		meanwhileRules, pageRules, glanceRules, concurrentPutRules, concurrentLineRules, concurrentLeasingRules, concurrentRules, // at last: the runtime ends the process when a map is written to at once
	)
}

// check checks one rule on a store of its own.
func (s Suite) check(t *testing.T, r rule, hung *atomic.Bool) {
	t.Helper()
	timeout := s.Timeout
	if hung.Load() {
		timeout /= 40
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	// A store that heeds its context has a moment to say so.
	end, cancelEnd := context.WithTimeout(context.Background(), timeout+min(timeout/10, time.Second))
	defer cancelEnd()

	c := &checker{t: t, rule: r, suite: s, ctx: ctx, end: end, hung: hung, calls: newHistory()}
	c.store = c.open("Open", s.Open)
	defer func() {
		if p := recover(); p != nil { // by what a store returned
			c.broken("the case panicked: %v\n%s", p, debug.Stack())
		}
	}()
	r.check(c)
}

// open calls one of the suite's functions, which may end the test by itself.
func (c *checker) open(name string, open func(t *testing.T) webhook.Store) *guard {
	c.t.Helper()
	opened := make(chan webhook.Store, 1)
	panicked := make(chan string, 1)
	go func() {
		defer close(opened)
		defer func() {
			if p := recover(); p != nil {
				panicked <- fmt.Sprintf("%v\n%s", p, debug.Stack())
			}
		}()
		opened <- open(c.t)
	}()
	select {
	case store, ok := <-opened:
		switch {
		case ok && store != nil:
			return &guard{store: store, ctx: c.ctx, end: c.end, hung: c.hung, calls: c.calls}
		case len(panicked) > 0:
			c.broken("%s panicked: %s", name, <-panicked)
		case c.t.Skipped():
			c.t.SkipNow()
		case c.t.Failed():
			c.t.FailNow()
		}
		c.broken("%s returned no store", name)
	case <-c.end.Done():
		c.hung.Store(true)
		c.broken("%s did not return in time", name)
	}
	return nil
}
