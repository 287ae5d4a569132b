package manage

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/storetest"
)

// TestTheNextAttemptIsNamedAlikeOnThePageAndInTheAPI asks for deliveries in
// every state that a pending one can be in.
func TestTheNextAttemptIsNamedAlikeOnThePageAndInTheAPI(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	in := func(d time.Duration) time.Time { return now.Add(d) }
	const year = 365 * 24 * time.Hour
	for _, c := range []struct {
		name     string
		webhook  func(*webhook.Webhook)
		delivery webhook.Delivery // created an hour ago
		at       time.Time
		reason   string
		log      string // in the log
		page     string // on the delivery's own page
	}{
		{"an event that waits for room", nil, webhook.Delivery{Due: in(-time.Hour)},
			in(-time.Hour), "due", ">due now<", "as soon as possible"},
		{"an urgent event, which is due a year early", nil, webhook.Delivery{Due: in(-time.Hour - year), Type: webhook.TypeUnsubscribe},
			in(-time.Hour), "due", ">due now<", "as soon as possible"},
		{"an urgent event, which was given back", nil, webhook.Delivery{Due: in(-year), Lease: 2, Type: webhook.TypeBounce},
			in(-time.Hour), "due", ">due now<", "as soon as possible"},
		{"an attempt under way", nil, webhook.Delivery{Due: in(time.Minute), Lease: 1},
			time.Time{}, "under_way", ">being sent<", "now: it is being sent"},
		{"an attempt that failed", nil, webhook.Delivery{Due: in(2*time.Hour + time.Minute), Lease: 2, Attempts: 1},
			in(2*time.Hour + time.Minute), "retry", "in 2 hours", "in 2 hours"},
		{"a webhook that is held", func(w *webhook.Webhook) { w.HeldUntil = in(3*time.Hour + time.Minute) }, webhook.Delivery{Due: in(-time.Hour - year), Type: webhook.TypeSubscribe},
			in(3*time.Hour + time.Minute), "held", "paused, next attempt <time", "the webhook is paused until then"},
		{"a webhook that is held for less than the retry waits", func(w *webhook.Webhook) { w.HeldUntil = in(time.Hour) }, webhook.Delivery{Due: in(2*time.Hour + time.Minute), Attempts: 1},
			in(2*time.Hour + time.Minute), "retry", "in 2 hours", "in 2 hours"},
		{"a webhook that was held", func(w *webhook.Webhook) { w.HeldUntil = in(-time.Minute) }, webhook.Delivery{Due: in(-time.Minute)},
			in(-time.Minute), "due", ">due now<", "as soon as possible"},
		{"a webhook that is disabled and keeps its events", func(w *webhook.Webhook) {
			w.Disabled, w.KeepEvents, w.HeldUntil = "Moving.", true, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
		},
			webhook.Delivery{Due: in(-time.Hour)}, time.Time{}, "disabled", "waits until the webhook is on", "when the webhook is switched on"},
		{"a retry of a webhook that is disabled and keeps its events", func(w *webhook.Webhook) {
			w.Disabled, w.KeepEvents, w.HeldUntil = "Moving.", true, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
		},
			webhook.Delivery{Due: in(time.Hour), Attempts: 2}, time.Time{}, "disabled", "waits until the webhook is on", "when the webhook is switched on"},
		{"a webhook that is disabled and keeps nothing", func(w *webhook.Webhook) { w.Disabled = "Moving." }, webhook.Delivery{Due: in(-time.Hour)},
			time.Time{}, "none", "will be canceled", "never: it will be canceled"},
		{"a webhook that was deleted", func(w *webhook.Webhook) { w.Deleted = true }, webhook.Delivery{Due: in(-time.Hour)},
			time.Time{}, "none", "will be canceled", "never: it will be canceled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newHarness(t)
			w := r.put(nil)
			if c.webhook != nil {
				c.webhook(&w)
				_, err := r.store.PutWebhook(t.Context(), w)
				require.NoError(t, err)
			}
			d := c.delivery
			d.ID, d.Account, d.WebhookID, d.EventID, d.Body = "msg_1", "acme", w.ID, "e1", []byte("type=open")
			d.State, d.Created = webhook.StatePending, in(-time.Hour)
			if d.Type == "" {
				d.Type = webhook.TypeOpen
			}
			_, err := r.store.Enqueue(t.Context(), storetest.Events(d))
			require.NoError(t, err)

			var list struct {
				Deliveries []struct {
					Next   *time.Time `json:"next_attempt"`
					Reason *string    `json:"next_attempt_reason"`
				}
			}
			body := r.call("ann", "GET", "/api/3/listhook/deliveries", "").Body.Bytes()
			require.NoError(t, json.Unmarshal(body, &list), "%s", body)
			require.Len(t, list.Deliveries, 1)
			got := list.Deliveries[0]
			require.NotNil(t, got.Reason)
			assert.Equal(t, c.reason, *got.Reason)
			if c.at.IsZero() {
				assert.Nil(t, got.Next)
			} else if assert.NotNil(t, got.Next) {
				assert.WithinDuration(t, c.at, *got.Next, time.Second)
			}
			assert.Contains(t, r.as("ann", "/deliveries", nil).Body.String(), c.log)
			assert.Contains(t, r.as("ann", "/deliveries/msg_1", nil).Body.String(), c.page)
			if !w.Deleted {
				assert.Contains(t, r.as("ann", "/webhooks/"+w.ID, nil).Body.String(), c.log)
			}
		})
	}
}

func TestWhatIsFinishedHasNoNextAttempt(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	r.finished(w, 1, webhook.StateDelivered, webhook.TypeOpen, time.Now().Add(-time.Hour))
	body := r.call("ann", "GET", "/api/3/listhook/deliveries", "").Body.String()
	assert.Contains(t, body, `"next_attempt":null,"next_attempt_reason":null`)
}
