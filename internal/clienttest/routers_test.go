package clienttest

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage"
	"github.com/listhook/webhook/memstore"
)

// The routers of docs/api.md, each mounted as it says there: the page below
// /hooks, the APIs at the host's root.

func onServeMux(page, apis http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/hooks/", page)
	mux.Handle("/api/3/", apis)
	mux.Handle("/admin/api.php", apis)
	return mux
}

func onChi(page, apis http.Handler) http.Handler {
	r := chi.NewRouter()
	r.Mount("/hooks", http.StripPrefix("/hooks", page))
	r.Mount("/api/3", apis)
	r.Handle("/admin/api.php", apis)
	return r
}

func onEcho(page, apis http.Handler) http.Handler {
	e := echo.New()
	e.Any("/hooks*", echo.WrapHandler(http.StripPrefix("/hooks", page)))
	e.Any("/api/3*", echo.WrapHandler(apis))
	e.Any("/admin/api.php", echo.WrapHandler(apis))
	return e
}

func onGin(page, apis http.Handler) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.Any("/hooks/*path", gin.WrapH(http.StripPrefix("/hooks", page)))
	r.Any("/api/3/*path", gin.WrapH(apis))
	r.Any("/admin/api.php", gin.WrapH(apis))
	return r
}

func TestTheDocumentationsRoutersAreTheseOnes(t *testing.T) {
	doc, err := os.ReadFile("../../docs/api.md")
	require.NoError(t, err)
	source, err := os.ReadFile("routers_test.go")
	require.NoError(t, err)
	lines := regexp.MustCompile(`(?m)^    (.+)$`).FindAllStringSubmatch(string(doc), -1)
	var mounted []string
	for _, line := range lines {
		if strings.Contains(line[1], "page)") || strings.Contains(line[1], "apis)") {
			mounted = append(mounted, line[1])
			assert.Contains(t, string(source), "\n\t"+line[1]+"\n")
		}
	}
	assert.Len(t, mounted, 4*3, "three lines for each of four routers")
}

func TestThePageAndTheAPIsOnEveryRouter(t *testing.T) {
	for name, mount := range map[string]func(page, apis http.Handler) http.Handler{
		"net/http": onServeMux, "chi": onChi, "echo": onEcho, "gin": onGin,
	} {
		t.Run(name, func(t *testing.T) {
			d, err := webhook.New(&memstore.Store{}, nil, nil)
			require.NoError(t, err)
			added, err := d.AddWebhook(t.Context(), webhook.Webhook{Account: "acme", Settings: webhook.Settings{
				Name: "CRM", URL: "https://crm.example.com/hook",
				Events: webhook.EventTypes(), Sources: webhook.Sources(),
			}})
			require.NoError(t, err)
			opts := &manage.Options{
				Session: func(*http.Request) (manage.Access, error) { return manage.Access{Account: "acme", Manage: true}, nil },
				Key: func(_ context.Context, k string) (manage.Access, error) {
					return manage.Access{Account: "acme", Manage: k == key}, nil
				},
				Logger: slog.New(slog.DiscardHandler),
			}
			page, err := manage.Handler(d, opts)
			require.NoError(t, err)
			apis, err := manage.APIs(d, opts)
			require.NoError(t, err)
			server := httptest.NewServer(mount(page, apis))
			t.Cleanup(server.Close)

			ask := func(method, target, body string) (int, string) {
				t.Helper()
				req, err := http.NewRequestWithContext(t.Context(), method, server.URL+target, strings.NewReader(body))
				require.NoError(t, err)
				req.Header.Set("Api-Token", key)
				req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				res, err := server.Client().Do(req)
				require.NoError(t, err)
				defer res.Body.Close()
				text, err := io.ReadAll(res.Body)
				require.NoError(t, err)
				return res.StatusCode, string(text)
			}

			// The APIs, at the root and below the page's prefix.
			for _, prefix := range []string{"", "/hooks"} {
				status, body := ask("GET", prefix+"/api/3/webhooks/"+added.ID, "")
				assert.Equal(t, 200, status, prefix)
				assert.Contains(t, body, `"CRM"`)
				status, body = ask("PUT", prefix+"/api/3/webhooks/"+added.ID, `{"webhook":{"events":["open"]}}`)
				assert.Equal(t, 200, status, body)
				status, _ = ask("GET", prefix+"/api/3/webhooks/", "")
				assert.Equal(t, 200, status, "with a slash at the end")
				status, body = ask("GET", prefix+"/api/3/contacts", "")
				assert.Equal(t, 404, status)
				assert.JSONEq(t, `{"message":"There is no such path in the API."}`, body)
				status, body = ask("POST", prefix+"/admin/api.php?api_output=json&api_action=webhook_view&api_key="+key, "id="+added.ID)
				assert.Equal(t, 200, status)
				assert.Contains(t, body, `"result_code":1`)
			}

			// The page, its links, and the prefix without its slash.
			status, body := ask("GET", "/hooks", "")
			assert.Equal(t, 200, status)
			assert.Contains(t, body, "CRM")
			here, err := url.Parse(server.URL + "/hooks/webhooks/" + added.ID)
			require.NoError(t, err)
			status, body = ask("GET", here.Path, "")
			require.Equal(t, 200, status)
			links := regexp.MustCompile(`(?:href|src)="([^"#]+)"`).FindAllStringSubmatch(body, -1)
			assert.Greater(t, len(links), 5)
			for _, link := range links {
				to, err := here.Parse(strings.ReplaceAll(link[1], "&amp;", "&"))
				require.NoError(t, err)
				require.True(t, strings.HasPrefix(to.Path, "/hooks/"), link[1])
				status, _ := ask("GET", to.RequestURI(), "")
				assert.Equal(t, 200, status, link[1])
			}
			status, body = ask("POST", "/hooks/webhooks/"+added.ID+"/delete", "revision=2")
			assert.Equal(t, 200, status, body)
		})
	}
}
