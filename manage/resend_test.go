package manage

import (
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

var hiddenField = regexp.MustCompile(`<input type="hidden" name="([a-z]+)" value="([^"]*)">`)

// postedFields are those of the forms of a page that are posted.
func postedFields(body string) url.Values {
	fields := url.Values{}
	for _, m := range hiddenField.FindAllStringSubmatch(body, -1) {
		if m[1] != "count" {
			fields.Add(m[1], html.UnescapeString(m[2]))
		}
	}
	return fields
}

func TestWhatWasSentInATimeIsCountedAndResent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newHarness(t)
		w := r.put(nil)
		began := time.Now().UTC()
		r.finished(w, 10, webhook.StateFailed, webhook.TypeClick, began)
		r.finished(w, 10, webhook.StateDelivered, webhook.TypeOpen, began)
		time.Sleep(time.Hour)
		target := "/webhooks/" + w.ID + "/resend"
		at := func(minutes int) string {
			return began.Add(time.Duration(minutes) * time.Minute).Format("2006-01-02T15:04:05")
		}
		counted := func(since, until string, states ...string) string {
			return r.as("ann", target+"?"+url.Values{"count": {"1"}, "since": {since}, "until": {until}, "state": states}.Encode(), nil).Body.String()
		}
		assert.Contains(t, counted(at(6), ""), "Choose what to send again.")
		all := counted("x", "y")
		assert.Contains(t, all, "Choose what to send again.")
		assert.Equal(t, 2, strings.Count(all, "Enter a date and a time"), "all at once, at their fields")
		assert.Contains(t, counted("", "", "failed"), "Enter a date and a time")
		assert.Contains(t, counted(at(6), "soon", "failed"), "Enter a date and a time")
		assert.Contains(t, counted(at(6), at(5), "failed"), "must be after")
		assert.Contains(t, counted(at(90), "", "failed"), "in the past")
		assert.Contains(t, counted(at(30), "", "failed"), "No delivery matches")
		assert.Equal(t, 422, r.as("ann", target, url.Values{"since": {"x"}, "state": {"failed"}}).Code)

		// Sending the form twice, or again after it was done, sends nothing twice.
		page := counted(at(6), "", "failed")
		assert.Contains(t, page, "4 deliveries match")
		form := postedFields(page)
		require.NotEmpty(t, form.Get("job"))
		require.NoError(t, r.Start())
		got := r.as("ann", target, form)
		require.Equal(t, 303, got.Code)
		progress := r.follow(target, got)
		require.Equal(t, 303, r.as("ann", target, form).Code)
		assert.Contains(t, r.as("ann", progress, nil).Body.String(), "deliveries checked")
		time.Sleep(time.Minute)
		require.Equal(t, 303, r.as("ann", target, form).Code)
		time.Sleep(time.Minute)
		page = r.as("ann", progress, nil).Body.String()
		assert.Contains(t, page, "4 deliveries of")
		assert.NotContains(t, page, "data-refresh")
		delivered, err := r.Count(t.Context(), webhook.DeliveryQuery{Account: "acme", States: []webhook.State{webhook.StateDelivered}})
		require.NoError(t, err)
		assert.Equal(t, 14, delivered)

		// Who lost what came can have it again, for a time.
		page = counted(at(2), at(5), "delivered", "failed")
		assert.Contains(t, page, "6 deliveries match")
		require.NoError(t, r.Shutdown(t.Context())) // so that it goes on
		require.Equal(t, 303, r.as("ann", target, postedFields(page)).Code)
		page = r.as("ann", progress, nil).Body.String()
		assert.Contains(t, page, "data-refresh")
		assert.Contains(t, page, "<progress max=\"6\" value=\"0\"")
		got = r.as("ann", target, url.Values{"since": {at(0)}, "state": {"failed"}})
		assert.Contains(t, r.as("ann", r.follow(target, got), nil).Body.String(), "Deliveries of this webhook are already being resent")
		require.Equal(t, 303, r.as("ann", "/webhooks/"+w.ID+"/resent/cancel", url.Values{}).Code)
		page = r.as("ann", progress, nil).Body.String()
		assert.Contains(t, page, "It was stopped.")
		assert.NotContains(t, page, "data-refresh")
	})
}

func TestWhatWaitsIsSentNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newHarness(t)
		w := r.put(nil)
		r.receive(answer(500, "down"))
		require.NoError(t, r.Start())
		t.Cleanup(func() { _ = r.Shutdown(t.Context()) })
		r.emit("e1")
		time.Sleep(time.Hour)
		r.receive(answer(200, "up"))
		page := r.as("ann", "/webhooks/"+w.ID, nil).Body.String()
		link := regexp.MustCompile(`href="[./]*(webhooks/[^"]*state=pending)"`).FindStringSubmatch(page)
		require.NotNil(t, link)
		page = r.as("ann", "/"+html.UnescapeString(link[1]), nil).Body.String()
		require.Contains(t, page, "1 delivery matches")
		require.Equal(t, 303, r.as("ann", "/webhooks/"+w.ID+"/resend", postedFields(page)).Code)
		time.Sleep(time.Minute)
		delivered, err := r.Count(t.Context(), webhook.DeliveryQuery{Account: "acme", States: []webhook.State{webhook.StateDelivered}})
		require.NoError(t, err)
		assert.Equal(t, 1, delivered)
	})
}

func TestOnlyWhoManagesResends(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	for _, path := range []string{"/resend", "/resent/cancel"} {
		for who, want := range map[string]int{"bob": 403, "eve": 404} {
			assert.Equal(t, want, r.as(who, "/webhooks/"+w.ID+path, url.Values{"state": {"pending"}}).Code, "%s %s", who, path)
		}
	}
	assert.Equal(t, 303, r.as("ann", "/webhooks/"+w.ID+"/resent", nil).Code, "there was none")
}
