package manage

import (
	"html"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// formOf reads the form of a page as a browser would send it.
func formOf(t *testing.T, page string) url.Values {
	form := url.Values{}
	attribute := func(tag, name string) string {
		m := regexp.MustCompile(`(?s)\s` + name + `="([^"]*)"`).FindStringSubmatch(tag)
		if m == nil {
			return ""
		}
		return html.UnescapeString(m[1])
	}
	_, page, ok := strings.Cut(page, `<form class="card form" method="post"`)
	require.True(t, ok, page)
	page, _, _ = strings.Cut(page, "</form>")
	for _, tag := range regexp.MustCompile(`(?s)<input[^>]*>`).FindAllString(page, -1) {
		kind := attribute(tag, "type")
		if (kind == "checkbox" || kind == "radio") && !strings.Contains(tag, " checked") {
			continue
		}
		form.Add(attribute(tag, "name"), attribute(tag, "value"))
	}
	for _, m := range regexp.MustCompile(`(?s)<select[^>]* name="([^"]*)"[^>]*>(.*?)</select>`).FindAllStringSubmatch(page, -1) {
		options := regexp.MustCompile(`<option[^>]*>`).FindAllString(m[2], -1)
		chosen := options[0]
		for _, o := range options {
			if strings.Contains(o, " selected") {
				chosen = o
			}
		}
		form.Add(m[1], attribute(chosen, "value"))
	}
	for _, m := range regexp.MustCompile(`(?s)<textarea[^>]* name="([^"]*)"[^>]*>(.*?)</textarea>`).FindAllStringSubmatch(page, -1) {
		form.Add(m[1], html.UnescapeString(m[2]))
	}
	return form
}

// edits are a change of each field, as the form has it and as it is stored.
var edits = []struct {
	field  string
	key    string
	typed  []string
	stored any
	theirs func(*webhook.Webhook)
}{
	{"Name", "name", []string{"Shop"}, "Shop", func(w *webhook.Webhook) { w.Name = "Till" }},
	{"URL", "url", []string{"https://shop.example.com"}, "https://shop.example.com", func(w *webhook.Webhook) { w.URL = "https://till.example.com" }},
	{"List", "list", []string{"12"}, "12", func(w *webhook.Webhook) { w.List = "13" }},
	{"Events", "event", []string{"open"}, []webhook.EventType{"open"}, func(w *webhook.Webhook) { w.Events = []webhook.EventType{"click"} }},
	{"Sources", "source", []string{"api"}, []webhook.Source{"api"}, func(w *webhook.Webhook) { w.Sources = []webhook.Source{"admin"} }},
	{"Format", "format", []string{"current"}, webhook.FormatCurrent, nil},
	{"Disclosure", "disclosure", []string{"minimal"}, webhook.DiscloseMinimal, func(w *webhook.Webhook) {
		w.Disclosure, w.FieldIDs = webhook.DiscloseFields, []string{"7"}
	}},
	{"Order", "order", []string{"all"}, webhook.OrderAll, func(w *webhook.Webhook) { w.Order = webhook.OrderNone }},
	{"Headers", "headers", []string{"X-Key: mine"}, map[string]string{"X-Key": "mine"}, func(w *webhook.Webhook) { w.Headers = map[string]string{"X-Key": "theirs"} }},
	{"RateLimit", "rate_limit", []string{"0,5"}, 0.5, func(w *webhook.Webhook) { w.RateLimit = 7 }},
	{"NoRetry", "no_retry", []string{"1"}, true, nil},
	{"KeepEvents", "keep", []string{"1"}, true, nil},
}

// TestAConflictShowsWhatDiffersAndNobodysChangeIsLost has two people edit each
// pair of fields at the same time.
func TestAConflictShowsWhatDiffersAndNobodysChangeIsLost(t *testing.T) {
	for _, first := range edits {
		for _, second := range edits {
			if first.field == second.field && second.theirs == nil {
				continue // there are only two values
			}
			t.Run(first.field+" then "+second.field, func(t *testing.T) {
				r := newHarness(t)
				w := r.put(nil)
				edit := "/webhooks/" + w.ID + "/edit"
				form := formOf(t, r.as("ann", edit, nil).Body.String())
				form[second.key] = second.typed

				other := formOf(t, r.as("ann", edit, nil).Body.String())
				other[first.key] = first.typed
				require.Equal(t, 303, r.as("ann", edit, other).Code)
				if first.field == second.field {
					stored := r.all()[0]
					second.theirs(&stored)
					_, err := r.UpdateWebhook(t.Context(), stored)
					require.NoError(t, err)
				}
				theirs := r.all()[0]

				got := r.as("ann", edit, form)
				require.Equal(t, 409, got.Code)
				assert.Equal(t, theirs, r.all()[0], "nothing is saved")
				page := got.Body.String()
				assert.Contains(t, page, "Somebody else changed this webhook in the meantime.")
				assert.Contains(t, page, `name="take-`+first.field+`" value="theirs"`)
				assert.Contains(t, page, `name="take-`+second.field+`" value="yours"`)

				again := formOf(t, page)
				if first.field != second.field {
					assert.Equal(t, "theirs", again.Get("take-"+first.field), "only the other changed it")
					assert.Equal(t, "yours", again.Get("take-"+second.field), "only this form changes it")
				} else {
					assert.Empty(t, again.Get("take-"+first.field), "both changed it: a choice is made by somebody")
					got := r.as("ann", edit, again)
					require.Equal(t, 422, got.Code)
					assert.Contains(t, got.Body.String(), "Choose one of the two values for each field.")
					assert.Equal(t, theirs, r.all()[0], "a second click overwrites nothing")
					again = formOf(t, got.Body.String())
					again.Set("take-"+first.field, "yours")
				}
				require.Equal(t, 303, r.as("ann", edit, again).Code)
				stored := r.all()[0]
				assert.Equal(t, second.stored, reflect.ValueOf(stored).FieldByName(second.field).Interface())
				if first.field != second.field {
					assert.Equal(t, first.stored, reflect.ValueOf(stored).FieldByName(first.field).Interface())
				}
			})
		}
	}
}

func TestAConflictWithinAConflictIsShownAgain(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	edit := "/webhooks/" + w.ID + "/edit"
	rename := func(name, url string) {
		stored := r.all()[0]
		stored.Name, stored.URL = name, url
		_, err := r.UpdateWebhook(t.Context(), stored)
		require.NoError(t, err)
	}
	form := formOf(t, r.as("ann", edit, nil).Body.String())
	form.Set("name", "Mine")
	form.Set("url", "https://mine.example.com")
	rename("Theirs", "https://theirs.example.com")
	again := formOf(t, r.as("ann", edit, form).Body.String())
	again.Set("take-Name", "theirs")
	again.Set("take-URL", "yours")
	rename("Theirs", "https://later.example.com")
	got := r.as("ann", edit, again)
	require.Equal(t, 409, got.Code)
	assert.Contains(t, got.Body.String(), "https://later.example.com")
	again = formOf(t, got.Body.String())
	assert.Equal(t, "theirs", again.Get("take-Name"), "chosen between the same values")
	assert.Empty(t, again.Get("take-URL"), "it is another value now")
	again.Set("take-URL", "theirs")
	require.Equal(t, 303, r.as("ann", edit, again).Code)
	assert.Equal(t, "Theirs", r.all()[0].Name)
	assert.Equal(t, "https://later.example.com", r.all()[0].URL)
}

func TestWhatTheFormDoesNotHoldIsNoConflict(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	edit := "/webhooks/" + w.ID + "/edit"
	form := formOf(t, r.as("ann", edit, nil).Body.String())
	require.Equal(t, 303, r.as("ann", "/webhooks/"+w.ID+"/off", url.Values{"reason": {"Moving."}}).Code)
	require.Equal(t, 303, r.as("ann", "/webhooks/"+w.ID+"/secret", url.Values{"overlap": {"0"}}).Code)
	form.Set("name", "Shop")
	require.Equal(t, 303, r.as("ann", edit, form).Code)
	stored := r.all()[0]
	assert.Equal(t, "Shop", stored.Name)
	assert.Equal(t, "Moving.", stored.Disabled)
	assert.Len(t, stored.Secrets, 1)
}

func TestTheSameEditTwiceIsNoConflict(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	edit := "/webhooks/" + w.ID + "/edit"
	form := formOf(t, r.as("ann", edit, nil).Body.String())
	form.Set("name", "Shop")
	require.Equal(t, 303, r.as("ann", edit, form).Code)
	assert.Equal(t, 303, r.as("ann", edit, form).Code)
}

func TestAConflictWithoutWhatTheFormWasAsksForEachField(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	form := filledForm()
	form.Set("revision", "77")
	page := r.as("ann", "/webhooks/"+w.ID+"/edit", form)
	require.Equal(t, 409, page.Code)
	for _, field := range []string{"URL", "List", "Events", "Sources", "Format", "Headers", "NoRetry"} {
		assert.Contains(t, page.Body.String(), `name="take-`+field+`"`)
	}
	assert.NotContains(t, page.Body.String(), " checked")
}
