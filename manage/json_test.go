package manage

import (
	"encoding/json"
	"html"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/v3"
)

func TestAWebhookInJSONIsSetUpAndShown(t *testing.T) {
	r := newHarness(t)
	form := filledForm()
	form.Set("format", "json")
	added := r.as("ann", "/add", form)
	require.Equal(t, 303, added.Code)
	assert.NotContains(t, r.as("ann", r.follow("/add", added), nil).Body.String(), "jsonParse", "its body is JSON")
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
	assert.Contains(t, samples, "a JSON object")

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

// A mistyped field would keep its default: the call would send a whole log again, or
// cancel pending deliveries.
func TestUnknownFieldsOfABodyAreRefused(t *testing.T) {
	r := newHarness(t)
	w := r.put(func(w *webhook.Webhook) { w.Disabled, w.KeepEvents = "off", true })
	d := r.emit("e")
	tried := 0
	for _, route := range v3.Routes() {
		if !strings.HasPrefix(route.Path, "listhook/") || route.Method != "POST" && route.Method != "PUT" ||
			strings.HasSuffix(route.Path, "/try") || strings.HasSuffix(route.Path, "/skip") || strings.HasSuffix(route.Path, "/cancel") {
			continue // these have no body
		}
		id := w.ID
		if strings.Contains(route.Path, "deliveries/{id}") {
			id = d.ID
		}
		body := strings.Replace(strings.Replace(bodyFor(route.Path), "{", `{"untill":1,`, 1), ",}", "}", 1)
		if route.Method == "PUT" {
			body = `{"webhook":{"nane":"x"}}`
		}
		got := r.call("ann", route.Method, "/api/3/"+strings.ReplaceAll(route.Path, "{id}", id), body)
		assert.Equal(t, 422, got.Code, "%s %s %s: %s", route.Method, route.Path, body, got.Body)
		assert.Regexp(t, "untill|nane", got.Body.String(), route.Path)
		tried++
	}
	assert.GreaterOrEqual(t, tried, 9)

	var settings map[string]any
	got := r.call("ann", "GET", "/api/3/listhook/webhooks/"+w.ID, "")
	require.NoError(t, json.Unmarshal(got.Body.Bytes(), &settings))
	whole, err := json.Marshal(map[string]any{"webhook": settings["webhook"]})
	require.NoError(t, err)
	got = r.call("ann", "PUT", "/api/3/listhook/webhooks/"+w.ID, string(whole))
	assert.Equal(t, 200, got.Code, "a webhook as it was read: %s", got.Body)

	assert.Contains(t, r.call("ann", "GET", "/api/3/listhook/deliveries/"+d.ID, "").Body.String(), `"attempts":[]`)
}

func TestAFilterThatIsNotEncodedSelectsAllTheSame(t *testing.T) {
	r := newHarness(t)
	r.put(func(w *webhook.Webhook) { w.Name = "100%" })
	r.put(func(w *webhook.Webhook) { w.URL = "https://a.example.com/;v=1" })
	for query, n := range map[string]int{
		"filters[name]=100%": 1, "filters[url]=https://a.example.com/;v=1": 1, "filters[name]=x;y": 0, "filters[name]=%zz": 0,
	} {
		for _, path := range []string{"webhooks", "listhook/webhooks"} {
			got := r.call("ann", "GET", "/api/3/"+path+"?"+query, "")
			assert.Equal(t, 200, got.Code, query)
			assert.Equal(t, n, strings.Count(got.Body.String(), `"listid":`), "%s?%s", path, query)
		}
	}
}

func TestAnEditRefusesWhatItWouldNotDo(t *testing.T) {
	r := newHarness(t)
	w := r.put(func(w *webhook.Webhook) { w.Disclosure = webhook.DiscloseMinimal })
	target := "/api/3/listhook/webhooks/" + w.ID
	for body, field := range map[string]string{
		`{"webhook":{"disclosure":""}}`:         "disclosure",
		`{"webhook":{"format":""}}`:             "format",
		`{"webhook":{"order":""}}`:              "order",
		`{"webhook":{"enabled":false}}`:         "enabled",
		`{"revision":1,"webhook":{"name":"x"}}`: "revision",
	} {
		got := r.call("ann", "PUT", target, body)
		assert.Equal(t, 422, got.Code, body)
		assert.Contains(t, got.Body.String(), field, body)
	}
	assert.Equal(t, 422, r.call("ann", "POST", target+"/rotate?overlap=0", "").Code)
	assert.Equal(t, 422, r.call("ann", "GET", target+"?x=1", "").Code)
	assert.Equal(t, 400, r.call("ann", "PUT", target, "{\"webhook\":{\"name\":\"\xff\"}}").Code)
	assert.Equal(t, webhook.DiscloseMinimal, r.all()[0].Disclosure)
	assert.Equal(t, 200, r.call("ann", "PUT", target, "\ufeff"+`{"webhook":{"name":"x","enabled":true}}`).Code, "a BOM is passed over")
}
