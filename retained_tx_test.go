package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// A transaction is one on a store that keeps what is enqueued until it is
// committed.
type transaction struct {
	webhook.Outbox
	events []webhook.OutboxEvent
	err    error
}

func (tx *transaction) Enqueue(_ context.Context, events []webhook.OutboxEvent) ([]string, error) {
	tx.events = append(tx.events, events...)
	return nil, tx.err
}

func (tx *transaction) commit(ctx context.Context) error {
	_, err := tx.Outbox.Enqueue(ctx, tx.events)
	return err
}

func TestARolledBackTransactionCountsForNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{KeepLimit: 10})
		id := r.put(paused).ID
		for i := range 100 {
			tx := &transaction{Outbox: r.store}
			require.NoError(t, r.EmitTx(r.ctx, tx, open(fmt.Sprint("rolled back ", i))))
			require.Len(t, tx.events, 1)
		}
		for i := range 10 {
			r.emit(open(fmt.Sprint("kept ", i)))
		}
		time.Sleep(10 * time.Minute)
		assert.Zero(t, r.webhook(id).Discarded)
		assert.Equal(t, map[webhook.State]int{webhook.StatePending: 10}, r.states())

		require.NoError(t, r.EmitTx(r.ctx, &transaction{Outbox: r.store}, open("rolled back, beyond the limit")))
		time.Sleep(10 * time.Minute)
		assert.Zero(t, r.webhook(id).Discarded)
		r.emit(open("beyond the limit"))
		time.Sleep(10 * time.Minute)
		assert.Equal(t, 1, r.webhook(id).Discarded)
	})
}

func TestWhatTransactionsAddBeyondTheLimitIsDroppedAndCounted(t *testing.T) {
	for _, processes := range []int{1, 3} {
		t.Run(fmt.Sprint(processes, " processes"), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newHarness(t, &webhook.Options{KeepLimit: 1200})
				id := r.put(paused).ID
				emitters := []*webhook.Dispatcher{r.Dispatcher}
				for len(emitters) < processes {
					emitters = append(emitters, r.another(&webhook.Options{KeepLimit: 1200}))
				}
				for i := range 3000 {
					tx := &transaction{Outbox: r.store}
					d := emitters[i%processes]
					require.NoError(t, d.EmitTx(r.ctx, tx, open(fmt.Sprint(i))))
					if i%3 != 0 {
						require.NoError(t, tx.commit(r.ctx))
					}
					time.Sleep(10 * time.Millisecond)
				}
				for i, d := range emitters { // each counts once more
					time.Sleep(2 * time.Minute)
					tx := &transaction{Outbox: r.store}
					require.NoError(t, d.EmitTx(r.ctx, tx, open(fmt.Sprint("last ", i))))
					require.NoError(t, tx.commit(r.ctx))
				}
				time.Sleep(2 * time.Minute)
				require.NoError(t, r.EmitTx(r.ctx, &transaction{Outbox: r.store}, open("rolled back")))
				time.Sleep(2 * time.Minute)

				states := r.states()
				assert.GreaterOrEqual(t, states[webhook.StatePending], 1200, "what is kept is not dropped for what others dropped already")
				assert.Less(t, states[webhook.StatePending], 1200+processes*600+processes+1)
				assert.Equal(t, 2000+processes-states[webhook.StatePending], states[webhook.StateCanceled])
				assert.Equal(t, states[webhook.StateCanceled], r.webhook(id).Discarded)
				for i, d := range r.log() {
					if d.State == webhook.StateCanceled {
						assert.Empty(t, d.Body)
						assert.Contains(t, d.Log[0].Reason, "keeps no more")
						assert.GreaterOrEqual(t, i, 1000, "the oldest are kept")
					}
				}
			})
		})
	}
}

// A limitedStore notes the limits of the counts that it is asked for.
type limitedStore struct {
	webhook.Store

	mu     sync.Mutex // guards limits
	limits []int
}

func (s *limitedStore) Count(ctx context.Context, q webhook.DeliveryQuery) (int, error) {
	s.mu.Lock()
	s.limits = append(s.limits, q.Limit)
	s.mu.Unlock()
	return s.Store.Count(ctx, q)
}

func TestTheGreatestKeepLimitCountsWithNoNegativeLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := &limitedStore{Store: &memstore.Store{}}
		r := newHarnessOn(t, store, &webhook.Options{KeepLimit: math.MaxInt})
		r.put(paused)
		tx := &transaction{Outbox: r.store}
		require.NoError(t, r.EmitTx(r.ctx, tx, open("1")))
		require.NoError(t, tx.commit(r.ctx))
		time.Sleep(2 * time.Minute)
		r.emit(open("2"))
		synctest.Wait()

		require.NotEmpty(t, store.limits)
		for _, limit := range store.limits {
			assert.Positive(t, limit)
		}
		assert.Equal(t, map[webhook.State]int{webhook.StatePending: 2}, r.states())
	})
}

func TestReplayingToAWebhookThatIsOffErasesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{KeepLimit: 10}).start()
		w := r.put(nil)
		for i := range 20 {
			r.emit(open(fmt.Sprint(i)))
			time.Sleep(time.Second)
		}
		w = r.webhook(w.ID)
		w.Disabled, w.KeepEvents = "Moving house.", true
		_, err := r.UpdateWebhook(r.ctx, w)
		require.NoError(t, err)
		replayed, err := r.Replay(r.ctx, "", w.ID, webhook.ReplayQuery{})
		require.NoError(t, err)
		require.Equal(t, 20, replayed.Resent)
		tx := &transaction{Outbox: r.store}
		require.NoError(t, r.EmitTx(r.ctx, tx, open("more")))
		require.NoError(t, tx.commit(r.ctx))
		time.Sleep(2 * time.Minute)
		require.NoError(t, r.EmitTx(r.ctx, &transaction{Outbox: r.store}, open("counts again")))
		time.Sleep(2 * time.Minute)
		for i, d := range r.log()[:20] {
			assert.Equal(t, webhook.StatePending, d.State, "delivery %d", i)
			assert.NotEmpty(t, d.Body)
		}
	})
}

func TestWhatIsNotStoredTakesNoRoom(t *testing.T) {
	for name, emit := range map[string]func(*harness, ...webhook.Event) error{
		"Emit":   func(r *harness, es ...webhook.Event) error { return r.Emit(r.ctx, es...) },
		"EmitTx": func(r *harness, es ...webhook.Event) error { return r.EmitTx(r.ctx, r.store, es...) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r, store := newFaultyHarness(t, &webhook.Options{KeepLimit: 5})
				id := r.put(paused).ID
				store.fault(func(s *faultyStore) { s.enqueue = func([]webhook.Delivery) error { return errDown } })
				for i := range 20 {
					require.ErrorIs(t, emit(r, open(fmt.Sprint(i)), open(fmt.Sprint(i, " too"))), errDown)
				}
				store.fault(func(s *faultyStore) { s.enqueue = nil })
				for range 20 {
					require.NoError(t, emit(r, open("same")))
				}
				for i := range 4 {
					require.NoError(t, emit(r, open(fmt.Sprint(i))))
				}
				time.Sleep(20 * time.Second)
				assert.Len(t, r.log(), 5)
				assert.Zero(t, r.webhook(id).Discarded)

				// Beyond the limit nothing is counted that is emitted again.
				store.fault(func(s *faultyStore) { s.enqueue = func([]webhook.Delivery) error { return errDown } })
				other := r.put(func(w *webhook.Webhook) { w.URL = "https://other.test/" })
				for range 20 {
					require.ErrorIs(t, emit(r, open("refused")), errDown)
				}
				store.fault(func(s *faultyStore) { s.enqueue = nil })
				require.NoError(t, emit(r, open("refused")))
				time.Sleep(20 * time.Second)
				assert.Len(t, r.log(), 6)
				assert.Equal(t, other.ID, r.log()[5].WebhookID)
				assert.Equal(t, 1, r.webhook(id).Discarded)
			})
		})
	}
}

func TestAWebhookThatIsSwitchedOnAndOffHasRoomAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{KeepLimit: 10}).start()
		id := r.put(paused).ID
		for i := range 11 {
			r.emit(open(fmt.Sprint(i)))
		}
		synctest.Wait()
		require.Equal(t, 1, r.webhook(id).Discarded)
		r.resume(id)
		time.Sleep(5 * time.Second)
		require.Len(t, r.receiver.requests(), 10)
		w := r.webhook(id)
		w.Disabled = "Once more."
		_, err := r.UpdateWebhook(r.ctx, w)
		require.NoError(t, err)
		for i := range 10 {
			r.emit(open(fmt.Sprint("again ", i)))
		}
		time.Sleep(20 * time.Second)
		assert.Equal(t, 10, r.states()[webhook.StatePending])
		assert.Zero(t, r.webhook(id).Discarded)
	})
}

func TestCallersWhoGiveUpDoNotFailTheCounting(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newFaultyHarness(t, &webhook.Options{KeepLimit: 10})
		r.put(paused)
		r.emit(open("0"))
		time.Sleep(2 * time.Minute)
		answer := make(chan struct{})
		slow := &slowCount{Store: store, answer: answer}
		d, err := webhook.New(slow, nil, &webhook.Options{KeepLimit: 10})
		require.NoError(t, err)

		ctx, cancel := context.WithTimeout(r.ctx, 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		require.ErrorIs(t, d.Emit(ctx, open("1")), context.DeadlineExceeded)
		require.Equal(t, 100*time.Millisecond, time.Since(began))
		patient := make(chan error)
		go func() { patient <- d.Emit(r.ctx, open("2")) }()
		synctest.Wait()
		close(answer)
		require.NoError(t, <-patient)
		assert.Equal(t, 1, slow.counts)
		assert.Len(t, r.log(), 2)
	})
}

// slowCount counts when answer is closed.
type slowCount struct {
	webhook.Store
	answer chan struct{}
	counts int
}

func (s *slowCount) Count(ctx context.Context, q webhook.DeliveryQuery) (int, error) {
	s.counts++
	select {
	case <-s.answer:
	case <-ctx.Done():
		return 0, errors.New("nobody waited")
	}
	return s.Store.Count(ctx, q)
}
