package manage

import (
	"encoding/json"
	"html"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// updates emits an update about each subscriber, by ID and address.
func (r *harness) updates(people ...string) (ds []webhook.Delivery) {
	r.t.Helper()
	for i := 0; i < len(people); i += 2 {
		require.NoError(r.t, r.Emit(r.t.Context(), webhook.Update{
			Meta:       webhook.Meta{Account: "acme", Source: webhook.SourceAPI},
			Subscriber: webhook.Subscriber{ID: people[i], Email: people[i+1]},
		}))
		newest, err := r.Deliveries(r.t.Context(), webhook.DeliveryQuery{Account: "acme", Types: []webhook.EventType{webhook.TypeUpdate}, Limit: 1})
		require.NoError(r.t, err)
		ds = append(ds, newest...)
		time.Sleep(2 * time.Millisecond) // the next one is newer
	}
	return ds
}

// find posts the log's form, follows it, and returns the page and its address.
func (r *harness) find(fields ...string) (body, address string) {
	r.t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	got := r.as("ann", "/deliveries", form)
	if got.Code == 303 {
		address = r.follow("/deliveries", got)
		got = r.as("ann", address, nil)
		require.Equal(r.t, 200, got.Code)
	}
	return got.Body.String(), address
}

func TestAPersonIsFoundInTheLog(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	r.put(func(w *webhook.Webhook) { w.Name, w.Format = "JSON", webhook.FormatJSON })
	ds := r.updates("17", "Bob@Example.com", "18", "ann@example.com", "cid@example.com", "other@example.com")
	lost, err := r.store.Apply(t.Context(), []webhook.Change{{
		ID: ds[1].ID, Lease: ds[1].Lease, State: webhook.StateFailed, Due: ds[1].Created, Attempts: 1,
		Log: &webhook.Attempt{Start: ds[1].Created, Duration: 1500 * time.Millisecond, Reason: "It is closed.", Code: "refused"},
	}})
	require.NoError(t, err)
	require.Empty(t, lost)

	body, address := r.find("find", "subscriber", "value", " bob@example.COM ")
	assert.NotContains(t, strings.ToLower(address), "bob")
	assert.NotContains(t, address, "%40")
	assert.Contains(t, address, "about=%23")
	assert.Equal(t, 2, strings.Count(body, `<bdi class="who">Bob@Example.com</bdi>`))
	assert.NotContains(t, body, `<bdi class="who">ann@example.com`)
	assert.Contains(t, body, `value="Bob@Example.com"`, "the form says who it is")
	body, _ = r.find("find", "subscriber", "value", "bob@example.com", "webhook", w.ID)
	assert.Equal(t, 1, strings.Count(body, `class="who"`))

	body, _ = r.find("find", "subscriber", "value", "17")
	assert.Equal(t, 2, strings.Count(body, `<bdi class="who">Bob@Example.com</bdi>`))
	body, _ = r.find("find", "subscriber", "value", "cid@example.com")
	assert.Equal(t, 2, strings.Count(body, `<bdi class="who">other@example.com</bdi>`), "an ID may look like an address")
	body, _ = r.find("find", "subscriber", "value", "nobody@example.com")
	assert.Contains(t, body, "No deliveries match these filters.")
	assert.NotContains(t, body, "nobody@example.com", "the address of the page does not say it")
	assert.Contains(t, body, `name="about"`, "the search goes on when another filter changes")
	body, _ = r.find("find", "event_id", "value", ds[0].EventID)
	assert.Equal(t, 2, strings.Count(body, `class="who"`))
	body, _ = r.find("find", "delivery", "value", ds[1].ID)
	assert.Equal(t, 1, strings.Count(body, `class="who"`))
	assert.Contains(t, body, "Connection refused · 1.5 s")
	for _, reason := range []string{"refused", "REFUSED"} {
		body, _ = r.find("reason", reason)
		assert.Equal(t, 1, strings.Count(body, `class="who"`))
	}
	body, _ = r.find("find", "campaign", "value", "17")
	assert.Contains(t, body, "No deliveries match these filters.")

	for _, c := range []struct{ field, value, says string }{
		{"reason", "bad luck", "Enter a status such as 503, or one of these words: address,"},
		{"reason", "5030", "Enter a status such as 503"},
		{"value", strings.Repeat("x", 1001), "at most 1000 bytes"},
	} {
		form := url.Values{"find": {"subscriber"}, c.field: {c.value}}
		got := r.as("ann", "/deliveries", form)
		assert.Equal(t, 422, got.Code)
		assert.Contains(t, html.UnescapeString(got.Body.String()), c.says)
		assert.Contains(t, got.Body.String(), `aria-describedby="`+c.field+`-error"`)
	}
	assert.Equal(t, 422, r.as("ann", "/deliveries", url.Values{"find": {"body"}, "value": {"x"}}).Code)
	got := r.as("ann", "/deliveries?subscriber=bob@example.com", nil)
	assert.Equal(t, 422, got.Code)
	assert.Contains(t, got.Body.String(), "links are kept in server logs")
	assert.Equal(t, 200, r.as("ann", "/deliveries?subscriber=17", nil).Code, "an app may link to a subscriber's log")
}

func TestWithoutASearchKeyThePageOffersLess(t *testing.T) {
	r := newHarnessWith(t, newHarness(t).store, &webhook.Options{})
	page := r.as("ann", "/deliveries", nil).Body.String()
	assert.NotContains(t, page, `<option value="subscriber"`)
	assert.Contains(t, page, `<option value="delivery"`)
	got := r.as("ann", "/deliveries", url.Values{"find": {"subscriber"}, "value": {"17"}})
	assert.Equal(t, 422, got.Code)
	assert.Contains(t, got.Body.String(), "cannot be searched for here")
	got = r.as("ann", "/deliveries?subscriber=bob%40example.com", nil)
	assert.Equal(t, 422, got.Code)
	assert.Contains(t, got.Body.String(), "cannot be searched for here")
	assert.NotContains(t, got.Body.String(), "Type the email address here")
}

func TestTheAPIFindsAPerson(t *testing.T) {
	r := newHarness(t)
	r.put(nil)
	ds := r.updates("17", "bob@example.com", "18", "ann@example.com")
	type answer struct {
		Deliveries []struct {
			ID         string
			Subscriber struct{ ID, Email string }
		}
		Meta   struct{ Next *string }
		Errors []struct{ Source struct{ Pointer string } }
	}
	call := func(method, path, body string) (code int, out answer) {
		got := r.call("ann", method, "/api/3/listhook/deliveries"+path, body)
		require.NoError(t, json.Unmarshal(got.Body.Bytes(), &out))
		return got.Code, out
	}
	for _, c := range []struct{ method, path, body string }{
		{"GET", "?filters[subscriber]=17", ""},
		{"GET", "?filters[event_id]=" + ds[0].EventID, ""},
		{"GET", "?filters[delivery]=" + ds[0].ID, ""},
		{"POST", "/search", `{"filters":{"subscriber":"BOB@example.com"}}`},
		{"POST", "/search", `{"filters":{"subscriber":"17","state":"pending"},"limit":5}`},
	} {
		code, out := call(c.method, c.path, c.body)
		require.Equal(t, 200, code, "%s%s", c.path, c.body)
		require.Len(t, out.Deliveries, 1, "%s%s", c.path, c.body)
		assert.Equal(t, ds[0].ID, out.Deliveries[0].ID)
		assert.Equal(t, "bob@example.com", out.Deliveries[0].Subscriber.Email)
	}
	_, out := call("POST", "/search", `{"limit":1}`)
	require.NotNil(t, out.Meta.Next)
	_, out = call("POST", "/search", `{"limit":1,"after":"`+*out.Meta.Next+`"}`)
	assert.Equal(t, ds[0].ID, out.Deliveries[0].ID)
	for pointer, c := range map[string][3]string{
		"filters[subscriber]": {"GET", "?filters[subscriber]=bob@example.com", ""},
		"filters[reason]":     {"GET", "?filters[reason]=lost", ""},
		"filters[event_id]":   {"GET", "?filters[event_id]=1&filters[subscriber]=17", ""},
		"filters/reason":      {"POST", "/search", `{"filters":{"reason":"lost"}}`},
		"filters/name":        {"POST", "/search", `{"filters":{"name":"Bob"}}`},
		"filter":              {"POST", "/search", `{"filter":{}}`},
		"limit":               {"POST", "/search", `{"limit":-1}`},
		"after":               {"POST", "/search", `{"after":"x"}`},
	} {
		code, out := call(c[0], c[1], c[2])
		assert.Equal(t, 422, code, pointer)
		require.Len(t, out.Errors, 1)
		assert.Equal(t, "/data/attributes/"+pointer, out.Errors[0].Source.Pointer)
	}
}
