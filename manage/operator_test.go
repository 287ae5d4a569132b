package manage

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

func TestTheOperatorSeesAllAccounts(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	r.finished(w, 3, webhook.StateFailed, webhook.TypeClick, time.Now().Add(-time.Hour))
	theirs := r.put(func(w *webhook.Webhook) { w.Account, w.Name = "evil", "Theirs" })
	r.emit("e1")
	body := r.as("op", "/operator", nil).Body.String()
	assert.Contains(t, body, "CRM")
	assert.NotContains(t, body, "Theirs", "nothing is wrong with it")
	assert.Equal(t, 303, r.as("op", "/", nil).Code, "the operator has no account")

	one := "/operator/webhook?account=acme&id=" + w.ID
	body = r.as("op", one, nil).Body.String()
	assert.Contains(t, body, "crm.example.com")
	assert.NotContains(t, body, "crm.example.com/hook", "the rest of a URL may be a key")
	require.Equal(t, 303, r.as("op", "/operator/webhook", url.Values{"account": {"acme"}, "id": {w.ID}, "do": {"off"}, "keep": {"1"}}).Code)
	assert.Equal(t, "Switched off by the operator.", r.all()[0].Disabled)
	assert.Contains(t, r.as("ann", "/webhooks/"+w.ID, nil).Body.String(), "Switched off by the operator.")
	require.Equal(t, 303, r.as("op", "/operator/webhook", url.Values{"account": {"acme"}, "id": {w.ID}, "do": {"on"}}).Code)
	assert.Empty(t, r.all()[0].Disabled)
	assert.Equal(t, 422, r.as("op", "/operator/webhook", url.Values{"account": {"acme"}, "id": {w.ID}}).Code)
	assert.Equal(t, 404, r.as("op", "/operator/webhook?account=acme&id="+theirs.ID, nil).Code)
}

func TestTheOperatorSeesWhatWasSwitchedOff(t *testing.T) {
	r := newHarness(t)
	gone := r.put(func(w *webhook.Webhook) { w.Name = "Gone" })
	dropped := r.put(func(w *webhook.Webhook) { w.Name = "Dropped" })
	off := r.put(func(w *webhook.Webhook) { w.Name = "Answers 410" })
	r.emit("e1")
	assert.Contains(t, r.as("op", "/operator", nil).Body.String(), ">Waiting</span>", "it does not fail")
	off.Disabled = "The receiver answered 410 Gone."
	_, err := r.UpdateWebhook(t.Context(), off)
	require.NoError(t, err)
	require.NoError(t, r.DeleteWebhook(t.Context(), "acme", gone.ID))
	_, err = r.CancelPending(t.Context(), "acme", dropped.ID)
	require.NoError(t, err)

	body := r.as("op", "/operator", nil).Body.String()
	assert.Contains(t, body, "Answers 410")
	assert.Contains(t, body, "The receiver answered 410 Gone.")
	assert.Contains(t, body, "1 canceled")
	assert.NotContains(t, body, "Dropped", "nothing is wrong with it")
	assert.NotContains(t, body, gone.ID, "nothing is wrong with it")
}

func TestTheOperatorTriesAWebhookThatIsHeld(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	w.HeldUntil = time.Now().Add(time.Hour).UTC()
	_, err := r.store.PutWebhook(t.Context(), w)
	require.NoError(t, err)
	assert.Contains(t, r.as("op", "/operator/webhook?account=acme&id="+w.ID, nil).Body.String(), "Try it now")
	require.Equal(t, 303, r.as("op", "/operator/webhook", url.Values{"account": {"acme"}, "id": {w.ID}, "do": {"try"}}).Code)
	assert.Zero(t, r.all()[0].HeldUntil)
}
