package manage

import (
	"encoding/json"
	"html"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

func TestAWebhookInJSONIsSetUpAndShown(t *testing.T) {
	r := newHarness(t)
	form := filledForm()
	form.Set("format", "json")
	require.Equal(t, 303, r.as("ann", "/add", form).Code)
	w := r.all()[0]
	assert.Equal(t, webhook.FormatJSON, w.Format)
	assert.Contains(t, r.as("ann", "/webhooks/"+w.ID, nil).Body.String(), "<dt>Format</dt><dd>JSON ·")

	d := r.emit("e1")
	page := html.UnescapeString(r.as("ann", "/deliveries/"+d.ID, nil).Body.String())
	assert.Contains(t, page, "Content-Type: application/json")
	assert.Contains(t, page, `"id":"`+d.ID+`"`)
	assert.Contains(t, page, "<code>contact.email</code>")

	samples := html.UnescapeString(r.as("ann", "/samples?format=json", nil).Body.String())
	assert.Contains(t, samples, "<code>campaign.message.subject</code>")
	assert.Contains(t, samples, "an object in JSON")

	got := r.call("ann", "PUT", "/api/3/listhook/webhooks/"+w.ID, `{"webhook":{"format":"current"}}`)
	require.Equal(t, 200, got.Code)
	got = r.call("ann", "PUT", "/api/3/listhook/webhooks/"+w.ID, `{"webhook":{"format":"json"}}`)
	assert.Contains(t, got.Body.String(), `"format":"json"`)
	got = r.call("ann", "PUT", "/api/3/listhook/webhooks/"+w.ID, `{"webhook":{"format":"xml"}}`)
	assert.Equal(t, 422, got.Code)
	assert.Contains(t, got.Body.String(), "/data/attributes/format")
}

func TestTheOlderAPIDescribesEventsByTheDefaultFormat(t *testing.T) {
	r := newHarness(t, func(o *Options) { o.DefaultFormat = webhook.FormatJSON })
	row := r.v1("webhook_events", "", "")["0"].(map[string]any)
	assert.Equal(t, "email", row["fields"].(map[string]any)["contact"].(map[string]any)["email"])
	assert.True(t, json.Valid([]byte(row["example_response"].(string))))
}
