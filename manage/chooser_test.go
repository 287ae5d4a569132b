package manage

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/page"
	"github.com/listhook/webhook/memstore"
)

// manyOfAll names 50,000 lists and fields.
func manyOfAll(o *Options) {
	const many = 50_000
	lists, fields := make([]List, many), make([]Field, many)
	for i := range many {
		lists[i] = List{fmt.Sprintf("list-%05d", i), fmt.Sprintf("Subscribers of the shop in city number %05d", i)}
		fields[i] = Field{ID: fmt.Sprintf("field-%05d", i), Title: fmt.Sprintf("A custom field of the shop, number %05d", i)}
	}
	o.Lists = func(context.Context, string) ([]List, error) { return lists, nil }
	o.Fields = func(context.Context, string) ([]Field, error) { return fields, nil }
	o.MaxWebhooks = 1000
}

// manyTypes is a catalogue of as many types as there may be.
func manyTypes() (all []webhook.EventInfo) {
	for _, t := range webhook.EventTypes() {
		all = append(all, webhook.EventInfo{Type: t})
	}
	for i := len(all); i < 100; i++ {
		all = append(all, webhook.EventInfo{Type: webhook.EventType(fmt.Sprintf("app_type_%02d", i)), Label: fmt.Sprintf("Something of the app's happened, kind %02d", i)})
	}
	return all
}

// TestNoPageGrowsWithWhatTheAppNames looks at every page of an account with 50,000 lists and
// custom fields, an app with 100 types of events, and somebody who sees as many lists.
func TestNoPageGrowsWithWhatTheAppNames(t *testing.T) {
	store := &countingStore{Store: &memstore.Store{}}
	var limits Limits
	r := newHarnessWith(t, store, &webhook.Options{Catalogue: manyTypes()}, manyOfAll, func(o *Options) {
		for i := range 50_000 {
			limits.Lists = append(limits.Lists, fmt.Sprintf("list-%05d", i))
		}
		session := o.Session
		o.Session = func(req *http.Request) (Access, error) {
			if req.Header.Get("User") == "cat" {
				return Access{Account: "acme", Manage: true, Limits: limits}, nil
			}
			return session(req)
		}
	})
	types := manyTypes()
	var w webhook.Webhook
	for i := range 120 {
		w = r.put(func(w *webhook.Webhook) {
			w.Name, w.List, w.Disclosure = fmt.Sprint("Shop ", i), fmt.Sprintf("list-%05d", 49_900+i%100), webhook.DiscloseFields
			w.Events = nil
			for _, info := range types[1:] {
				w.Events = append(w.Events, info.Type)
			}
			for j := range 1000 {
				w.FieldIDs = append(w.FieldIDs, fmt.Sprintf("field-%05d", 49_000+j))
			}
		})
	}
	e := webhook.Sample(webhook.TypeOpen).(webhook.Open)
	e.Account, e.Lists = "acme", []string{w.List}
	require.NoError(t, r.Emit(t.Context(), e))
	ds, err := r.Deliveries(t.Context(), webhook.DeliveryQuery{Account: "acme", Limit: 1})
	require.NoError(t, err)
	require.NotEmpty(t, ds)
	targets := []string{
		"/add?list_search=city", "/explain?event=open&source=public&list=list-49901", "/explain?event=open&list_search=number&find=list",
		"/samples?event=app_type_42&format=json", "/deliveries?webhook=Shop+1",
	}
	for _, route := range page.Routes() {
		if route.Method == "GET" && !strings.HasPrefix(route.Path, "assets") && !strings.HasPrefix(route.Path, "operator") {
			targets = append(targets, "/"+strings.NewReplacer("{$}", "", "webhooks/{id}", "webhooks/"+w.ID, "deliveries/{id}", "deliveries/"+ds[0].ID).Replace(route.Path))
		}
	}
	for _, user := range []string{"ann", "cat"} {
		for _, target := range targets {
			r.isSmall(store, user, target, nil)
		}
		edit := "/webhooks/" + w.ID + "/edit"
		form := r.sentForm(user, edit)
		r.isSmall(store, user, edit, changed(form, "list_search", "00017", "find", "list"))
		r.isSmall(store, user, edit, changed(form, "url", "nowhere"))
		body := r.isSmall(store, user, edit, changed(form, "name", "Mine", "revision", "17", "was", ""))
		assert.Contains(t, body, "Choose which changes to keep")
	}
}

// sentForm returns what a browser sends of the form at an address if nobody changes it.
func (r *harness) sentForm(user, target string) url.Values {
	r.t.Helper()
	return formOf(r.t, r.as(user, target, nil).Body.String())
}

// changed returns a form with other values of some fields.
func changed(form url.Values, pairs ...string) url.Values {
	form = maps.Clone(form)
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return form
}

func TestAListOutOfManyIsSearchedWithoutAScript(t *testing.T) {
	r := newHarness(t, manyOfAll)
	w := r.put(func(w *webhook.Webhook) {
		w.List, w.Headers = "list-33333", map[string]string{"Authorization": "Bearer x"}
		w.Disclosure, w.FieldIDs = webhook.DiscloseFields, []string{"field-22222", "gone"}
	})
	edit := "/webhooks/" + w.ID + "/edit"
	chosen := `<option value="list-33333" selected>Subscribers of the shop in city number 33333</option>`
	body := r.as("ann", edit, nil).Body.String()
	assert.Contains(t, body, chosen)
	assert.Contains(t, body, "There are 50,000. The first 100 are listed: search for the others.")
	assert.Contains(t, body, `value="field-22222" checked`)
	assert.Contains(t, body, `value="gone" checked`)

	form := changed(r.sentForm("ann", edit), "name", "", "rate_limit", "some", "list_search", " NUMBER 0444 ")
	for how, sent := range map[string]url.Values{
		"the button": changed(form, "find", "list"), "the Enter key": form,
	} {
		got := r.as("ann", edit, sent)
		body = got.Body.String()
		assert.Equal(t, 200, got.Code, how)
		assert.Contains(t, body, chosen, how)
		assert.Contains(t, body, `<option value="list-04440">`, how)
		assert.NotContains(t, body, `<option value="list-04450">`, how)
		assert.Contains(t, body, "10 match the search.", how)
		assert.Contains(t, body, `<select id="List" name="list" autofocus`, how)
		assert.Contains(t, body, "Authorization: Bearer x", how)
		assert.Contains(t, body, `value="some"`, "what was typed stays, right or wrong")
		assert.NotContains(t, body, "was not saved", how)
		assert.Equal(t, w.Revision, r.webhook(w.ID).Revision)
	}

	form = changed(r.sentForm("ann", edit), "field_search", "field-11111", "find", "field")
	body = r.as("ann", edit, form).Body.String()
	assert.Contains(t, body, `value="field-22222" checked`)
	assert.Contains(t, body, `value="field-11111">`)
	assert.Contains(t, body, "One matches the search.")

	form = changed(r.sentForm("ann", edit), "list", "list-04440", "list_search", "0444", "list_searched", "0444")
	form["field_id"] = append(form["field_id"], "field-11111")
	require.Equal(t, 303, r.as("ann", edit, form).Code)
	w = r.webhook(w.ID)
	assert.Equal(t, "list-04440", w.List)
	assert.Equal(t, []string{"field-11111", "field-22222", "gone"}, slices.Sorted(slices.Values(w.FieldIDs)))

	body = r.as("ann", "/explain?event=open&source=public&list=list-33333&list_search=04440&list_searched=&find=list", nil).Body.String()
	assert.Contains(t, body, chosen)
	assert.Contains(t, body, `<option value="list-04440">`)
	assert.NotContains(t, body, `aria-label="Result"`)
	body = r.as("ann", "/explain?event=open&source=public&list=list-04440&list_search=0444&list_searched=0444", nil).Body.String()
	assert.Contains(t, body, `aria-label="Result"`)
}

func TestWhatIsChosenAndNotShownStaysChosen(t *testing.T) {
	r := newHarness(t, manyOfAll)
	w := r.put(func(w *webhook.Webhook) {
		w.Disclosure = webhook.DiscloseFields
		for i := range 1000 {
			w.FieldIDs = append(w.FieldIDs, fmt.Sprintf("field-%05d", 20_000+i))
		}
	})
	edit := "/webhooks/" + w.ID + "/edit"
	body := r.as("ann", edit, nil).Body.String()
	assert.Contains(t, body, "900 more chosen values are not shown.")
	require.Equal(t, 303, r.as("ann", edit, changed(r.sentForm("ann", edit), "name", "Other")).Code)
	got := r.webhook(w.ID)
	assert.Equal(t, "Other", got.Name)
	assert.ElementsMatch(t, w.FieldIDs, got.FieldIDs)
	assert.Contains(t, r.as("ann", "/webhooks/"+w.ID, nil).Body.String(), "number 20019, and 980 more")
}

// webhook returns a webhook of acme's as it is stored.
func (r *harness) webhook(id string) webhook.Webhook {
	r.t.Helper()
	w, err := r.Webhook(r.t.Context(), "acme", id)
	require.NoError(r.t, err)
	return w
}
