package manage

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

func TestEveryMistakeOfAFormIsSaidAtOnce(t *testing.T) {
	r := newHarness(t)
	d, err := webhook.New(r.store, nil, nil) // its client refuses private addresses
	require.NoError(t, err)
	r.Handler, err = Handler(d, &Options{
		Session: func(*http.Request) (Access, error) { return people["ann"], nil },
		Lists:   func(context.Context, string) ([]List, error) { return []List{{ID: "12", Name: "Newsletter"}}, nil },
	})
	require.NoError(t, err)
	form := filledForm()
	form.Set("name", "")
	form.Set("url", "http://192.168.1.20/hook")
	form.Set("list", "66")
	form.Set("headers", "Host: x")
	form.Del("event")
	w := r.put(nil)
	form.Set("revision", fmt.Sprint(w.Revision))
	for _, target := range []string{"/add", "/webhooks/" + w.ID + "/edit"} {
		body := r.as("ann", target, form).Body.String()
		for field, says := range map[string]string{
			"Name": "Enter a name.", "List": "This list does not exist.", "Headers": "Host is set by us", "Events": "Choose at least one event.",
			"URL": "Enter a URL that can be reached from the internet; 192.168.1.20 is a private address.",
		} {
			assert.Contains(t, body, `id="`+field+`-error">`+says, target)
		}
	}
}

func TestAFullAccountKeepsWhatWasTyped(t *testing.T) {
	r := newHarness(t, func(o *Options) { o.MaxWebhooks = 1 })
	r.put(nil)
	got := r.as("ann", "/add", filledForm())
	assert.Equal(t, 403, got.Code)
	assert.Contains(t, got.Body.String(), "You have 1 webhook, which is the limit.")
	assert.Contains(t, got.Body.String(), `value="https://crm.example.com/"`)
	assert.Len(t, r.all(), 1)
}

func TestWhatIsChosenForOneTimeDoesNotChangeTheSetting(t *testing.T) {
	for _, c := range []struct {
		usual, chosen bool
		edited        bool // the setting is edited to the other value while the webhook is off
	}{
		{false, true, false}, {true, false, false}, {false, false, false}, {true, true, false}, {false, true, true}, {true, false, true},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			r := newHarness(t)
			w := r.put(func(w *webhook.Webhook) { w.KeepEvents = c.usual })
			keep := ""
			if c.chosen {
				keep = "1"
			}
			require.Equal(t, 303, r.as("ann", "/webhooks/"+w.ID+"/off", url.Values{"keep": {keep}}).Code)
			assert.Equal(t, c.chosen, r.all()[0].KeepEvents, "while it is off, what was chosen holds")

			// The form shows the setting, and saving it again changes nothing.
			edit := "/webhooks/" + w.ID + "/edit"
			form := formOf(t, r.as("ann", edit, nil).Body.String())
			assert.Equal(t, c.usual, form.Get("keep") != "")
			want := c.usual
			if c.edited {
				want = !c.usual
				form["keep"] = map[bool][]string{true: {"1"}}[want]
			}
			form.Set("name", "Renamed")
			require.Equal(t, 303, r.as("ann", edit, form).Code)
			if !c.edited {
				assert.Equal(t, c.chosen, r.all()[0].KeepEvents)
			}
			require.Equal(t, 303, r.as("ann", "/webhooks/"+w.ID+"/on", url.Values{}).Code)
			stored := r.all()[0]
			assert.Equal(t, want, stored.KeepEvents, "the setting is as before")
			assert.False(t, stored.KeepEventsOnce)
		})
	}
	t.Run("the API", func(t *testing.T) {
		r := newHarness(t)
		w := r.put(nil)
		require.Equal(t, 200, r.call("ann", "POST", "/api/3/listhook/webhooks/"+w.ID+"/disable", `{"keep_events":true}`).Code)
		require.Equal(t, 200, r.call("ann", "POST", "/api/3/listhook/webhooks/"+w.ID+"/enable", "").Code)
		assert.False(t, r.all()[0].KeepEvents)
		require.Equal(t, 200, r.call("ann", "POST", "/api/3/listhook/webhooks/"+w.ID+"/disable", `{"keep_events":true}`).Code)
		require.Equal(t, 200, r.call("ann", "PUT", "/api/3/listhook/webhooks/"+w.ID, `{"webhook":{"keep_events":true}}`).Code)
		require.Equal(t, 200, r.call("ann", "POST", "/api/3/listhook/webhooks/"+w.ID+"/enable", ``).Code)
		assert.True(t, r.all()[0].KeepEvents, "an edit is for good")
	})
}

func TestAttemptsAreNumberedOnAfterAResend(t *testing.T) {
	r := newHarness(t)
	r.put(nil)
	d := r.emit("e1")
	for i := range 3 {
		lost, err := r.store.Apply(t.Context(), []webhook.Change{{
			ID: d.ID, Lease: d.Lease, State: webhook.StateFailed, Due: d.Due, Attempts: 1,
			Log: &webhook.Attempt{Start: d.Created, Duration: time.Millisecond, Status: 500, Reason: "The receiver failed."},
		}})
		require.NoError(t, err)
		require.Empty(t, lost)
		assert.Contains(t, r.as("ann", "/deliveries/"+d.ID, nil).Body.String(), fmt.Sprintf("Attempt %d ·", i+1))
		require.Equal(t, 303, r.as("ann", "/deliveries/"+d.ID+"/resend", url.Values{}).Code)
		ds, err := r.Deliveries(t.Context(), webhook.DeliveryQuery{Account: "acme", IDs: []string{d.ID}})
		require.NoError(t, err)
		d = ds[0]
	}
}

func TestALongURLDoesNotFillThePage(t *testing.T) {
	r := newHarness(t)
	long := "https://crm.example.com/" + strings.Repeat("a-long-path/", 160)
	w := r.put(func(w *webhook.Webhook) { w.URL = long })
	for _, page := range []string{"/", "/webhooks/" + w.ID + "/off", "/webhooks/" + w.ID + "/delete", "/webhooks/" + w.ID + "/resend"} {
		body := r.as("ann", page, nil).Body.String()
		assert.NotContains(t, body, long[:200], page)
		assert.Contains(t, body, long[:100], page)
	}
	assert.Regexp(t, `<details class="long"><summary class="url">[^<]{121}</summary><p class="url">`+regexp.QuoteMeta(long),
		r.as("ann", "/webhooks/"+w.ID, nil).Body.String(), "its page has all of it, folded")
}

func TestTheOperatorFindsAWebhook(t *testing.T) {
	r := newHarness(t)
	crm := r.put(func(w *webhook.Webhook) { w.Name = "Main CRM" })
	other, err := r.AddWebhook(t.Context(), webhook.Webhook{Account: "globex", Settings: webhook.Settings{
		Name: "Till", URL: "https://till.example.org/secret-path", Events: webhook.EventTypes(), Sources: webhook.Sources(),
	}})
	require.NoError(t, err)
	for search, want := range map[string][]string{
		"main": {"Main CRM"}, "TILL.example": {"Till"}, "globex": {"Till"}, other.ID: {"Till"}, crm.ID: {"Main CRM"},
		"example": {"Main CRM", "Till"}, "secret-path": nil, "nobody": nil,
	} {
		body := r.as("op", "/operator?search="+url.QueryEscape(search), nil).Body.String()
		var found []string
		for _, name := range []string{"Main CRM", "Till"} {
			if strings.Contains(body, "<bdi>"+name+"</bdi>") {
				found = append(found, name)
			}
		}
		assert.Equal(t, want, found, search)
		assert.Equal(t, want == nil, strings.Contains(body, "No webhooks match this search."), search)
		assert.NotContains(t, strings.ReplaceAll(body, `value="secret-path"`, ""), "secret-path", "a path may be a key")
	}
	assert.Equal(t, 403, r.as("ann", "/operator?search=x", nil).Code)
}

func TestTheOverviewFindsAWebhook(t *testing.T) {
	r := newHarness(t)
	for i := range 120 {
		r.put(func(w *webhook.Webhook) {
			w.Name, w.URL = fmt.Sprintf("Shop %03d", i), fmt.Sprintf("https://user:pass@shop%d.example.com/", i)
		})
	}
	names := func(target string) []string {
		return regexp.MustCompile(`Shop \d+(?:</bdi>)`).FindAllString(r.as("ann", target, nil).Body.String(), -1)
	}
	assert.Len(t, names("/"), 50)
	assert.Equal(t, []string{"Shop 007</bdi>"}, names("/?search=shop7.EXAMPLE"))
	assert.Equal(t, []string{"Shop 119</bdi>"}, names("/?search=+SHOP+119+"))
	assert.Len(t, names("/?search="+r.all()[3].ID), 1)
	assert.Empty(t, names("/?search=pass"), "a password is not searched")
	assert.Contains(t, r.as("ann", "/?search=nothing", nil).Body.String(), "No webhooks match this search.")
	all := names("/?search=shop")
	require.Len(t, all, 50)
	next := regexp.MustCompile(`href="\./(\?after=\d+&amp;search=shop)"`).FindStringSubmatch(r.as("ann", "/?search=shop", nil).Body.String())
	require.NotNil(t, next)
	assert.Equal(t, "Shop 050</bdi>", names("/" + strings.ReplaceAll(next[1], "&amp;", "&"))[0])
}
