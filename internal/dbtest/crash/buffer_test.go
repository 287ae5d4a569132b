//go:build unix

package crash

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A child's buffer holds so many events at most. It stores them sooner: 200 ms after
// the first one.
const bufferEvents = 40

func TestKill9LosesNoMoreThanTheBuffer(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, db database) {
		rng, s := newRand(t), newScene(t, db, steady, flaky, once)
		started := 0
		startOne := func() *process {
			started++
			return start(t, s.record, childConfig{
				Name: fmt.Sprintf("c%d", started), Database: db,
				Deliver: true, Timeout: time.Second, Concurrency: slots,
				Emit: rate, Buffer: bufferEvents,
			}).ready()
		}
		child := startOne()
		kills := rounds(t)
		for range kills {
			child.await(sayTaken, 1)
			pause(time.Duration(rng.Int64N(int64(2 * longLife))))
			child.kill()
			child = startOne()
		}
		child.await(sayTaken, 1)
		pause(longLife)
		child.silence()
		last := child.config.Name
		child.stop() // what is in its buffer is stored, and waits for a process that delivers
		s.worker("w", time.Second)

		f := s.audit(false)
		lost := s.takenAndLost()
		t.Logf("%d kills lost %v", kills, lost)
		for name, n := range lost {
			if n > bufferEvents {
				t.Errorf("the kill of %s lost %d events: its buffer holds %d", name, n, bufferEvents)
			}
		}
		if lost[last] > 0 {
			t.Errorf("%d events were lost by a Shutdown that had all the time that it wanted", lost[last])
		}
		if f.deliveries == 0 {
			t.Error("nothing was stored: the test has shown nothing")
		}
		const held = 2 * slots // as with Emit
		if most := kills*held + s.record.lostOutcomes(); f.duplicates > most {
			t.Errorf("%d duplicates: %d kills account for %d", f.duplicates, kills, most)
		}
	})
}

// takenAndLost returns how many events buffers took that are not in the store, by the
// name of the child.
func (s *scene) takenAndLost() map[string]int {
	s.t.Helper()
	stored := map[string]bool{}
	for _, d := range readLog(s.t, s.store.Store) {
		stored[d.EventID] = true
	}
	s.record.mu.Lock()
	defer s.record.mu.Unlock()
	lost := map[string]int{}
	for id := range s.record.taken {
		if !stored[id] {
			name, _, _ := strings.Cut(id, "-")
			lost[name]++
		}
	}
	return lost
}
