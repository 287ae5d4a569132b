package manage

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// withUnreadable returns a handler, a webhook that no key of its dispatcher decrypts, and
// one that it can read. Whatever is answered or logged holds nothing of the first one's
// URL, headers and secrets.
func withUnreadable(t *testing.T, change func(*webhook.Webhook)) (r *harness, bad, good webhook.Webhook, log *bytes.Buffer) {
	store := &memstore.Store{}
	options := func(n byte) *webhook.Options {
		return &webhook.Options{EncryptionKeys: []webhook.EncryptionKey{bytes.Repeat([]byte{n}, 32)}}
	}
	bad = newHarnessWith(t, store, options(1)).put(func(w *webhook.Webhook) {
		w.Name, w.URL = "Lost", "https://lost.example.com/s3cret"
		w.Headers = map[string]string{"X-Key": "t0ken"}
		w.Secrets = []webhook.Secret{{Key: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}}
		if change != nil {
			change(w)
		}
	})
	log = &bytes.Buffer{}
	r = newHarnessWith(t, store, options(2), func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(log, nil)) })
	return r, bad, r.put(nil), log
}

func requireNoSecret(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		for _, secret := range []string{"s3cret", "lost.example.com", "X-Key", "t0ken", "MfKQ9r8"} {
			require.NotContains(t, text, secret)
		}
	}
}

// keyIsMissing is part of every sentence that says why a webhook cannot be read.
const keyIsMissing = "the key that encrypted its URL, secrets and headers is missing"

func TestThePageShowsAnUnreadableWebhookBesideTheOthers(t *testing.T) {
	r, bad, good, log := withUnreadable(t, nil)
	d := r.emit("e1")
	for target, want := range map[string][]string{
		"/":                                {"CRM", "crm.example.com", "Lost", "Unreadable", keyIsMissing, "Options.EncryptionKeys", "/delete"},
		"/?search=lost":                    {"Lost"},
		"/webhooks/" + good.ID:             {"CRM", "crm.example.com"},
		"/webhooks/" + bad.ID:              {"Lost", "Unreadable", keyIsMissing, "Events wait until the key is back.", "/delete", "waits for the missing key"},
		"/webhooks/" + bad.ID + "/delete":  {"Lost", "Delete webhook"},
		"/webhooks/" + bad.ID + "/resend":  {"Lost"},
		"/webhooks/" + bad.ID + "/payload": {"Lost"},
		"/add":                             {"Add a webhook"},
		"/deliveries":                      {"waits for the missing key"},
		"/deliveries?webhook=lost":         {"Lost"},
		"/deliveries/" + d.ID:              {"e1"},
		"/explain?event=open&source=public&list=12": {"The event waits for the key.", "The webhook gets the event."},
	} {
		for _, user := range []string{"ann", "bob"} {
			got := r.as(user, target, nil)
			if user == "bob" && got.Code == 403 {
				continue // it is for those who manage
			}
			require.Equal(t, 200, got.Code, target)
			for _, text := range want {
				if user == "bob" && text == "/delete" {
					continue
				}
				assert.Contains(t, got.Body.String(), text, target)
			}
			requireNoSecret(t, got.Body.String())
		}
	}
	body := r.as("ann", "/webhooks/"+bad.ID, nil).Body.String()
	for _, action := range []string{"/edit", "/off", "/on", "/secret", "/test"} {
		assert.NotContains(t, body, bad.ID+action)
	}
	assert.NotContains(t, body, "not signed", "nobody knows")
	overview := r.as("ann", "/", nil).Body.String()
	assert.NotContains(t, overview, bad.ID+"/edit")
	assert.Contains(t, overview, good.ID+"/edit")
	german := r.do(requestAs(t, "de", "/webhooks/"+bad.ID))
	assert.NotContains(t, german.Body.String(), keyIsMissing)
	assert.Empty(t, log.String())
}

// requestAs asks for a page as ann, in a language.
func requestAs(t *testing.T, locale, target string) *http.Request {
	people["ann-"+locale] = Access{Account: "acme", Manage: true, Locale: locale}
	req, err := http.NewRequestWithContext(t.Context(), "GET", target, nil)
	require.NoError(t, err)
	req.Header.Set("User", "ann-"+locale)
	return req
}

func TestThePageDeletesAnUnreadableWebhookAndChangesNothingElseOfIt(t *testing.T) {
	r, bad, good, _ := withUnreadable(t, nil)
	d := r.emit("e1")
	stored := func() []webhook.Webhook {
		ws, err := r.store.Webhooks(t.Context(), webhook.WebhookQuery{Account: "acme"})
		require.NoError(t, err)
		return ws
	}
	before := stored()
	path := "/webhooks/" + bad.ID
	form := url.Values{
		"name": {"New"}, "url": {"https://new.example.com/"}, "event": {"open"}, "source": {"public"}, "revision": {"1"},
	}
	for _, c := range []struct {
		target string
		form   url.Values
	}{
		{path + "/edit", nil}, {path + "/off", nil}, {path + "/on", nil},
		{path + "/edit", form}, {path + "/off", url.Values{}}, {path + "/on", url.Values{"kept": {"drop"}}},
		{path + "/secret", url.Values{"overlap": {"0"}, "revision": {"1"}}},
		{path + "/secret", url.Values{"overlap": {"-1"}, "revision": {"1"}}},
	} {
		got := r.as("ann", c.target, c.form)
		assert.Equal(t, 422, got.Code, c.target)
		assert.Contains(t, got.Body.String(), keyIsMissing, c.target)
		requireNoSecret(t, got.Body.String())
	}
	assert.Equal(t, before, stored())
	test := r.as("ann", path+"/test", url.Values{"event": {"open"}})
	assert.Equal(t, 200, test.Code)
	assert.Contains(t, test.Body.String(), keyIsMissing)

	d, err := r.delivery(bad.ID)
	require.NoError(t, err)
	assert.Equal(t, webhook.StatePending, d.State, "nothing was dropped")
	require.Equal(t, 303, r.as("ann", path+"/delete", url.Values{}).Code)
	ws := r.all()
	require.Len(t, ws, 1)
	assert.Equal(t, good.ID, ws[0].ID)
	d, err = r.delivery(bad.ID)
	require.NoError(t, err)
	assert.Equal(t, webhook.StateCanceled, d.State)
	require.Equal(t, 303, r.as("ann", "/webhooks/"+good.ID+"/off", url.Values{}).Code)
}

// delivery returns a delivery of a webhook of acme's.
func (r *harness) delivery(webhookID string) (webhook.Delivery, error) {
	ds, err := r.Deliveries(r.t.Context(), webhook.DeliveryQuery{Account: "acme", Webhook: webhookID})
	if err != nil || len(ds) == 0 {
		return webhook.Delivery{}, err
	}
	return ds[0], nil
}

// An unreadable webhook that is off and keeps its events loses none when somebody tries
// to enable it and to drop what it kept.
func TestWhatAnUnreadableWebhookKeepsIsNotDropped(t *testing.T) {
	off := func(w *webhook.Webhook) { w.Disabled, w.KeepEvents = "Moving.", true }
	r, bad, _, _ := withUnreadable(t, off)
	r.emit("e1")
	assert.Contains(t, r.as("ann", "/webhooks/"+bad.ID, nil).Body.String(), "It is also off.")
	assert.Equal(t, 422, r.as("ann", "/webhooks/"+bad.ID+"/on", url.Values{"kept": {"drop"}}).Code)
	assert.Equal(t, 422, r.call("ann", "POST", "/api/3/listhook/webhooks/"+bad.ID+"/enable", `{"drop_kept": true}`).Code)
	assert.Equal(t, 422, r.as("op", "/operator/webhook", url.Values{"account": {"acme"}, "id": {bad.ID}, "do": {"on"}, "kept": {"drop"}}).Code)
	d, err := r.delivery(bad.ID)
	require.NoError(t, err)
	assert.Equal(t, webhook.StatePending, d.State)
}

func TestTheOlderAPIHasUnreadableWebhooks(t *testing.T) {
	r, bad, good, log := withUnreadable(t, nil)
	list := r.v1("webhook_list", "", "")
	require.EqualValues(t, 1, list["result_code"])
	rows := map[string]map[string]any{}
	for _, key := range []string{"0", "1"} {
		row := list[key].(map[string]any)
		rows[row["id"].(string)] = row
	}
	assert.Equal(t, "Lost", rows[bad.ID]["name"])
	assert.Empty(t, rows[bad.ID]["url"])
	assert.Contains(t, rows[bad.ID]["unreadable"], keyIsMissing)
	assert.NotContains(t, rows[good.ID], "unreadable", "ActiveCampaign has no such field")
	assert.Equal(t, good.URL, rows[good.ID]["url"])
	assert.Contains(t, r.v1("webhook_view", "&id="+bad.ID, "")["unreadable"], keyIsMissing)
	assert.EqualValues(t, 1, r.v1("webhook_edit", "&id="+good.ID+"&name=Renamed", "")["result_code"])
	edit := r.v1("webhook_edit", "&id="+bad.ID+"&name=Renamed&url=https://new.example.com/", "")
	assert.EqualValues(t, 0, edit["result_code"])
	assert.Contains(t, edit["result_message"], keyIsMissing)
	assert.EqualValues(t, 1, r.v1("webhook_add", "", "name=One+more&url=https://more.example.com/&action[open]=open&init[public]=public")["result_code"])
	for _, output := range []string{"xml", "serialize"} {
		body := r.rawV1("ann", "GET", "&api_action=webhook_list&api_output="+output, "", "").Body.String()
		assert.Contains(t, body, keyIsMissing)
		requireNoSecret(t, body)
	}
	assert.EqualValues(t, 1, r.v1("webhook_delete", "&id="+bad.ID, "")["result_code"])
	assert.EqualValues(t, 0, r.v1("webhook_view", "&id="+bad.ID, "")["result_code"])

	r, _, _, _ = withUnreadable(t, nil)
	assert.EqualValues(t, 1, r.v1("webhook_delete_list", "&ids=all", "")["result_code"])
	assert.Empty(t, r.all())
	assert.Empty(t, log.String())
}

func TestTheNewerAPIHasUnreadableWebhooks(t *testing.T) {
	r, bad, good, log := withUnreadable(t, nil)
	r.emit("e1")
	doc := readOpenAPI(t)
	for base, name := range map[string]string{"/api/3/webhooks": "Webhook", "/api/3/listhook/webhooks": "Settings"} {
		var list struct {
			Webhooks []map[string]any
		}
		got := r.call("ann", "GET", base, "")
		require.Equal(t, 200, got.Code, base)
		requireNoSecret(t, got.Body.String())
		require.NoError(t, json.Unmarshal(got.Body.Bytes(), &list))
		require.Len(t, list.Webhooks, 2)
		for _, w := range list.Webhooks {
			doc.check(t, name, schema{Ref: "#/components/schemas/" + name}, w)
			if w["id"] == good.ID {
				assert.NotContains(t, w, "unreadable")
				continue
			}
			assert.Equal(t, "Lost", w["name"])
			assert.Empty(t, w["url"])
			assert.Contains(t, w["unreadable"], keyIsMissing)
		}
		one := r.call("bob", "GET", base+"/"+bad.ID, "")
		assert.Equal(t, 200, one.Code)
		assert.Contains(t, one.Body.String(), keyIsMissing)
		for _, c := range [][2]string{
			{"PUT", base + "/" + bad.ID}, {"POST", "/api/3/listhook/webhooks/" + bad.ID + "/enable"},
			{"POST", "/api/3/listhook/webhooks/" + bad.ID + "/disable"}, {"POST", "/api/3/listhook/webhooks/" + bad.ID + "/rotate"},
		} {
			body := "{}"
			if c[0] == "PUT" {
				body = `{"webhook": {"name": "Renamed", "url": "https://new.example.com/"}}`
			}
			got := r.call("ann", c[0], c[1], body)
			assert.Equal(t, 422, got.Code, c[1])
			assert.Contains(t, got.Body.String(), keyIsMissing, c[1])
		}
		assert.Equal(t, 200, r.call("ann", "PUT", base+"/"+good.ID, `{"webhook": {"name": "Renamed"}}`).Code)
	}
	for _, c := range [][3]string{
		{"GET", "/api/3/listhook/stats", ""},
		{"GET", "/api/3/listhook/webhooks/" + bad.ID + "/stats", ""},
		{"GET", "/api/3/listhook/deliveries", ""},
		{"POST", "/api/3/listhook/webhooks/" + bad.ID + "/try", "{}"},
		{"POST", "/api/3/listhook/webhooks/" + bad.ID + "/test", `{"type": "open"}`},
		{"POST", "/api/3/listhook/webhooks/" + bad.ID + "/replay/count", `{"since": "2026-01-01T00:00:00+00:00"}`},
		{"POST", "/api/3/listhook/explain", `{"type": "open", "source": "public"}`},
	} {
		got := r.call("ann", c[0], c[1], c[2])
		assert.Equal(t, 200, got.Code, "%s: %s", c[1], got.Body)
		requireNoSecret(t, got.Body.String())
	}
	assert.Contains(t, r.call("ann", "GET", "/api/3/listhook/deliveries", "").Body.String(), `"next_attempt_reason":"unreadable"`)
	assert.Equal(t, 201, r.call("ann", "POST", "/api/3/webhooks", `{"webhook": {"name": "One more", "url": "https://more.example.com/", "events": ["open"], "sources": ["public"]}}`).Code)
	assert.Equal(t, 200, r.call("ann", "DELETE", "/api/3/webhooks/"+bad.ID, "").Code)
	assert.Equal(t, 404, r.call("ann", "GET", "/api/3/webhooks/"+bad.ID, "").Code)
	assert.Empty(t, log.String())
}

func TestTheOperatorSeesAnUnreadableWebhook(t *testing.T) {
	r, bad, good, log := withUnreadable(t, nil)
	r.emit("e1")
	for _, target := range []string{"/operator", "/operator?search=acme", "/operator?search=" + bad.ID, "/operator?search=lost"} {
		body := r.as("op", target, nil).Body.String()
		assert.Contains(t, body, "Lost", target)
		assert.Contains(t, body, ">Unreadable</span>", target)
		assert.NotContains(t, body, "did not answer", target)
		requireNoSecret(t, body)
	}
	assert.Contains(t, r.as("op", "/operator", nil).Body.String(), "CRM")
	one := "/operator/webhook?account=acme&id="
	got := r.as("op", one+bad.ID, nil)
	require.Equal(t, 200, got.Code)
	assert.Contains(t, got.Body.String(), keyIsMissing)
	assert.False(t, strings.Contains(got.Body.String(), `name="do"`), "there is nothing to switch")
	assert.Contains(t, r.as("op", one+good.ID, nil).Body.String(), "crm.example.com")
	for _, do := range []string{"on", "off"} {
		assert.Equal(t, 422, r.as("op", "/operator/webhook", url.Values{"account": {"acme"}, "id": {bad.ID}, "do": {do}}).Code)
	}
	assert.Empty(t, log.String())
}
