package webhook_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// A slowStore takes its time to return what it has done.
type slowStore struct {
	webhook.Store
	claim, enqueue, apply time.Duration

	webhooks atomic.Int64 // of the next call
}

func (s *slowStore) Claim(ctx context.Context, c webhook.Claim) ([]webhook.Delivery, error) {
	ds, err := s.Store.Claim(ctx, c)
	time.Sleep(s.claim)
	return ds, err
}

func (s *slowStore) Enqueue(ctx context.Context, events []webhook.OutboxEvent) ([]string, error) {
	had, err := s.Store.Enqueue(ctx, events)
	time.Sleep(s.enqueue)
	return had, err
}

func (s *slowStore) Apply(ctx context.Context, cs []webhook.Change) ([]string, error) {
	time.Sleep(s.apply)
	return s.Store.Apply(ctx, cs)
}

func (s *slowStore) Webhooks(ctx context.Context, q webhook.WebhookQuery) ([]webhook.Webhook, error) {
	time.Sleep(time.Duration(s.webhooks.Swap(0)))
	return s.Store.Webhooks(ctx, q)
}

func TestShutdownGivesBackWhatWasJustClaimed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil)
		r.put(nil)
		r.emit(open("e1"))
		r.store = &slowStore{Store: r.store, claim: time.Second, apply: time.Second}
		r.Dispatcher = r.another(nil)
		require.NoError(t, r.Start())
		synctest.Wait() // it is claiming
		require.NoError(t, r.Shutdown(r.ctx))
		d := r.log()[0]
		assert.False(t, d.Due.After(time.Now()), "it is due %s, not at once", d.Due)
		assert.Zero(t, d.Attempts)
		assert.Empty(t, r.receiver.requests())
	})
}

func TestShutdownGivesBackWhatWasJustEmitted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil)
		r.put(nil)
		r.store = &slowStore{Store: r.store, enqueue: time.Second, apply: time.Second}
		r.Dispatcher = r.another(nil)
		require.NoError(t, r.Start())
		synctest.Wait()
		emitted := make(chan error, 1)
		go func() { emitted <- r.Emit(r.ctx, open("e1")) }()
		synctest.Wait() // it is being stored, leased to this process
		require.NoError(t, r.Shutdown(r.ctx))
		require.NoError(t, <-emitted)
		synctest.Wait()
		d := r.log()[0]
		assert.Equal(t, webhook.StatePending, d.State)
		assert.False(t, d.Due.After(time.Now().Add(time.Second)), "it is due %s, not at once", d.Due)
	})
}

func TestADeliveryClaimedAgainWhileItsWebhookIsReadIsSentOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil)
		r.put(nil)
		r.emit(open("e1"))
		slow := &slowStore{Store: r.store}
		r.store = slow
		r.Dispatcher = r.another(&webhook.Options{Timeout: 2 * time.Second})
		slow.webhooks.Store(int64(10 * time.Second)) // longer than the lease
		r.start()
		time.Sleep(time.Minute)
		assert.Len(t, r.receiver.requests(), 1)
		assert.Equal(t, webhook.StateDelivered, r.log()[0].State)
	})
}

// A store's answer comes after the lease has ended, so that the delivery is claimed and
// gathers already: its place in the batch is returned.
func TestABatchsPlaceIsReturnedWhenTheStoreAnswersLate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil)
		r.put(inBatches(10, time.Second))
		slow := &slowStore{Store: r.store, enqueue: 14 * time.Second}
		r.store = slow
		r.Dispatcher = r.another(&webhook.Options{Timeout: 5 * time.Second})
		require.NoError(t, r.Start())
		r.receiver.set(func(req *http.Request) (*http.Response, error) {
			time.Sleep(4 * time.Second)
			return status(200)(req)
		})
		r.emit(open("e1"))
		time.Sleep(time.Hour)
		assert.Len(t, r.receiver.requests(), 1)
		assert.Zero(t, r.Status().Batched)
		require.NoError(t, r.Shutdown(r.ctx))
	})
}
