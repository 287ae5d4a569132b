package manage

import (
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

func TestThePageStandsInTheAppsLayout(t *testing.T) {
	r := newHarness(t, func(o *Options) {
		o.Layout = func(w io.Writer, req *http.Request, c Content) error {
			if req.URL.Path == "/samples" {
				return errors.New("the layout's secret")
			}
			_, err := fmt.Fprintf(w, "<!doctype html><html lang=%q dir=%q><head><title>%s · Acme</title>%s</head><body><header>Acme</header>%s</body></html>",
				c.Lang, c.Dir, html.EscapeString(c.Title), c.Head, c.Body)
			return err
		}
		o.FrameAncestors = []string{"https://app.example.com"}
	})
	w := r.put(nil)
	for _, target := range []string{"/", "/add", "/webhooks/" + w.ID, "/deliveries", "/explain", "/nothing"} {
		got := r.as("ann", target, nil)
		body := got.Body.String()
		assert.Contains(t, body, "<header>Acme</header>", target)
		assert.Contains(t, body, " · Acme</title>", target)
		assert.Equal(t, 1, strings.Count(body, "<html"), target)
		assert.Equal(t, 1, strings.Count(body, "<header"), target)
		assert.Contains(t, body, `class="listhook"`, target)
		assert.Contains(t, body, "assets/page.css?v=", target)
		assert.NotContains(t, body, "<main", "the app has its own")
		assert.Equal(t, "frame-ancestors 'self' https://app.example.com", got.Header().Get("Content-Security-Policy"))
	}
	got := r.as("ann", "/samples", nil)
	assert.Equal(t, 500, got.Code)
	assert.NotContains(t, got.Body.String(), "secret")
}

func TestOnlyTheNamedOriginsMayShowThePageInAFrame(t *testing.T) {
	r := newHarness(t, func(o *Options) { o.FrameAncestors = []string{"https://app.example.com", "http://localhost:8080"} })
	assert.Contains(t, r.as("ann", "/", nil).Header().Get("Content-Security-Policy"), "frame-ancestors 'self' https://app.example.com http://localhost:8080; base-uri 'none'")
	for _, bad := range []string{"app.example.com", "https://app.example.com/", "https://a.example; script-src *", "https://*.example.com 'unsafe-inline'", "data:", ""} {
		_, err := Handler(r.Dispatcher, &Options{FrameAncestors: []string{bad}})
		var invalid *webhook.InvalidError
		require.ErrorAs(t, err, &invalid, bad)
		assert.Equal(t, "Options.FrameAncestors", invalid.Field)
	}
}

func TestTextsThatCannotBeUsedAreRefused(t *testing.T) {
	r := newHarness(t)
	_, err := Handler(r.Dispatcher, &Options{Texts: map[string]map[string]string{"fr": {"Savee": "Enregistrer"}}})
	var invalid *webhook.InvalidError
	require.ErrorAs(t, err, &invalid)
	assert.Equal(t, "Options.Texts", invalid.Field)
	assert.Equal(t, `of fr: translates "Savee", which the page does not say`, invalid.Reason)
}
