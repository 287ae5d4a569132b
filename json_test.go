package webhook_test

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

func inJSON(w *webhook.Webhook) { w.Format = webhook.FormatJSON }

// fromJSON reads a body.
func fromJSON(t *testing.T, body []byte) map[string]any {
	var object map[string]any
	require.NoError(t, json.Unmarshal(body, &object), "%s", body)
	return object
}

func TestADeliveryInJSONSaysItsID(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{CustomerAccount: func(context.Context, string) (webhook.CustomerAccount, error) {
			return webhook.CustomerAccount{OrgName: "Acme", Name: "acme", ID: "9"}, nil
		}}).start()
		r.receiver.set(status(500))
		r.put(inJSON)
		r.put(inJSON) // which shares all but the id
		form := r.put(nil)
		r.emit(open("1"))
		synctest.Wait()
		time.Sleep(10 * time.Second) // a retry brings the same
		bodies := map[string]string{}
		for _, got := range r.receiver.requests() {
			if got.Header.Get("Content-Type") != "application/json" {
				assert.Equal(t, form.URL, got.URL)
				continue
			}
			id := got.Header.Get(webhook.HeaderID)
			body := fromJSON(t, got.Body)
			assert.Equal(t, id, body["id"])
			assert.Equal(t, []any{"Acme", "acme", "9", "acme"},
				[]any{body["orgname"], body["customer_acct_name"], body["customer_acct_id"], body["contact"].(map[string]any)["customer_acct_name"]})
			if before, again := bodies[id]; again {
				assert.Equal(t, before, string(got.Body))
			}
			bodies[id] = string(got.Body)
		}
		assert.Len(t, bodies, 2)
		for _, d := range r.log() {
			want := "application/json"
			if d.WebhookID == form.ID {
				want = "application/x-www-form-urlencoded"
			}
			assert.Equal(t, want, d.ContentType())
		}
	})
}

// A delivery keeps the body that it was made with.
func TestABodyKeepsItsContentTypeWhenTheFormatChanges(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		w := r.put(nil)
		r.receiver.set(status(500))
		r.emit(open("1"))
		synctest.Wait()
		w, err := r.Webhook(r.ctx, "", w.ID)
		require.NoError(t, err)
		w.Format = webhook.FormatJSON
		_, err = r.UpdateWebhook(r.ctx, w)
		require.NoError(t, err)
		r.receiver.set(nil)
		r.emit(open("2"))
		time.Sleep(time.Minute)
		kinds := map[string]string{}
		for _, got := range r.receiver.requests() {
			kinds[got.Header.Get(webhook.HeaderAttempt)] += got.Header.Get("Content-Type") + " "
		}
		assert.Equal(t, map[string]string{
			"1": "application/x-www-form-urlencoded application/json ", "2": "application/x-www-form-urlencoded ",
		}, kinds)
	})
}

func TestABodyInJSONNamesTheListsThatItIsFor(t *testing.T) {
	ann := webhook.Subscriber{ID: "1"}
	for name, c := range map[string]struct {
		list  string
		event webhook.Event
		want  [][]any
	}{
		"all at once to a webhook of every list":      {"", webhook.Open{Meta: webhook.Meta{Source: webhook.SourceAPI, Lists: []string{"2", "1", "2"}}, Subscriber: ann}, [][]any{{"2", "1"}}},
		"its own to a webhook of one":                 {"2", webhook.Open{Meta: webhook.Meta{Source: webhook.SourceAPI, Lists: []string{"2", "1"}}, Subscriber: ann}, [][]any{{"2"}}},
		"each of a subscription, since its id is":     {"", webhook.Subscribe{Meta: webhook.Meta{Source: webhook.SourceAPI, Lists: []string{"2", "1"}}, Subscriber: ann}, [][]any{{"1"}, {"2"}}},
		"the own list of a subscription to a webhook": {"1", webhook.Subscribe{Meta: webhook.Meta{Source: webhook.SourceAPI, Lists: []string{"2", "1"}}, Subscriber: ann}, [][]any{{"1"}}},
		"none": {"", webhook.Open{Meta: webhook.Meta{Source: webhook.SourceAPI}, Subscriber: ann}, [][]any{{}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newHarness(t, nil)
			r.put(func(w *webhook.Webhook) { w.Format, w.List = webhook.FormatJSON, c.list })
			r.put(inJSON) // which shares no body that it should not
			require.NoError(t, r.Emit(r.ctx, c.event))
			var got [][]any
			ws, err := r.Webhooks(r.ctx, webhook.WebhookQuery{})
			require.NoError(t, err)
			for _, d := range r.log() {
				if d.WebhookID == ws[0].ID {
					got = append(got, fromJSON(t, d.Body)["lists"].([]any))
				}
			}
			assert.ElementsMatch(t, c.want, got)
		})
	}
}

func TestATestIsSentInJSONToo(t *testing.T) {
	r := newHarness(t, nil)
	w := r.put(func(w *webhook.Webhook) { w.Format, w.List = webhook.FormatJSON, "7" })
	_, err := r.SendTest(r.ctx, "", w.ID, webhook.TypeClick)
	require.NoError(t, err)
	got := r.receiver.requests()[0]
	assert.Equal(t, "application/json", got.Header.Get("Content-Type"))
	body := fromJSON(t, got.Body)
	assert.Equal(t, got.Header.Get(webhook.HeaderID), body["id"])
	assert.Equal(t, []any{"7"}, body["lists"])
}

func TestAReceiverThatTakesNoJSONIsExplained(t *testing.T) {
	r := newHarness(t, nil)
	r.receiver.set(status(415))
	for format, want := range map[webhook.Format]string{
		webhook.FormatJSON: "application/json", webhook.FormatCurrent: "application/x-www-form-urlencoded",
	} {
		w := r.put(func(w *webhook.Webhook) { w.Format = format })
		a, err := r.SendTest(r.ctx, "", w.ID, webhook.TypeOpen)
		require.NoError(t, err)
		assert.Equal(t, "The receiver does not accept the webhook's format (415 Unsupported Media Type): make it accept "+want+
			", or choose another format.", a.Reason)
	}
}
