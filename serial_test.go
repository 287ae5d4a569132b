package webhook_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// A serialStore is a stallingStore with one writer at a time, or not.
type serialStore struct {
	stallingStore
	serial bool
}

func (s *serialStore) WritesSerially() bool { return s.serial }

// A store with one writer gets in one call what waited, with a key or without.
func TestOneWriterGetsAllThatWaitsInOneCall(t *testing.T) {
	for _, c := range []struct {
		serial bool
		calls  int // for an open that hangs, and an open and an update behind it
	}{{true, 2}, {false, 3}} {
		bubble(t, func(t *testing.T) {
			store := &serialStore{stallingStore: stallingStore{Store: &memstore.Store{}}, serial: c.serial}
			r := &harness{t: t, ctx: t.Context(), store: store, receiver: &receiver{}}
			r.Dispatcher = r.another(nil)
			r.put(nil)
			release := make(chan struct{})
			store.set(func(s *stallingStore) {
				s.enqueue = once(func(context.Context) error { <-release; return nil })
			})
			var emitting sync.WaitGroup
			for _, typ := range []webhook.EventType{webhook.TypeOpen, webhook.TypeOpen, webhook.TypeUpdate} {
				emitting.Go(func() { r.emit(person(typ, "7", "12")) })
				synctest.Wait()
			}
			close(release)
			emitting.Wait()
			assert.Equal(t, c.calls, store.calls["enqueue"], "serial: %v", c.serial)
			r.start()
			time.Sleep(time.Minute)
			for _, d := range r.log() {
				assert.Equal(t, webhook.StateDelivered, d.State)
			}
			assert.Len(t, r.log(), 3)
		})
	}
}

// Who no longer waits is forgotten, whichever group has the event.
func TestOneWriterForgetsWhoNoLongerWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := &serialStore{stallingStore: stallingStore{Store: &memstore.Store{}}, serial: true}
		r := &harness{t: t, ctx: t.Context(), store: store, receiver: &receiver{}}
		r.Dispatcher = r.another(nil)
		r.put(nil)
		release := make(chan struct{})
		store.set(func(s *stallingStore) {
			s.enqueue = once(func(context.Context) error { <-release; return nil })
		})
		var emitting sync.WaitGroup
		emitting.Go(func() { r.emit(person(webhook.TypeOpen, "7", "12")) })
		synctest.Wait()
		ctx, cancel := context.WithCancel(r.ctx)
		for range 40 { // 16,000 events, of which half have a key
			emitting.Go(func() {
				var events []webhook.Event
				for range 200 {
					events = append(events, person(webhook.TypeUpdate, "7", "12"), person(webhook.TypeOpen, "7", "12"))
				}
				assert.ErrorIs(t, r.Emit(ctx, events...), context.Canceled)
			})
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(release)
		emitting.Wait()
		n, err := store.Count(r.ctx, webhook.DeliveryQuery{All: true})
		assert.NoError(t, err)
		assert.Less(t, n, 8000, "the queue was not swept")
	})
}
