package webhook_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// A shufflingStore returns what is claimed in any order, as SQL does.
type shufflingStore struct{ webhook.Store }

func (s *shufflingStore) Claim(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
	ds, err := s.Store.Claim(ctx, c)
	rand.Shuffle(len(ds), func(i, j int) { ds[i], ds[j] = ds[j], ds[i] })
	return ds, err
}

// newOrderHarness makes one attempt at a time, and claims several deliveries.
func newOrderHarness(t *testing.T) *harness {
	r := &harness{t: t, ctx: t.Context(), store: &shufflingStore{&memstore.Store{}}, receiver: &receiver{}}
	r.Dispatcher = r.another(&webhook.Options{Concurrency: 1, PerHost: 1})
	return r
}

// withKey returns an event with a key.
func withKey(e webhook.Event, key string) webhook.Event {
	v := reflect.New(reflect.TypeOf(e)).Elem()
	v.Set(reflect.ValueOf(e))
	v.FieldByName("Key").SetString(key)
	return v.Interface().(webhook.Event)
}

// mixed emits events of all types, a millisecond apart, none of which waits for
// another one, and returns their subjects.
func (r *harness) mixed(n int) (want []string) {
	types := webhook.EventTypes()
	for i := range n {
		r.emit(withKey(of(types[i*5%9], fmt.Sprint("e", i), fmt.Sprint(i+1)), fmt.Sprint(i)))
		want = append(want, fmt.Sprint(i+1))
		time.Sleep(time.Millisecond)
	}
	return want
}

// lists returns the list that each request names, from the nth on.
func (r *harness) lists(from int) (lists []string) {
	for _, got := range r.receiver.requests()[from:] {
		lists = append(lists, got.Form.Get("list"))
	}
	return lists
}

func TestWhatWasKeptIsBegunByItsCreation(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newOrderHarness(t).start()
		id := r.put(paused).ID
		want := r.mixed(300)
		time.Sleep(time.Minute)
		r.resume(id)
		time.Sleep(10 * time.Minute)
		assert.Equal(t, want, r.lists(0))
	})
}

func TestWhatIsReplayedIsBegunByItsCreation(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newOrderHarness(t).start()
		id := r.put(nil).ID
		want := r.mixed(300)
		time.Sleep(time.Hour)
		require.Len(t, r.receiver.requests(), 300)
		replayed, err := r.Replay(r.ctx, "", id, webhook.ReplayQuery{})
		require.NoError(t, err)
		require.Equal(t, 300, replayed.Resent)
		r.emit(of(webhook.TypeOpen, "new", "new"))
		time.Sleep(time.Hour)
		assert.Equal(t, append(want, "new"), r.lists(300))
	})
}

// What is given back, at a shutdown or because the webhook is disabled again, keeps
// its place.
func TestWhatIsGivenBackKeepsItsPlace(t *testing.T) {
	for name, interrupt := range map[string]func(*harness, string){
		"a shutdown": func(r *harness, _ string) {
			require.NoError(r.t, r.Shutdown(r.ctx))
			r.Dispatcher = r.another(&webhook.Options{Concurrency: 1, PerHost: 1})
			r.start()
		},
		"off and on": func(r *harness, id string) {
			w := r.webhook(id)
			w.Disabled = "Once more."
			_, err := r.UpdateWebhook(r.ctx, w)
			require.NoError(r.t, err)
			time.Sleep(time.Minute)
			r.resume(id)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newOrderHarness(t).start()
				id := r.put(paused).ID
				want := r.mixed(100)
				time.Sleep(time.Minute)
				r.receiver.set(slowly(time.Second / 20))
				r.resume(id)
				time.Sleep(time.Second + time.Second/40)
				interrupt(r, id)
				time.Sleep(10 * time.Minute)
				assert.Equal(t, want, r.lists(0))
			})
		})
	}
}

func TestWhatIsNewAndUrgentStillGoesFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newOrderHarness(t).start()
		r.put(nil)
		r.receiver.set(slowly(time.Second / 20))
		for i := range 40 {
			r.emit(of(webhook.TypeOpen, fmt.Sprint(i), "open"))
		}
		r.emit(of(webhook.TypeUnsubscribe, "u", "unsubscribe"))
		time.Sleep(time.Minute)
		synctest.Wait()
		lists := r.lists(0)
		require.Len(t, lists, 41)
		assert.Contains(t, lists[:8], "unsubscribe")
	})
}

// An event whose storing failed is emitted again, and must then not stand behind a later
// one of the same call.
func TestEventsOfOneEmitStayInOrderAfterAFailure(t *testing.T) {
	for name, c := range map[string]struct {
		between int
		fails   func(call int) error
	}{
		"two calls, of which the first times out": {600, func(call int) error {
			if call == 1 {
				return context.DeadlineExceeded
			}
			return nil
		}},
		"one call, which is refused, and its first half": {0, func(call int) error {
			if call <= 2 {
				return errDown
			}
			return nil
		}},
		"one call, which is refused down to its first event": {6, func(call int) error {
			if call <= 4 {
				return errDown
			}
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r, store := newFaultyHarness(t, nil)
				r.start().put(nil)
				named := func(e webhook.Event, id string) webhook.Event {
					v := reflect.New(reflect.TypeOf(e)).Elem()
					v.Set(reflect.ValueOf(e))
					v.FieldByName("ID").SetString(id)
					return v.Interface().(webhook.Event)
				}
				events := []webhook.Event{named(person(webhook.TypeSubscribe, "1", "12"), "first")}
				for i := range c.between {
					events = append(events, named(person(webhook.TypeUpdate, fmt.Sprint("other", i), "12"), fmt.Sprint("other", i)))
				}
				events = append(events, named(person(webhook.TypeUnsubscribe, "1", "12"), "last"))
				calls := 0
				store.fault(func(s *faultyStore) {
					s.enqueue = func([]webhook.Delivery) error { calls++; return c.fails(calls) }
				})
				require.Error(t, r.Emit(r.ctx, events...))
				require.NoError(t, r.Emit(r.ctx, events...), "again, with the same IDs")
				time.Sleep(time.Minute)
				synctest.Wait()
				assert.Equal(t, []string{"subscribe", "unsubscribe"}, r.told()["1"])
				assert.Len(t, r.receiver.requests(), len(events))
			})
		})
	}
}
