package webhook_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// A wakingStore is a Waker, whose listeners are those that the test adds.
type wakingStore struct {
	webhook.Store
	calls  atomic.Int64
	wakes  func()
	takes  time.Duration
	failed error
}

func (s *wakingStore) WakeOthers(context.Context) error {
	s.calls.Add(1)
	time.Sleep(s.takes)
	if s.wakes != nil {
		s.wakes()
	}
	return s.failed
}

// An openTx is what a store's Tx returns, without a transaction.
type openTx struct{ webhook.Outbox }

func newWakingRig(t *testing.T) (*harness, *wakingStore) {
	store := &wakingStore{Store: memstore.New()}
	r := &harness{t: t, ctx: t.Context(), store: store, receiver: &receiver{}}
	r.Dispatcher = r.another(nil)
	r.put(nil)
	return r, store
}

// commit emits in a transaction, which is then committed.
func (r *harness) commit(id string) {
	require.NoError(r.t, r.EmitTx(r.ctx, openTx{r.store}, open(id)))
	r.Wake()
}

func TestWakeAfterATransactionWakesOtherProcesses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newWakingRig(t)
		r.Wake()
		synctest.Wait()
		assert.Zero(t, store.calls.Load(), "nothing was emitted")

		r.commit("1")
		synctest.Wait()
		assert.EqualValues(t, 1, store.calls.Load())
		r.Wake()
		synctest.Wait()
		assert.EqualValues(t, 1, store.calls.Load(), "nothing has come since")

		unwanted := open("2")
		unwanted.Account = "nobody"
		require.NoError(t, r.EmitTx(r.ctx, openTx{r.store}, unwanted))
		r.Wake()
		synctest.Wait()
		assert.EqualValues(t, 1, store.calls.Load(), "nobody wants it")
	})
}

func TestManyCommitsShareACallThatWakesOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newWakingRig(t)
		store.takes = time.Second
		for i := range 50 {
			r.commit(string(rune('a' + i)))
		}
		time.Sleep(time.Minute)
		assert.EqualValues(t, 2, store.calls.Load(), "one, and one for all that came meanwhile")
	})
}

func TestAProcessThatDeliversWakesItselfAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newWakingRig(t)
		r.start()
		synctest.Wait()
		r.commit("1")
		synctest.Wait()
		assert.Len(t, r.receiver.requests(), 1, "at once")
		assert.Zero(t, store.calls.Load())
	})
}

// Listeners call Wake. Those that only emit must not answer each other.
func TestWakingOthersComesToAnEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newWakingRig(t)
		store.takes = time.Millisecond
		other := r.another(nil)
		store.wakes = func() {
			r.Wake()
			other.Wake()
		}
		for range 3 {
			require.NoError(t, r.EmitTx(r.ctx, openTx{r.store}, open("rolled back")))
		}
		r.commit("1")
		time.Sleep(time.Hour)
		assert.LessOrEqual(t, store.calls.Load(), int64(5))
	})
}

func TestAFailureToWakeOthersIsLogged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newWakingRig(t)
		store.failed = errDown
		r.commit("1")
		synctest.Wait()
		r.commit("2")
		synctest.Wait()
		assert.EqualValues(t, 2, store.calls.Load())
	})
}
