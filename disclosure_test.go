package webhook_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// readDelivery reads a delivery as a receiver does.
func readDelivery(t *testing.T, d webhook.Delivery) webhook.Event {
	t.Helper()
	req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(string(d.Body)))
	req.Header.Set("Content-Type", d.ContentType())
	events, err := webhook.ParseRequest(req, &webhook.ReceiveOptions{Unsigned: true})
	require.NoError(t, err)
	return events[0]
}

var everybody = webhook.Subscriber{
	ID: "12", Email: "ann@example.com", FirstName: "Ann", LastName: "Lee", IP: "192.0.2.1", Phone: "+1", OrgName: "Lee & Co",
	Tags: []string{"a"}, CustomerAccount: "acme", Fields: map[string]string{"7": "x", "8": "", "9": "secret"},
}

func TestBodiesHoldWhatAWebhookDiscloses(t *testing.T) {
	some := everybody
	some.Fields = map[string]string{"7": "x", "8": ""}
	none := everybody
	none.Fields = nil
	for name, c := range map[string]struct {
		disclosure webhook.Disclosure
		ids        []string
		want       webhook.Subscriber
	}{
		"everything unless told":       {"", nil, everybody},
		"everything":                   {webhook.DiscloseAll, nil, everybody},
		"some fields, if they are set": {webhook.DiscloseFields, []string{"8", "7", "404"}, some},
		"no field":                     {webhook.DiscloseFields, nil, none},
		"who it is":                    {webhook.DiscloseMinimal, nil, webhook.Subscriber{ID: "12", Email: "ann@example.com"}},
	} {
		for _, format := range webhook.Formats() {
			t.Run(name+" in "+string(format), func(t *testing.T) {
				r := newHarness(t, nil)
				w := r.put(func(w *webhook.Webhook) { w.Format, w.Disclosure, w.FieldIDs = format, c.disclosure, c.ids })
				r.put(func(w *webhook.Webhook) { w.Format = format }) // which shares no body with it
				r.put(func(w *webhook.Webhook) { w.Format, w.Disclosure = format, webhook.DiscloseMinimal })
				stored, err := r.Webhook(r.ctx, "", w.ID)
				require.NoError(t, err)
				assert.Equal(t, w.Settings, stored.Settings)

				e := webhook.Unsubscribe{
					Meta: webhook.Meta{Source: webhook.SourcePublic}, Subscriber: everybody,
					Details: webhook.UnsubscribeDetails{Reason: "too many"},
				}
				require.NoError(t, r.Emit(r.ctx, &e))
				assert.Equal(t, everybody, e.Subscriber, "the app's event is left alone")
				require.NoError(t, r.Emit(r.ctx, webhook.Sample(webhook.TypeSent)))
				for _, d := range r.log() {
					if d.WebhookID == w.ID && d.Type == webhook.TypeUnsubscribe {
						got := readDelivery(t, d).(webhook.Unsubscribe)
						assert.Equal(t, c.want, got.Subscriber)
						assert.Equal(t, "too many", got.Details.Reason, "which is not the subscriber's")
					}
				}
				assert.Len(t, r.log(), 6)

				n, err := r.EraseSubscriber(r.ctx, "", "", "Ann@example.com", nil)
				require.NoError(t, err)
				assert.Equal(t, 3, n, "an erasure finds the person whatever is disclosed")
			})
		}
	}
}

func TestATestDisclosesNoMore(t *testing.T) {
	r := newHarness(t, nil)
	w := r.put(func(w *webhook.Webhook) { w.Disclosure = webhook.DiscloseMinimal })
	_, err := r.SendTest(r.ctx, "", w.ID, webhook.TypeSubscribe)
	require.NoError(t, err)
	form := r.receiver.requests()[0].Form
	assert.Equal(t, "test@test.com", form.Get("subscriber[email]"))
	assert.Empty(t, form.Get("subscriber[first_name]"))
	assert.False(t, form.Has("subscriber[fields][7]"))
}

// Receivers index these keys without asking.
func TestKeysThatAreAlwaysThereAreSentEmpty(t *testing.T) {
	r := newHarness(t, nil)
	r.put(func(w *webhook.Webhook) { w.Format, w.Disclosure = webhook.FormatCurrent, webhook.DiscloseMinimal })
	require.NoError(t, r.Emit(r.ctx, webhook.Update{Meta: webhook.Meta{Source: webhook.SourceAPI}, Subscriber: everybody}))
	body := string(r.log()[0].Body)
	assert.Contains(t, body, "contact%5Bfirst_name%5D=&contact%5Blast_name%5D=&contact%5Bip%5D=0.0.0.0&contact%5Bphone%5D=&contact%5Borgname%5D=&")
}
