package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// A faultyStore is a store whose calls fail when the test says so. Each fault
// gets the call's rows and may let it through by returning nil.
type faultyStore struct {
	webhook.Store
	mu      sync.Mutex
	enqueue func([]webhook.Delivery) error
	apply   func([]webhook.Change) error // before
	applied func([]webhook.Change) error // after: the acknowledgement is lost
	claim   func() error
	calls   map[string]int
}

func (s *faultyStore) fault(f func(*faultyStore)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

func (s *faultyStore) count(call string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls == nil {
		s.calls = map[string]int{}
	}
	s.calls[call]++
}

func (s *faultyStore) called(call string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[call]
}

func (s *faultyStore) Webhooks(ctx context.Context, q webhook.WebhookQuery) ([]webhook.Webhook, error) {
	s.count("webhooks")
	return s.Store.Webhooks(ctx, q)
}

func (s *faultyStore) Enqueue(ctx context.Context, events []webhook.OutboxEvent) ([]string, error) {
	s.count("enqueue")
	s.mu.Lock()
	fault := s.enqueue
	s.mu.Unlock()
	if fault != nil {
		var ds []webhook.Delivery
		for _, e := range events {
			ds = slices.AppendSeq(ds, e.All())
		}
		if err := fault(ds); err != nil {
			return nil, err
		}
	}
	return s.Store.Enqueue(ctx, events)
}

func (s *faultyStore) Apply(ctx context.Context, cs []webhook.Change) ([]string, error) {
	s.count("apply")
	s.mu.Lock()
	before, after := s.apply, s.applied
	s.mu.Unlock()
	if before != nil {
		if err := before(cs); err != nil {
			return nil, err
		}
	}
	lost, err := s.Store.Apply(ctx, cs)
	if err == nil && after != nil {
		err = after(cs)
	}
	return lost, err
}

func (s *faultyStore) Claim(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
	s.count("claim")
	s.mu.Lock()
	fault := s.claim
	s.mu.Unlock()
	if fault != nil {
		if err := fault(); err != nil {
			return nil, err
		}
	}
	return s.Store.Claim(ctx, c)
}

var errDown = errors.New("the database is down")

func newFaultyHarness(t *testing.T, opts *webhook.Options) (*harness, *faultyStore) {
	store := &faultyStore{Store: &memstore.Store{}}
	return newHarnessOn(t, store, opts), store
}

func TestEmitTellsWhenNothingIsDurable(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newFaultyHarness(t, nil)
		r.start()
		r.put(nil)
		store.fault(func(s *faultyStore) { s.enqueue = func([]webhook.Delivery) error { return errDown } })
		err := r.Emit(r.ctx, open("e1"))
		require.ErrorIs(t, err, errDown)
		assert.Equal(t, "webhook: Emit: the database is down", err.Error())
		synctest.Wait()
		assert.Empty(t, r.receiver.requests(), "what is not stored is not sent")

		store.fault(func(s *faultyStore) { s.enqueue = nil })
		r.emit(open("e1"))
		synctest.Wait()
		assert.Len(t, r.receiver.requests(), 1)
	})
}

// One that comes before what is emitted is stored finds nothing.
func TestAClaimThatComesTooEarlyIsNotTheLast(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newFaultyHarness(t, &webhook.Options{PerWebhook: 1, PollInterval: time.Minute})
		r.start()
		r.put(nil)
		synctest.Wait()
		began := time.Now()
		store.fault(func(s *faultyStore) {
			s.enqueue = func([]webhook.Delivery) error {
				r.Wake()
				time.Sleep(time.Second)
				return nil
			}
		})
		r.emit(open("e1"))
		synctest.Wait()
		require.Len(t, r.receiver.requests(), 1)
		assert.Equal(t, began.Add(time.Second), r.receiver.requests()[0].At, "not at the next poll")
	})
}

func TestOneBadEventDoesNotFailItsNeighbours(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newFaultyHarness(t, nil)
		r.put(nil)
		first := make(chan struct{})
		store.fault(func(s *faultyStore) {
			s.enqueue = func(ds []webhook.Delivery) error {
				<-first // the others gather meanwhile
				for _, d := range ds {
					if d.EventID == "bad" {
						return errors.New("this one cannot be stored")
					}
				}
				return nil
			}
		})
		errs := make([]error, 40)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() {
				id := fmt.Sprint(i)
				if i == 17 {
					id = "bad"
				}
				errs[i] = r.Emit(r.ctx, open(id))
			})
		}
		synctest.Wait()
		close(first)
		wg.Wait()
		for i, err := range errs {
			assert.Equal(t, i == 17, err != nil, "event %d: %v", i, err)
		}
		assert.Len(t, r.log(), 39)
	})
}

func TestACallerWhoGivesUpIsToldThatTheResultIsNotKnown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newFaultyHarness(t, nil)
		r.put(nil)
		slow := make(chan struct{})
		store.fault(func(s *faultyStore) { s.enqueue = func([]webhook.Delivery) error { <-slow; return nil } })
		r.emitGoesOn(slow)
		assert.Len(t, r.log(), 2, "a neighbour's giving up does not stop the group")
	})
}

func (r *harness) emitGoesOn(slow chan struct{}) {
	ctx, cancel := context.WithCancel(r.ctx)
	gaveUp, stayed := make(chan error, 1), make(chan error, 1)
	go func() { gaveUp <- r.Emit(ctx, open("gives up")) }()
	go func() { stayed <- r.Emit(r.ctx, open("stays")) }()
	synctest.Wait()
	cancel()
	err := <-gaveUp
	require.ErrorIs(r.t, err, context.Canceled)
	assert.Contains(r.t, err.Error(), "emit again with the same ID")
	close(slow)
	require.NoError(r.t, <-stayed)
	synctest.Wait()
}

func TestWhileTheStoreIsDownNothingMoreIsSentAndNothingIsSentTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newFaultyHarness(t, &webhook.Options{Concurrency: 8})
		r.start()
		for i := range 10 {
			r.put(func(w *webhook.Webhook) { w.URL = fmt.Sprintf("https://host%d.test/", i) })
		}
		store.fault(func(s *faultyStore) { s.apply = func([]webhook.Change) error { return errDown } })
		for i := range 5 {
			r.emit(open(fmt.Sprint(i)))
		}
		time.Sleep(20 * time.Second)
		sent := len(r.receiver.requests())
		assert.LessOrEqual(t, sent, 16, "as many as are attempted at once may wait for their outcomes' being stored, and then attempts stop")
		time.Sleep(5 * time.Minute) // many leases
		assert.Equal(t, sent, len(r.receiver.requests()))

		store.fault(func(s *faultyStore) { s.apply = nil })
		time.Sleep(2 * time.Minute)
		count := map[string]int{}
		for _, got := range r.receiver.requests() {
			count[got.Header.Get("webhook-id")]++
		}
		assert.Len(t, count, 50)
		for id, n := range count {
			assert.Equal(t, 1, n, "%s was sent %d times", id, n)
		}
		for _, d := range r.log() {
			assert.Equal(t, webhook.StateDelivered, d.State)
			assert.Equal(t, 1, d.Attempts)
		}
	})
}

func TestOutcomesWhoseAcknowledgementWasLostAreStoredOnce(t *testing.T) {
	for _, c := range []struct {
		name   string
		events int
		answer int           // to first attempts
		away   time.Duration // of the acknowledgements
	}{
		{"of a delivery", 1, 200, 0},
		{"of several, stored together", 3, 200, 0},
		{"of a failure whose retry is not due yet", 1, 500, 0},
		{"of a failure whose retry comes due meanwhile", 1, 500, 20 * time.Second},
		{"of several such failures", 3, 500, 20 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var lost, changed int
				r, store := newFaultyHarness(t, &webhook.Options{
					Backoff: webhook.Schedule(10 * time.Second),
					Hooks: webhook.Hooks{
						Lost:    func(webhook.Delivery) { lost++ },
						Changed: func(webhook.Delivery) { changed++ },
					},
				})
				r.start()
				r.put(nil)
				release := make(chan struct{})
				r.receiver.set(func(req *http.Request) (*http.Response, error) {
					<-release // so that all outcomes come together
					if req.Header.Get(webhook.HeaderAttempt) == "1" {
						return status(c.answer)(req)
					}
					return status(200)(req)
				})
				for i := range c.events {
					r.emit(open(fmt.Sprint(i)))
				}
				synctest.Wait()
				lose, back := true, time.Now().Add(c.away)
				store.fault(func(s *faultyStore) {
					s.apply = func([]webhook.Change) error {
						time.Sleep(time.Millisecond) // the others gather meanwhile
						return nil
					}
					s.applied = func(cs []webhook.Change) error {
						together := len(cs) >= min(c.events, 2)
						if lose && together || time.Now().Before(back) {
							lose = lose && !together
							return errDown
						}
						return nil
					}
				})
				close(release)
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				attempts := 1
				if c.answer != 200 {
					attempts = 2
				}
				for _, d := range r.log() {
					assert.Equal(t, webhook.StateDelivered, d.State)
					assert.Equal(t, attempts, d.Attempts)
					assert.Len(t, d.Log, attempts)
				}
				assert.Len(t, r.receiver.requests(), c.events*attempts)
				assert.Equal(t, 0, lost, "what this process stored itself was not lost")
				assert.Equal(t, c.events*attempts, changed)
			})
		})
	}
}

func TestAnOutcomeThatTheStoreRefusesDoesNotHoldUpOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newFaultyHarness(t, nil)
		r.start()
		r.put(nil)
		var bad string
		store.fault(func(s *faultyStore) {
			s.apply = func(cs []webhook.Change) error {
				for _, c := range cs {
					if c.ID == bad {
						return errors.New("this one cannot be stored")
					}
				}
				return nil
			}
		})
		release := make(chan struct{})
		r.receiver.set(func(req *http.Request) (*http.Response, error) {
			<-release // so that all outcomes come together
			return status(200)(req)
		})
		for i := range 3 {
			r.emit(open(fmt.Sprint(i)))
		}
		synctest.Wait()
		bad = r.log()[0].ID
		close(release)
		time.Sleep(20 * time.Second)
		states := map[webhook.State]int{}
		for _, d := range r.log() {
			states[d.State]++
		}
		assert.Equal(t, map[webhook.State]int{webhook.StateDelivered: 2, webhook.StatePending: 1}, states)
	})
}

func TestADeadProcessIsTakenOverWhenItsLeaseEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil)
		r.put(nil)
		r.emit(open("e1"))
		_, err := r.store.Claim(r.ctx, webhook.Claim{
			Now: time.Now().UTC(), Until: time.Now().Add(30 * time.Second).UTC(), Limit: 1, Each: 1,
		})
		require.NoError(t, err)
		r.start()
		time.Sleep(29 * time.Second)
		require.Empty(t, r.receiver.requests())
		time.Sleep(3 * time.Second)
		require.Len(t, r.receiver.requests(), 1)
	})
}

func TestAnOutcomeThatCameTooLateIsLostAndTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var lost []webhook.Delivery
		r := newHarness(t, &webhook.Options{Hooks: webhook.Hooks{
			Lost: func(d webhook.Delivery) { lost = append(lost, d) },
		}})
		r.start()
		r.put(nil)
		r.receiver.set(slowly(5 * time.Second))
		r.emit(open("e1"))
		synctest.Wait()
		d := r.log()[0]
		_, err := r.store.Apply(r.ctx, []webhook.Change{{ID: d.ID, Lease: d.Lease, State: webhook.StateCanceled, Due: d.Due}})
		require.NoError(t, err)
		time.Sleep(6 * time.Second)
		synctest.Wait()
		assert.Equal(t, webhook.StateCanceled, r.log()[0].State)
		require.Len(t, lost, 1)
		assert.Equal(t, d.ID, lost[0].ID)
	})
}

func TestAnEventThatNobodyWantsCostsNoCallOfTheStore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newFaultyHarness(t, nil)
		r.put(func(w *webhook.Webhook) { w.Events = []webhook.EventType{webhook.TypeClick} })
		r.emit(open("first"))
		before := fmt.Sprint(store.calls)
		for range 1000 {
			r.emit(open(""))
		}
		assert.Equal(t, before, fmt.Sprint(store.calls))
	})
}

func TestAnIdleDispatcherAsksTheStoreOnceInAnInterval(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newFaultyHarness(t, &webhook.Options{PollInterval: time.Second})
		r.put(nil)
		r.start()
		synctest.Wait()
		for range 1000 {
			claims, asked := store.called("claim"), store.called("webhooks")
			time.Sleep(time.Second)
			synctest.Wait()
			assert.InDelta(t, 1.5, store.called("claim")-claims, 0.5, "never later than a second, and hardly sooner")
			assert.Equal(t, store.called("claim")-claims, store.called("webhooks")-asked, "for both in one go")
		}
		assert.InDelta(t, 1050, store.called("claim"), 20)
	})
}
