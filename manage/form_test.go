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
)

// filledForm is what the form sends when everything is filled in.
func filledForm() url.Values {
	return url.Values{
		"name": {"CRM"}, "url": {"https://crm.example.com/"}, "list": {"12"}, "event": {"open", "click"}, "source": {"public"},
		"format": {"current"}, "headers": {"X-Key: k\r\nAuthorization: Bearer t\r\n"}, "no_retry": {"1"}, "sign": {"1"},
	}
}

// follow returns the address below the handler that an answer to a request for
// target leads to.
func (r *harness) follow(target string, answer *httptest.ResponseRecorder) string {
	r.t.Helper()
	from, err := url.Parse(target)
	require.NoError(r.t, err)
	to, err := from.Parse(answer.Header().Get("Location"))
	require.NoError(r.t, err)
	return to.String()
}

// TestEveryFormLeadsToAPageThatCanBeLoadedAgain sends forms as the page has
// them: nothing is done twice by loading what follows again, and what a browser
// asks for when it goes back to a form's address is there.
func TestEveryFormLeadsToAPageThatCanBeLoadedAgain(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	d := r.emit("e1")
	for _, route := range page.Routes() {
		if route.Method != "POST" || strings.HasPrefix(route.Path, "operator") || strings.HasSuffix(route.Path, "/delete") {
			continue
		}
		id := d.ID
		if strings.HasSuffix(route.Path, "/skip") {
			stored, err := r.Webhook(t.Context(), "acme", w.ID)
			require.NoError(t, err)
			stored.Settings = w.Settings // the forms changed it
			_, err = r.UpdateWebhook(t.Context(), stored)
			require.NoError(t, err)
			id = r.line(webhook.TypeUpdate, webhook.TypeUnsubscribe)[0].ID
		}
		target := "/" + strings.NewReplacer("webhooks/{id}", "webhooks/"+w.ID, "{id}", id).Replace(route.Path)
		t.Run(route.Path, func(t *testing.T) {
			stored, err := r.Webhook(t.Context(), "acme", w.ID)
			require.NoError(t, err)
			form := filledForm()
			form.Set("revision", fmt.Sprint(stored.Revision))
			form.Set("overlap", "3600")
			form.Set("since", "2013-01-01T00:00:00")
			form.Set("state", "failed")
			form.Set("event", "open")
			form.Set("payload", "a = b")
			got := r.as("ann", target, form)
			if strings.HasSuffix(route.Path, "/test") || strings.HasSuffix(route.Path, "/payload") {
				require.Equal(t, 200, got.Code, "the answer is not kept, so it has no address")
			} else {
				require.Equal(t, 303, got.Code)
				assert.Equal(t, 200, r.as("ann", r.follow(target, got), nil).Code)
			}
			if back := r.as("ann", target, nil); back.Code == 303 {
				assert.Equal(t, 200, r.as("ann", r.follow(target, back), nil).Code)
			} else {
				assert.Equal(t, 200, back.Code)
			}
		})
	}
}

func TestTheFormAsksForTheFormatAndShowsASampleOfEach(t *testing.T) {
	for _, c := range []struct{ option, want, checked webhook.Format }{
		{"", webhook.FormatCurrent, webhook.FormatCurrent},
		{webhook.Format2013, webhook.Format2013, webhook.Format2013},
		{webhook.FormatJSON, webhook.FormatJSON, webhook.FormatJSON},
	} {
		r := newHarness(t, func(o *Options) { o.DefaultFormat = c.option })
		page := r.as("ann", "/add", nil).Body.String()
		assert.Contains(t, page, `name="format" value="`+string(c.checked)+`" checked`)
		assert.Equal(t, 1, strings.Count(page, `name="format" value="2013"`))
		for _, line := range []string{
			"subscriber[first_name] = Test", "date_time = 2013-01-02 09:28:42", "contact[first_name] = Test", "date_time = 2013-01-02T09:28:42",
			"contact.first_name = Test", "contact.fields.7 = test value", "date_time = 2013-01-02T09:28:42.000Z",
		} {
			assert.Contains(t, html.UnescapeString(page), line)
		}
		form := filledForm()
		form.Del("format")
		require.Equal(t, 303, r.as("ann", "/add", form).Code)
		w := r.all()[0]
		assert.Equal(t, c.want, w.Format, "who does not choose gets what was proposed")

		// An edit keeps the webhook's own.
		w.Format = webhook.Format2013
		w, err := r.UpdateWebhook(t.Context(), w)
		require.NoError(t, err)
		assert.Contains(t, r.as("ann", "/webhooks/"+w.ID+"/edit", nil).Body.String(), `name="format" value="2013" checked`)
		form.Set("revision", fmt.Sprint(w.Revision))
		require.Equal(t, 303, r.as("ann", "/webhooks/"+w.ID+"/edit", form).Code)
		assert.Equal(t, webhook.Format2013, r.all()[0].Format)
	}
}

func TestEventsThatThereAreNoneOfAreNamed(t *testing.T) {
	r := newHarness(t)
	w := r.put(func(w *webhook.Webhook) { w.IgnoredEvents = []string{"deal_add", "<b>list_add</b>"} })
	page := func() string { return r.as("ann", "/webhooks/"+w.ID, nil).Body.String() }
	assert.Contains(t, page(), "<code>deal_add</code>, <code>&lt;b&gt;list_add&lt;/b&gt;</code>")
	form := formOf(t, r.as("ann", "/webhooks/"+w.ID+"/edit", nil).Body.String())
	form.Set("name", "Shop")
	require.Equal(t, 303, r.as("ann", "/webhooks/"+w.ID+"/edit", form).Code)
	assert.Contains(t, page(), "deal_add", "they were not edited")
	form = formOf(t, r.as("ann", "/webhooks/"+w.ID+"/edit", nil).Body.String())
	form["event"] = []string{"open"}
	require.Equal(t, 303, r.as("ann", "/webhooks/"+w.ID+"/edit", form).Code)
	assert.NotContains(t, page(), "deal_add")
}

func TestAnAppsLinkMaySuggestANameAndAURL(t *testing.T) {
	r := newHarness(t)
	suggested := url.Values{"name": {`My "CRM"`}, "url": {"https://crm.example.com/?a=b"}}
	body := r.as("ann", "/add?"+suggested.Encode(), nil).Body.String()
	assert.Contains(t, body, `value="My &#34;CRM&#34;"`)
	assert.Contains(t, body, `value="https://crm.example.com/?a=b"`)
	assert.Empty(t, r.all(), "nothing is added before the form is sent")
}

// htmlText is how html/template writes a text.
func htmlText(s string) string {
	return strings.NewReplacer("+", "&#43;", "'", "&#39;", "&", "&amp;").Replace(s)
}

func TestEveryMistakeStandsAtItsField(t *testing.T) {
	for _, c := range []struct{ field, key, value, want string }{
		{"Name", "name", " ", "Enter a name."},
		{"URL", "url", "", "Enter the URL to send events to."},
		{"URL", "url", "javascript:alert(1)", "Start the URL with https:// or http://."},
		{"List", "list", "66", "This list does not exist. Choose another one."},
		{"Events", "event", "party", "There is no event &#34;party&#34;."},
		{"Sources", "source", "aliens", "There is no source &#34;aliens&#34;."},
		{"Format", "format", "1999", "There is no format &#34;1999&#34;."},
		{"Headers", "headers", "no colon", "Enter each header on its own line, such as &#34;Name: value&#34;."},
		{"Headers", "headers", "Host: elsewhere", "Host is set by us and cannot be changed."},
		{"Headers", "headers", "A: 1\nA: 2", "A is entered twice."},
	} {
		t.Run(c.field+" "+c.value, func(t *testing.T) {
			r := newHarness(t)
			form := filledForm()
			form.Set(c.key, c.value)
			got := r.as("ann", "/add", form)
			assert.Equal(t, 422, got.Code)
			body := got.Body.String()
			assert.Regexp(t, `id="`+c.field+`-error">`+regexp.QuoteMeta(c.want), body)
			assert.Regexp(t, `id="`+c.field+`"[^>]*`+c.field+`-error`, body, "the field names its error")
			assert.Contains(t, body, `href="#`+c.field+`"`, "the summary leads to the field")
			assert.Empty(t, r.all())
		})
	}

	t.Run("all at once, and what was typed is still there", func(t *testing.T) {
		r := newHarness(t)
		got := r.as("ann", "/add", url.Values{"url": {"ftp://kept.example.com"}, "headers": {"kept"}, "format": {"2013"}})
		body := got.Body.String()
		for _, field := range []string{"Name", "URL", "Events", "Sources", "Headers"} {
			assert.Contains(t, body, `id="`+field+`-error"`)
		}
		assert.Contains(t, body, "ftp://kept.example.com")
		assert.Contains(t, body, ">kept</textarea>")
	})

	t.Run("an internal address", func(t *testing.T) {
		r := newHarness(t)
		d, err := webhook.New(r.store, nil, nil) // with the client that is the default
		require.NoError(t, err)
		r.Handler, err = Handler(d, &Options{Session: func(*http.Request) (Access, error) { return people["ann"], nil }})
		require.NoError(t, err)
		form := filledForm()
		for _, address := range []string{"http://169.254.169.254/latest", "http://localhost/", "http://10.0.0.1/", "https://example.com:22/"} {
			form.Set("url", address)
			got := r.as("ann", "/add", form)
			assert.Equal(t, 422, got.Code, address)
			assert.Contains(t, got.Body.String(), `id="URL-error"`, address)
		}
		assert.Empty(t, r.all())
	})
}

func TestTwoPeopleEditingDoNotOverwriteEachOther(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	form := filledForm()
	form.Set("revision", fmt.Sprint(w.Revision))
	require.Equal(t, 303, r.as("ann", "/webhooks/"+w.ID+"/edit", form).Code)
	form.Set("name", "Later")
	got := r.as("ann", "/webhooks/"+w.ID+"/edit", form)
	assert.Equal(t, 409, got.Code)
	assert.Contains(t, got.Body.String(), "Somebody else changed this webhook in the meantime.")
	assert.Equal(t, "CRM", r.all()[0].Name)
}
