package manage

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// mistakes makes a call that is refused, and returns the titles by the fields.
func (r *harness) mistakes(method, target, body string) map[string]string {
	r.t.Helper()
	got := r.call("ann", method, target, body)
	require.Equal(r.t, 422, got.Code, "%s %s %s: %s", method, target, body, got.Body)
	var answer struct {
		Errors []struct {
			Title, Detail, Code string
			Source              struct{ Pointer string }
		}
	}
	require.NoError(r.t, json.Unmarshal(got.Body.Bytes(), &answer))
	titles := map[string]string{}
	for _, e := range answer.Errors {
		field, ok := strings.CutPrefix(e.Source.Pointer, "/data/attributes/")
		assert.True(r.t, ok, e.Source.Pointer)
		assert.NotContains(r.t, titles, field, "a field is named once")
		titles[field] = e.Title
	}
	return titles
}

func fieldsOf(titles map[string]string) (fields []string) {
	for field := range titles {
		fields = append(fields, field)
	}
	return fields
}

// Whoever calls the newer API learns of all mistakes at once.
func TestV3NamesEveryMistake(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	d := r.emit("e1")
	hook := "/api/3/listhook/webhooks/" + w.ID
	for _, c := range []struct{ method, target, body, fields string }{
		{"POST", "/api/3/webhooks", `{"webhook":{}}`, "name url events sources"},
		{"POST", "/api/3/webhooks", `{"webhook":{"name":" ","url":"ftp://a.example.com","events":["deal_add"],"sources":["aliens"],"listid":66}}`, "name url events sources listid"},
		{"POST", "/api/3/webhooks", `{"webhook":{"name":[],"url":["x"],"events":{"a":[]},"sources":true,"listid":[]}}`, "name url events sources listid"},
		{"POST", "/api/3/webhooks", `{"webhook":{"name":{},"url":"https://a.example.com/#x","events":[]}}`, "name url events sources"},
		{"PUT", "/api/3/webhooks/" + w.ID, `{"webhook":{"name":"","url":"https://a.example.com/#x","events":[],"sources":[],"listid":"66"}}`, "name url events sources listid"},
		{"PUT", hook + "?x=1&y=2", `{"hook":{},"webhook":{"form":"json","name":"","format":"xml","order":"","disclosure":"some","batch":"many","batch_wait":"1s","headers":{"a b":"c"},"rate_limit":-1,"no_retry":"perhaps","keep_events":7,"enabled":false,"revision":"new"}}`,
			"x y hook form name format order disclosure batch batch_wait headers rate_limit no_retry keep_events enabled revision"},
		{"PUT", hook, `{"webhook":{"no_retry":"","keep_events":2,"enabled":[],"rate_limit":"","batch_wait":"1e999"}}`, "no_retry keep_events enabled rate_limit batch_wait"},
		{"PUT", hook, `{"webhook":{"rate_limit":"null","batch_wait":true}}`, "rate_limit batch_wait"},
		{"PUT", hook, `{"webhook":{"format":"xml","batch":200,"batch_wait":70}}`, "format batch_wait"},
		{"PUT", hook, `{"webhook":{"batch":501,"batch_wait":70}}`, "batch batch_wait"},
		{"POST", hook + "/enable?x=1", `{"drop_kept":"perhaps","y":1}`, "x drop_kept y"},
		{"POST", hook + "/disable", `{"reason":7,"keep_events":"perhaps"}`, "reason keep_events"},
		{"POST", hook + "/rotate", `{"overlap":-1,"y":1}`, "overlap y"},
		{"POST", hook + "/test", `{"type":"party","y":1}`, "type y"},
		{"POST", hook + "/test", `{}`, "type"},
		{"POST", hook + "/try?x=1", `{"y":1}`, "x y"},
		{"POST", hook + "/replay/cancel?x=1", `{"y":1}`, "x y"},
		{"POST", hook + "/replay", `{"since":"yesterday","until":"today","states":["lost"],"superseded":"perhaps","id":[],"y":1}`, "since until states superseded id y"},
		{"POST", hook + "/replay/count", `{"since":"2026-01-02T00:00:00Z","until":"2026-01-01T00:00:00Z","states":["lost"]}`, "until states"},
		{"POST", "/api/3/listhook/explain", `{"type":"party","source":"aliens","lists":[[]]}`, "type source lists"},
		{"POST", "/api/3/listhook/explain", `{}`, "type source"},
		{"POST", "/api/3/listhook/deliveries/search", `{"filters":{"state":"lost","type":"party","since":"x","until":"y","reason":"bad luck","form":"7","webhook":[]},"limit":-1,"after":"x","y":1}`,
			"filters/state filters/type filters/since filters/until filters/reason filters/form filters/webhook limit after y"},
		{"POST", "/api/3/listhook/deliveries/" + d.ID + "/redeliver?x=1", `{"anyway":"perhaps"}`, "x anyway"},
		{"POST", "/api/3/listhook/deliveries/" + d.ID + "/skip?x=1", `{"y":1}`, "x y"},
		{"GET", "/api/3/listhook/deliveries/" + d.ID + "?x=1&y=2", "", "x y"},
		{"GET", "/api/3/listhook/deliveries?limit=x&after=y&filters[state]=lost&filters[type]=party&filters[since]=z&filters[reason]=luck&filters[subscriber]=a@example.com&filters[form]=1", "",
			"limit after filters[state] filters[type] filters[since] filters[reason] filters[subscriber] filters[form]"},
		{"GET", hook + "/replay?x=1&y=2", "", "x y"},
		{"GET", hook + "/stats?period=year&x=1", "", "period x"},
		{"GET", "/api/3/listhook/stats?period=year&x=1", "", "period x"},
		{"GET", hook + "?x=1&y=2", "", "x y"},
		{"GET", "/api/3/listhook/webhooks?x=1&limit=x&offset=-1", "", "x limit offset"},
		{"GET", "/api/3/webhooks?limit=x&offset=-1", "", "limit offset"},
		{"GET", "/api/3/lists?limit=x&offset=-1", "", "limit offset"},
		{"GET", "/api/3/fields?limit=x&offset=-1", "", "limit offset"},
		{"GET", "/api/3/campaigns?limit=x&offset=-1", "", "limit offset"},
	} {
		assert.ElementsMatch(t, strings.Fields(c.fields), fieldsOf(r.mistakes(c.method, c.target, c.body)), "%s %s %s", c.method, c.target, c.body)
	}
	stored, err := r.Webhook(t.Context(), "acme", w.ID)
	require.NoError(t, err)
	assert.Equal(t, w.Settings, stored.Settings)

	t.Run("but no more than an answer bears", func(t *testing.T) {
		var body strings.Builder
		for i := range 10_000 {
			fmt.Fprintf(&body, `,"x%d":1`, i)
		}
		assert.Len(t, r.mistakes("POST", hook+"/enable", "{"+body.String()[1:]+"}"), 50)
	})
	t.Run("an edit that is older than another one's is told so first", func(t *testing.T) {
		assert.Equal(t, 409, r.call("ann", "PUT", hook, `{"webhook":{"revision":77,"name":""}}`).Code)
	})
	t.Run("what is not there is not found, whatever is wrong besides", func(t *testing.T) {
		assert.Equal(t, 404, r.call("ann", "PUT", "/api/3/webhooks/9", `{"webhook":{"name":""}}`).Code)
	})
}

// Errors name fields as the API in question does.
func TestErrorsNameTheFieldsOfTheAPI(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	hook := "/api/3/listhook/webhooks/" + w.ID
	for _, c := range []struct{ method, target, body, field, title string }{
		{"PUT", hook, `{"webhook":{"field_ids":[7]}}`, "field_ids", `is set, but disclosure is not "fields"`},
		{"PUT", hook, `{"webhook":{"batch_wait":5}}`, "batch_wait", "is set, but batch is not"},
		{"PUT", hook, `{"webhook":{"batch":5,"batch_wait":99999}}`, "batch_wait", "is longer than 50s"},
		{"POST", hook + "/replay", `{"since":"2026-01-02T00:00:00Z","until":"2026-01-01T00:00:00Z"}`, "until", "is not after since"},
		{"POST", hook + "/replay", `{"since":"2999-01-02T00:00:00Z"}`, "since", "is in the future"},
		{"PUT", hook, `{"webhook":{"name":"a\u0000b"}}`, "name", "contains a NUL byte"},
		{"POST", hook + "/disable", `{"reason":"a\u0000b"}`, "reason", "contains a NUL byte"},
		{"PUT", hook, `{"webhook":{"batch":1.5}}`, "batch", "is not a whole number"},
	} {
		assert.Equal(t, "The field "+c.field+" "+c.title+".", r.mistakes(c.method, c.target, c.body)[c.field], c.body)
	}
	assert.Equal(t, "Failed: name contains a NUL byte", r.v1("webhook_edit", "", "name=a%00b&id="+w.ID)["result_message"])

	t.Run("also of a source that the catalogue leaves out", func(t *testing.T) {
		r := newCatalogueHarness(t)
		titles := r.mistakes("POST", "/api/3/listhook/explain", `{"type":"campaign_finished","source":"api"}`)
		assert.Equal(t, map[string]string{"source": `The field source is "api", which is none of the sources of campaign_finished.`}, titles)
	})
}

// A limit and an offset mean the same wherever they stand.
func TestLimitAndOffsetMeanTheSameEverywhere(t *testing.T) {
	r := newHarness(t)
	for i := range 31 {
		r.put(func(w *webhook.Webhook) { w.Name = fmt.Sprint("hook", i) })
	}
	r.emit("e1") // a delivery to each
	for text, want := range map[string]int{
		"": 20, "0": 20, "00": 20, "5": 5, "05": 5, "%2B5": 5, "+5": 5, "%205%20": 5, "31": 31, "500": 31, "99999999999999999999": 31,
		"-1": -1, "1e1": -1, "5.0": -1, "0x5": -1, "many": -1, "٥": -1, "5,6": -1, "1_0": -1, "-0": -1, "%2B%2B5": -1,
	} {
		for _, target := range []string{"/api/3/webhooks", "/api/3/listhook/webhooks", "/api/3/listhook/deliveries"} {
			got := r.call("ann", "GET", target+"?limit="+text, "")
			if want < 0 {
				assert.Equal(t, 422, got.Code, "%s %s", target, text)
				continue
			}
			if assert.Equal(t, 200, got.Code, "%s %s", target, text) {
				assert.Len(t, r.items(got.Body.Bytes()), want, "%s %s", target, text)
			}
		}
	}
	for text, want := range map[string]int{
		"": 20, "0": 20, "5": 20, "05": 20, "+15": 16, "30": 1, "31": 0, "99999999999999999999": 0, "-1": -1, "1e1": -1, "x": -1,
	} {
		for _, target := range []string{"/api/3/webhooks", "/api/3/listhook/webhooks"} {
			got := r.call("ann", "GET", target+"?offset="+text, "")
			if want < 0 {
				assert.Equal(t, 422, got.Code, "%s %s", target, text)
				continue
			}
			if assert.Equal(t, 200, got.Code, "%s %s", target, text) {
				assert.Len(t, r.items(got.Body.Bytes()), want, "%s %s", target, text)
				assert.Contains(t, got.Body.String(), `"total":"31"`)
			}
		}
	}
	for text, want := range map[string]int{
		"null": 20, "0": 20, "5": 5, `"5"`: 5, `"05"`: 5, "5.0": 5, "1e1": 10, "500": 31, "1e15": 31, "-1": -1, "5.5": -1, `"many"`: -1, "true": -1, "[]": -1,
	} {
		got := r.call("ann", "POST", "/api/3/listhook/deliveries/search", `{"limit":`+text+`}`)
		if want < 0 {
			assert.Equal(t, 422, got.Code, text)
		} else if assert.Equal(t, 200, got.Code, text) {
			assert.Len(t, r.items(got.Body.Bytes()), want, text)
		}
	}
	assert.Contains(t, r.v1("webhook_list", "&limit=1&offset=x", ""), "30", "the older API has neither, and lists all")
}

// items returns the list that an answer holds.
func (r *harness) items(body []byte) []any {
	r.t.Helper()
	var answer map[string]any
	require.NoError(r.t, json.Unmarshal(body, &answer))
	for _, key := range []string{"webhooks", "deliveries"} {
		if items, ok := answer[key].([]any); ok {
			return items
		}
	}
	r.t.Fatalf("%s", body)
	return nil
}

func TestWhatAClientNamesTwiceCountsOnce(t *testing.T) {
	r := newHarness(t)
	body := `{"webhook":{"name":"A","url":"https://a.example.com/","events":["open","Open","click","open","deal_add","deal_add"],"sources":["api","API"]}}`
	require.Equal(t, 201, r.call("ann", "POST", "/api/3/webhooks", body).Code)
	r.v1("webhook_add", "", "name=A&url=https://a.example.com/&action[]=open&action[]=OPEN&action[]=click&action[]=deal_add&action[]=deal_add&init[]=api&init[]=api")
	require.Equal(t, 303, r.as("ann", "/add", url.Values{
		"name": {"A"}, "url": {"https://a.example.com/"}, "event": {"open", "open", "click"}, "source": {"api", "api"}, "format": {"current"},
	}).Code)
	all := r.all()
	require.Len(t, all, 3)
	for i, w := range all {
		assert.Equal(t, []webhook.EventType{"open", "click"}, w.Events)
		assert.Equal(t, []webhook.Source{"api"}, w.Sources)
		if i < 2 {
			assert.Equal(t, []string{"deal_add"}, w.IgnoredEvents)
		}
	}
}

// What PHP's and other clients write for numbers, empty objects and arrays is read as
// what it means.
func TestV3ReadsWhatClientsWrite(t *testing.T) {
	r := newHarness(t)
	got := r.call("ann", "POST", "/api/3/webhooks", `{"webhook":{"name":2026,"url":"https://a.example.com/","events":{"1":"OPEN","3":"click"},"sources":"public, API","listid":12.0}}`)
	require.Equal(t, 201, got.Code, "%s", got.Body)
	w := r.all()[0]
	assert.Equal(t, "2026", w.Name)
	assert.Equal(t, "12", w.List)
	assert.Equal(t, []webhook.EventType{"open", "click"}, w.Events)
	assert.Equal(t, []webhook.Source{"public", "api"}, w.Sources)
	d := r.emit("7")
	hook := "/api/3/listhook/webhooks/" + w.ID
	for _, c := range []struct{ method, target, body string }{
		{"PUT", hook, `{"webhook":{"headers":[],"field_ids":[],"batch":"5","batch_wait":2.5,"revision":"1"}}`},
		{"PUT", hook, `{"webhook":[]}`},
		{"PUT", hook, `{"webhook":{"no_retry":"1","keep_events":"false","rate_limit":"2.5","batch_wait":"1","enabled":1,"disclosure":"fields","field_ids":"7, 13,"}}`},
		{"POST", hook + "/try", "[]"},
		{"POST", hook + "/rotate", `{"overlap":"60"}`},
		{"POST", hook + "/disable", " [ ] "},
		{"POST", hook + "/enable", "\ufeff{}"},
		{"POST", hook + "/disable", `{"keep_events":"TRUE"}`},
		{"POST", hook + "/enable", `{"drop_kept":1}`},
		{"POST", "/api/3/listhook/explain", `{"type":"open","source":"public","lists":"12"}`},
		{"POST", "/api/3/listhook/explain", `{"type":"open","source":"public","lists":{"0":12,"2":"13"}}`},
		{"POST", "/api/3/listhook/deliveries/search", `{"filters":[]}`},
	} {
		got := r.call("ann", c.method, c.target, c.body)
		assert.Less(t, got.Code, 300, "%s %s %s: %s", c.method, c.target, c.body, got.Body)
	}
	w = r.all()[0]
	assert.True(t, w.NoRetry)
	assert.False(t, w.KeepEvents)
	assert.InDelta(t, 2.5, w.RateLimit, 0)
	assert.Equal(t, time.Second, w.BatchWait)
	assert.Equal(t, []string{"7", "13"}, w.FieldIDs)
	got = r.call("ann", "POST", "/api/3/listhook/deliveries/search", `{"filters":{"webhook":`+w.ID+`,"event_id":7}}`)
	assert.Equal(t, 200, got.Code)
	assert.Contains(t, got.Body.String(), d.ID)
}
