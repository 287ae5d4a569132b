package manage

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

func TestNothingIsSentAgainToAWebhookThatIsOff(t *testing.T) {
	r := newRig(t)
	w := r.put(nil)
	d := r.emit("e1")
	w.Off = "By its owner."
	_, err := r.PutWebhook(t.Context(), w)
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
