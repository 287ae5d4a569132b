package manage

import (
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// sentBody notes the body of the next request to the receiver.
func (r *harness) sentBody(into *string) {
	r.receive(func(req *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(req.Body)
		*into = string(body)
		if err != nil {
			return nil, err
		}
		return answer(200, `{"taken":true}`)(req)
	})
}

func TestATestsPayloadCanBeEdited(t *testing.T) {
	for _, format := range webhook.Formats() {
		t.Run(string(format), func(t *testing.T) {
			r := newHarness(t)
			w := r.put(func(w *webhook.Webhook) { w.Format = format })
			var sent string
			r.sentBody(&sent)
			target := "/webhooks/" + w.ID + "/payload"
			got := r.as("ann", target+"?event=click", nil)
			require.Equal(t, 200, got.Code)
			_, form, _ := strings.Cut(got.Body.String(), `<form class="card form wide" method="post"`)
			payload := formOf(t, `<form class="card form" method="post"`+form)
			require.Equal(t, "click", payload.Get("event"))
			edited := strings.ReplaceAll(payload.Get("payload"), "test@test.com", "é&=+<b>@example.com")
			require.NotEqual(t, payload.Get("payload"), edited)
			payload.Set("payload", edited)
			got = r.as("ann", target, payload)
			require.Equal(t, 200, got.Code)
			assert.Contains(t, got.Body.String(), "it works.")
			assert.Contains(t, got.Body.String(), "&lt;b&gt;@example.com", "what was edited is still there")
			if format == webhook.FormatJSON {
				var body struct {
					ID      string
					Contact struct{ Email string }
				}
				require.NoError(t, json.Unmarshal([]byte(sent), &body))
				assert.Equal(t, "é&=+<b>@example.com", body.Contact.Email)
				assert.True(t, strings.HasPrefix(body.ID, "test_"), "a receiver that remembers IDs takes it")
			} else {
				values, err := url.ParseQuery(sent)
				require.NoError(t, err)
				prefix := map[webhook.Format]string{webhook.Format2013: "subscriber", webhook.FormatCurrent: "contact"}[format]
				assert.Equal(t, "é&=+<b>@example.com", values.Get(prefix+"[email]"))
			}
			ds, err := r.Deliveries(t.Context(), webhook.DeliveryQuery{Account: "acme"})
			require.NoError(t, err)
			assert.Empty(t, ds, "a test is not kept")

			sent = ""
			bad := map[bool]string{true: `["no object"]`, false: "no sign"}[format == webhook.FormatJSON]
			for _, text := range []string{bad, ""} {
				got = r.as("ann", target, url.Values{"event": {"click"}, "payload": {text}})
				assert.Equal(t, 422, got.Code, text)
				assert.Contains(t, got.Body.String(), `id="payload-error"`)
			}
			assert.Equal(t, 422, r.as("ann", target, url.Values{"event": {"party"}, "payload": {edited}}).Code)
			assert.Empty(t, sent)
			assert.Equal(t, 404, r.as("ann", target+"?event=party", nil).Code)
		})
	}
}

func TestARequestIsCopiedAsACommandWithoutSecrets(t *testing.T) {
	r := newHarness(t)
	w := r.put(func(w *webhook.Webhook) {
		w.URL, w.Headers = "https://shop:hunter2@crm.example.com/it's?a=b", map[string]string{"Authorization": "Bearer s3cr3t"}
		w.Secrets = []webhook.Secret{webhook.NewSecret()}
	})
	d := r.emit("e1")
	body := r.as("ann", "/deliveries/"+d.ID, nil).Body.String()
	_, command, ok := strings.Cut(body, `<pre id="curl" tabindex="0">`)
	require.True(t, ok)
	command, _, _ = strings.Cut(command, "</pre>")
	command = strings.NewReplacer("&#39;", "'", "&amp;", "&", "&#43;", "+").Replace(command)
	assert.True(t, strings.HasPrefix(command, "curl 'https://crm.example.com/it"), command)
	assert.Contains(t, command, " \\\n  -H 'Content-Type: application/x-www-form-urlencoded' \\\n  -H 'Webhook-Id: "+d.ID+"'")
	assert.Contains(t, command, "-H 'Authorization: •••'")
	assert.Contains(t, command, "--data-raw 'type=open&")
	for _, secret := range []string{"hunter2", "s3cr3t", w.Secrets[0].Key} {
		assert.NotContains(t, body, secret)
	}
}

func TestBodiesInJSONAreShownWithIndents(t *testing.T) {
	r := newHarness(t)
	r.put(func(w *webhook.Webhook) { w.Format = webhook.FormatJSON })
	d := r.emit("e1")
	body := r.as("ann", "/deliveries/"+d.ID, nil).Body.String()
	assert.Contains(t, body, "{\n  &#34;id&#34;: &#34;"+d.ID)
	assert.Contains(t, body, "{&#34;id&#34;:&#34;"+d.ID, "raw, too")
	assert.Contains(t, r.as("ann", "/samples?format=json", nil).Body.String(), "{\n  &#34;id&#34;:")
}

func TestOnlyPagesWithSomethingPendingAreRefreshed(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	d := r.emit("e1")
	pages := []string{"/deliveries", "/deliveries?event=open&state=pending", "/deliveries/" + d.ID, "/webhooks/" + w.ID}
	for _, page := range pages {
		body := r.as("ann", page, nil).Body.String()
		assert.Contains(t, body, "data-refresh", page)
		_, link, _ := strings.Cut(body, `<noscript><p class="refresh"><a class="button" href="`)
		link, _, _ = strings.Cut(link, `"`)
		from, err := url.Parse(page)
		require.NoError(t, err)
		to, err := from.Parse(html.UnescapeString(link))
		require.NoError(t, err)
		assert.Equal(t, page, to.String(), "without scripts a link loads the same page again")
	}
	_, err := r.store.Apply(t.Context(), []webhook.Change{{ID: d.ID, Lease: d.Lease, State: webhook.StateDelivered, Due: d.Due, Attempts: 1}})
	require.NoError(t, err)
	for _, page := range append(pages, "/", "/samples") {
		assert.NotContains(t, r.as("ann", page, nil).Body.String(), "data-refresh", page)
	}
}

func TestTheExamplePayloadsAreACatalogue(t *testing.T) {
	r := newHarness(t)
	for _, format := range webhook.Formats() {
		body := r.as("ann", "/samples?format="+string(format), nil).Body.String()
		for _, says := range []string{"Sent when a subscriber clicks a link in a campaign.", "Email address of the subscriber", "A custom field, identified by its ID"} {
			assert.Contains(t, body, says, format)
		}
		assert.NotContains(t, body, `data-label="Meaning"></td>`, "every field has a meaning")
	}
}
