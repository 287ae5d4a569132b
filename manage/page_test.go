package manage

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/label"
	"github.com/listhook/webhook/manage/internal/params"
)

func TestATestShowsTheAnswerAtOnce(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	for _, event := range webhook.EventTypes() {
		var sent string
		r.receive(func(req *http.Request) (*http.Response, error) {
			sent = req.Header.Get(webhook.HeaderEvent)
			return answer(500, "Fatal error in line 3")(req)
		})
		body := r.as("ann", "/webhooks/"+w.ID+"/test", url.Values{"event": {string(event)}}).Body.String()
		assert.Equal(t, string(event), sent)
		assert.Contains(t, body, label.TextOf(label.OfTypes(nil), event)+": it did not work.")
		assert.Contains(t, body, "The receiver failed (500 Internal Server Error)")
		assert.Contains(t, body, "Fatal error in line 3")
	}
	r.receive(answer(204, ""))
	assert.Contains(t, r.as("ann", "/webhooks/"+w.ID+"/test", url.Values{"event": {"open"}}).Body.String(), "it works.")
	assert.Equal(t, 422, r.as("ann", "/webhooks/"+w.ID+"/test", url.Values{"event": {"party"}}).Code)
}

func TestHostileTextsAreInert(t *testing.T) {
	r := newHarness(t, func(o *Options) {
		o.Title = `<script>alert(0)</script>`
		o.Lists = nil
	})
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>'`
	w := r.put(func(w *webhook.Webhook) {
		w.Name, w.URL, w.List = evil, "https://crm.example.com/?"+url.QueryEscape(evil)+`"><script>`, evil
		w.Headers = map[string]string{"X-Evil": evil}
		w.Disabled, w.KeepEvents = evil, true
	})
	e := webhook.Sample(webhook.TypeOpen).(webhook.Open)
	e.Account, e.Lists, e.Subscriber.Email, e.ID = "acme", []string{evil}, evil, evil
	e.Subscriber.Fields = map[string]string{"<script>": evil}
	require.NoError(t, r.Emit(t.Context(), e))
	ds, err := r.Deliveries(t.Context(), webhook.DeliveryQuery{Account: "acme"})
	require.NoError(t, err)
	require.Len(t, ds, 1)
	r.receive(answer(500, evil))
	pages := map[string]url.Values{
		"/": nil, "/webhooks/" + w.ID: nil, "/webhooks/" + w.ID + "/edit": nil, "/webhooks/" + w.ID + "/delete": nil,
		"/webhooks/" + w.ID + "/off": nil, "/deliveries": nil, "/deliveries/" + ds[0].ID: nil,
		"/explain?event=open&source=public&list=" + url.QueryEscape(evil): nil,
		"/deliveries?since=" + url.QueryEscape(evil):                      nil,
		"/?done=" + url.QueryEscape(evil):                                 nil,
		"/webhooks/" + w.ID + "/test":                                     {"event": {"open"}},
		"/add":                                                            {"name": {evil}, "url": {evil}, "headers": {evil}, "list": {evil}, "event": {evil}},
	}
	for target, form := range pages {
		body := r.as("ann", target, form).Body.String()
		assert.Contains(t, body, "</html>", target)
		assert.Equal(t, 1, strings.Count(body, "<script"), "%s holds no script but its own", target)
		assert.NotContains(t, body, "<img", target)
	}
}

func TestThePageIsGuarded(t *testing.T) {
	r := newHarness(t, func(o *Options) { o.TrustedOrigins = []string{"https://app.example.com"} })
	w := r.put(nil)
	got := r.as("ann", "/", nil)
	assert.Equal(t, "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "+
		"img-src 'self'; form-action 'self'; frame-ancestors 'self'; base-uri 'none'", got.Header().Get("Content-Security-Policy"))
	assert.Equal(t, "nosniff", got.Header().Get("X-Content-Type-Options"))
	assert.Equal(t, "same-origin", got.Header().Get("Referrer-Policy"))
	assert.Equal(t, "no-store", got.Header().Get("Cache-Control"))
	assert.NotRegexp(t, `\son[a-z]+=|style=|<style|javascript:`, got.Body.String(), "nothing that the policy would refuse")

	for _, c := range []struct {
		name   string
		header http.Header
		want   int
	}{
		{"from this page", http.Header{"Sec-Fetch-Site": {"same-origin"}}, 303},
		{"from another site", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		{"from a sibling domain", http.Header{"Sec-Fetch-Site": {"same-site"}}, 403},
		{"from this page on plain http", http.Header{"Origin": {"http://example.com"}}, 303},
		{"from another site on plain http", http.Header{"Origin": {"http://evil.example"}}, 403},
		{"from a sandbox on plain http", http.Header{"Origin": {"null"}}, 403},
		{"from a trusted origin", http.Header{"Origin": {"https://app.example.com"}, "Sec-Fetch-Site": {"cross-site"}}, 303},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := httptest.NewRequestWithContext(t.Context(), "POST", "http://example.com/webhooks/"+w.ID+"/on", nil)
			req.Header = c.header
			req.Header.Set("User", "ann")
			assert.Equal(t, c.want, r.do(req).Code)
		})
	}
	t.Run("a form that is too long", func(t *testing.T) {
		assert.Equal(t, 413, r.as("ann", "/add", url.Values{"name": {strings.Repeat("x", params.MaxBody)}}).Code)
	})
}

func TestAnAppsFaultsAreLoggedAndNotTold(t *testing.T) {
	r := newHarness(t, func(o *Options) {
		o.Lists = func(_ context.Context, account string) ([]List, error) { return nil, errors.New("password=hunter2") }
	})
	for _, got := range []*httptest.ResponseRecorder{
		r.as("ann", "/", nil), r.call("ann", "GET", "/api/3/lists", ""),
		r.rawV1("ann", "POST", "&api_action=webhook_add", formType, "name=a&url=https://a.example.com&action=open&init=api&lists=12"),
	} {
		assert.Equal(t, 500, got.Code)
		assert.NotContains(t, got.Body.String(), "hunter2")
		assert.Contains(t, strings.ToLower(got.Body.String()), "something went wrong")
	}
}

var (
	blockOfCode = regexp.MustCompile(`<pre( id="[^"]*")?[ >]`)
	copyButton  = regexp.MustCompile(`data-copy="([^"]*)"`)
)

// TestWhatIsCopiedHasAButton looks at the blocks of code of every page but the form,
// which shows what a format looks like.
func TestWhatIsCopiedHasAButton(t *testing.T) {
	r := newHarness(t)
	r.receive(answer(500, `{"error":"maintenance"}`))
	w := r.put(func(w *webhook.Webhook) { w.Format = webhook.FormatJSON })
	d := r.emit("e1")
	_, err := r.store.Apply(t.Context(), []webhook.Change{{
		ID: d.ID, Lease: d.Lease, State: webhook.StateFailed, Due: d.Due, Attempts: 1,
		Log: &webhook.Attempt{Start: d.Created, Duration: time.Millisecond, Status: 500, Reason: "It failed.", Response: []byte("maintenance")},
	}})
	require.NoError(t, err)
	for target, form := range map[string]url.Values{
		"/samples?format=json": nil, "/samples?format=2013": nil, "/verify": nil, "/deliveries/" + d.ID: nil,
		"/webhooks/" + w.ID + "/test":    {"event": {"open"}},
		"/webhooks/" + w.ID + "/payload": {"event": {"open"}, "payload": {"{}"}},
	} {
		got := r.as("ann", target, form)
		require.Equal(t, 200, got.Code, target)
		body := got.Body.String()
		blocks := blockOfCode.FindAllStringSubmatch(body, -1)
		assert.NotEmpty(t, blocks, target)
		for _, block := range blocks {
			id := strings.TrimSuffix(strings.TrimPrefix(block[1], ` id="`), `"`)
			assert.Contains(t, body, `data-copy="`+id+`"`, "%s: %s", target, block[0])
		}
		for _, button := range copyButton.FindAllStringSubmatch(body, -1) {
			assert.Equal(t, 1, strings.Count(body, ` id="`+button[1]+`"`), "%s: what %s copies", target, button[0])
		}
	}
}
