package webhook_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// pruningStore has so many deliveries to prune, which it says at each call that
// limits them.
type pruningStore struct {
	memstore.Store
	left  int           // -1: they never end
	takes time.Duration // a call

	mu    sync.Mutex
	began []time.Time // the calls
}

func (s *pruningStore) Prune(_ context.Context, p webhook.Prune) (int, error) {
	if p.Limit == 0 {
		return 0, nil
	}
	s.mu.Lock()
	s.began = append(s.began, time.Now())
	s.mu.Unlock()
	time.Sleep(s.takes)
	if s.left < 0 {
		return p.Limit, nil
	}
	n := min(s.left, p.Limit)
	s.left -= n
	return n, nil
}

// calls returns when the calls began.
func (s *pruningStore) calls() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.began)
}

func TestPruningLeavesTheStoreToOthers(t *testing.T) {
	for name, c := range map[string]struct {
		left  int
		lasts time.Duration
		least time.Duration // between the beginnings of the last two calls
	}{
		"what there is":                  {10_000, time.Minute, 500 * time.Millisecond},
		"more than it removes at a time": {-1, 30 * time.Minute, 200 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := &pruningStore{left: c.left, takes: 100 * time.Millisecond}
				d, err := webhook.New(s, nil, &webhook.Options{PollInterval: time.Minute})
				require.NoError(t, err)
				require.NoError(t, d.Start())
				time.Sleep(c.lasts)
				calls := s.calls()
				last := len(calls) - 1
				require.Greater(t, last, 10)
				assert.Equal(t, 500*time.Millisecond, calls[1].Sub(calls[0]))
				if c.left < 0 {
					assert.Equal(t, c.least, calls[last].Sub(calls[last-1]))
				} else {
					assert.Equal(t, 21, len(calls), "500 at a time")
				}
				began := time.Now()
				require.NoError(t, d.Shutdown(t.Context()))
				assert.LessOrEqual(t, time.Since(began), s.takes, "Shutdown waits for a call, not for a rest")
			})
		})
	}
}
