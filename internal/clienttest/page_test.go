package clienttest

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// TestThePageInABrowser runs testdata/page.js. With LISTHOOK_SCREENSHOTS, a
// folder, it leaves pictures there of the pages that have no address of their own.
func TestThePageInABrowser(t *testing.T) {
	browser := chromium(t)
	r := newHarness(t)
	for name, events := range map[string][]webhook.EventType{
		"Flaky": webhook.EventTypes(), "CRM": {webhook.TypeSubscribe, webhook.TypeUpdate},
	} {
		_, err := r.AddWebhook(t.Context(), webhook.Webhook{Account: "acme", Settings: webhook.Settings{
			Name: name, URL: r.receiver + "/flaky", Events: events, Sources: webhook.Sources(),
			Secrets: []webhook.Secret{webhook.NewSecret()}, Headers: map[string]string{"X-Shop": "7"},
		}})
		require.NoError(t, err)
	}
	r.emit(t)
	r.await(t, func(d webhook.Delivery) bool { return d.State == webhook.StateDelivered })
	// What fails is tried again after five seconds and then after five minutes:
	// until then it is pending, with an answer to look at.
	r.failing.Store(true)
	r.emit(t)
	r.await(t, func(d webhook.Delivery) bool { return d.State == webhook.StatePending && d.Attempts > 0 })
	node(t, "page.js", r.base, r.receiver, browser, os.Getenv("LISTHOOK_SCREENSHOTS"))
}

// emit emits a subscription, which both webhooks get, and an open, which one
// does.
func (r *harness) emit(t *testing.T) {
	subscribe := webhook.Sample(webhook.TypeSubscribe).(webhook.Subscribe)
	open := webhook.Sample(webhook.TypeOpen).(webhook.Open)
	subscribe.Account, open.Account = "acme", "acme"
	require.NoError(t, r.Emit(t.Context(), subscribe, open))
}

// await waits for three deliveries to be as they should.
func (r *harness) await(t *testing.T, as func(webhook.Delivery) bool) {
	t.Helper()
	until(func() bool {
		ds, err := r.Deliveries(t.Context(), webhook.DeliveryQuery{Account: "acme", Brief: true})
		require.NoError(t, err)
		n := 0
		for _, d := range ds {
			if as(d) {
				n++
			}
		}
		return n == 3
	})
}
