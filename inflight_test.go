package webhook

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/listhook/webhook/internal/limiter"
)

// A claimed delivery is one as a claim brings it.
type claimed struct {
	lease    int64
	attempts int
}

// orders returns all orders of cs.
func orders(cs []claimed) (all [][]claimed) {
	if len(cs) == 0 {
		return [][]claimed{nil}
	}
	for i, first := range cs {
		rest := append(append([]claimed(nil), cs[:i]...), cs[i+1:]...)
		for _, order := range orders(rest) {
			all = append(all, append([]claimed{first}, order...))
		}
	}
	return all
}

// Claims of one delivery reach its process in any order: each is answered by a
// call of its own. The newest lease is the one that counts.
func TestLeasesOnlyGrow(t *testing.T) {
	for _, c := range []struct {
		name   string
		claims []claimed
	}{
		{"leases that ended", []claimed{{2, 0}, {5, 0}}},
		{"leases that ended, again and again", []claimed{{1, 0}, {2, 0}, {3, 0}, {4, 0}}},
		{"after outcomes", []claimed{{1, 0}, {3, 1}, {5, 2}, {7, 3}}},
		{"after outcomes, and leases that ended", []claimed{{1, 0}, {2, 0}, {4, 1}, {5, 1}, {7, 2}}},
		{"asked for again", []claimed{{1, 0}, {3, 1}, {5, 2}, {8, 0}, {9, 0}}},
		{"asked for again, and attempted", []claimed{{5, 2}, {8, 0}, {10, 1}}},
		{"one claim twice", []claimed{{3, 1}, {3, 1}, {5, 1}}},
	} {
		for _, order := range orders(c.claims) {
			t.Run(fmt.Sprint(c.name, order), func(t *testing.T) {
				tr := &tracker{byID: map[string]*inflight{}, join: func(*inflight) bool { return false }}
				var started []*inflight
				lim := limiter.New(limiter.NewPool[*inflight](limiter.Config{Concurrency: 100, PerHost: 100}), 100, 1,
					func(f *inflight) { started = append(started, f) }, nil, func() {})
				newest := int64(0)
				for _, a := range order {
					r := lim.Reserve(1)
					slot := lim.Fill(r, []string{"w"})[0]
					tr.hold(&inflight{Delivery: Delivery{ID: "d", WebhookID: "w", Lease: a.lease, Attempts: a.attempts}, slot: slot})
					newest = max(newest, a.lease)
					held := tr.byID["d"]
					assert.Equal(t, newest, tr.lease(held), "the outcome is stored under the newest lease")
					if held.reclaimed != nil {
						assert.Equal(t, newest, held.reclaimed.Lease)
					}
				}
				for len(started) > 0 {
					f := started[0]
					started = started[1:]
					superseded := tr.superseded(f)
					assert.True(t, superseded == 0 || superseded > tr.lease(f))
					tr.release(f) // without an outcome, as if the store were gone
				}
				assert.Empty(t, tr.byID)
				s := lim.Stats()
				assert.Zero(t, s.Attempts+s.Slow+s.Waiting, "every slot was given back")
			})
		}
	}
}

// What was claimed before a newer attempt began is not attempted after that.
func TestWhatWasOvertakenIsNotBegunAgain(t *testing.T) {
	tr := &tracker{byID: map[string]*inflight{}, join: func(*inflight) bool { return false }}
	var started []int64
	lim := limiter.New(limiter.NewPool[*inflight](limiter.Config{Concurrency: 100, PerHost: 100}), 100, 1,
		func(f *inflight) { started = append(started, f.Lease) }, nil, func() {})
	all := map[int64]*inflight{}
	for _, a := range []claimed{{1, 0}, {2, 0}, {4, 1}} {
		slot := lim.Fill(lim.Reserve(1), []string{"w"})[0]
		all[a.lease] = &inflight{Delivery: Delivery{ID: "d", WebhookID: "w", Lease: a.lease, Attempts: a.attempts}, slot: slot}
		tr.hold(all[a.lease])
	}
	tr.release(all[4])
	tr.release(all[1])
	assert.Equal(t, []int64{1, 4}, started)
}
