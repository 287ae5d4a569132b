package manage

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// addV1 adds a webhook through the older API with parameters for its selection.
func (r *harness) addV1(selection string) map[string]any {
	return r.v1("webhook_add", "", "name=A&url=https://a.example.com/&"+selection)
}

// addV3 adds a webhook through the newer API with events, as JSON.
func (r *harness) addV3(events string) int {
	got := r.call("ann", "POST", "/api/3/webhooks",
		`{"webhook":{"name":"A","url":"https://a.example.com/","sources":["public"],"events":`+events+`}}`)
	return got.Code
}

func TestTheAPIsAddTheDefaultFormat(t *testing.T) {
	for option, want := range map[webhook.Format]webhook.Format{
		"": webhook.FormatCurrent, webhook.FormatCurrent: webhook.FormatCurrent, webhook.Format2013: webhook.Format2013,
		webhook.FormatJSON: webhook.FormatJSON,
	} {
		r := newHarness(t, func(o *Options) { o.DefaultFormat = option })
		require.EqualValues(t, 1, r.addV1("action=open&init=api&lists=12,13")["result_code"])
		require.Equal(t, 201, r.addV3(`["open"]`))
		ws := r.all()
		require.Len(t, ws, 3)
		for _, w := range ws {
			assert.Equal(t, want, w.Format)
		}
	}

	t.Run("and keep that of a webhook which they edit", func(t *testing.T) {
		r := newHarness(t)
		for _, format := range append(webhook.Formats(), "") {
			w := r.put(func(w *webhook.Webhook) { w.Format = format })
			require.EqualValues(t, 1, r.v1("webhook_edit", "", "id="+w.ID+"&name=B&action=click")["result_code"])
			require.Equal(t, 200, r.call("ann", "PUT", "/api/3/webhooks/"+w.ID, `{"webhook":{"name":"C","events":["bounce"]}}`).Code)
			stored, err := r.Webhook(t.Context(), "acme", w.ID)
			require.NoError(t, err)
			assert.Equal(t, "C", stored.Name)
			assert.Equal(t, format, stored.Format)
		}
	})

	t.Run("which the app may not mistype", func(t *testing.T) {
		_, err := Handler(newHarness(t).Dispatcher, &Options{DefaultFormat: "2014"})
		assert.Equal(t, &webhook.InvalidError{Field: "Options.DefaultFormat", Reason: `is "2014", not one of 2013, current and json`}, err)
	})
}

// The several values come in every encoding that clients of either API send.
func TestEventTypesThatDoNotExistAreIgnored(t *testing.T) {
	escaped := url.QueryEscape
	for name, add := range map[string]func(*harness) bool{
		"v1, repeated": func(r *harness) bool {
			return r.addV1("init=api&action[]=deal_add&action[]=open&action[]=list_add&action[]=click")["result_code"] == 1.0
		},
		"v1, indexed, with encoded brackets": func(r *harness) bool {
			return r.addV1("init=api&action%5B0%5D=open&action%5B1%5D=deal_add&action%5B2%5D=click&action%5B3%5D=list_add")["result_code"] == 1.0
		},
		"v1, by name": func(r *harness) bool {
			return r.addV1("init=api&action[deal_add]=deal_add&action[open]=open&action[click]=click&action[list_add]=list_add")["result_code"] == 1.0
		},
		"v1, commas": func(r *harness) bool {
			return r.addV1("init=api&action=deal_add,open, list_add ,click")["result_code"] == 1.0
		},
		"v1, a JSON array": func(r *harness) bool {
			return r.addV1("init=api&action=" + escaped(`["deal_add","open","click","list_add"]`))["result_code"] == 1.0
		},
		"v1, a JSON object": func(r *harness) bool {
			return r.addV1("init=api&action=" + escaped(`{"0":"deal_add","2":"open","5":"click","6":"list_add"}`))["result_code"] == 1.0
		},
		"v1, other cases and spaces, twice": func(r *harness) bool {
			return r.addV1("init=+API&init=api&action[]=+Open+&action[]=CLICK&action[]=open&action[]=deal_add&action[]=+deal_add&action[]=list_add")["result_code"] == 1.0
		},
		"v3, an array":  func(r *harness) bool { return r.addV3(`["open","deal_add","click","list_add"]`) == 201 },
		"v3, an object": func(r *harness) bool { return r.addV3(`{"1":"open","2":"deal_add","4":"click","7":"list_add"}`) == 201 },
		"v3, a string":  func(r *harness) bool { return r.addV3(`"deal_add,open,list_add, click"`) == 201 },
		"v3, other cases and spaces, twice": func(r *harness) bool {
			return r.addV3(`[" Open","CLICK ","open","deal_add\n","deal_add","","list_add"]`) == 201
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newHarness(t)
			require.True(t, add(r))
			ws := r.all()
			require.Len(t, ws, 1)
			assert.ElementsMatch(t, []webhook.EventType{webhook.TypeOpen, webhook.TypeClick}, ws[0].Events)
			assert.ElementsMatch(t, []string{"deal_add", "list_add"}, ws[0].IgnoredEvents)
			assert.Len(t, ws[0].Sources, 1)

			var shown struct {
				Webhook struct {
					Events  []string `json:"events"`
					Ignored []string `json:"ignored_events"`
				} `json:"webhook"`
			}
			got := r.call("ann", "GET", "/api/3/listhook/webhooks/"+ws[0].ID, "")
			require.NoError(t, json.Unmarshal(got.Body.Bytes(), &shown))
			assert.ElementsMatch(t, []string{"open", "click"}, shown.Webhook.Events)
			assert.ElementsMatch(t, []string{"deal_add", "list_add"}, shown.Webhook.Ignored)
		})
	}

	t.Run("which v1 says", func(t *testing.T) {
		r := newHarness(t)
		assert.Equal(t, "Webhook added. Ignored, since there are no such event types here: deal_add, list_add",
			r.addV1("init=api&action=deal_add,open,list_add")["result_message"])
		id := r.all()[0].ID
		assert.Equal(t, "Webhook updated", r.v1("webhook_edit", "", "id="+id+"&name=B")["result_message"], "types were not sent")
		assert.Equal(t, "Webhook updated. Ignored, since there are no such event types here: deal_update",
			r.v1("webhook_edit", "", "id="+id+"&action[]=open&action[]=deal_update")["result_message"])
	})
}

func TestAnEditOfTheEventTypesReplacesWhatWasIgnored(t *testing.T) {
	for name, edit := range map[string]func(r *harness, id, types string){
		"v1": func(r *harness, id, types string) { r.v1("webhook_edit", "", "id="+id+"&action="+types) },
		"v3": func(r *harness, id, types string) {
			r.call("ann", "PUT", "/api/3/webhooks/"+id, `{"webhook":{"events":"`+types+`"}}`)
		},
		"settings": func(r *harness, id, types string) {
			r.call("ann", "PUT", "/api/3/listhook/webhooks/"+id, `{"webhook":{"events":"`+types+`"}}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newHarness(t)
			id := r.put(func(w *webhook.Webhook) { w.IgnoredEvents = []string{"sms_sent"} }).ID
			stored := func() webhook.Webhook {
				w, err := r.Webhook(t.Context(), "acme", id)
				require.NoError(t, err)
				return w
			}
			edit(r, id, "open,deal_add")
			assert.Equal(t, []webhook.EventType{webhook.TypeOpen}, stored().Events)
			assert.Equal(t, []string{"deal_add"}, stored().IgnoredEvents)
			edit(r, id, "deal_add,deal_update")
			assert.Equal(t, []webhook.EventType{webhook.TypeOpen}, stored().Events, "nothing is left of it: it was refused")
			edit(r, id, "click")
			assert.Equal(t, []webhook.EventType{webhook.TypeClick}, stored().Events)
			assert.Empty(t, stored().IgnoredEvents)
		})
	}
}

func TestEventTypesOfWhichNoneExistsAreRefused(t *testing.T) {
	r := newHarness(t)
	assert.Equal(t, `Failed: action contains none of the app's event types, but "deal_add"`,
		r.addV1("init=api&action=deal_add,list_add")["result_message"])
	assert.Equal(t, "Failed: action has more than 100 names", r.addV1("init=api&action=open," + manyNames(101))["result_message"])
	for body, title := range map[string]string{
		`["deal_add"]`:                       `The field events contains none of the app's event types, but \"deal_add\".`,
		`["open","` + manyNames(101) + `"]`:  "", // one long name is no list of names
		`"open,` + manyNames(101) + `"`:      "The field events has more than 100 names.",
		`"` + strings.Repeat("x", 300) + `"`: "The field events contains none of the app's event types",
		`["open",{}]`:                        "The field events is not an array of strings.",
		`7`:                                  "The field events is not an array of strings.",
	} {
		got := r.call("ann", "POST", "/api/3/webhooks",
			`{"webhook":{"name":"A","url":"https://a.example.com/","sources":["public"],"events":`+body+`}}`)
		assert.Equal(t, 422, got.Code)
		assert.Contains(t, got.Body.String(), title)
		assert.Contains(t, got.Body.String(), `"/data/attributes/events"`)
		assert.Less(t, got.Body.Len(), 400)
	}
	assert.Empty(t, r.all())
}

func manyNames(n int) string {
	var names []string
	for i := range n {
		names = append(names, "deal_"+strconv.Itoa(i))
	}
	return strings.Join(names, ",")
}

func TestList0IsEveryListHoweverItIsWritten(t *testing.T) {
	r := newHarness(t)
	for _, list := range []string{"lists=0", "lists[]=+0+", "lists[12]=12&lists[0]=0", "lists=%5B0%5D", "lists="} {
		require.EqualValues(t, 1, r.addV1("init=api&action=open&" + list)["result_code"], list)
	}
	for _, list := range []string{"0", `"0"`, `" 0 "`, `""`, `"  "`, "null"} {
		got := r.call("ann", "POST", "/api/3/webhooks",
			`{"webhook":{"name":"A","url":"https://a.example.com/","sources":["public"],"events":["open"],"listid":`+list+`}}`)
		require.Equal(t, 201, got.Code, list)
	}
	for _, w := range r.all() {
		assert.Empty(t, w.List)
	}
	require.EqualValues(t, 1, r.addV1("init=api&action=open&lists[]=+12+")["result_code"])
	got := r.call("ann", "PUT", "/api/3/webhooks/"+r.all()[0].ID, `{"webhook":{"listid":" 12 "}}`)
	assert.Contains(t, got.Body.String(), `"listid":"12"`)
}
