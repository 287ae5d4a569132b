package manage

import (
	"encoding/json"
	"html"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// newCatalogueHarness is an app that emits three of the nine, and a type of its own.
func newCatalogueHarness(t *testing.T) *harness {
	return newHarnessWith(t, &memstore.Store{}, &webhook.Options{Catalogue: []webhook.EventInfo{
		{Type: "open", Label: "Mail <Opened>"},
		{Type: "subscribe", Sources: []webhook.Source{"public"}},
		{Type: "campaign_finished", Label: "Campaign {Finished}", Sources: []webhook.Source{"system"}, Sample: webhook.Custom{
			Meta: webhook.Meta{Source: "system"}, Name: "campaign_finished", Data: map[string]any{"sent": 1250},
		}},
		{Type: "click"},
	}})
}

func TestThePageFollowsTheCatalogue(t *testing.T) {
	r := newCatalogueHarness(t)
	page := func(target string) string { return html.UnescapeString(r.as("ann", target, nil).Body.String()) }

	form := page("/add")
	assert.Contains(t, form, `name="event" value="open" checked> Mail <Opened></label>`)
	assert.Contains(t, form, `name="event" value="campaign_finished"> Campaign {Finished}</label>`, "only who names it gets it")
	assert.Contains(t, form, "New Subscription")
	assert.NotContains(t, form, "Campaign Shared")
	samples := page("/samples")
	assert.Contains(t, samples, "<code>data[sent]</code>")
	assert.NotContains(t, samples, "Campaign Shared")

	typed := filledForm()
	typed["event"] = []string{"open", "campaign_finished"}
	require.Equal(t, 303, r.as("ann", "/add", typed).Code)
	w := r.all()[0]
	assert.Equal(t, []webhook.EventType{"open", "campaign_finished"}, w.Events)
	assert.Contains(t, page("/webhooks/"+w.ID), "<li>Campaign {Finished}</li>")
	assert.Contains(t, page("/"), "Campaign {Finished}")

	typed["event"], typed["url"] = []string{"open", "share"}, []string{""}
	got := r.as("ann", "/add", typed)
	assert.Equal(t, 422, got.Code)
	assert.Contains(t, html.UnescapeString(got.Body.String()), `There is no event "share".`)
	assert.Contains(t, got.Body.String(), `id="URL-error"`, "all that is wrong is said at once")

	tested := r.as("ann", "/webhooks/"+w.ID+"/test", url.Values{"event": {"campaign_finished"}})
	assert.Contains(t, html.UnescapeString(tested.Body.String()), "<strong>Campaign {Finished}:")
	assert.Equal(t, 422, r.as("ann", "/webhooks/"+w.ID+"/test", url.Values{"event": {"share"}}).Code)

	explained := page("/explain?event=campaign_finished&source=system")
	assert.Contains(t, explained, `<option value="campaign_finished" selected>Campaign {Finished}</option>`)
	assert.Equal(t, 422, r.as("ann", "/explain?event=share&source=system", nil).Code)
	assert.Contains(t, page("/deliveries?event=campaign_finished"), `<option value="campaign_finished" selected>`)
}

func TestTheAPIsFollowTheCatalogue(t *testing.T) {
	r := newCatalogueHarness(t)

	t.Run("the older one", func(t *testing.T) {
		events := r.v1("webhook_events", "", "")
		assert.Equal(t, "Mail <Opened>", events["0"].(map[string]any)["description"])
		own := events["2"].(map[string]any)
		assert.Equal(t, "campaign_finished", own["db_field"])
		assert.Equal(t, "sent", own["fields"].(map[string]any)["data"].(map[string]any)["sent"])
		assert.NotContains(t, events, "4")

		added := r.v1("webhook_add", "", "name=A&url=https://a.example.com&action[]=open&action[]=share&action[]=campaign_finished&init[]=system")
		assert.Contains(t, added["result_message"], "Ignored, since there are no such event types here: share")
		w := r.all()[0]
		assert.Equal(t, []webhook.EventType{"open", "campaign_finished"}, w.Events)
		row := r.v1("webhook_view", "&id="+w.ID, "")
		assert.Equal(t, []any{1.0, 0.0, 1.0}, []any{row["open"], row["share"], row["campaign_finished"]})
	})

	t.Run("the newer one", func(t *testing.T) {
		_, events := r.object("ann", "/api/3/webhook/events")
		assert.Equal(t, []any{"open", "subscribe", "campaign_finished", "click"}, events["webhookEvents"])
		got := r.call("ann", "POST", "/api/3/webhooks", `{"webhook":{"name":"B","url":"https://b.example.com","events":["campaign_finished","bounce"],"sources":["system"]}}`)
		assert.Equal(t, 201, got.Code)
		assert.Contains(t, got.Body.String(), `"events":["campaign_finished"]`)
		got = r.call("ann", "POST", "/api/3/webhooks", `{"webhook":{"name":"B","url":"https://b.example.com","events":["bounce"],"sources":["system"]}}`)
		assert.Equal(t, 422, got.Code)
		assert.Contains(t, got.Body.String(), "none of the app's event types")
		got = r.call("ann", "POST", "/api/3/listhook/explain", `{"type":"campaign_finished","source":"system","lists":[12]}`)
		assert.Equal(t, 200, got.Code)
		for _, c := range []string{`{"type":"share","source":"system"}`, `{"type":"campaign_finished","source":"api"}`} {
			assert.Equal(t, 422, r.call("ann", "POST", "/api/3/listhook/explain", c).Code, c)
		}
		assert.Equal(t, 200, r.call("ann", "GET", "/api/3/listhook/deliveries?filters[type]=campaign_finished", "").Code)
		assert.Equal(t, 422, r.call("ann", "GET", "/api/3/listhook/deliveries?filters[type]=share", "").Code)

		got = r.call("ann", "GET", "/api/3/listhook/openapi.json", "")
		var doc struct {
			Webhooks   map[string]any
			Components struct {
				Schemas map[string]struct{ AnyOf []struct{ Enum []string } }
			}
		}
		require.NoError(t, json.Unmarshal(got.Body.Bytes(), &doc))
		assert.Len(t, doc.Webhooks, 4+1, "each type, and several events in one request")
		assert.Contains(t, doc.Components.Schemas, "campaign_finished_event")
		assert.Equal(t, []string{"open", "subscribe", "campaign_finished", "click"}, doc.Components.Schemas["EventType"].AnyOf[0].Enum)
	})
}

func TestTheExplanationOfASourceThatNeverIsIsTranslated(t *testing.T) {
	r := newCatalogueHarness(t)
	got := r.as("ann", "/explain?event=campaign_finished&source=api", nil)
	assert.Equal(t, 422, got.Code)
	assert.Contains(t, got.Body.String(), "This source never triggers this event.")
}
