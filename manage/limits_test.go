package manage

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/page"
	"github.com/listhook/webhook/manage/internal/v1"
	"github.com/listhook/webhook/manage/internal/v3"
)

// limited is a harness in which everybody has this access.
func limited(t *testing.T, access Access) *harness {
	return newHarness(t, func(o *Options) {
		o.Session = func(*http.Request) (Access, error) { return access, nil }
		o.Key = func(context.Context, string) (Access, error) { return access, nil }
	})
}

// bodyFor returns a body that a call of the API takes.
func bodyFor(path string) string {
	switch {
	case strings.HasSuffix(path, "replay"), strings.HasSuffix(path, "count"):
		return `{"since":"2000-01-01T00:00:00Z"}`
	case strings.HasSuffix(path, "/test"):
		return `{"type":"open"}`
	case strings.HasSuffix(path, "explain"):
		return `{"type":"open","source":"public","lists":[12]}`
	case strings.HasSuffix(path, "webhooks"), strings.HasSuffix(path, "webhooks/{id}"):
		return `{"webhook":{"name":"x","url":"https://x.example.com","events":["open"],"sources":["api"],"listid":13}}`
	}
	return `{}`
}

// TestWhatLimitsHideIsNotFound asks every route for a webhook that the limits hide,
// and for its delivery.
func TestWhatLimitsHideIsNotFound(t *testing.T) {
	for name, limits := range map[string]func(own string) Limits{
		"lists":       func(string) Limits { return Limits{Lists: []string{"13"}} },
		"two lists":   func(string) Limits { return Limits{Lists: []string{"13", ""}} },
		"no list":     func(string) Limits { return Limits{Lists: []string{}} },
		"one webhook": func(own string) Limits { return Limits{Webhook: own} },
	} {
		t.Run(name, func(t *testing.T) {
			access := Access{Account: "acme", Manage: true}
			r := newHarness(t, func(o *Options) {
				o.Session = func(*http.Request) (Access, error) { return access, nil }
				o.Key = func(context.Context, string) (Access, error) { return access, nil }
			})
			hidden := r.put(func(w *webhook.Webhook) { w.Name, w.URL, w.List = "Hidden", "https://hidden.example.com/", "12" })
			d := r.emit("hidden-event") // of the list 12
			own := r.put(func(w *webhook.Webhook) { w.Name, w.List = "Own", "13" })
			if name == "two lists" {
				r.put(func(w *webhook.Webhook) { w.Name, w.Events = "Of every list", []webhook.EventType{"bounce"} })
			}
			access.Limits = limits(own.ID)
			stored, err := r.Webhook(t.Context(), "acme", hidden.ID)
			require.NoError(t, err)
			check := func(what, body string) {
				t.Helper()
				assert.NotContains(t, body, "Hidden", what)
				assert.NotContains(t, body, "hidden.example.com", what)
				assert.NotContains(t, body, "hidden-event", what)
				assert.NotContains(t, body, "1 pending", what)
				after, err := r.Webhook(t.Context(), "acme", hidden.ID)
				require.NoError(t, err)
				assert.Equal(t, stored, after, what)
				ds, err := r.Deliveries(t.Context(), webhook.DeliveryQuery{Account: "acme", IDs: []string{d.ID}})
				require.NoError(t, err)
				assert.Equal(t, d.Lease, ds[0].Lease, what)
			}
			form := url.Values{
				"name": {"x"}, "url": {"https://x.example.com"}, "list": {"13"}, "event": {"open"}, "source": {"api"}, "format": {"2013"},
				"revision": {"1"}, "overlap": {"0"}, "kept": {"drop"}, "since": {"2000-01-01T00:00:00"}, "state": {"failed"},
			}
			for _, route := range page.Routes() {
				for _, id := range []string{hidden.ID, d.ID} {
					target := "/" + strings.NewReplacer("{$}", "", "{id}", url.PathEscape(id)).Replace(route.Path)
					var values url.Values
					if route.Method == "POST" {
						values = form
					}
					got := r.as("ann", target+"?webhook="+hidden.ID+"&event=open&source=public&list=12", values)
					if strings.Contains(route.Path, "{id}") {
						assert.Equal(t, 404, got.Code, "%s %s", route.Method, target)
					}
					check(route.Method+" "+target, got.Body.String())
				}
			}
			for _, route := range v3.Routes() {
				if route.Path == "listhook/openapi.json" {
					continue
				}
				for _, id := range []string{hidden.ID, d.ID} {
					target := "/api/3/" + strings.ReplaceAll(route.Path, "{id}", url.PathEscape(id))
					if !strings.Contains(route.Path, "{id}") {
						target += "?filters[webhook]=" + hidden.ID
					}
					got := r.call("ann", route.Method, target, bodyFor(route.Path))
					if strings.Contains(route.Path, "{id}") && !strings.HasPrefix(route.Path, "lists/") {
						assert.Equal(t, 404, got.Code, "%s %s", route.Method, target)
					}
					check(route.Method+" "+target, got.Body.String())
				}
			}
			for action := range v1.Actions() {
				got := r.rawV1("ann", "POST", "&api_action="+action+"&id="+hidden.ID+"&ids=all", formType, "name=x&url=https://x.example.com&action[]=open&init[]=api&lists[]=13")
				if action != "webhook_events" {
					check(action, got.Body.String())
				}
			}
		})
	}
}

func TestLimitedLogsAreReadAndCounted(t *testing.T) {
	r := limited(t, Access{Account: "acme", Manage: true, Limits: Limits{Lists: []string{"13", "14"}}})
	a := r.put(func(w *webhook.Webhook) { w.Name, w.List = "A", "13" })
	b := r.put(func(w *webhook.Webhook) { w.Name, w.List = "B", "14" })
	other := r.put(func(w *webhook.Webhook) { w.Name, w.List = "C", "12" })
	start := time.Now().Add(-8 * time.Hour)
	r.finished(a, 60, webhook.StateFailed, webhook.TypeOpen, start)
	r.finished(b, 30, webhook.StateDelivered, webhook.TypeOpen, start.Add(20*time.Second))
	r.finished(other, 300, webhook.StatePending, webhook.TypeClick, start.Add(40*time.Second))
	var seen []string
	target := "/deliveries"
	for range 3 {
		body := r.as("ann", target, nil).Body.String()
		ids := shown(body)
		seen = append(seen, ids...)
		_, rest, ok := strings.Cut(body, `href="./deliveries?after=`)
		if !ok {
			break
		}
		cursor, _, _ := strings.Cut(rest, `"`)
		target = "/deliveries?after=" + cursor
	}
	assert.Len(t, seen, 90)
	assert.NotContains(t, strings.Join(seen, " "), "click")
	assert.Equal(t, 30, strings.Count(r.call("ann", "GET", "/api/3/listhook/deliveries?filters[state]=delivered&limit=100", "").Body.String(), `"id":"open-`))
}

func TestWhatMayNotBeChosenIsRefusedByField(t *testing.T) {
	limits := Limits{
		Lists: []string{"12"}, Events: []webhook.EventType{"open", "click"}, Formats: []webhook.Format{webhook.FormatJSON},
		NoHeaders: true, MustSign: true,
	}
	form := func(key, value string) url.Values {
		v := url.Values{"name": {"CRM"}, "url": {"https://crm.example.com/"}, "list": {"12"}, "event": {"open"}, "source": {"public"}, "format": {"json"}}
		v.Set(key, value)
		return v
	}
	for _, c := range []struct{ field, key, value, says string }{
		{"List", "list", "13", "This list does not exist."},
		{"List", "list", "0", "Choose one of your lists."},
		{"Events", "event", "bounce", "You may not choose the event &#34;bounce&#34;."},
		{"Format", "format", "2013", "You may not choose the format &#34;2013&#34;."},
	} {
		t.Run("the page: "+c.field+" "+c.value, func(t *testing.T) {
			r := limited(t, Access{Account: "acme", Manage: true, Limits: limits})
			got := r.as("ann", "/add", form(c.key, c.value))
			assert.Equal(t, 422, got.Code)
			assert.Contains(t, got.Body.String(), `id="`+c.field+`-error">`+c.says)
			assert.Empty(t, r.all())
		})
	}
	t.Run("the page: all at once", func(t *testing.T) {
		r := limited(t, Access{Account: "acme", Manage: true, Limits: limits})
		all := form("list", "0")
		all.Set("event", "bounce")
		all.Set("format", "2013")
		all.Set("headers", "X-A: b")
		body := r.as("ann", "/add", all).Body.String()
		for _, field := range []string{"List", "Events", "Format"} {
			assert.Contains(t, body, `id="`+field+`-error"`)
		}
	})
	r := limited(t, Access{Account: "acme", Manage: true, Limits: limits})
	body := r.as("ann", "/add", nil).Body.String()
	assert.NotContains(t, body, `value="bounce"`)
	assert.NotContains(t, body, `value="2013"`)
	assert.NotContains(t, body, `name="headers"`)
	assert.NotContains(t, body, `name="sign"`)
	assert.NotContains(t, body, "Every list")
	assert.NotContains(t, body, "Weekly")
	require.Equal(t, 303, r.as("ann", "/add", form("name", "CRM")).Code)
	w := r.all()[0]
	assert.Len(t, w.Secrets, 1, "it is signed, asked for or not")
	assert.NotContains(t, r.as("ann", "/webhooks/"+w.ID, nil).Body.String(), `value="-1"`)
	got := r.as("ann", "/webhooks/"+w.ID+"/secret", url.Values{"overlap": {"-1"}, "revision": {fmt.Sprint(w.Revision)}})
	assert.Equal(t, 422, got.Code)
	assert.Contains(t, got.Body.String(), "Requests must be signed.")

	for _, c := range []struct{ method, path, body, field string }{
		{"POST", "webhooks", `{"webhook":{"name":"x","url":"https://x.example.com","events":["open"],"sources":["api"],"listid":13}}`, "listid"},
		{"POST", "webhooks", `{"webhook":{"name":"x","url":"https://x.example.com","events":["open"],"sources":["api"]}}`, "listid"},
		{"POST", "webhooks", `{"webhook":{"name":"x","url":"https://x.example.com","events":["bounce"],"sources":["api"],"listid":12}}`, "events"},
		{"PUT", "webhooks/" + w.ID, `{"webhook":{"events":["open","bounce"]}}`, "events"},
		{"PUT", "listhook/webhooks/" + w.ID, `{"webhook":{"format":"2013"}}`, "format"},
		{"PUT", "listhook/webhooks/" + w.ID, `{"webhook":{"headers":{"X-A":"b"}}}`, "headers"},
	} {
		got := r.call("ann", c.method, "/api/3/"+c.path, c.body)
		assert.Equal(t, 422, got.Code, c.body)
		assert.Contains(t, got.Body.String(), `/data/attributes/`+c.field+`"`, c.body)
	}
	for param, says := range map[string]string{
		"lists[]=13&action=open": "lists is none of", "action=open": "lists is every list", "lists[]=12&action=bounce": "action contains",
	} {
		got := r.rawV1("ann", "POST", "&api_action=webhook_add&api_output=json", formType, "name=x&url=https://x.example.com&init=api&"+param)
		assert.Contains(t, got.Body.String(), "Failed: "+says)
	}
	assert.Equal(t, []webhook.Webhook{w}, r.all(), "nothing was changed")

	// What a webhook has already stays.
	w.Events, w.Format, w.Headers = webhook.EventTypes(), webhook.Format2013, map[string]string{"X-A": "b"}
	w, err := r.UpdateWebhook(t.Context(), w)
	require.NoError(t, err)
	edit := formOf(t, r.as("ann", "/webhooks/"+w.ID+"/edit", nil).Body.String())
	edit.Set("name", "Renamed")
	require.Equal(t, 303, r.as("ann", "/webhooks/"+w.ID+"/edit", edit).Code)
	after := r.all()[0]
	assert.Equal(t, "Renamed", after.Name)
	assert.Equal(t, []any{w.Events, w.Format, w.Headers}, []any{after.Events, after.Format, after.Headers})
}

func TestALimitOfWebhooksHoldsForTheAccount(t *testing.T) {
	r := limited(t, Access{Account: "acme", Manage: true, Limits: Limits{Lists: []string{"13"}, MaxWebhooks: 2}})
	r.put(func(w *webhook.Webhook) { w.List = "12" })
	add := `{"webhook":{"name":"x","url":"https://x.example.com","events":["open"],"sources":["api"],"listid":13}}`
	assert.Equal(t, 201, r.call("ann", "POST", "/api/3/webhooks", add).Code)
	got := r.call("ann", "POST", "/api/3/webhooks", add)
	assert.Equal(t, 403, got.Code)
	assert.Contains(t, got.Body.String(), "no more than 2 webhooks")
	form := filledForm()
	form.Set("list", "13")
	assert.Equal(t, 403, r.as("ann", "/add", form).Code)
	assert.Contains(t, r.as("ann", "/add", nil).Body.String(), "2 webhooks, which is the limit", "before anything is typed")
	assert.Contains(t, r.rawV1("ann", "POST", "&api_action=webhook_add", formType, "name=x&url=https://x.example.com&init=api&action=open&lists[]=13").Body.String(), "no more than 2 webhooks")
}

func TestNothingButTheLog(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	d := r.emit("e1")
	body := r.as("log", "/deliveries", nil).Body.String()
	assert.Contains(t, body, "deliveries/"+d.ID)
	assert.NotContains(t, body, "<nav aria-label=\"Sections\">")
	body = r.as("log", "/deliveries/"+d.ID, nil).Body.String()
	assert.NotContains(t, body, "webhooks/"+w.ID)
	assert.Equal(t, 303, r.as("log", "/deliveries/"+d.ID+"/resend", url.Values{}).Code)
	assert.Equal(t, "./deliveries", r.as("log", "/", nil).Header().Get("Location"))
	assert.Equal(t, 200, r.call("log", "GET", "/api/3/listhook/deliveries", "").Code)
	assert.Equal(t, 403, r.call("log", "GET", "/api/3/webhooks", "").Code)
	assert.Contains(t, r.rawV1("log", "GET", "&api_action=webhook_list", "", "").Body.String(), "not authorized")
}
