package manage

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/account"
	"github.com/listhook/webhook/manage/internal/page"
	"github.com/listhook/webhook/manage/internal/v1"
	"github.com/listhook/webhook/manage/internal/v3"
)

// TestNothingLeaksAcrossAccounts asks every route for what another account
// has, by its ids: nothing is found, told or changed.
func TestNothingLeaksAcrossAccounts(t *testing.T) {
	r := newHarness(t)
	w := r.put(func(w *webhook.Webhook) {
		w.Name, w.URL, w.List = "Acme's hook", "https://acme.example.com/secret-path", "12"
		w.Secrets = []webhook.Secret{webhook.NewSecret()}
		w.Headers = map[string]string{"X-Acme": "acme-header"}
	})
	d := r.emit("acme-event")
	var sent int
	r.receive(func(*http.Request) (*http.Response, error) { sent++; return nil, errors.New("nothing is sent here") })
	state := func() (ws []webhook.Webhook, ds []webhook.Delivery) {
		ds, err := r.Deliveries(t.Context(), webhook.DeliveryQuery{Account: "acme"})
		require.NoError(t, err)
		return r.all(), ds
	}
	webhooks, deliveries := state()

	check := func(t *testing.T, what, body string) {
		t.Helper()
		for _, secret := range []string{"Acme's", "Acme&#39;s", "acme.example.com", "secret-path", "acme-header", "acme-event", w.Secrets[0].Key, "Newsletter", "test@test.com"} {
			if strings.Contains(what, "samples") && secret == "test@test.com" {
				continue // of the sample
			}
			assert.NotContains(t, body, secret, what)
		}
		ws, ds := state()
		assert.Equal(t, webhooks, ws, what)
		assert.Equal(t, deliveries, ds, what)
		assert.Zero(t, sent, what)
	}
	own := r.put(func(w *webhook.Webhook) { w.Account = "evil" })
	t.Run("what is listed and counted", func(t *testing.T) {
		for _, got := range []*httptest.ResponseRecorder{
			r.as("eve", "/", nil), r.as("eve", "/deliveries", nil), r.as("eve", "/explain?event=open&source=public", nil),
			r.as("eve", "/webhooks/"+own.ID, nil), r.as("eve", "/webhooks/"+own.ID+"/edit", nil),
			r.call("eve", "GET", "/api/3/webhooks", ""), r.call("eve", "GET", "/api/3/listhook/webhooks", ""),
			r.call("eve", "GET", "/api/3/listhook/deliveries", ""), r.call("eve", "GET", "/api/3/lists", ""),
			r.rawV1("eve", "GET", "&api_action=webhook_list", "", ""),
		} {
			assert.Equal(t, 200, got.Code)
			assert.NotContains(t, got.Body.String(), d.ID)
			assert.NotContains(t, got.Body.String(), w.ID)
			assert.NotContains(t, got.Body.String(), "1 pending")
			assert.NotContains(t, got.Body.String(), "<dt>Pending now</dt><dd>1")
			check(t, "a list", got.Body.String())
		}
		assert.Contains(t, r.as("eve", "/", nil).Body.String(), "<dt>Pending now</dt><dd>0<")
	})
	form := url.Values{
		"name": {"x"}, "url": {"https://evil.example.com"}, "event": {"open"}, "source": {"api"}, "format": {"2013"},
		"revision": {"1"}, "overlap": {"0"}, "kept": {"drop"}, "since": {"2000-01-01T00:00:00"}, "account": {"acme"}, "id": {w.ID}, "reason": {"mine"},
	}

	for _, route := range page.Routes() {
		for _, id := range []string{w.ID, d.ID} {
			target := "/" + strings.NewReplacer("{$}", "", "{id}", url.PathEscape(id)).Replace(route.Path)
			query := "?" + url.Values{"account": {"acme"}, "id": {w.ID}, "webhook": {w.ID}, "after": {account.CursorOf(d)}, "event": {"open"}, "source": {"public"}, "list": {"12"}}.Encode()
			var values url.Values
			if route.Method == "POST" {
				values = form
			}
			got := r.as("eve", target+query, values)
			if strings.Contains(route.Path, "{id}") {
				assert.Equal(t, 404, got.Code, "%s %s", route.Method, target)
			}
			check(t, route.Method+" "+target, got.Body.String())
		}
	}

	for _, route := range v3.Routes() {
		if route.Path == "listhook/openapi.json" {
			continue
		}
		for _, id := range []string{w.ID, d.ID, "12"} {
			target := "/api/3/" + strings.ReplaceAll(route.Path, "{id}", url.PathEscape(id))
			query := "?" + url.Values{"filters[webhook]": {w.ID}, "after": {account.CursorOf(d)}, "filters[listid]": {"12"}}.Encode()
			body := `{"webhook":{"name":"x","url":"https://evil.example.com","events":["open"],"sources":["api"],"listid":12},
				"type":"open","source":"public","lists":[12],"since":"2000-01-01T00:00:00Z","account":"acme","drop_kept":true}`
			got := r.call("eve", route.Method, target+query, body)
			check(t, route.Method+" "+target, got.Body.String())
			if strings.Contains(route.Path, "{id}") {
				assert.Contains(t, []int{404, 422}, got.Code, "%s %s", route.Method, target)
				got = r.call("eve", route.Method, target, bodyFor(route.Path)) // which holds nothing that is refused
				assert.Equal(t, 404, got.Code, "%s %s", route.Method, target)
				check(t, route.Method+" "+target, got.Body.String())
			}
		}
	}

	for action := range v1.Actions() {
		for _, query := range []string{"&id=" + w.ID + "&ids=" + w.ID, "&id=" + d.ID + "&ids=all", "&id=" + w.ID + "&account=acme&lists[]=12"} {
			got := r.rawV1("eve", "POST", "&api_action="+action+query, formType, "name=x&url=https://evil.example.com&action[]=open&init[]=api")
			if action != "webhook_events" {
				check(t, action+query, got.Body.String())
			}
		}
	}
}

// TestWhatChangesNeedsTheRight says by itself, beside the routes, what only
// those may do who manage.
func TestWhatChangesNeedsTheRight(t *testing.T) {
	for _, route := range page.Routes() {
		if route.Need == account.RightPublic {
			assert.Equal(t, "assets/{name}", route.Path, "a style and a script tell nothing of an account")
		}
		if route.Method != "GET" && route.Path != "deliveries" { // a search: what it looks for stays out of URLs
			assert.Contains(t, []account.Right{account.RightManage, account.RightResend, account.RightOperator}, route.Need, route.Path)
		}
		if strings.HasPrefix(route.Path, "operator") {
			assert.Equal(t, account.RightOperator, route.Need, route.Path)
		}
	}
	for _, route := range v3.Routes() {
		if route.Need == account.RightPublic {
			assert.Equal(t, "listhook/openapi.json", route.Path, "a description tells nothing of an account")
		}
		if route.Method != "GET" && route.Path != "listhook/explain" && route.Path != "listhook/deliveries/search" {
			assert.Contains(t, []account.Right{account.RightManage, account.RightResend}, route.Need, route.Path)
		}
	}
	for _, action := range []string{"webhook_add", "webhook_edit", "webhook_delete", "webhook_delete_list"} {
		assert.Equal(t, account.RightManage, v1.Actions()[action], action)
	}
}

// TestRightsAreHeld asks every route as somebody who may not.
func TestRightsAreHeld(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	d := r.emit("e1")
	webhooks := r.all()
	has := map[string]map[account.Right]bool{
		"":    {},
		"bob": {account.RightAny: true, account.RightLog: true, account.RightView: true},
		"op":  {account.RightAny: true, account.RightOperator: true},
		"ann": {account.RightAny: true, account.RightLog: true, account.RightResend: true, account.RightView: true, account.RightManage: true},
		"log": {account.RightAny: true, account.RightLog: true, account.RightResend: true},
	}
	for who, rights := range has {
		for _, route := range page.Routes() {
			if rights[route.Need] || route.Need == account.RightPublic {
				continue
			}
			var values url.Values
			if route.Method == "POST" {
				values = url.Values{"name": {"x"}}
			}
			target := "/" + strings.NewReplacer("{$}", "", "webhooks/{id}", "webhooks/"+w.ID, "{id}", d.ID).Replace(route.Path)
			assert.Equal(t, 403, r.as(who, target, values).Code, "%s: %s %s", who, route.Method, target)
		}
		for _, route := range v3.Routes() {
			if rights[route.Need] || route.Need == account.RightPublic {
				continue
			}
			target := "/api/3/" + strings.NewReplacer("webhooks/{id}", "webhooks/"+w.ID, "{id}", d.ID).Replace(route.Path)
			got := r.call(who, route.Method, target, "{}")
			assert.Equal(t, 403, got.Code, "%s: %s %s", who, route.Method, target)
		}
	}
	assert.Equal(t, webhooks, r.all())

	t.Run("without Session and Key everybody is refused", func(t *testing.T) {
		h, err := Handler(r.Dispatcher, nil)
		require.NoError(t, err)
		closed := &harness{Handler: h, t: t}
		for _, route := range page.Routes() {
			if route.Need == account.RightPublic {
				continue
			}
			assert.Equal(t, 403, closed.as("ann", "/"+strings.NewReplacer("{$}", "", "{id}", w.ID).Replace(route.Path), nil).Code)
		}
		for _, route := range v3.Routes() {
			if route.Need == account.RightPublic {
				continue
			}
			assert.Equal(t, 403, closed.call("ann", route.Method, "/api/3/"+route.Path, "{}").Code)
		}
		assert.Contains(t, closed.rawV1("ann", "GET", "&api_action=webhook_list", "", "").Body.String(), "not authorized")
	})
	t.Run("who may only view sees no values of headers", func(t *testing.T) {
		w := r.put(func(w *webhook.Webhook) { w.Headers = map[string]string{"Authorization": "Bearer s3cr3t"} })
		for _, target := range []string{"/webhooks/" + w.ID, "/deliveries/" + r.emit("e2").ID} {
			assert.NotContains(t, r.as("bob", target, nil).Body.String(), "s3cr3t")
		}
		assert.NotContains(t, r.call("bob", "GET", "/api/3/listhook/webhooks/"+w.ID, "").Body.String(), "s3cr3t")
		assert.Contains(t, r.call("ann", "GET", "/api/3/listhook/webhooks/"+w.ID, "").Body.String(), "s3cr3t")
	})
}
