package manage

import (
	"context"
	"html"
	"maps"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

func withFields(o *Options) {
	o.Fields = func(context.Context, string) ([]Field, error) {
		return []Field{{ID: "7", Title: "City"}, {ID: "8", Title: "Colours"}}, nil
	}
}

func TestAnOwnerChoosesWhatIsSentOfSubscribers(t *testing.T) {
	for name, c := range map[string]struct {
		change   func(*Options)
		typed    url.Values
		want     webhook.Disclosure
		ids      []string
		says     string
		contains string // in the form afterwards
	}{
		"everything":     {withFields, url.Values{"disclosure": {"all"}}, "all", nil, "everything is sent", `name="disclosure" value="all" checked`},
		"nothing chosen": {withFields, nil, "", nil, "everything is sent", `name="disclosure" value="all" checked`},
		"some fields by their names": {
			withFields, url.Values{"disclosure": {"fields"}, "field_id": {"8", "404"}}, "fields", []string{"8", "404"},
			"custom fields are left out, except Colours, Field 404", `name="field_id" value="8" checked`,
		},
		"some fields by their IDs": {
			func(o *Options) { o.Fields = nil }, url.Values{"disclosure": {"fields"}, "field_id": {" 8\r\n\r\n9\r\n8"}}, "fields", []string{"8", "9"},
			"custom fields are left out, except 8, 9", ">8\n9</textarea>",
		},
		"no fields": {withFields, url.Values{"disclosure": {"fields"}}, "fields", nil, "custom fields are left out", `value="fields" checked`},
		"fields that are not asked for": {
			withFields, url.Values{"disclosure": {"minimal"}, "field_id": {"8"}}, "minimal", nil,
			"only ID and email address are sent", `value="minimal" checked`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newHarness(t, c.change)
			form := filledForm()
			maps.Copy(form, c.typed)
			require.Equal(t, 303, r.as("ann", "/add", form).Code)
			w := r.all()[0]
			assert.Equal(t, c.want, w.Disclosure)
			assert.Equal(t, c.ids, w.FieldIDs)
			assert.Contains(t, r.as("ann", "/webhooks/"+w.ID, nil).Body.String(), "<dt>Subscriber data</dt><dd>"+c.says+"</dd>")
			assert.Contains(t, html.UnescapeString(r.as("ann", "/webhooks/"+w.ID+"/edit", nil).Body.String()), c.contains)
		})
	}

	t.Run("wrong ones are named", func(t *testing.T) {
		r := newHarness(t)
		form := filledForm()
		form.Set("disclosure", "some")
		got := r.as("ann", "/add", form)
		assert.Equal(t, 422, got.Code)
		assert.Contains(t, got.Body.String(), `id="Disclosure-error"`)
		form.Set("disclosure", "fields")
		form["field_id"] = []string{"\xff"}
		got = r.as("ann", "/add", form)
		assert.Equal(t, 422, got.Code)
		assert.Contains(t, got.Body.String(), `id="Disclosure-error"`)
	})
}

func TestTheNewerAPIChoosesWhatIsSentOfSubscribers(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	put := func(settings string) (int, string) {
		got := r.call("ann", "PUT", "/api/3/listhook/webhooks/"+w.ID, `{"webhook":`+settings+`}`)
		return got.Code, got.Body.String()
	}
	for _, c := range []struct {
		settings string
		code     int
		want     string
	}{
		{`{"name":"B"}`, 200, `"disclosure":"all","field_ids":[]`},
		{`{"field_ids":["7"]}`, 422, "/data/attributes/field_ids"},
		{`{"disclosure":"fields","field_ids":["7",8]}`, 200, `"disclosure":"fields","field_ids":["7","8"]`},
		{`{"name":"C"}`, 200, `"disclosure":"fields","field_ids":["7","8"]`},
		{`{"field_ids":[]}`, 200, `"disclosure":"fields","field_ids":[]`},
		{`{"disclosure":"fields","field_ids":["7"]}`, 200, `"disclosure":"fields","field_ids":["7"]`},
		{`{"disclosure":"minimal"}`, 200, `"disclosure":"minimal","field_ids":[]`},
		{`{"disclosure":"none"}`, 422, "/data/attributes/disclosure"},
		{`{"disclosure":7}`, 422, "/data/attributes/disclosure"},
	} {
		code, body := put(c.settings)
		assert.Equal(t, c.code, code, c.settings)
		assert.Contains(t, body, c.want, c.settings)
	}
	assert.Equal(t, webhook.DiscloseMinimal, r.all()[0].Disclosure)
}
