package manage

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

func TestExplainSaysWhy(t *testing.T) {
	r := newHarness(t)
	r.put(func(w *webhook.Webhook) { w.Events = []webhook.EventType{"click"} })
	r.put(func(w *webhook.Webhook) { w.List = "13" })
	r.put(nil)
	body := r.as("ann", "/explain?event=open&source=public&list=12", nil).Body.String()
	assert.Contains(t, body, "The webhook is not set up for this event: Campaign Opened.")
	assert.Contains(t, body, "The webhook is only for the list 13")
	assert.Contains(t, body, "The webhook gets the event.")
	assert.Equal(t, 422, r.as("ann", "/explain?event=open&source=nobody", nil).Code)
	assert.Equal(t, 422, r.as("ann", "/explain?event=party&source=public", nil).Code)
}

func TestTheAPIExplainsWhichListEachDeliveryNames(t *testing.T) {
	r := newHarness(t)
	r.put(nil)
	r.put(func(w *webhook.Webhook) { w.List = "13" })
	r.put(func(w *webhook.Webhook) { w.Events = []webhook.EventType{webhook.TypeClick} })
	for event, want := range map[string][][]string{
		`{"type":"subscribe","source":"public","lists":[12,13]}`: {{"12", "13"}, {"13"}, {}},
		`{"type":"open","source":"public"}`:                      {{"0"}, {}, {}},
	} {
		var got struct{ Explanations []struct{ Lists []string } }
		body := r.call("bob", "POST", "/api/3/listhook/explain", event).Body.Bytes()
		require.NoError(t, json.Unmarshal(body, &got), "%s", body)
		var lists [][]string
		for _, e := range got.Explanations {
			require.NotNil(t, e.Lists, "%s", body)
			lists = append(lists, e.Lists)
		}
		assert.ElementsMatch(t, want, lists, event)
	}
}
