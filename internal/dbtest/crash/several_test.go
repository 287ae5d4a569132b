//go:build unix

package crash

import (
	"fmt"
	"reflect"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/listhook/webhook"
)

// A scene is a store with one steady webhook and a process of the test's own
// that only emits, for tests in which each step is known.
type scene struct {
	t        *testing.T
	db       database
	store    *opened
	record   *record
	receiver *receiver
	emitter  *webhook.Dispatcher
	emitted  int
}

func newScene(t *testing.T, db database) *scene {
	t.Helper()
	s := &scene{t: t, db: db, store: db.openFor(t), record: newRecord(t), receiver: newReceiver(t)}
	s.receiver.putWebhooks(t, s.store, steady)
	var err error
	if s.emitter, err = webhook.New(s.store, nil, nil); err != nil {
		t.Fatal(err)
	}
	return s
}

// emit emits n events, which some process has to claim.
func (s *scene) emit(n int) {
	s.t.Helper()
	var ids []string
	var events []webhook.Event
	for range n {
		s.emitted++
		id := "e" + strconv.Itoa(s.emitted)
		s.record.note("test", sayTry, id)
		ids, events = append(ids, id), append(events, event(id))
	}
	if err := s.emitter.Emit(s.t.Context(), events...); err != nil {
		s.t.Fatal(err)
	}
	for _, id := range ids {
		s.record.note("test", sayAck, id)
	}
}

// worker starts a child that delivers.
func (s *scene) worker(name string, timeout time.Duration) *process {
	s.t.Helper()
	return start(s.t, s.record, childConfig{Name: name, Database: s.db, Deliver: true, Timeout: timeout, Concurrency: 8}).ready()
}

// last returns the newest delivery.
func (s *scene) last() webhook.Delivery {
	s.t.Helper()
	ds, err := s.store.Deliveries(s.t.Context(), webhook.DeliveryQuery{All: true, Limit: 1})
	if err != nil {
		s.t.Fatal(err)
	}
	if len(ds) != 1 {
		s.t.Fatal("there is no delivery")
	}
	return ds[0]
}

// audit checks all that the scene came to.
func (s *scene) audit(skewed bool) findings {
	s.t.Helper()
	drained(s.t, s.store)
	a := audit{record: s.record, receiver: s.receiver, webhooks: []string{steady}, skewed: skewed}
	f := a.check(s.t, s.store)
	s.t.Logf("%s; %d lost outcomes", f, s.record.lostOutcomes())
	return f
}

func TestProcessesShareTheWorkAndNoneSendsWhatAnotherHolds(t *testing.T) {
	onEachStore(t, func(t *testing.T, db database) {
		s := newScene(t, db)
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
	onEachStore(t, func(t *testing.T, db database) {
		s := newScene(t, db)
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
	for _, c := range []struct {
		name  string
		first int // requests before
	}{
		{"on a new connection", 0},
		{"on a connection that is open", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			onEachStore(t, func(t *testing.T, db database) { testFrozenBeforeItSent(t, db, c.first) })
		})
	}
}

func testFrozenBeforeItSent(t *testing.T, db database, first int) {
	s := newScene(t, db)
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
	onEachStore(t, func(t *testing.T, db database) {
		s := newScene(t, db)
		frozen := s.worker("frozen", time.Second)
		s.receiver.meets(func(r *request) {
			if r.by == "frozen" {
				frozen.freeze() // and answer, which it reads when it goes on
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
	onEachStore(t, func(t *testing.T, db database) {
		rng, s := newRand(t), newScene(t, db)
		var crew []*process
		for i := range 2 {
			crew = append(crew, start(t, s.record, childConfig{
				Name: fmt.Sprintf("c%d", i), Database: db, Deliver: true, Timeout: time.Second, Concurrency: slots,
				Emit: 100, Transactions: true,
			}).ready())
		}
		for i := range 4 {
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
	onEachStore(t, func(t *testing.T, db database) {
		s := newScene(t, db)
		// The slow process's leases end in the others' past.
		taken := make(chan struct{})
		take := sync.OnceFunc(func() { close(taken) })
		s.receiver.meets(func(r *request) {
			if r.by == "slow" {
				<-taken
			} else {
				take()
			}
		})
		exact := s.worker("exact", time.Second)
		slow := start(t, s.record, childConfig{
			Name: "slow", Database: db, Deliver: true, Timeout: time.Second, Concurrency: slots,
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
	onEachStore(t, func(t *testing.T, db database) {
		s := newScene(t, db)
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
