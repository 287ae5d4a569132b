package manage

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// The page names the delivery that blocks, and skips it without a script.
func TestThePageShowsWhatBlocksADeliveryAndSkipsIt(t *testing.T) {
	r := newHarness(t)
	r.put(nil)
	line := r.line(webhook.TypeSubscribe, webhook.TypeUpdate, webhook.TypeUnsubscribe)
	blocked := "/deliveries/" + line[2].ID
	body := r.as("ann", blocked, nil).Body.String()
	assert.Contains(t, body, "is waiting for an earlier one")
	assert.Contains(t, body, `deliveries/`+line[0].ID+`"`)
	assert.Contains(t, body, `deliveries/`+line[0].ID+`/skip"`)
	assert.Contains(t, r.as("ann", "/deliveries/"+line[0].ID, nil).Body.String(), "<strong>2 deliveries</strong> for the same subscriber are waiting")
	view := r.as("bob", blocked, nil).Body.String()
	assert.Contains(t, view, "is waiting for an earlier one")
	assert.NotContains(t, view, "/skip", "not for those who may only see")

	got := r.as("ann", "/deliveries/"+line[0].ID+"/skip", url.Values{})
	require.Equal(t, 303, got.Code)
	assert.Contains(t, r.as("ann", r.follow("/deliveries/"+line[0].ID+"/skip", got), nil).Body.String(), "a newer event replaces it: New Unsubscription, delivery "+line[2].ID)
	assert.Contains(t, r.as("ann", blocked, nil).Body.String(), `deliveries/`+line[1].ID+`"`, "now it waits for the next one")
	require.Equal(t, 422, r.as("ann", blocked+"/skip", url.Values{}).Code, "it is the one that waits")
	require.Equal(t, 404, r.as("ann", "/deliveries/unknown/skip", url.Values{}).Code)
}

// A pending delivery can be sent now although others wait behind it.
func TestAPendingDeliveryIsSentNowFromThePage(t *testing.T) {
	r := newHarness(t)
	r.put(nil)
	line := r.line(webhook.TypeSubscribe, webhook.TypeUnsubscribe)
	target := "/deliveries/" + line[0].ID
	assert.Contains(t, r.as("ann", target, nil).Body.String(), "Send now")
	assert.Contains(t, r.as("ann", target+"/resend", url.Values{}).Header().Get("Location"), "done=resent")
	assert.Equal(t, 202, r.call("ann", "POST", "/api/3/listhook"+target+"/redeliver", "").Code)
}

// A delivery that was skipped and nothing replaces is said to be so, and is none that
// waits, nor one for which others wait.
func TestADeliveryThatWasPassedOverIsShownAsSuch(t *testing.T) {
	store := &memstore.Store{}
	r := newHarnessOn(t, store)
	r.put(nil)
	line := r.line(webhook.TypeUnsubscribe, webhook.TypeUpdate, webhook.TypeBounce)
	_, err := store.Claim(t.Context(), webhook.Claim{Now: line[0].Created, Until: line[0].Created, Limit: 1}) // it has a Sequence
	require.NoError(t, err)
	skipped := "/deliveries/" + line[0].ID
	require.Equal(t, 303, r.as("ann", skipped+"/skip", url.Values{}).Code)
	body := r.as("ann", skipped, nil).Body.String()
	assert.Contains(t, body, "skipped: no other delivery waits for it")
	assert.NotContains(t, body, "waiting for")
	assert.NotContains(t, body, "/skip")
	assert.Contains(t, r.as("ann", "/deliveries/"+line[1].ID, nil).Body.String(), "<strong>1 delivery</strong> for the same subscriber is waiting")
	got := r.call("ann", "GET", "/api/3/listhook/deliveries/"+line[0].ID, "").Body.String()
	assert.Contains(t, got, `"line":{"waits_for":null,"behind":0,"newer":null,"passed_over":true}`)
	got = r.call("ann", "GET", "/api/3/listhook/deliveries/"+line[1].ID, "").Body.String()
	assert.Contains(t, got, `"line":{"waits_for":null,"behind":1,"newer":null,"passed_over":false}`)
	assert.Equal(t, 422, r.as("ann", skipped+"/skip", url.Values{}).Code)
}

// The page warns before it sends again what a newer delivery may have undone.
func TestThePageWarnsBeforeItSendsAnOlderDeliveryAgain(t *testing.T) {
	store := &memstore.Store{}
	r := newHarnessOn(t, store)
	r.put(nil)
	line := r.line(webhook.TypeSubscribe, webhook.TypeUnsubscribe)
	_, err := store.Apply(t.Context(), []webhook.Change{{ID: line[0].ID, Lease: line[0].Lease, State: webhook.StateFailed, Due: line[0].Created}})
	require.NoError(t, err)
	target := "/deliveries/" + line[0].ID
	body := r.as("ann", target, nil).Body.String()
	assert.Contains(t, body, "There is a newer delivery for the same subscriber")
	assert.Contains(t, body, `deliveries/`+line[1].ID+`"`)
	assert.Contains(t, body, `name="anyway" value="1"`)
	got := r.as("ann", target+"/resend", url.Values{}) // from a page that was made before the newer one came
	require.Equal(t, 303, got.Code)
	assert.Contains(t, r.as("ann", r.follow(target+"/resend", got), nil).Body.String(), "Nothing was sent")
	got = r.as("ann", target+"/resend", url.Values{"anyway": {"1"}})
	require.Equal(t, 303, got.Code)
	ds, err := r.Deliveries(t.Context(), webhook.DeliveryQuery{Account: "acme", IDs: []string{line[0].ID}})
	require.NoError(t, err)
	assert.Equal(t, webhook.StatePending, ds[0].State)
}

func TestTheOrderIsASetting(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	edit := filledForm()
	edit.Set("revision", "1")
	edit.Set("order", "all")
	require.Equal(t, 303, r.as("ann", "/webhooks/"+w.ID+"/edit", edit).Code)
	assert.Contains(t, r.as("ann", "/webhooks/"+w.ID+"/edit", nil).Body.String(), `<option value="all" selected>`)
	assert.Contains(t, r.as("ann", "/webhooks/"+w.ID, nil).Body.String(), "All events")
	got := r.call("ann", "PUT", "/api/3/listhook/webhooks/"+w.ID, `{"webhook":{"order":"none"}}`)
	require.Equal(t, 200, got.Code)
	assert.Contains(t, got.Body.String(), `"order":"none"`)
	got = r.call("ann", "PUT", "/api/3/listhook/webhooks/"+w.ID, `{"webhook":{"order":"random"}}`)
	assert.Equal(t, 422, got.Code)
	assert.Contains(t, got.Body.String(), "attributes/order")
	edit.Set("revision", "3")
	edit.Set("order", "random")
	assert.Equal(t, 422, r.as("ann", "/webhooks/"+w.ID+"/edit", edit).Code)
	stored, err := r.Webhook(t.Context(), "acme", w.ID)
	require.NoError(t, err)
	assert.Equal(t, webhook.OrderNone, stored.Order)
}
