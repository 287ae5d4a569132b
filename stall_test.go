package webhook_test

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// A stallingStore is a store whose calls hang when the test says so.
type stallingStore struct {
	webhook.Store

	mu                    sync.Mutex                      // guards what follows
	enqueue, apply, claim func(ctx context.Context) error // before the call
	calls                 map[string]int
	hanging, peaks        map[string]int // calls under way, and the most at once
}

// set changes how calls hang while there may be some.
func (s *stallingStore) set(change func(*stallingStore)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *stallingStore) call(ctx context.Context, name string, stall *func(context.Context) error) error {
	s.note(name, 1)
	defer s.note(name, -1)
	s.mu.Lock()
	do := *stall
	s.mu.Unlock()
	if do == nil {
		return nil
	}
	return do(ctx)
}

func (s *stallingStore) note(name string, more int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls == nil {
		s.calls, s.hanging, s.peaks = map[string]int{}, map[string]int{}, map[string]int{}
	}
	s.hanging[name] += more
	s.peaks[name] = max(s.peaks[name], s.hanging[name])
	s.calls[name] += max(more, 0)
}

func (s *stallingStore) Enqueue(ctx context.Context, events []webhook.OutboxEvent) ([]string, error) {
	if err := s.call(ctx, "enqueue", &s.enqueue); err != nil {
		return nil, err
	}
	return s.Store.Enqueue(ctx, events)
}

func (s *stallingStore) Apply(ctx context.Context, cs []webhook.Change) ([]string, error) {
	if err := s.call(ctx, "apply", &s.apply); err != nil {
		return nil, err
	}
	return s.Store.Apply(ctx, cs)
}

func (s *stallingStore) Claim(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
	if err := s.call(ctx, "claim", &s.claim); err != nil {
		return nil, err
	}
	return s.Store.Claim(ctx, c)
}

// untilCanceled hangs as a driver does that heeds its context.
func untilCanceled(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// once stalls the first call only.
func once(stall func(context.Context) error) func(context.Context) error {
	var stalled atomic.Bool
	return func(ctx context.Context) error {
		if stalled.Swap(true) {
			return nil
		}
		return stall(ctx)
	}
}

func newStallingHarness(t *testing.T, opts *webhook.Options) (*harness, *stallingStore) {
	store := &stallingStore{Store: &memstore.Store{}}
	r := &harness{t: t, ctx: t.Context(), store: store, receiver: &receiver{}}
	r.Dispatcher = r.another(opts)
	return r, store
}

// emitAll has many callers emit, each at its time, and returns their errors and
// how long each waited.
func (r *harness) emitAll(at []time.Duration) (errs []error, waited []time.Duration) {
	errs, waited = make([]error, len(at)), make([]time.Duration, len(at))
	var wg sync.WaitGroup
	for i := range at {
		wg.Go(func() {
			time.Sleep(at[i])
			began := time.Now()
			errs[i] = r.Emit(r.ctx, open(fmt.Sprint("e", i)))
			waited[i] = time.Since(began)
		})
	}
	wg.Wait()
	return errs, waited
}

// The times are those of a bubble: they are what the rules say, not how fast a
// machine is.
func TestAStoreThatHangsCostsACallerThreeTimeoutsAtMost(t *testing.T) {
	for _, c := range []struct {
		store string
		hangs func(release chan struct{}) func(context.Context) error
	}{
		{"whose driver heeds the context", func(chan struct{}) func(context.Context) error { return untilCanceled }},
		{"whose driver does not", func(release chan struct{}) func(context.Context) error {
			return func(context.Context) error { <-release; return errDown }
		}},
	} {
		t.Run(c.store, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r, store := newStallingHarness(t, &webhook.Options{StoreTimeout: 5 * time.Second})
				r.put(nil)
				release := make(chan struct{})
				store.set(func(s *stallingStore) { s.enqueue = c.hangs(release) })
				var at []time.Duration
				for i := range 4000 { // many groups' worth, over half a minute
					at = append(at, time.Duration(i)*7*time.Millisecond)
				}
				errs, waited := r.emitAll(at)
				for i, err := range errs {
					require.ErrorIs(t, err, context.DeadlineExceeded)
					require.Contains(t, err.Error(), "webhook: Emit: the store has not answered for ")
					require.LessOrEqual(t, waited[i], 15*time.Second)
				}
				assert.Equal(t, 2, store.peaks["enqueue"], "calls at once, however many callers there are")
				close(release)
				synctest.Wait()
				store.set(func(s *stallingStore) { s.enqueue = nil })
				r.emit(open("afterwards"))
			})
		})
	}
}

func TestOneCallThatHangsDoesNotStopTheOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newStallingHarness(t, &webhook.Options{StoreTimeout: 5 * time.Second})
		r.put(nil)
		store.set(func(s *stallingStore) { s.enqueue = once(untilCanceled) })
		errs, waited := r.emitAll([]time.Duration{0, 10 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second, 3 * time.Second})
		require.Error(t, errs[0])
		assert.Equal(t, 5*time.Second, waited[0])
		assert.Equal(t, "webhook: Emit: the store has not answered for 5s: context deadline exceeded", errs[0].Error())
		for i := 1; i < len(errs); i++ {
			require.NoError(t, errs[i])
		}
		assert.Equal(t, []time.Duration{990 * time.Millisecond, 500 * time.Millisecond, 0, 0}, waited[1:],
			"after a second another group runs beside it")
	})
}

func TestTheLogSaysOnceForHowLongTheStoreHasNotAnswered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log bytes.Buffer
		r, store := newStallingHarness(t, &webhook.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		r.put(nil)
		store.set(func(s *stallingStore) { s.enqueue = once(untilCanceled) })
		require.NoError(t, r.EmitBuffered(r.ctx, open("e")))
		time.Sleep(2 * time.Minute)
		require.NoError(t, r.Shutdown(r.ctx))

		assert.Contains(t, log.String(), "storing the events of EmitBuffered failed")
		assert.Equal(t, 1, strings.Count(log.String(), "the store has not answered for 15s"), "%s", &log)
	})
}

func TestOneOutcomeWhoseCallHangsDoesNotStopTheOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newStallingHarness(t, &webhook.Options{StoreTimeout: 5 * time.Second, Concurrency: 2, PerWebhook: 2})
		r.start()
		r.put(nil)
		store.set(func(s *stallingStore) { s.apply = once(untilCanceled) })
		r.emit(open("first"))
		synctest.Wait()
		for i := range 10 {
			r.emit(open(fmt.Sprint(i)))
		}
		time.Sleep(4 * time.Second)
		delivered := 0
		for _, d := range r.log() {
			if d.State == webhook.StateDelivered {
				delivered++
			}
		}
		assert.Equal(t, 10, delivered)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		for _, d := range r.log() {
			assert.Equal(t, webhook.StateDelivered, d.State)
		}
		assert.Len(t, r.receiver.requests(), 11, "and nothing is sent twice")
	})
}

func TestAClaimThatHangsIsMadeAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newStallingHarness(t, &webhook.Options{StoreTimeout: 5 * time.Second})
		r.put(nil)
		r.emit(open("e1"))
		store.set(func(s *stallingStore) { s.claim = once(untilCanceled) })
		began := time.Now()
		r.start()
		time.Sleep(6100 * time.Millisecond)
		synctest.Wait()
		require.Len(t, r.receiver.requests(), 1)
		assert.LessOrEqual(t, r.receiver.requests()[0].At.Sub(began), 6*time.Second, "at the poll after the timeout")
	})
}

// gather has callers emit together, so that half of them, rounded up, are one group, and
// returns their errors.
func (r *harness) gather(store *stallingStore, n int) []error {
	lone := make(chan struct{})
	store.set(func(s *stallingStore) { s.enqueue = once(func(context.Context) error { <-lone; return nil }) })
	errs := make([]error, n)
	var wg sync.WaitGroup
	wg.Go(func() { require.NoError(r.t, r.Emit(r.ctx, open("lone"))) })
	synctest.Wait()
	for i := range errs {
		wg.Go(func() { errs[i] = r.Emit(r.ctx, open(fmt.Sprint("e", i))) })
	}
	synctest.Wait()
	close(lone)
	wg.Wait()
	return errs
}

// A lostAnswer is a store whose first group of several is stored, and its
// answer lost: the call fails all the same.
type lostAnswer struct {
	webhook.Store
	err  error
	lost atomic.Bool
}

func (s *lostAnswer) Enqueue(ctx context.Context, events []webhook.OutboxEvent) ([]string, error) {
	had, err := s.Store.Enqueue(ctx, events)
	if err == nil && len(events) > 1 && s.lost.CompareAndSwap(false, true) {
		if s.err == context.DeadlineExceeded {
			<-ctx.Done()
		}
		return nil, s.err
	}
	return had, err
}

// What the failed call has stored may be undone by a failover: a replica may
// not have it. To find it there is no reason to acknowledge it.
func TestAGroupWhoseResultIsNotKnownIsNotAcknowledged(t *testing.T) {
	for _, c := range []struct {
		err   error
		calls int
	}{
		{context.DeadlineExceeded, 1},
		{context.Canceled, 1},
		{driver.ErrBadConn, 1},
		{io.ErrUnexpectedEOF, 1},
		{fmt.Errorf("commit: %w", io.EOF), 1},
		{&net.OpError{Op: "read", Err: errors.New("connection reset by peer")}, 1},
		{net.ErrClosed, 1},
		{errors.New("invalid connection"), 0}, // a driver's, which nobody knows: it is asked again about parts
	} {
		t.Run(c.err.Error(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r, store := newStallingHarness(t, nil)
				store.Store = &lostAnswer{Store: store.Store, err: c.err}
				r.put(nil)
				errs := r.gather(store, 8)
				failed := 0
				for _, err := range errs {
					if err != nil {
						require.ErrorIs(t, err, c.err)
						failed++
					}
				}
				assert.Equal(t, 5, failed, "all of the group")
				assert.Len(t, r.log(), 9, "all are there")
				if c.calls > 0 {
					assert.Equal(t, 2+c.calls, store.calls["enqueue"], "it is not asked again about parts")
				}
				for i := range errs {
					r.emit(open(fmt.Sprint("e", i))) // as the documentation says
				}
				assert.Len(t, r.log(), 9)
			})
		})
	}
}

// A deafStore stores although the context has ended.
type deafStore struct{ webhook.Store }

func (s *deafStore) Enqueue(ctx context.Context, events []webhook.OutboxEvent) ([]string, error) {
	return s.Store.Enqueue(context.WithoutCancel(ctx), events)
}

// pq answers so when PostgreSQL was told to cancel a commit that waits for a
// standby: it has committed, and nothing else has it.
func TestASuccessAfterTheTimeIsNotAcknowledged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newStallingHarness(t, &webhook.Options{StoreTimeout: 5 * time.Second})
		r.put(nil)
		store.Store = &deafStore{store.Store}
		store.set(func(s *stallingStore) { s.enqueue = once(func(ctx context.Context) error { <-ctx.Done(); return nil }) })
		err := r.Emit(r.ctx, open("e1"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		r.emit(open("e1"))
		assert.Len(t, r.log(), 1)
	})
}

func TestStoreTimeoutHasALeast(t *testing.T) {
	for _, timeout := range []time.Duration{-1, 1, 99 * time.Millisecond} {
		_, err := webhook.New(&memstore.Store{}, nil, &webhook.Options{StoreTimeout: timeout})
		var invalid *webhook.InvalidError
		require.ErrorAs(t, err, &invalid)
		assert.Equal(t, "Options.StoreTimeout", invalid.Field)
	}
	for _, timeout := range []time.Duration{0, 100 * time.Millisecond, time.Hour} {
		_, err := webhook.New(&memstore.Store{}, nil, &webhook.Options{StoreTimeout: timeout})
		require.NoError(t, err)
	}
}
