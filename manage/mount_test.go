package manage

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAnyPrefixWorks mounts the handler in the ways that apps do, follows the
// links of its pages, and asks the APIs.
func TestAnyPrefixWorks(t *testing.T) {
	for _, c := range []struct {
		name, prefix string
		mount        func(h http.Handler) http.Handler
	}{
		{"at the root", "/", func(h http.Handler) http.Handler { return h }},
		{"at the root of a mux", "/", func(h http.Handler) http.Handler { return on("/", h) }},
		{"on a mux", "/app/hooks/", func(h http.Handler) http.Handler { return on("/app/hooks/", h) }},
		{"on a mux, with a host", "/hooks/", func(h http.Handler) http.Handler { return on("example.com/hooks/", h) }},
		{"on a mux, with a wildcard", "/acme/hooks/", func(h http.Handler) http.Handler { return on("/{account}/hooks/", h) }},
		{"on a mux, with a rest", "/app/hooks/", func(h http.Handler) http.Handler { return on("/app/hooks/{rest...}", h) }},
		{"stripped", "/app/hooks/", func(h http.Handler) http.Handler {
			return on("/app/hooks/", http.StripPrefix("/app/hooks", h))
		}},
		{"at a prefix like a path of its own", "/webhooks/", func(h http.Handler) http.Handler { return on("/webhooks/", h) }},
		{"stripped of a prefix like a path of its own", "/webhooks/", func(h http.Handler) http.Handler {
			return on("/webhooks/", http.StripPrefix("/webhooks", h))
		}},
		{"stripped of a wildcard", "/webhooks/acme/", func(h http.Handler) http.Handler {
			return on("/webhooks/{account}/", http.StripPrefix("/webhooks/acme", h))
		}},
		{"stripped, then on a mux", "/app/webhooks/", func(h http.Handler) http.Handler {
			return on("/app/", http.StripPrefix("/app", on("/webhooks/", h)))
		}},
		{"on a mux, then stripped twice", "/app/webhooks/", func(h http.Handler) http.Handler {
			return on("/app/", http.StripPrefix("/app", on("/webhooks/", http.StripPrefix("/webhooks", h))))
		}},
		{"with an escaped prefix", "/my%20app/", func(h http.Handler) http.Handler { return on("/my%20app/", h) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newHarness(t)
			w := r.put(nil)
			d := r.emit("e1")
			r.Handler = c.mount(r.Handler)

			at, err := url.Parse("http://example.com" + c.prefix)
			require.NoError(t, err)
			for _, page := range []string{"", "webhooks/" + w.ID, "webhooks/" + w.ID + "/edit", "deliveries/" + d.ID} {
				here, err := at.Parse(page)
				require.NoError(t, err)
				got := r.as("ann", here.String(), nil)
				require.Equal(t, 200, got.Code, here)
				links := 0
				for _, attribute := range []string{`href="`, `src="`} {
					for _, rest := range strings.Split(got.Body.String(), attribute)[1:] {
						link, _, _ := strings.Cut(rest, `"`)
						link = strings.ReplaceAll(link, "&amp;", "&")
						if strings.HasPrefix(link, "#") {
							continue
						}
						to, err := here.Parse(link)
						require.NoError(t, err)
						assert.True(t, strings.HasPrefix(to.EscapedPath(), c.prefix), "%s leads to %s", link, to)
						assert.Equal(t, 200, r.as("ann", to.String(), nil).Code, "%s on %s leads to %s", link, here, to)
						links++
					}
				}
				assert.Greater(t, links, 5)
			}

			saved := r.as("ann", at.String()+"webhooks/"+w.ID+"/on", url.Values{})
			require.Equal(t, 303, saved.Code)
			from, err := at.Parse("webhooks/" + w.ID + "/on")
			require.NoError(t, err)
			to, err := from.Parse(saved.Header().Get("Location"))
			require.NoError(t, err)
			assert.Equal(t, 200, r.as("ann", to.String(), nil).Code)

			assert.Equal(t, 200, r.call("ann", "GET", at.String()+"api/3/webhooks/"+w.ID, "").Code)
			v1 := httptest.NewRequestWithContext(t.Context(), "GET", at.String()+"admin/api.php?api_key=ann&api_action=webhook_view&api_output=json&id="+w.ID, nil)
			assert.Contains(t, r.do(v1).Body.String(), `"result_code":1`)
			assert.Equal(t, 404, r.as("ann", at.String()+"nothing/here", nil).Code)
		})
	}
}

// on mounts h on a mux.
func on(pattern string, h http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(pattern, h)
	return mux
}

func TestAPrefixWithoutItsSlashIsSentToTheSlash(t *testing.T) {
	r := newHarness(t)
	r.Handler = on("/app/hooks", http.StripPrefix("/app/hooks", r.Handler))
	got := r.as("ann", "/app/hooks", nil)
	assert.Equal(t, 301, got.Code)
	assert.Equal(t, "./hooks/", got.Header().Get("Location"))
	got = r.as("ann", "/app/hooks?done=deleted&after=1", nil)
	assert.Equal(t, "./hooks/?done=deleted&after=1", got.Header().Get("Location"))
}
