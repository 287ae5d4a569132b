package clienttest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/storetest"
)

// put adds a webhook of acme's.
func (r *harness) put(t *testing.T, change func(*webhook.Webhook)) webhook.Webhook {
	t.Helper()
	w := webhook.Webhook{Account: "acme", Settings: webhook.Settings{
		Name: "CRM", URL: r.receiver + "/hook", Events: webhook.EventTypes(), Sources: webhook.Sources(),
	}}
	change(&w)
	w, err := r.AddWebhook(t.Context(), w)
	require.NoError(t, err)
	return w
}

// furnish gives acme webhooks and deliveries in every state.
func (r *harness) furnish(t *testing.T) {
	r.put(t, func(w *webhook.Webhook) {
		w.List, w.Secrets, w.Headers = "12", []webhook.Secret{webhook.NewSecret()}, map[string]string{"X-Shop": "7"}
		w.Format, w.Events, w.IgnoredEvents = webhook.FormatCurrent, []webhook.EventType{"subscribe", "open"}, []string{"deal_add", "contact_tag_added"}
	})
	long := r.put(t, func(w *webhook.Webhook) {
		w.Name = strings.Repeat("Unterabteilungsleiterstellvertreter", 7)
		w.URL = r.receiver + "/" + strings.Repeat("a-long-path/", 165)
		w.List, w.Disclosure, w.FieldIDs = "14", webhook.DiscloseFields, []string{"9"}
		w.Headers = map[string]string{strings.Repeat("X-Long", 40): "1"}
	})
	failing := r.put(t, func(w *webhook.Webhook) { w.Name, w.URL = "Flaky", r.receiver+"/flaky" })
	held := r.put(t, func(w *webhook.Webhook) { w.Name = "Held" })
	r.put(t, func(w *webhook.Webhook) { w.Name, w.Disabled, w.KeepEvents = "Paused", "Stocktaking", true })
	r.put(t, func(w *webhook.Webhook) { w.Name, w.Disabled = "Off", "The receiver answered 410 Gone." })
	r.put(t, func(w *webhook.Webhook) {
		w.Name, w.Disabled, w.IgnoredEvents = "Off at length", strings.Repeat("Stocktaking", 23), []string{strings.Repeat("deal_add", 30)}
	})
	r.put(t, func(w *webhook.Webhook) { w.Name, w.Events = "", []webhook.EventType{"bounce"} })
	gone := r.put(t, func(w *webhook.Webhook) { w.Name = "Gone" })

	held.HeldUntil = time.Now().Add(20 * time.Minute).UTC().Truncate(time.Millisecond)
	held.Health = webhook.Health{Failures: 12, Since: held.Created, Last: held.Created, Hours: 1, Reason: "The receiver failed (500 Internal Server Error): check its error log."}
	_, err := r.store.PutWebhook(t.Context(), held)
	require.NoError(t, err)

	// A log of more than one page.
	var ds []webhook.Delivery
	for i, state := range []webhook.State{webhook.StateFailed, webhook.StateDelivered, webhook.StateCanceled} {
		for j := range 40 {
			at := time.Now().Add(-time.Duration(40*i+j+1) * 11 * time.Minute).UTC().Truncate(time.Millisecond)
			ds = append(ds, webhook.Delivery{
				ID: fmt.Sprintf("msg_%s_%d", state, j), Account: "acme", WebhookID: long.ID, EventID: "e", Type: webhook.EventTypes()[j%9],
				Body: webhook.SampleBody(webhook.EventTypes()[j%9], webhook.Format2013), Created: at, State: state, Due: at, Attempts: 1,
			})
		}
	}
	_, err = r.store.Enqueue(t.Context(), storetest.Events(ds...))
	require.NoError(t, err)
	_, err = r.store.Apply(t.Context(), []webhook.Change{{
		ID: "msg_failed_0", State: webhook.StateFailed, Due: ds[0].Due, Attempts: 2, Log: &webhook.Attempt{
			Start: ds[0].Created, Duration: 90 * time.Millisecond, Status: http.StatusInternalServerError, Detail: "from 127.0.0.1",
			Reason:   "The receiver failed (500 Internal Server Error): check its error log.",
			Response: []byte(strings.Repeat("Fatal error: Uncaught TypeError in /var/www/hook.php:3\n", 30)),
		},
	}, {ID: "msg_delivered_0", State: webhook.StateDelivered, Due: ds[40].Due, Attempts: 1, Erase: true}})
	require.NoError(t, err)

	r.failing.Store(true)
	for _, kind := range []webhook.EventType{webhook.TypeOpen, webhook.TypeSubscribe, webhook.TypeClick} {
		e := webhook.Sample(kind)
		switch e := e.(type) {
		case webhook.Open:
			e.Account = "acme"
			require.NoError(t, r.Emit(t.Context(), e))
		case webhook.Subscribe:
			e.Account = "acme"
			require.NoError(t, r.Emit(t.Context(), e))
		case webhook.Click:
			e.Account = "acme"
			require.NoError(t, r.Emit(t.Context(), e))
		}
	}
	until(func() bool {
		ds, err := r.Deliveries(t.Context(), webhook.DeliveryQuery{Account: "acme", Webhook: failing.ID, Brief: true})
		require.NoError(t, err)
		n := 0
		for _, d := range ds {
			n += min(d.Attempts, 1)
		}
		return n == 3
	})
	require.NoError(t, r.DeleteWebhook(t.Context(), "acme", gone.ID))
}
