package manage

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// Delivery.Attempts begins anew when a delivery is sent again. Who looks at a table
// wants to know how often it was tried.
func TestTablesCountTheAttemptsBeforeADeliveryWasSentAgain(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	d := r.emit("e1")
	at := time.Now().UTC().Truncate(time.Millisecond)
	apply := func(state webhook.State, attempts int, log *webhook.Attempt) {
		lost, err := r.store.Apply(t.Context(), []webhook.Change{{ID: d.ID, Lease: d.Lease, State: state, Due: at, Attempts: attempts, Log: log}})
		require.NoError(t, err)
		require.Empty(t, lost)
		d.Lease++
	}
	failed := &webhook.Attempt{Start: at, Duration: time.Second, Status: 503, Reason: "The receiver is not available."}
	for n := range 3 {
		apply(webhook.StatePending, n+1, failed)
	}
	apply(webhook.StateCanceled, 3, &webhook.Attempt{Start: at, Code: "canceled", Reason: "Canceled: the webhook is off: x"})
	apply(webhook.StatePending, 0, nil) // sent again
	apply(webhook.StateFailed, 1, failed)

	operator := "/operator/webhook?" + url.Values{"account": {"acme"}, "id": {w.ID}}.Encode()
	for user, pages := range map[string][]string{"ann": {"/deliveries", "/webhooks/" + w.ID}, "op": {operator}} {
		for _, page := range pages {
			got := r.as(user, page, nil)
			require.Equal(t, 200, got.Code, page)
			assert.Contains(t, got.Body.String(), `<td data-label="Attempts">4</td>`, page)
		}
	}
}
