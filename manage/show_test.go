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
	"github.com/listhook/webhook/storetest"
)

func TestAPasswordInAURLIsForThoseWhoEditIt(t *testing.T) {
	r := newHarness(t)
	w := r.put(func(w *webhook.Webhook) { w.URL = "https://shop:p%40ss@crm.example.com/hook?a=%2F" })
	for _, page := range []string{"/", "/webhooks/" + w.ID, "/webhooks/" + w.ID + "/off", "/webhooks/" + w.ID + "/delete", "/webhooks/" + w.ID + "/resend"} {
		body := r.as("ann", page, nil).Body.String()
		assert.NotContains(t, body, "p%40ss", page)
		assert.NotContains(t, body, "p@ss", page)
		assert.Contains(t, body, "https://shop:•••@crm.example.com/hook?a=%2F", page)
	}
	assert.Contains(t, r.as("ann", "/webhooks/"+w.ID+"/edit", nil).Body.String(), "p%40ss")
}

// Who may only view gets no password from the APIs either, and cannot find one
// out by the filter.
func TestTheAPIsShowAPasswordInAURLToThoseWhoEditIt(t *testing.T) {
	r := newHarness(t)
	const full, shown = "https://shop:p%40ss@crm.example.com/hook?a=%2F", "https://shop:•••@crm.example.com/hook?a=%2F"
	w := r.put(func(w *webhook.Webhook) { w.URL = full })
	calls := func(key, filter string) map[string]string {
		filter = "filters[url]=" + url.QueryEscape(filter)
		bodies := map[string]string{
			"webhook_view": r.rawV1(key, "GET", "&api_output=json&api_action=webhook_view&id="+w.ID, "", "").Body.String(),
			"webhook_list": r.rawV1(key, "GET", "&api_output=json&api_action=webhook_list&"+filter, "", "").Body.String(),
		}
		for _, path := range []string{"webhooks/" + w.ID, "webhooks?" + filter, "listhook/webhooks/" + w.ID, "listhook/webhooks?" + filter} {
			bodies[path] = r.call(key, "GET", "/api/3/"+path, "").Body.String()
		}
		return bodies
	}
	for call, body := range calls("ann", full) {
		assert.Contains(t, body, full, call)
	}
	for call, body := range calls("bob", shown) {
		assert.Contains(t, body, shown, call)
		assert.NotContains(t, body, "p%40ss", call)
	}
	for call, body := range calls("bob", full) {
		assert.NotContains(t, body, "p%40ss", call)
		if strings.Contains(call, "filters") || call == "webhook_list" {
			assert.NotContains(t, body, shown, call)
		}
	}
}

// A count of the page that ended early says so.
func TestCountsThatEndEarlySayThatThereMayBeMore(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	r.finished(w, 3, webhook.StateCanceled, webhook.TypeClick, time.Now().Add(-2*time.Hour))
	emitted := func(n int) {
		at := time.Now().Add(-time.Hour).UTC().Truncate(time.Millisecond)
		ds := make([]webhook.Delivery, n)
		for i := range ds {
			ds[i] = webhook.Delivery{
				ID: fmt.Sprintf("f%d", i), Account: "acme", WebhookID: w.ID, EventID: "e", Type: webhook.TypeOpen,
				Created: at, State: webhook.StateFailed, Due: at, Attempts: 1,
			}
		}
		_, err := r.store.Enqueue(t.Context(), storetest.Events(ds...))
		require.NoError(t, err)
	}
	emitted(5000)
	body := r.as("op", "/operator", nil).Body.String()
	assert.Contains(t, body, `<dd class="bad">5,000</dd>`, "all of them")
	assert.Contains(t, body, `<td data-label="Failed, 24 hours">5,000 <span`)
	emitted(5001)
	body = r.as("op", "/operator", nil).Body.String()
	assert.Contains(t, body, `<dd class="bad">5,000 or more</dd>`)
	assert.Contains(t, body, `<td data-label="Failed, 24 hours">5,000 or more <span`)
	assert.Contains(t, body, `>3 canceled</span>`, "all of these were read")
}

func TestTheOverviewShowsTheBeginningOfALongURL(t *testing.T) {
	r := newHarness(t)
	w := r.put(func(w *webhook.Webhook) { w.URL = "https://crm.example.com/" + strings.Repeat("é/", 600) })
	body := r.as("ann", "/", nil).Body.String()
	assert.Contains(t, body, "é/é/…")
	assert.NotContains(t, body, strings.Repeat("é/", 120))
	assert.Contains(t, r.as("ann", "/webhooks/"+w.ID, nil).Body.String(), strings.Repeat("é/", 600), "its own page shows it whole")
}

// TestOfALongTextRowsShowTheBeginning asks for every page with a table of webhooks or
// deliveries.
func TestOfALongTextRowsShowTheBeginning(t *testing.T) {
	list, name, email := strings.Repeat("list ", 200), strings.Repeat("é", 127), strings.Repeat("somebody.", 100)+"@example.com"
	r := newHarness(t, func(o *Options) {
		o.Lists = func(context.Context, string) ([]List, error) { return []List{{"12", list}}, nil }
	})
	w := r.put(func(w *webhook.Webhook) {
		w.Name, w.List, w.Format = name, "12", webhook.FormatJSON
		for i := range 100 {
			w.IgnoredEvents = append(w.IgnoredEvents, fmt.Sprint("deal_", i))
		}
	})
	e := webhook.Sample(webhook.TypeClick).(webhook.Click)
	e.Account, e.Lists, e.Subscriber.Email, e.Link.URL = "acme", []string{"12"}, email, "https://example.com/?"+strings.Repeat("q", 3000)
	require.NoError(t, r.Emit(t.Context(), e))
	ds, err := r.Deliveries(t.Context(), webhook.DeliveryQuery{Account: "acme"})
	require.NoError(t, err)
	d := ds[0]
	for _, target := range []string{
		"/", "/deliveries", "/explain?event=click&source=public", "/operator?search=acme",
		"/webhooks/" + w.ID, "/webhooks/" + w.ID + "/off", "/webhooks/" + w.ID + "/resend", "/deliveries/" + d.ID,
	} {
		user := "ann"
		if strings.HasPrefix(target, "/operator") {
			user = "op"
		}
		body := r.as(user, target, nil).Body.String()
		assert.Contains(t, body, strings.Repeat("é", 120)+"…</bdi>", target)
		for _, table := range strings.Split(body, "<table")[1:] {
			table, _, _ = strings.Cut(table, "</table>")
			for _, long := range []string{strings.TrimSpace(list), email, strings.Repeat("q", 1000)} {
				assert.NotContains(t, table, long, target)
			}
		}
	}
	page := r.as("ann", "/webhooks/"+w.ID, nil).Body.String()
	assert.Contains(t, page, "<dd><bdi>"+name+"</bdi></dd>", "its own page shows it whole")
	assert.Contains(t, page, "<code>deal_19</code> and 80 more</p>")
	assert.Contains(t, r.as("ann", "/deliveries/"+d.ID, nil).Body.String(), strings.Repeat("q", 3000), "the body is whole")
}

func TestTheChartsHoursAreThoseOfTheAccount(t *testing.T) {
	zone := time.FixedZone("IST", 5*60*60+30*60)
	r := newHarness(t, func(o *Options) {
		session := o.Session
		o.Session = func(r *http.Request) (Access, error) {
			access, err := session(r)
			if r.Header.Get("User") == "bob" {
				access.Location = zone
			}
			return access, err
		}
	})
	r.put(nil)
	body := r.as("bob", "/", nil).Body.String()
	assert.Contains(t, body, ":30 IST: 0 delivered")
	assert.NotContains(t, body, " UTC")
	assert.Contains(t, r.as("ann", "/", nil).Body.String(), ":00 UTC: 0 delivered")
	assert.Contains(t, r.as("bob", "/?period=7d", nil).Body.String(), ":30 IST: 0 delivered")
	assert.Contains(t, r.as("bob", "/?period=30d", nil).Body.String(), " (UTC): 0 delivered", "days are those of UTC")
}

func TestABadTimeIsSaidAndNotTakenForAnEmptyLog(t *testing.T) {
	r := newHarness(t)
	r.finished(r.put(nil), 1, webhook.StateDelivered, webhook.TypeOpen, time.Now().Add(-time.Hour))
	for _, query := range []string{"since=x", "until=2026-02-31T10:00", "since=2026-01-01T00:00&until=yesterday"} {
		got := r.as("ann", "/deliveries?"+query, nil)
		assert.Equal(t, 422, got.Code)
		assert.Contains(t, got.Body.String(), "Enter a date and a time, such as 2026-03-31T18:30.")
		assert.NotContains(t, got.Body.String(), "Nothing was sent yet")
		assert.NotContains(t, got.Body.String(), "No delivery is like that")
	}
}

func TestTheOperatorSeesWhatFailedBeforeWhatWaits(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	r.finished(w, 3, webhook.StateFailed, webhook.TypeClick, time.Now().Add(-48*time.Hour))
	r.finished(w, 100, webhook.StatePending, webhook.TypeOpen, time.Now().Add(-2*time.Hour))
	got := r.as("op", "/operator/webhook?account=acme&id="+w.ID, nil)
	require.Equal(t, 200, got.Code)
	_, table, _ := strings.Cut(got.Body.String(), "Failed and pending deliveries")
	assert.Equal(t, 3, strings.Count(table, ">Failed</span>"))
	assert.Equal(t, 15, strings.Count(table, ">Pending</span>"))
	assert.Less(t, strings.LastIndex(table, ">Failed</span>"), strings.Index(table, ">Pending</span>"))
}

func TestAWebhookThatWouldCancelWhatIsResentIsToBeSwitchedOnFirst(t *testing.T) {
	r := newHarness(t)
	off := r.put(func(w *webhook.Webhook) { w.Disabled = "Moving house." })
	body := r.as("ann", "/webhooks/"+off.ID+"/resend", nil).Body.String()
	assert.Contains(t, body, "switch it on first")
	assert.Contains(t, body, "/webhooks/"+off.ID+"/on")
	assert.NotContains(t, body, "<form")
	keeps := r.put(func(w *webhook.Webhook) { w.Disabled, w.KeepEvents = "Moving house.", true })
	assert.Contains(t, r.as("ann", "/webhooks/"+keeps.ID+"/resend", nil).Body.String(), "<form")
}
