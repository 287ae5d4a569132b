package memstore

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/storetest"
)

func TestStoreKeepsEveryRule(t *testing.T) {
	storetest.Suite{
		Open:    func(*testing.T) webhook.Store { return New() },
		Second:  func(_ *testing.T, s webhook.Store) webhook.Store { return s },
		Blocked: 50_000,
	}.Run(t)
}

// The number of comparisons in a claim does not grow with the deliveries that it
// leaves: those of a webhook without room, and those that are not due.
func TestClaimDoesNotGrowWithWhatItLeaves(t *testing.T) {
	now := time.Date(2013, 1, 2, 9, 28, 42, 0, time.UTC)
	comparisons := func(backlog, waiting int) (n int) {
		var ds []webhook.Delivery
		add := func(id, webhookID string, due time.Time) {
			ds = append(ds, webhook.Delivery{ID: id, WebhookID: webhookID, State: webhook.StatePending, Due: due, Created: now})
		}
		for i := range backlog {
			add(fmt.Sprint("full", i), "full", now)
		}
		for i := range waiting {
			add(fmt.Sprint("later", i), fmt.Sprint("w", i), now.Add(time.Hour))
		}
		add("claimed", "z", now)
		var s Store
		_, err := s.Enqueue(t.Context(), storetest.Events(ds...))
		require.NoError(t, err)

		claim := func() {
			got, err := s.Claim(t.Context(), webhook.Claim{
				Now: now, Until: now.Add(time.Minute), Limit: 10, Each: 5, Room: map[string]int{"full": 0},
			})
			require.NoError(t, err)
			require.Len(t, got, 1)
			require.Equal(t, "claimed", got[0].ID)
			now = now.Add(time.Minute)
		}
		claim()
		s.waiting.compare = counting(&n, s.waiting.compare)
		s.ready.compare = counting(&n, s.ready.compare)
		for _, l := range s.queues {
			l.pending.compare = counting(&n, l.pending.compare)
		}
		for range 10 {
			claim()
		}
		return n / 10
	}
	small := comparisons(10, 10)
	require.Positive(t, small)
	require.Less(t, comparisons(20_000, 20_000), small+300, "a few times the logarithm of 20,000")
}

// The number of comparisons in a claim, and in a change of the first of a line, does not
// grow with the deliveries that stand behind it.
func TestClaimDoesNotGrowWithTheLine(t *testing.T) {
	now := time.Date(2013, 1, 2, 9, 28, 42, 0, time.UTC)
	comparisons := func(length int) (n int) {
		var s Store
		var ds []webhook.Delivery
		for i := range length {
			ds = append(ds, webhook.Delivery{
				ID: fmt.Sprint(i), WebhookID: "1", Key: "line", State: webhook.StatePending, Due: now, Created: now,
			})
		}
		_, err := s.Enqueue(t.Context(), storetest.Events(ds...))
		require.NoError(t, err)
		s.waiting.compare = counting(&n, s.waiting.compare)
		s.ready.compare = counting(&n, s.ready.compare)
		q, l := s.queues["1"], s.lines[lineKey{"1", "line"}]
		q.pending.compare = counting(&n, q.pending.compare)
		l.pending.compare = counting(&n, l.pending.compare)
		for i := range 10 {
			got, err := s.Claim(t.Context(), webhook.Claim{Now: now, Until: now.Add(time.Minute), Limit: 10, Each: 10})
			require.NoError(t, err)
			require.Len(t, got, 1)
			require.Equal(t, fmt.Sprint(i), got[0].ID)
			lost, err := s.Apply(t.Context(), []webhook.Change{{ID: got[0].ID, Lease: 1, State: webhook.StateDelivered, Due: now}})
			require.NoError(t, err)
			require.Empty(t, lost)
		}
		return n / 10
	}
	small := comparisons(20)
	require.Positive(t, small)
	require.Less(t, comparisons(100_000), small+50, "a few times the logarithm of 100,000")
}

func counting[T any](n *int, compare func(a, b T) int) func(a, b T) int {
	return func(a, b T) int { *n++; return compare(a, b) }
}

func TestOrderedIsASortedSet(t *testing.T) {
	for name, value := range map[string]func(i int) int{
		"in order":  func(i int) int { return i },
		"reversed":  func(i int) int { return 999 - i },
		"scattered": func(i int) int { return i * 7919 % 1000 },
	} {
		t.Run(name, func(t *testing.T) {
			set := sortedSet[int]{compare: func(a, b int) int { return a - b }}
			requireSet(t, &set, []int{})
			want := []int{}
			remove := func(v int) {
				set.delete(v)
				set.delete(v) // it is not in the set
				want = slices.DeleteFunc(want, func(w int) bool { return w == v })
			}
			for i := range 1000 {
				set.insert(value(i))
				want = append(want, value(i))
				if i%3 == 0 {
					remove(want[i%len(want)])
				}
			}
			slices.Sort(want)
			requireSet(t, &set, want)
			for i := 0; len(want) > 0; i++ {
				remove(want[i*7919%len(want)])
				if i%100 == 0 || len(want) < 3 {
					requireSet(t, &set, want)
				}
			}
		})
	}
}

// requireSet requires a set to hold the values in want, in order, and to ascend from
// and descend to each of them.
func requireSet(t *testing.T, set *sortedSet[int], want []int) {
	t.Helper()
	first, ok := set.first()
	require.Equal(t, len(want) > 0, ok)
	if ok {
		require.Equal(t, want[0], first)
	}
	for i := 0; i <= len(want); i++ {
		from := math.MaxInt
		if i < len(want) {
			from = want[i]
		}
		require.Equal(t, want[i:], slices.AppendSeq([]int{}, set.ascend(func(v int) bool { return v >= from })))
		down := slices.AppendSeq([]int{}, set.descend(func(v int) bool { return v < from }))
		slices.Reverse(down)
		require.Equal(t, want[:i], down)
	}
	for v := range set.descend(always) { // leaving early ends the walk
		require.Equal(t, want[len(want)-1], v)
		break
	}
	for v := range set.ascend(always) {
		require.Equal(t, want[0], v)
		break
	}
}

func BenchmarkClaimPastAMillion(b *testing.B) {
	now := time.Date(2013, 1, 2, 9, 28, 42, 0, time.UTC)
	var s Store
	ds := make([]webhook.Delivery, 0, 1_000_001)
	for i := range cap(ds) {
		ds = append(ds, webhook.Delivery{ID: fmt.Sprint(i), WebhookID: "full", State: webhook.StatePending, Due: now, Created: now})
	}
	ds[0].WebhookID = "room"
	if _, err := s.Enqueue(context.Background(), storetest.Events(ds...)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		c := webhook.Claim{Now: now, Until: now.Add(time.Second), Limit: 100, Each: 32, Room: map[string]int{"full": 0}}
		if got, err := s.Claim(context.Background(), c); err != nil || len(got) != 1 {
			b.Fatal(got, err)
		}
		now = c.Until
	}
}
