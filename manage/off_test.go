package manage

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

func TestSwitchingOffAsksWhatBecomesOfTheEvents(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	r.emit("e1")
	assert.Contains(t, r.as("ann", "/webhooks/"+w.ID+"/off", nil).Body.String(), "1 pending now")
	require.Equal(t, 303, r.as("ann", "/webhooks/"+w.ID+"/off", url.Values{"keep": {"1"}, "reason": {"Moving house."}}).Code)
	stored := r.all()[0]
	assert.Equal(t, "Moving house.", stored.Disabled)
	assert.True(t, stored.KeepEvents)
	assert.Equal(t, webhook.StatePending, r.emit("e2").State, "it keeps events")
	page := r.as("ann", "/webhooks/"+w.ID, nil).Body.String()
	assert.Contains(t, page, "Moving house.")
	assert.Contains(t, page, "Switch on")

	require.Equal(t, 303, r.as("ann", "/webhooks/"+w.ID+"/on", url.Values{}).Code)
	assert.Empty(t, r.all()[0].Disabled)
	require.Equal(t, 303, r.as("ann", "/webhooks/"+w.ID+"/off", url.Values{}).Code)
	ds, err := r.Deliveries(t.Context(), webhook.DeliveryQuery{Account: "acme", States: []webhook.State{webhook.StateCanceled}})
	require.NoError(t, err)
	assert.Len(t, ds, 2, "without keeping them they are canceled")
}

func TestAWebhookThatIsHeldCanBeTriedNow(t *testing.T) {
	r := newHarness(t)
	w := r.put(func(w *webhook.Webhook) { w.KeepEvents = true })
	d := r.emit("e1")
	w.HeldUntil = time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond)
	w.Health = webhook.Health{Failures: 12, Since: w.Created, Reason: "The receiver failed."}
	_, err := r.store.PutWebhook(t.Context(), w) // as the dispatcher does
	require.NoError(t, err)

	page := r.as("ann", "/webhooks/"+w.ID, nil).Body.String()
	assert.Contains(t, page, "12 failures in a row")
	assert.Contains(t, page, "All deliveries wait until")
	assert.Contains(t, page, "Try it now")
	assert.Contains(t, r.as("ann", "/deliveries/"+d.ID+"/resend", url.Values{}).Header().Get("Location"), "done=held")

	require.Equal(t, 303, r.as("ann", "/webhooks/"+w.ID+"/try", url.Values{}).Code)
	stored := r.all()[0]
	assert.True(t, stored.HeldUntil.IsZero())
	assert.Equal(t, 12, stored.Health.Failures, "a probe is made, not ten attempts more")
	ds, err := r.Deliveries(t.Context(), webhook.DeliveryQuery{Account: "acme"})
	require.NoError(t, err)
	assert.Equal(t, webhook.StatePending, ds[0].State, "nothing was canceled")
	assert.NotContains(t, r.as("ann", "/webhooks/"+w.ID, nil).Body.String(), "Try it now")
}

func TestWhatWasKeptIsSentOrDropped(t *testing.T) {
	for _, c := range []struct {
		kept string
		want webhook.State
		says string
	}{
		{"", webhook.StatePending, "The webhook is on."},
		{"drop", webhook.StateCanceled, "The events that it had kept were discarded"},
	} {
		t.Run(string(c.want), func(t *testing.T) {
			r := newHarness(t)
			w := r.put(func(w *webhook.Webhook) { w.Disabled, w.KeepEvents = "Moving house.", true })
			r.emit("e1")
			r.emit("e2")
			w.Discarded = 7
			_, err := r.store.PutWebhook(t.Context(), w) // as the dispatcher does
			require.NoError(t, err)
			assert.Contains(t, r.as("ann", "/webhooks/"+w.ID, nil).Body.String(), "<strong>7 events could not be kept</strong>")
			page := r.as("ann", "/webhooks/"+w.ID+"/on", nil).Body.String()
			assert.Contains(t, page, "2 events were kept while it was off")
			assert.Contains(t, page, "7 more events could not be kept")

			got := r.as("ann", "/webhooks/"+w.ID+"/on", url.Values{"kept": {c.kept}})
			require.Equal(t, 303, got.Code)
			page = r.as("ann", "/webhooks/"+w.ID+got.Header().Get("Location")[strings.Index(got.Header().Get("Location"), "?"):], nil).Body.String()
			assert.Contains(t, page, c.says)
			assert.Contains(t, page, "events are kept, except 7 the last time")
			ds, err := r.Deliveries(t.Context(), webhook.DeliveryQuery{Account: "acme"})
			require.NoError(t, err)
			for _, d := range ds {
				assert.Equal(t, c.want, d.State)
			}

			// Of a webhook that is on, nothing is dropped: that would not be
			// what it kept.
			d := r.emit("e3")
			require.Equal(t, 303, r.as("ann", "/webhooks/"+w.ID+"/on", url.Values{"kept": {c.kept}}).Code)
			ds, err = r.Deliveries(t.Context(), webhook.DeliveryQuery{Account: "acme", IDs: []string{d.ID}})
			require.NoError(t, err)
			assert.Equal(t, webhook.StatePending, ds[0].State)
		})
	}
}

func TestDeletingSaysWhatIsPending(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	assert.Contains(t, r.as("ann", "/webhooks/"+w.ID+"/delete", nil).Body.String(), "No delivery is pending.")
	d := r.emit("e1")
	r.emit("e2")
	assert.Contains(t, r.as("ann", "/webhooks/"+w.ID+"/delete", nil).Body.String(), "2 deliveries are still pending")
	require.Equal(t, 303, r.as("ann", "/webhooks/"+w.ID+"/delete", url.Values{}).Code)
	assert.Empty(t, r.all())
	page := r.as("ann", "/deliveries/"+d.ID, nil).Body.String()
	assert.Contains(t, page, "The webhook was deleted.")
	assert.NotContains(t, page, "<form")
}

func TestNothingIsSentAgainToAWebhookThatIsOff(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	d := r.emit("e1")
	w.Disabled = "By its owner."
	_, err := r.UpdateWebhook(t.Context(), w)
	require.NoError(t, err)
	ds, err := r.Deliveries(t.Context(), webhook.DeliveryQuery{Account: "acme"})
	require.NoError(t, err)

	answer := r.as("ann", "/deliveries/"+d.ID+"/resend", url.Values{})
	assert.Equal(t, 422, answer.Code)
	assert.Contains(t, answer.Body.String(), "switch it on first")
	answer = r.call("ann", "POST", "/api/3/listhook/deliveries/"+d.ID+"/redeliver", "")
	assert.Equal(t, 422, answer.Code)
	assert.Contains(t, answer.Body.String(), "switch it on first")
	after, err := r.Deliveries(t.Context(), webhook.DeliveryQuery{Account: "acme"})
	require.NoError(t, err)
	assert.Equal(t, ds, after)
}

// The answer names the parameter, whatever the field's name in Go.
func TestALongReasonForSwitchingOffIsRefusedUnderReason(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	got := r.call("ann", "POST", "/api/3/listhook/webhooks/"+w.ID+"/disable", `{"reason":"`+strings.Repeat("x", 256)+`"}`)
	assert.Equal(t, 422, got.Code)
	assert.Contains(t, got.Body.String(), `"/data/attributes/reason"`)
	assert.Empty(t, r.all()[0].Disabled)
}
