package manage

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

func TestTheFormOffersTwoSizesOfBatches(t *testing.T) {
	for _, c := range []struct {
		format, chosen string
		most           int
		wait           time.Duration
		shown          string
	}{
		{"current", "one", 0, 0, "One event"},
		{"current", "small", 100, 5 * time.Second, "Up to 100 events, or all events within 5 seconds"},
		{"json", "small", 100, 5 * time.Second, "Up to 100 events, or all events within 5 seconds"},
		{"2013", "large", 100, 50 * time.Second, "Up to 100 events, or all events within 50 seconds"},
		{"json", "large", 500, 50 * time.Second, "Up to 500 events, or all events within 50 seconds"},
	} {
		r := newHarness(t)
		form := filledForm()
		form.Set("format", c.format)
		form.Set("batch", c.chosen)
		require.Equal(t, 303, r.as("ann", "/add", form).Code)
		w := r.all()[0]
		assert.Equal(t, c.most, w.Batch)
		assert.Equal(t, c.wait, w.BatchWait)
		assert.Contains(t, r.as("ann", "/webhooks/"+w.ID, nil).Body.String(), "<dt>Events per request</dt><dd>"+c.shown)
		assert.Equal(t, c.chosen, formOf(t, r.as("ann", "/webhooks/"+w.ID+"/edit", nil).Body.String()).Get("batch"))
	}
}

// A size that the API set is kept, unless another one is chosen.
func TestTheFormKeepsASizeOfTheAPIs(t *testing.T) {
	r := newHarness(t)
	w := r.put(func(w *webhook.Webhook) { w.Format, w.Batch, w.BatchWait = webhook.FormatJSON, 250, 20*time.Second })
	form := formOf(t, r.as("ann", "/webhooks/"+w.ID+"/edit", nil).Body.String())
	assert.Equal(t, "own", form.Get("batch"))
	require.Equal(t, 303, r.as("ann", "/webhooks/"+w.ID+"/edit", form).Code)
	assert.Equal(t, 250, r.all()[0].Batch)
	form = formOf(t, r.as("ann", "/webhooks/"+w.ID+"/edit", nil).Body.String())
	form.Set("format", "current")
	got := r.as("ann", "/webhooks/"+w.ID+"/edit", form)
	require.Equal(t, 422, got.Code)
	assert.Contains(t, got.Body.String(), `id="Batch-error">In a form, one request holds at most 100 events`)
	form.Set("batch", "one")
	require.Equal(t, 303, r.as("ann", "/webhooks/"+w.ID+"/edit", form).Code)
	assert.Zero(t, r.all()[0].Batch)
	assert.Zero(t, r.all()[0].BatchWait)
}

func TestTheNewerAPITakesBatches(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	put := func(settings string) (int, string) {
		got := r.call("ann", "PUT", "/api/3/listhook/webhooks/"+w.ID, `{"webhook":{`+settings+`}}`)
		return got.Code, got.Body.String()
	}
	code, body := put(`"batch":50,"batch_wait":2.5`)
	require.Equal(t, 200, code, body)
	assert.Contains(t, body, `"batch":50,"batch_wait":2.5`)
	assert.Equal(t, 2500*time.Millisecond, r.all()[0].BatchWait)
	for settings, field := range map[string]string{
		`"batch":101`:                "batch",
		`"batch":-1`:                 "batch",
		`"batch":1.5`:                "batch",
		`"batch":"many"`:             "batch",
		`"batch_wait":-0.5`:          "batch_wait",
		`"batch_wait":51`:            "batch_wait",
		`"batch_wait":1e300`:         "batch_wait",
		`"batch_wait":"long"`:        "batch_wait",
		`"batch":0,"batch_wait":0.1`: "batch_wait",
	} {
		code, body := put(settings)
		assert.Equal(t, 422, code, settings)
		assert.Contains(t, body, `/data/attributes/`+field+`"`, settings)
	}
	assert.Equal(t, 50, r.all()[0].Batch)
}

// The log of each member shows the request, with the answer and the other members.
func TestTheLogShowsABatchAsOneRequest(t *testing.T) {
	r := newHarness(t)
	r.put(func(w *webhook.Webhook) { w.Format, w.Batch = webhook.FormatJSON, 500 })
	const n = 30
	for i := range n {
		r.emit(fmt.Sprint("e", i))
	}
	ds, err := r.Deliveries(t.Context(), webhook.DeliveryQuery{Account: "acme"})
	require.NoError(t, err)
	var ids []string
	for _, d := range ds {
		ids = append(ids, d.ID)
	}
	for i, d := range ds {
		a := webhook.Attempt{Start: d.Created, Duration: time.Second, Status: 500, Reason: "The receiver answered 500.", Batch: "batch_1", First: ids[0]}
		if i == 0 {
			a.First, a.Members, a.Response = "", ids, []byte("the answer to all")
		}
		a.Start = ds[0].Created
		lost, err := r.store.Apply(t.Context(), []webhook.Change{{ID: d.ID, Lease: d.Lease, State: webhook.StateFailed, Due: d.Created, Attempts: 1, Log: &a}})
		require.NoError(t, err)
		require.Empty(t, lost)
	}
	for _, i := range []int{0, n - 1} {
		page := r.as("ann", "/deliveries/"+ids[i], nil).Body.String()
		assert.Contains(t, page, "One request with 30 events")
		assert.Contains(t, page, "webhook-id: batch_1")
		assert.Contains(t, page, "the answer to all")
		assert.Equal(t, 20, strings.Count(page, "/deliveries/msg_")-strings.Count(page, ids[i]+"/"), "the first of the others")
		assert.Contains(t, page, "and 9 more")
		assert.NotContains(t, page, "As a cURL command", "the request brings others too")
	}
	_, object := r.object("ann", "/api/3/listhook/deliveries/"+ids[5])
	attempt := object["delivery"].(map[string]any)["attempts"].([]any)[0].(map[string]any)
	assert.Equal(t, map[string]any{"id": "batch_1", "first": ids[0], "deliveries": []any{}}, attempt["batch"])
	_, object = r.object("ann", "/api/3/listhook/deliveries/"+ids[0])
	attempt = object["delivery"].(map[string]any)["attempts"].([]any)[0].(map[string]any)
	assert.Len(t, attempt["batch"].(map[string]any)["deliveries"], n)
}
