package webhook_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// underALongLease puts a webhook, and returns the delivery of an attempt at it that is
// under way for ten seconds. It was claimed with deliveries of another webhook, so that its
// lease covers that one's window.
func (r *harness) underALongLease() (w webhook.Webhook, d webhook.Delivery) {
	w = r.put(func(w *webhook.Webhook) {
		inBatches(2, 0)(w)
		w.KeepEvents = true
	})
	r.put(func(w *webhook.Webhook) {
		inBatches(100, 50*time.Second)(w)
		w.URL = "https://other.test/"
	})
	r.receiver.set(slowly(10 * time.Second))
	r.emit(person(webhook.TypeUpdate, "1", "12"))
	time.Sleep(time.Second)
	r.emit(person(webhook.TypeBounce, "1", "12"))
	time.Sleep(12 * time.Second)
	for _, d = range r.log() {
		if d.WebhookID == w.ID && d.Type == webhook.TypeBounce {
			break
		}
	}
	require.Equal(r.t, 2, r.sentTo(w))
	return w, d
}

// sentTo returns how many requests a webhook got.
func (r *harness) sentTo(w webhook.Webhook) (n int) {
	for _, req := range r.receiver.requests() {
		if req.URL == w.URL {
			n++
		}
	}
	return n
}

func TestADeliveryUnderALongLeaseCannotBeSkipped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		w, d := r.underALongLease()
		_, err := r.Skip(r.ctx, "", d.ID)
		require.ErrorIs(t, err, webhook.ErrUnderWay)
		time.Sleep(3 * time.Minute)
		assert.Equal(t, 2, r.sentTo(w))
	})
}

func TestEnablingAWebhookSendsNoDeliveryUnderALongLeaseAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		w, d := r.underALongLease()
		for _, disabled := range []string{"For a moment.", ""} {
			stored := r.webhook(w.ID)
			stored.Disabled = disabled
			_, err := r.UpdateWebhook(r.ctx, stored)
			require.NoError(t, err)
		}
		time.Sleep(3 * time.Minute)
		assert.Equal(t, 2, r.sentTo(w))
		for _, now := range r.log() {
			if now.ID == d.ID {
				assert.Equal(t, webhook.StateDelivered, now.State)
			}
		}
	})
}

// A webhook may begin to get batches while a delivery of it waits for its host.
func TestABatchLeavesOutWhatWasCanceledBeforeItGathered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{PerHost: 1}).start()
		other := r.another(nil)
		w := r.put(func(w *webhook.Webhook) {
			w.Format, w.Events = webhook.FormatJSON, []webhook.EventType{webhook.TypeOpen}
		})
		r.put(func(w *webhook.Webhook) {
			w.URL, w.Events = "https://receiver.test/slow", []webhook.EventType{webhook.TypeBounce}
		})
		r.receiver.set(func(req *http.Request) (*http.Response, error) {
			time.Sleep(800 * time.Millisecond) // it does not stall, which would free the place
			return status(200)(req)
		})
		for i := range 4 {
			r.emit(person(webhook.TypeBounce, fmt.Sprint(i), "12"))
		}
		synctest.Wait()
		r.emit(open("1"))
		synctest.Wait()
		require.Zero(t, r.sentTo(w))
		stored := r.webhook(w.ID)
		stored.Batch = 2
		_, err := r.UpdateWebhook(r.ctx, stored)
		require.NoError(t, err)
		time.Sleep(1100 * time.Millisecond)
		require.Zero(t, r.sentTo(w), "it waits for its host")
		n, err := other.CancelPending(r.ctx, "", w.ID)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		time.Sleep(time.Minute)
		assert.Zero(t, r.sentTo(w))
	})
}
