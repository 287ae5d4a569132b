package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/storetest"
)

// A bufferHarness emits through the buffer to a store that fails when the test says so.
type bufferHarness struct {
	*harness
	store *faultyStore

	mu       sync.Mutex
	groups   []int // the events of each call that enqueued
	buffered int
	dropped  []string // the IDs that events were given with
	why      []error
}

func newBufferHarness(t *testing.T, buffer webhook.BufferOptions) *bufferHarness {
	b := &bufferHarness{}
	b.harness, b.store = newFaultyHarness(t, &webhook.Options{Buffer: buffer, Hooks: webhook.Hooks{
		Buffered: func(webhook.Event) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.buffered++
		},
		Dropped: func(es []webhook.Event, err error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			for _, e := range es {
				b.dropped = append(b.dropped, e.(webhook.Open).ID)
			}
			b.why = append(b.why, err)
		},
	}})
	b.fail(nil)
	b.put(nil)
	b.emit(open("first")) // the account is read from the store
	b.groups = nil
	t.Cleanup(func() {
		b.fail(nil)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		assert.NoError(t, b.Shutdown(ctx))
	})
	return b
}

// fail has the store refuse the groups for which fault returns an error.
func (b *bufferHarness) fail(fault func([]webhook.Delivery) error) {
	b.store.fault(func(s *faultyStore) {
		s.enqueue = func(ds []webhook.Delivery) error {
			b.mu.Lock()
			b.groups = append(b.groups, len(ds))
			b.mu.Unlock()
			if fault != nil {
				return fault(ds)
			}
			return nil
		}
	})
}

// give emits n events through the buffer. Their IDs begin with prefix.
func (b *bufferHarness) give(prefix string, n int) (errs []error) {
	for i := range n {
		errs = append(errs, b.EmitBuffered(b.ctx, open(prefix+strconv.Itoa(i))))
	}
	return errs
}

// calls returns the events of each call that enqueued.
func (b *bufferHarness) calls() []int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.groups)
}

func (b *bufferHarness) stored() int { return len(b.log()) - 1 }

func none(n int) []error { return make([]error, n) }

func TestBufferedEventsAreStoredInGroups(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBufferHarness(t, webhook.BufferOptions{})
		assert.Equal(t, none(250), b.give("a", 250))
		synctest.Wait()
		assert.Equal(t, []int{100, 100}, b.calls(), "at once: they are enough")
		assert.Equal(t, 50, b.Status().Buffered)

		time.Sleep(200*time.Millisecond - time.Nanosecond)
		synctest.Wait()
		assert.Len(t, b.calls(), 2)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		assert.Equal(t, []int{100, 100, 50}, b.calls(), "the rest waits for 200 ms")
		assert.Equal(t, 250, b.stored())
		assert.Equal(t, 250, b.buffered)

		began := time.Now()
		b.give("b", 1)
		time.Sleep(150 * time.Millisecond)
		b.give("c", 1)
		time.Sleep(50 * time.Millisecond)
		synctest.Wait()
		assert.Equal(t, 2, b.calls()[3], "the first of them has waited for %s", time.Since(began))
		assert.Zero(t, b.Status().Buffered)
	})
}

func TestBufferedEventsAreThoseOfTheirTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBufferHarness(t, webhook.BufferOptions{})
		at := time.Now()
		e := open("")
		require.NoError(t, b.EmitBuffered(b.ctx, &e))
		e.Subscriber.Email = "changed@example.com"
		time.Sleep(time.Minute)
		d := b.log()[1]
		assert.Contains(t, string(d.Body), "a%40example.com", "the event was copied")
		assert.Contains(t, string(d.Body), "&date_time="+url.QueryEscape(at.Format(time.DateTime)))
		assert.NotEmpty(t, d.EventID)
	})
}

func TestEventsThatNobodyWantsAreNotBuffered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBufferHarness(t, webhook.BufferOptions{Events: 1})
		b.start()
		for i := range 5 {
			e := open(strconv.Itoa(i))
			e.Account = "nobody"
			require.NoError(t, b.EmitBuffered(b.ctx, e))
			time.Sleep(time.Second) // after the first the account is known
			assert.Equal(t, 1, b.buffered)
		}
	})
}

func TestAnInvalidEventIsNotBuffered(t *testing.T) {
	b := newBufferHarness(t, webhook.BufferOptions{})
	bad := open("bad")
	bad.Source = "nobody"
	var invalid *webhook.InvalidEventsError
	require.ErrorAs(t, b.EmitBuffered(b.ctx, open("good"), bad), &invalid)
	assert.Equal(t, 1, invalid.Invalid[0].Index)
	assert.ErrorAs(t, b.EmitBuffered(b.ctx, (*webhook.Open)(nil)), &invalid)
	assert.Zero(t, b.Status().Buffered, "none of them is taken")
}

func TestARequestThatEndedIsBuffered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBufferHarness(t, webhook.BufferOptions{})
		ctx, cancel := context.WithCancel(b.ctx)
		cancel()
		require.NoError(t, b.EmitBuffered(ctx, open("e")))
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, 1, b.stored())
	})
}

func TestAFullBuffer(t *testing.T) {
	hanging := func(t *testing.T, limits webhook.BufferOptions) (*bufferHarness, func()) {
		b := newBufferHarness(t, limits)
		gate := make(chan struct{})
		b.fail(func([]webhook.Delivery) error { <-gate; return nil })
		assert.Equal(t, none(5), b.give("a", 5))
		return b, sync.OnceFunc(func() { close(gate) })
	}
	bytes := webhook.BufferOptions{Bytes: 5<<10 + 512*2} // five events of a little more than 1 KiB
	for name, limits := range map[string]webhook.BufferOptions{"by events": {Events: 5}, "by bytes": bytes} {
		t.Run(name+", waits", func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b, release := hanging(t, limits)
				var errs []error
				var giving sync.WaitGroup
				giving.Go(func() { errs = b.give("b", 3) })
				synctest.Wait()
				assert.Nil(t, errs)
				release()
				giving.Wait()
				assert.Equal(t, none(3), errs)
				time.Sleep(time.Second)
				synctest.Wait()
				assert.Equal(t, 8, b.stored())
				assert.Empty(t, b.dropped)
			})
		})
		t.Run(name+", waits no longer than the context", func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b, release := hanging(t, limits)
				defer release()
				ctx, cancel := context.WithTimeout(b.ctx, time.Second)
				defer cancel()
				err := b.EmitBuffered(ctx, open("b"))
				assert.ErrorIs(t, err, webhook.ErrBufferFull)
				assert.ErrorIs(t, err, context.DeadlineExceeded)
				assert.Equal(t, []string{"b"}, b.dropped)
			})
		})
		t.Run(name+", waits no longer than Emit", func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b, release := hanging(t, limits)
				defer release()
				began := time.Now()
				b.fail(func([]webhook.Delivery) error { return errDown })
				assert.ErrorIs(t, b.EmitBuffered(b.ctx, open("b"), open("c")), webhook.ErrBufferFull)
				assert.Equal(t, 45*time.Second, time.Since(began), "both of them together")
			})
		})
		t.Run(name+", drops", func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				limits.WhenFull = webhook.WhenFullDrop
				b, release := hanging(t, limits)
				for _, err := range b.give("b", 3) {
					assert.ErrorIs(t, err, webhook.ErrBufferFull)
				}
				assert.Equal(t, []string{"b0", "b1", "b2"}, b.dropped)
				assert.ErrorIs(t, b.why[0], webhook.ErrBufferFull)
				assert.Equal(t, 3, b.Status().Dropped)
				release()
				time.Sleep(time.Second)
				synctest.Wait()
				assert.Equal(t, none(1), b.give("c", 1), "there is room again")
				time.Sleep(time.Second)
				synctest.Wait()
				assert.Equal(t, 6, b.stored())
			})
		})
		t.Run(name+", emits", func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				limits.WhenFull = webhook.WhenFullEmit
				b, release := hanging(t, limits)
				emitted := make(chan []error)
				go func() { emitted <- b.give("b", 1) }()
				synctest.Wait()
				assert.Zero(t, b.stored())
				release()
				assert.Equal(t, none(1), <-emitted, "it returns once the event is durable")
				time.Sleep(time.Second)
				synctest.Wait()
				assert.Equal(t, 6, b.stored())
				assert.Equal(t, 5, b.buffered)
				assert.Empty(t, b.dropped)
			})
		})
	}
}

func TestAnEventLargerThanTheBufferIsBuffered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBufferHarness(t, webhook.BufferOptions{Bytes: 1})
		assert.Equal(t, none(3), b.give("a", 3), "one after the other")
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, 3, b.stored())
	})
}

func TestBufferedEventsAreStoredOnceTheStoreIsBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBufferHarness(t, webhook.BufferOptions{Events: 300, WhenFull: webhook.WhenFullDrop})
		b.fail(func([]webhook.Delivery) error { return errDown })
		b.give("a", 250)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		assert.Less(t, len(b.calls()), 5000, "a store that is down is not asked all the time")
		assert.Equal(t, 250, b.Status().Buffered)
		assert.Zero(t, b.stored())

		b.fail(nil)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		assert.Equal(t, 250, b.stored())
		assert.Empty(t, b.dropped)
		assert.Zero(t, b.Status().Buffered)
	})
}

// The store has stored a group, and its answer is lost.
func TestAGroupThatIsStoredAgainIsNotDeliveredTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBufferHarness(t, webhook.BufferOptions{})
		lost := 0
		b.fail(func(ds []webhook.Delivery) error {
			if lost++; lost > 3 {
				return nil
			}
			_, err := b.store.Store.Enqueue(b.ctx, storetest.Events(ds...))
			require.NoError(t, err)
			return context.DeadlineExceeded
		})
		for range 100 {
			require.NoError(t, b.EmitBuffered(b.ctx, open(""))) // without IDs of the app's
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Greater(t, lost, 3)
		assert.Equal(t, 100, b.stored())
	})
}

func TestAnEventThatTheStoreRefusesIsDropped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		refused := errors.New("this one cannot be stored")
		b := newBufferHarness(t, webhook.BufferOptions{})
		b.fail(func(ds []webhook.Delivery) error {
			for _, d := range ds {
				if d.EventID == "bad0" {
					return refused
				}
			}
			return nil
		})
		b.give("bad", 1)
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Empty(t, b.dropped, "by itself it does not show whether the store or the event is at fault")
		for i := range 5 {
			assert.Empty(t, b.dropped)
			b.give(fmt.Sprint(i, "-"), 10)
			time.Sleep(time.Minute)
			synctest.Wait()
			assert.Equal(t, 10*(i+1), b.stored(), "it does not hold up the others")
		}
		assert.Equal(t, []string{"bad0"}, b.dropped)
		assert.ErrorIs(t, b.why[0], refused)
		assert.Zero(t, b.Status().Buffered)
	})
}

func TestAGroupThatHangsDoesNotHoldUpTheBuffer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBufferHarness(t, webhook.BufferOptions{})
		gate, hung := make(chan struct{}), false
		b.fail(func([]webhook.Delivery) error {
			if !hung {
				hung = true
				<-gate
			}
			return nil
		})
		b.give("a", 100)
		synctest.Wait()
		b.give("b", 250)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		assert.Equal(t, 250, b.stored(), "a second group is stored beside one that has taken a second")
		b.give("c", 10)
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, 260, b.stored())
		close(gate)
		time.Sleep(time.Second)
		b.give("d", 10)
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, 370, b.stored())
		assert.Zero(t, b.Status().Buffered)
	})
}

func TestShutdownStoresWhatIsBuffered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBufferHarness(t, webhook.BufferOptions{Wait: time.Hour})
		b.give("a", 150)
		b.fail(func([]webhook.Delivery) error { time.Sleep(3 * time.Second); return nil })
		require.NoError(t, b.Shutdown(b.ctx))
		assert.Equal(t, 150, b.stored())
		require.NoError(t, b.Shutdown(b.ctx), "again")

		b.fail(nil)
		assert.Equal(t, none(1), b.give("b", 1))
		assert.Equal(t, 151, b.stored(), "after Shutdown each event is stored at once")
		b.fail(func([]webhook.Delivery) error { return errDown })
		assert.EqualError(t, b.EmitBuffered(b.ctx, open("c")), "webhook: EmitBuffered: the database is down")
	})
}

func TestShutdownLosesWhatTheStoreDoesNotTakeInItsTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBufferHarness(t, webhook.BufferOptions{})
		b.fail(func([]webhook.Delivery) error { return errDown })
		b.give("a", 150)
		ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
		defer cancel()
		require.ErrorIs(t, b.Shutdown(ctx), context.DeadlineExceeded)
		assert.Len(t, b.dropped, 150, "each is told")
		assert.ErrorIs(t, b.why[0], context.DeadlineExceeded)
		assert.Equal(t, 150, b.Status().Dropped)
		assert.Zero(t, b.Status().Buffered)
	})
}

func TestCallersWhoWaitForRoomEmitAfterShutdown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBufferHarness(t, webhook.BufferOptions{Events: 10})
		b.fail(func([]webhook.Delivery) error { return errDown })
		b.give("a", 10)
		var errs []error
		var giving sync.WaitGroup
		giving.Go(func() { errs = b.give("b", 1) })
		time.Sleep(time.Second)
		b.fail(nil)
		require.NoError(t, b.Shutdown(b.ctx))
		giving.Wait()
		assert.Equal(t, none(1), errs)
		assert.Equal(t, 11, b.stored())
	})
}

func TestBufferedDeliveriesCarryWhatTheirCallersGave(t *testing.T) {
	type key struct{}
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{Hooks: webhook.Hooks{Carrier: func(ctx context.Context) map[string]string {
			return map[string]string{"trace": ctx.Value(key{}).(string)}
		}}})
		r.put(nil)
		for _, trace := range []string{"1", "2"} {
			require.NoError(t, r.EmitBuffered(context.WithValue(r.ctx, key{}, trace), open("e"+trace)))
		}
		time.Sleep(time.Second)
		for _, d := range r.log() {
			assert.Equal(t, d.EventID, "e"+d.Carrier["trace"])
		}
	})
}

// Callers, a store that fails at random, and a Shutdown: each event is stored once, or
// its caller or Hooks.Dropped was told.
func TestEachBufferedEventHasOneEnd(t *testing.T) {
	for _, full := range []webhook.WhenFull{webhook.WhenFullWait, webhook.WhenFullDrop, webhook.WhenFullEmit} {
		t.Run(string(full), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := newBufferHarness(t, webhook.BufferOptions{Events: 60, Group: 20, WhenFull: full})
				b.fail(func([]webhook.Delivery) error {
					time.Sleep(rand.N(20 * time.Millisecond))
					switch rand.N(10) {
					case 0:
						return errDown
					case 1:
						time.Sleep(3 * time.Second)
						return context.DeadlineExceeded
					}
					return nil
				})
				var mu sync.Mutex
				failed := map[string]bool{}
				var giving sync.WaitGroup
				for caller := range 20 {
					giving.Go(func() {
						for i := range 100 {
							id := fmt.Sprintf("%d-%d", caller, i)
							if err := b.EmitBuffered(b.ctx, open(id)); err != nil {
								mu.Lock()
								failed[id] = true
								mu.Unlock()
							}
							time.Sleep(rand.N(10 * time.Millisecond))
						}
					})
				}
				time.Sleep(300 * time.Millisecond)
				ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
				defer cancel()
				require.NoError(t, b.Shutdown(ctx))
				giving.Wait()
				b.fail(nil)
				for _, id := range b.dropped {
					failed[id] = true
				}
				stored := map[string]int{}
				for _, d := range b.log() {
					stored[d.EventID]++
				}
				for caller := range 20 {
					for i := range 100 {
						id := fmt.Sprintf("%d-%d", caller, i)
						assert.True(t, stored[id] == 1 || failed[id] && stored[id] == 0, "%s: stored %d times", id, stored[id])
					}
				}
				assert.Zero(t, b.Status().Buffered)
			})
		})
	}
}

func BenchmarkEmitBuffered(b *testing.B) {
	d := benchDispatcher(b, nil, "https://example.com/hook", webhook.TypeOpen)
	require.NoError(b, d.Emit(b.Context(), withFields("first")))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		if err := d.EmitBuffered(b.Context(), withFields(strconv.Itoa(n))); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	require.NoError(b, d.Shutdown(b.Context()))
}

// An event that no later attempt can store is dropped at once, and holds nothing up.
func TestAnEventWithTooManyDeliveriesIsDropped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var why []error
		r := newHarness(t, &webhook.Options{Hooks: webhook.Hooks{
			Dropped: func(_ []webhook.Event, err error) { why = append(why, err) },
		}})
		for range 51 {
			r.put(nil)
		}
		e := webhook.Subscribe{Meta: open("large").Meta, Subscriber: open("large").Subscriber}
		e.Lists = nil
		for i := range 1000 {
			e.Lists = append(e.Lists, fmt.Sprint("list", i))
		}
		require.NoError(t, r.EmitBuffered(r.ctx, e))
		require.NoError(t, r.EmitBuffered(r.ctx, open("small")))
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, why, 1)
		var invalid *webhook.InvalidError
		assert.ErrorAs(t, why[0], &invalid)
		assert.Zero(t, r.Status().Buffered)
		assert.Len(t, r.log(), 51)
		assert.NoError(t, r.Shutdown(r.ctx))
	})
}
