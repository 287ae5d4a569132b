//go:build unix

package crash

import (
	"fmt"
	"testing"
	"time"
)

const (
	crowd    = 2                      // children at a time
	longLife = 500 * time.Millisecond // how long one lives at most once it is ready
	slots    = 32                     // a child's Options.Concurrency
	rate     = 150                    // events that it emits in a second
)

func TestNothingPromisedIsLostToKill9(t *testing.T) {
	t.Parallel()
	onEach(t, append(stores(), lockMode2), func(t *testing.T, db database) {
		// So many are under way, and so many delivered whose outcomes are being stored.
		testKills(t, db, 2*slots, steady, flaky, once)
	})
}

// A kill may repeat a few batches of each webhook, however many slots there are.
func TestBatchesLoseNothingToKill9(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, db database) { testKills(t, db, 2*4*batchSize, batched, batchedJSON) })
}

// testKills kills apps that emit and deliver. An app holds at most held deliveries, and a
// kill may repeat these.
func testKills(t *testing.T, db database, held int, webhooks ...string) {
	t.Helper()
	rng, s := newRand(t), newScene(t, db, webhooks...)
	started := 0
	startOne := func() *process {
		started++
		return start(t, s.record, childConfig{
			Name: fmt.Sprintf("c%d", started), Database: db,
			Deliver: true, Timeout: time.Second, Concurrency: slots,
			Emit: rate, Transactions: true,
		})
	}
	children := make([]*process, crowd)
	for i := range children {
		children[i] = startOne()
	}
	kills := 0
	for range rounds(t) {
		victims := []int{rng.IntN(crowd)}
		if rng.IntN(4) == 0 {
			victims = []int{0, 1}
		}
		if rng.IntN(8) > 0 { // else it dies while it is starting
			children[victims[0]].ready()
		}
		pause(time.Duration(rng.Int64N(int64(longLife))))
		for _, v := range victims {
			children[v].kill()
			children[v] = startOne()
			kills++
		}
	}
	for _, c := range children {
		c.ready()
	}
	pause(longLife) // after few rounds all may have died before they promised anything
	for _, c := range children {
		c.silence()
	}
	drained(t, s.store)
	for _, c := range children {
		c.stop()
	}
	f := s.audit(false)
	lost := s.record.lostOutcomes()
	t.Logf("%d kills", kills)
	if f.events == 0 {
		t.Error("nothing was promised: the test has shown nothing")
	}
	if most := kills*held + lost; f.duplicates > most {
		t.Errorf("%d duplicates: %d kills, with at most %d deliveries each, and %d lost outcomes account for %d",
			f.duplicates, kills, held, lost, most)
	}
}
