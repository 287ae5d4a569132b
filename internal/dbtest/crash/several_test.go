//go:build unix

package crash

import (
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/listhook/webhook"
)

func TestProcessesShareTheWorkAndNoneSendsWhatAnotherHolds(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, db database) {
		s := newScene(t, db, steady)
		// The first requests are answered once each process has sent some.
		var mu sync.Mutex
		senders := map[string]bool{}
		all := make(chan struct{})
		met := sync.OnceFunc(func() { close(all) })
		s.receiver.meets(func(r *request) {
			mu.Lock()
			senders[r.by] = true
			if len(senders) == 3 {
				met()
			}
			mu.Unlock()
			<-all
		})
		s.emit(300)
		var workers []*process
		for i := range 3 {
			workers = append(workers, s.worker(fmt.Sprintf("w%d", i), 30*time.Second))
		}
		if f := s.audit(false); f.duplicates != 0 || s.record.lostOutcomes() != 0 {
			t.Errorf("%d duplicates and %d lost outcomes, though nothing happened to any process", f.duplicates, s.record.lostOutcomes())
		}
		for _, w := range workers {
			w.stop()
		}
	})
}

func TestAProcessThatDiesIsTakenOverWhenItsLeaseEnds(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, db database) {
		s := newScene(t, db, steady)
		dying := s.worker("dying", 2*time.Second)
		came := make(chan *request, 10)
		over := make(chan struct{})
		t.Cleanup(func() { close(over) })
		s.receiver.meets(func(r *request) {
			came <- r
			if r.by == "dying" {
				<-over
			}
		})
		s.emit(1)
		<-came
		leaseEnd := s.last().Due
		dying.kill()
		s.worker("heir", 2*time.Second)
		if r := <-came; r.by != "heir" || r.start.Before(leaseEnd) {
			t.Errorf("%s sent it at %s, and the lease of the process that died ended at %s", r.by, r.start.UTC(), leaseEnd)
		}
		drained(t, s.store)
		d := s.last()
		if d.State != webhook.StateDelivered || d.Attempts != 1 || len(d.Log) != 1 {
			t.Errorf("the attempt of the process that died is no attempt: %+v", d)
		}
	})
}

// A process that was frozen past its lease, as a suspended machine is, learns
// of it when it goes on.

func TestAProcessFrozenBeforeItSentSendsNothingThatIsNoLongerItsOwn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		first int // requests before
	}{
		{"on a new connection", 0},
		{"on a connection that is open", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			onEachStore(t, func(t *testing.T, db database) { testFrozenBeforeItSent(t, db, c.first) })
		})
	}
}

func testFrozenBeforeItSent(t *testing.T, db database, first int) {
	s := newScene(t, db, steady)
	frozen := start(t, s.record, childConfig{
		Name: "frozen", Database: db, Deliver: true, Timeout: time.Second, FreezeAt: int64(first) + 1,
	}).ready()
	s.emit(first)
	drained(t, s.store)
	s.emit(1)
	frozen.await(sayAttempt, first+1)
	frozen.awaitFrozen()
	heir := s.worker("heir", time.Second)
	drained(t, s.store)
	before := s.last()

	frozen.thaw()
	frozen.ask(askThaw)
	frozen.await(sayLost, 1)
	if after := s.last(); !reflect.DeepEqual(before, after) {
		t.Errorf("it overwrote what had happened since:\n%+v\n%+v", before, after)
	}
	for _, r := range s.receiver.of(before.ID) {
		if r.by != "heir" {
			t.Errorf("%s sent it, though its lease had ended", r.by)
		}
	}
	if f := s.audit(false); f.duplicates != 0 {
		t.Errorf("%d duplicates", f.duplicates)
	}
	frozen.stop()
	heir.stop()
}

func TestAProcessFrozenAfterItSentOverwritesNothing(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, db database) {
		s := newScene(t, db, steady)
		frozen := s.worker("frozen", time.Second)
		s.receiver.meets(func(r *request) {
			if r.by != "frozen" {
				return
			}
			// It is answered then, and reads that when it goes on. On SQLite it must not
			// stand still in a transaction: nobody else could write meanwhile.
			err := s.store.inTx(t.Context(), false, func(webhook.Outbox) error { frozen.freeze(); return nil })
			if err != nil {
				t.Error(err)
			}
		})
		s.emit(1)
		eventually(t, "the frozen one was to send", func() bool { return len(s.receiver.of(s.last().ID)) == 1 })
		heir := s.worker("heir", time.Second)
		drained(t, s.store)
		before := s.last()

		frozen.thaw()
		frozen.await(sayLost, 1)
		if after := s.last(); !reflect.DeepEqual(before, after) {
			t.Errorf("it overwrote what had happened since:\n%+v\n%+v", before, after)
		}
		if f := s.audit(false); f.duplicates != 1 {
			t.Errorf("%d duplicates: each of the two sent it once", f.duplicates)
		}
		frozen.stop()
		heir.stop()
	})
}

func TestProcessesThatAreFrozenUnderLoadLoseNothing(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, db database) {
		rng, s := newRand(t), newScene(t, db, steady)
		var crew []*process
		for i := range 2 {
			crew = append(crew, start(t, s.record, childConfig{
				Name: fmt.Sprintf("c%d", i), Database: db, Deliver: true, Timeout: time.Second, Concurrency: slots,
				Emit: 100, Transactions: true,
			}).ready())
		}
		for i := range 2 {
			pause(time.Duration(rng.Int64N(int64(longLife))))
			victim := crew[i%2]
			victim.freeze()
			pause(2*time.Second + time.Duration(rng.Int64N(int64(longLife)))) // around the lease's end
			victim.thaw()
		}
		for _, c := range crew {
			c.silence()
		}
		s.audit(false)
		for _, c := range crew {
			c.stop()
		}
	})
}

func TestAnOutcomeThatAWrongClockMadeLateIsTold(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, db database) {
		s := newScene(t, db, steady)
		// The slow process's leases end in the others' past. It gets its
		// answers when another process has sent the same.
		var mu sync.Mutex
		sent := map[string]chan struct{}{}
		another := func(delivery string) chan struct{} {
			mu.Lock()
			defer mu.Unlock()
			if sent[delivery] == nil {
				sent[delivery] = make(chan struct{})
			}
			return sent[delivery]
		}
		s.receiver.meets(func(r *request) {
			if r.by == "slow" {
				<-another(r.delivery)
			} else {
				close(another(r.delivery))
			}
		})
		exact := s.worker("exact", 2*time.Second)
		slow := start(t, s.record, childConfig{
			Name: "slow", Database: db, Deliver: true, Timeout: 2 * time.Second, Concurrency: slots,
			Skew: -5 * time.Second, Emit: 8,
		}).ready()
		slow.await(sayLost, 1)
		slow.silence()
		if f := s.audit(true); f.duplicates == 0 {
			t.Error("both were to send the same delivery")
		}
		slow.stop()
		exact.stop()
	})
}

func TestWrongClocksCostDuplicatesAtMost(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, db database) {
		s := newScene(t, db, steady)
		var crew []*process
		for _, skew := range []time.Duration{-5 * time.Second, 0, 5 * time.Second} {
			crew = append(crew, start(t, s.record, childConfig{
				Name: "at" + skew.String(), Database: db, Deliver: true, Timeout: time.Second, Concurrency: slots,
				Skew: skew, Emit: 50,
			}).ready())
		}
		pause(2 * time.Second)
		for _, c := range crew {
			c.silence()
		}
		s.audit(true)
		for _, c := range crew {
			c.stop()
		}
	})
}
