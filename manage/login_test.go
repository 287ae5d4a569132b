package manage

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/page"
	"github.com/listhook/webhook/manage/internal/params"
)

// newLoginHarness is a harness of an app with a login: who has no name has no session.
func newLoginHarness(t *testing.T, change ...func(*Options)) *harness {
	return newHarness(t, append([]func(*Options){func(o *Options) {
		session := o.Session
		o.Session = func(r *http.Request) (Access, error) {
			if r.Header.Get("User") == "" {
				return Access{Account: "acme", Manage: true}, fmt.Errorf("the cookie is too old: %w", ErrNoSession)
			}
			return session(r)
		}
		o.Login = func(_ *http.Request, back string) string { return "/login?" + url.Values{"next": {back}}.Encode() }
	}}, change...)...)
}

func TestWithoutASessionEveryPageLeadsToTheLoginAndBack(t *testing.T) {
	for _, prefix := range []string{"/", "/app/hooks/"} {
		r := newLoginHarness(t)
		w := r.put(nil)
		r.Handler = on(prefix, r.Handler)
		for _, page := range []string{"", "deliveries?state=failed&event=open", "webhooks/" + w.ID + "/edit", "nothing/here", "operator"} {
			got := r.as("", prefix+page, nil)
			require.Equal(t, 303, got.Code, page)
			to, err := url.Parse(got.Header().Get("Location"))
			require.NoError(t, err)
			assert.Equal(t, "/login", to.Path)
			assert.Equal(t, prefix+page, to.Query().Get("next"))
			assert.Empty(t, got.Body.String())
		}
		for _, asset := range []string{"assets/page.css", "assets/page.js"} {
			assert.Equal(t, 200, r.as("", prefix+asset, nil).Code, "the page that asks to log in uses it")
		}
	}
}

func TestWithoutARightNobodyIsSentToTheLogin(t *testing.T) {
	r := newLoginHarness(t)
	got := r.as("nobody", "/", nil)
	assert.Equal(t, 403, got.Code)
	assert.Contains(t, got.Body.String(), "You do not have permission for this.")
	assert.NotContains(t, got.Body.String(), "/login")
	got = r.as("bob", "/add", url.Values{"name": {"x"}})
	assert.Equal(t, 403, got.Code)
	assert.NotContains(t, got.Body.String(), "/login")
}

func TestAnAppWithoutALoginSaysToLogIn(t *testing.T) {
	for name, login := range map[string]func(*http.Request, string) string{
		"none": nil, "none for this request": func(*http.Request, string) string { return "" },
	} {
		t.Run(name, func(t *testing.T) {
			r := newLoginHarness(t, func(o *Options) { o.Login = login })
			got := r.as("", "/deliveries", nil)
			assert.Equal(t, 401, got.Code)
			assert.Contains(t, got.Body.String(), "Log in to the app, then reload this page.")
			assert.NotContains(t, got.Body.String(), "administrator")
			got = r.as("", "/add", filledForm())
			assert.Equal(t, 401, got.Code)
			assert.Contains(t, got.Body.String(), "Log in to the app in another tab.")
			assert.NotContains(t, got.Body.String(), `href=""`)
		})
	}
}

// hiddenFields returns what the form of the page that asks to log in holds.
func hiddenFields(page string) url.Values {
	fields := url.Values{}
	for _, m := range regexp.MustCompile(`(?s)<input type="hidden" name="([^"]*)" value="([^"]*)">`).FindAllStringSubmatch(page, -1) {
		fields.Add(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
	}
	return fields
}

// TestAFormSurvivesTheEndOfItsSession sends every form of the page without a
// session, and then what the answer keeps, with one.
func TestAFormSurvivesTheEndOfItsSession(t *testing.T) {
	r := newLoginHarness(t)
	w := r.put(nil)
	d := r.emit("e1")
	webhooks := r.all()
	typed := filledForm()
	typed.Set("name", `"><script>alert(1)</script>`)
	typed.Set("headers", "X-Key: k\r\nAuthorization: Bearer s3cr3t\r\n")
	for _, route := range page.Routes() {
		if route.Method != "POST" {
			continue
		}
		target := "/" + strings.NewReplacer("webhooks/{id}", "webhooks/"+w.ID, "{id}", d.ID).Replace(route.Path)
		got := r.as("", target, typed)
		require.Equal(t, 401, got.Code, target)
		body := got.Body.String()
		assert.Equal(t, typed, hiddenFields(body), target)
		assert.Contains(t, body, `href="/login?next=%2Fresume"`, target)
		assert.Contains(t, body, `<form method="post">`, "it is sent to where it was sent")
		assert.Empty(t, got.Header().Get("Location"), "no address holds what was typed")
		assert.Equal(t, "no-store", got.Header().Get("Cache-Control"))
		assert.Equal(t, 1, strings.Count(body, "<script"), "what was typed is inert")
	}
	assert.Equal(t, webhooks, r.all(), "nothing was done")
	assert.Equal(t, 200, r.as("ann", "/resume", nil).Code)

	again := hiddenFields(r.as("", "/add", typed).Body.String())
	require.Equal(t, 303, r.as("ann", "/add", again).Code)
	added := r.all()
	require.Len(t, added, 2)
	names := []string{added[0].Name, added[1].Name}
	assert.Contains(t, names, typed.Get("name"))

	again = hiddenFields(r.as("", "/webhooks/"+w.ID+"/edit", url.Values{"revision": {"1"}, "name": {"Kept"}, "url": {"ftp://kept"}}).Body.String())
	body := r.as("ann", "/webhooks/"+w.ID+"/edit", again).Body.String()
	assert.Contains(t, body, "Kept", "a mistake is said after the login, and nothing is lost")
	assert.Contains(t, body, "ftp://kept")
}

func TestAFormIsKeptBelowAPrefix(t *testing.T) {
	for name, mount := range map[string]func(http.Handler) http.Handler{
		"found":    func(h http.Handler) http.Handler { return on("/app/hooks/", h) },
		"stripped": func(h http.Handler) http.Handler { return on("/app/hooks/", http.StripPrefix("/app/hooks", h)) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newLoginHarness(t)
			w := r.put(nil)
			r.Handler = mount(r.Handler)
			for _, target := range []string{"add", "webhooks/" + w.ID + "/edit", "webhooks/" + w.ID + "/test"} {
				body := r.as("", "/app/hooks/"+target, filledForm()).Body.String()
				assert.Contains(t, body, `href="/login?next=%2Fapp%2Fhooks%2Fresume"`, target)
			}
		})
	}
}

func TestAnotherSitesFormIsNotKeptUntilSomebodyLogsIn(t *testing.T) {
	r := newLoginHarness(t)
	req := httptest.NewRequestWithContext(t.Context(), "POST", "http://example.com/add", strings.NewReader("name=Planted"))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	got := r.do(req)
	assert.Equal(t, 403, got.Code)
	assert.NotContains(t, got.Body.String(), "Planted")
}

func TestAFormThatIsTooLongIsNotKept(t *testing.T) {
	r := newLoginHarness(t)
	assert.Equal(t, 413, r.as("", "/add", url.Values{"name": {strings.Repeat("x", params.MaxBody)}}).Code)
}

func TestAnyPagesAddressMayEndInASlash(t *testing.T) {
	r := newHarness(t)
	w := r.put(func(w *webhook.Webhook) { w.ID = "a b/c" })
	d := r.emit("e1")
	for name, prefix := range map[string]string{"at the root": "/", "below a prefix": "/app/hooks/"} {
		t.Run(name, func(t *testing.T) {
			below := &harness{Dispatcher: r.Dispatcher, Handler: on(prefix, r.Handler), t: t}
			for _, page := range []string{
				"add", "deliveries", "samples", "explain", "webhooks/" + url.PathEscape(w.ID), "webhooks/" + url.PathEscape(w.ID) + "/edit", "deliveries/" + d.ID,
			} {
				asked := prefix + page + "/?format=current"
				got := below.as("ann", asked, nil)
				require.Equal(t, 308, got.Code, page)
				to := below.follow(asked, got)
				assert.Equal(t, prefix+page+"?format=current", to)
				assert.Equal(t, 200, below.as("ann", to, nil).Code)
			}
			asked := prefix + "webhooks/" + url.PathEscape(w.ID) + "/off/"
			got := below.as("ann", asked, url.Values{"reason": {"x"}})
			require.Equal(t, 308, got.Code, "a form is sent again to the address without the slash")
			assert.Equal(t, strings.TrimSuffix(asked, "/"), below.follow(asked, got))
			assert.Equal(t, 404, below.as("ann", prefix+"nothing/", nil).Code)
		})
	}
}
