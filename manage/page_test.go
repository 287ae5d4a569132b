package manage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/manage/internal/label"
	"github.com/listhook/webhook/manage/internal/page"
	"github.com/listhook/webhook/manage/internal/params"
)

// filledForm is what the form sends when everything is filled in.
func filledForm() url.Values {
	return url.Values{
		"name": {"CRM"}, "url": {"https://crm.example.com/"}, "list": {"12"}, "event": {"open", "click"}, "source": {"public"},
		"format": {"current"}, "headers": {"X-Key: k\r\nAuthorization: Bearer t\r\n"}, "no_retry": {"1"}, "sign": {"1"},
	}
}

func TestAWebhookIsAddedAndItsSecretShownOnce(t *testing.T) {
	r := newRig(t)
	got := r.as("ann", "/add", filledForm())
	require.Equal(t, 303, got.Code, "loading the page that follows again adds nothing")
	ws := r.all()
	require.Len(t, ws, 1)
	w := ws[0]
	assert.Equal(t, "12", w.List)
	assert.Equal(t, []webhook.EventType{"open", "click"}, w.Events)
	assert.Equal(t, webhook.FormatCurrent, w.Format)
	assert.Equal(t, map[string]string{"X-Key": "k", "Authorization": "Bearer t"}, w.Headers)
	assert.True(t, w.NoRetry)
	require.Len(t, w.Secrets, 1)
	shown := r.follow("/add", got)
	assert.Contains(t, r.as("ann", shown, nil).Body.String(), htmlText(w.Secrets[0].Key))
	assert.Contains(t, r.as("ann", shown, nil).Body.String(), "The webhook was added, and is on")
	assert.NotContains(t, shown, w.Secrets[0].Key, "no address holds a secret")
	for _, page := range []string{"/", "/webhooks/" + w.ID, "/webhooks/" + w.ID + "/edit"} {
		assert.NotContains(t, r.as("ann", page, nil).Body.String(), htmlText(w.Secrets[0].Key), page)
	}
}

// follow returns the address below the handler that an answer to a request for
// target leads to.
func (r *rig) follow(target string, answer *httptest.ResponseRecorder) string {
	r.t.Helper()
	from, err := url.Parse(target)
	require.NoError(r.t, err)
	to, err := from.Parse(answer.Header().Get("Location"))
	require.NoError(r.t, err)
	return to.String()
}

func TestASecretIsShownOnlyAtTheAddressMadeForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		shown := r.follow("/add", r.as("ann", "/add", filledForm()))
		w := r.all()[0]
		shows := func(user, target string) bool {
			got := r.as(user, target, nil)
			if got.Code != 200 {
				assert.Contains(t, []int{303, 403, 404}, got.Code)
			}
			return strings.Contains(got.Body.String(), htmlText(w.Secrets[0].Key))
		}
		change := func(key, value string) string {
			u, err := url.Parse(shown)
			require.NoError(t, err)
			query := u.Query()
			query.Set(key, value)
			u.RawQuery = query.Encode()
			return u.String()
		}
		assert.True(t, shows("ann", shown))
		assert.True(t, shows("ann", shown), "loading it again shows it again")
		assert.False(t, shows("bob", shown), "he may only view")
		assert.False(t, shows("eve", shown), "it is another account's")
		assert.False(t, shows("ann", "/webhooks/"+w.ID+"/secret"))
		assert.False(t, shows("ann", change("proof", "x")))
		assert.False(t, shows("ann", change("made", fmt.Sprint(time.Now().Unix()+30))), "the time is signed")
		time.Sleep(9 * time.Minute)
		assert.True(t, shows("ann", shown))
		time.Sleep(2 * time.Minute)
		assert.False(t, shows("ann", shown), "it was shown for long enough")
		assert.Equal(t, "/webhooks/"+w.ID, r.follow(shown, r.as("ann", shown, nil)))
	})
}

func TestASecretThatWasReplacedIsNotShown(t *testing.T) {
	r := newRig(t)
	shown := r.follow("/add", r.as("ann", "/add", filledForm()))
	w := r.all()[0]
	address := "/webhooks/" + w.ID + "/secret"
	next := r.follow(address, r.as("ann", address, url.Values{"overlap": {"3600"}, "revision": {fmt.Sprint(w.Revision)}}))
	assert.Equal(t, 303, r.as("ann", shown, nil).Code)
	body := r.as("ann", next, nil).Body.String()
	assert.Contains(t, body, htmlText(r.all()[0].Secrets[0].Key))
	assert.NotContains(t, body, htmlText(w.Secrets[0].Key))
}

// TestEveryFormLeadsToAPageThatCanBeLoadedAgain sends forms as the page has
// them: nothing is done twice by loading what follows again, and what a browser
// asks for when it goes back to a form's address is there.
func TestEveryFormLeadsToAPageThatCanBeLoadedAgain(t *testing.T) {
	r := newRig(t)
	w := r.put(nil)
	d := r.emit("e1")
	for _, route := range page.Routes() {
		if route.Method != "POST" || strings.HasPrefix(route.Path, "operator") || strings.HasSuffix(route.Path, "/delete") {
			continue
		}
		target := "/" + strings.NewReplacer("webhooks/{id}", "webhooks/"+w.ID, "{id}", d.ID).Replace(route.Path)
		t.Run(route.Path, func(t *testing.T) {
			stored, err := r.Webhook(t.Context(), "acme", w.ID)
			require.NoError(t, err)
			form := filledForm()
			form.Set("revision", fmt.Sprint(stored.Revision))
			form.Set("overlap", "3600")
			form.Set("since", "2013-01-01T00:00:00")
			form.Set("state", "failed")
			form.Set("event", "open")
			got := r.as("ann", target, form)
			if strings.HasSuffix(route.Path, "/test") {
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
	} {
		r := newRig(t, func(o *Options) { o.DefaultFormat = c.option })
		page := r.as("ann", "/add", nil).Body.String()
		assert.Contains(t, page, `name="format" value="`+string(c.checked)+`" checked`)
		assert.Equal(t, 1, strings.Count(page, `name="format" value="2013"`))
		for _, line := range []string{
			"subscriber[first_name] = Test", "date_time = 2013-01-02 09:28:42", "contact[first_name] = Test", "date_time = 2013-01-02T09:28:42",
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
		w, err := r.PutWebhook(t.Context(), w)
		require.NoError(t, err)
		assert.Contains(t, r.as("ann", "/webhooks/"+w.ID+"/edit", nil).Body.String(), `name="format" value="2013" checked`)
		form.Set("revision", fmt.Sprint(w.Revision))
		require.Equal(t, 303, r.as("ann", "/webhooks/"+w.ID+"/edit", form).Code)
		assert.Equal(t, webhook.Format2013, r.all()[0].Format)
	}
}

func TestEventsThatThereAreNoneOfAreNamed(t *testing.T) {
	r := newRig(t)
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
	r := newRig(t)
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
		{"Name", "name", " ", "This is empty: give it a name to tell it apart by."},
		{"URL", "url", "", "This is empty."},
		{"URL", "url", "javascript:alert(1)", "This does not begin with http:// or https://."},
		{"List", "list", "66", "This is none of the account"},
		{"Events", "event", "party", "This holds the unknown type &#34;party&#34;."},
		{"Sources", "source", "aliens", "This holds the unknown source"},
		{"Format", "format", "1999", "This is the unknown"},
		{"Headers", "headers", "no colon", "This holds a line that is not such as"},
		{"Headers", "headers", "Host: elsewhere", "This would override Host."},
		{"Headers", "headers", "A: 1\nA: 2", "This holds A twice."},
	} {
		t.Run(c.field+" "+c.value, func(t *testing.T) {
			r := newRig(t)
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
		r := newRig(t)
		got := r.as("ann", "/add", url.Values{"url": {"ftp://kept.example.com"}, "headers": {"kept"}, "format": {"2013"}})
		body := got.Body.String()
		for _, field := range []string{"Name", "URL", "Events", "Sources", "Headers"} {
			assert.Contains(t, body, `id="`+field+`-error"`)
		}
		assert.Contains(t, body, "ftp://kept.example.com")
		assert.Contains(t, body, ">kept</textarea>")
	})

	t.Run("an internal address", func(t *testing.T) {
		r := newRig(t)
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
	r := newRig(t)
	w := r.put(nil)
	form := filledForm()
	form.Set("revision", fmt.Sprint(w.Revision))
	require.Equal(t, 303, r.as("ann", "/webhooks/"+w.ID+"/edit", form).Code)
	form.Set("name", "Later")
	got := r.as("ann", "/webhooks/"+w.ID+"/edit", form)
	assert.Equal(t, 409, got.Code)
	assert.Contains(t, got.Body.String(), "Somebody else changed this webhook meanwhile.")
	assert.Equal(t, "CRM", r.all()[0].Name)
}

func TestSecretsRotateWithAnOverlap(t *testing.T) {
	r := newRig(t)
	old := webhook.NewSecret()
	w := r.put(func(w *webhook.Webhook) { w.Secrets = []webhook.Secret{old} })
	rotate := func(overlap string) *httptest.ResponseRecorder {
		return r.as("ann", "/webhooks/"+w.ID+"/secret", url.Values{"overlap": {overlap}, "revision": {fmt.Sprint(r.all()[0].Revision)}})
	}
	began := time.Now()
	got := rotate("3600")
	require.Equal(t, 303, got.Code)
	secrets := r.all()[0].Secrets
	require.Len(t, secrets, 2)
	address := "/webhooks/" + w.ID + "/secret"
	assert.Contains(t, r.as("ann", r.follow(address, got), nil).Body.String(), htmlText(secrets[0].Key))
	assert.True(t, secrets[0].Until.IsZero())
	assert.Equal(t, old.Key, secrets[1].Key)
	assert.WithinDuration(t, began.Add(time.Hour), secrets[1].Until, time.Minute)

	require.Equal(t, 303, rotate("0").Code)
	assert.Len(t, r.all()[0].Secrets, 1, "no overlap: the others sign no more")
	assert.Equal(t, 422, rotate("99999999").Code)
	assert.Equal(t, 409, r.as("ann", "/webhooks/"+w.ID+"/secret", url.Values{"overlap": {"0"}, "revision": {"1"}}).Code,
		"sending the form again makes no further secret")
	require.Equal(t, 303, rotate("-1").Code)
	assert.Empty(t, r.all()[0].Secrets)
}

func TestTheNinthReplacementInADaySaysWhatHelps(t *testing.T) {
	r := newRig(t)
	w := r.put(func(w *webhook.Webhook) { w.Secrets = []webhook.Secret{webhook.NewSecret()} })
	rotate := func(overlap string) *httptest.ResponseRecorder {
		return r.as("ann", "/webhooks/"+w.ID+"/secret", url.Values{"overlap": {overlap}, "revision": {fmt.Sprint(r.all()[0].Revision)}})
	}
	require.Equal(t, 303, rotate("7200").Code) // this one ends first
	for range 6 {
		require.Equal(t, 303, rotate("86400").Code)
	}
	before := r.all()[0]
	require.Len(t, before.Secrets, 8)
	got := rotate("86400")
	require.Equal(t, 422, got.Code)
	assert.Contains(t, got.Body.String(), "no overlap")
	assert.Regexp(t, `in (2h0m|1h5[0-9]m)\b`, got.Body.String())
	assert.Equal(t, before, r.all()[0])

	_, err := r.PutWebhook(t.Context(), withNinth(before))
	require.ErrorContains(t, err, "leave out those that need not sign")
	require.Equal(t, 303, rotate("0").Code)
	assert.Len(t, r.all()[0].Secrets, 1)
	require.Equal(t, 303, rotate("86400").Code)
}

func withNinth(w webhook.Webhook) webhook.Webhook {
	w.Secrets = append(slices.Clone(w.Secrets), webhook.NewSecret())
	return w
}

func TestSwitchingOffAsksWhatBecomesOfTheEvents(t *testing.T) {
	r := newRig(t)
	w := r.put(nil)
	r.emit("e1")
	assert.Contains(t, r.as("ann", "/webhooks/"+w.ID+"/off", nil).Body.String(), "1 pending now")
	require.Equal(t, 303, r.as("ann", "/webhooks/"+w.ID+"/off", url.Values{"keep": {"1"}, "reason": {"Moving house."}}).Code)
	stored := r.all()[0]
	assert.Equal(t, "Moving house.", stored.Off)
	assert.True(t, stored.Keep)
	assert.Equal(t, webhook.StatePending, r.emit("e2").State, "it keeps events")
	page := r.as("ann", "/webhooks/"+w.ID, nil).Body.String()
	assert.Contains(t, page, "Moving house.")
	assert.Contains(t, page, "Switch on")

	require.Equal(t, 303, r.as("ann", "/webhooks/"+w.ID+"/on", url.Values{}).Code)
	assert.Empty(t, r.all()[0].Off)
	require.Equal(t, 303, r.as("ann", "/webhooks/"+w.ID+"/off", url.Values{}).Code)
	ds, err := r.Deliveries(t.Context(), webhook.DeliveryQuery{Account: "acme", States: []webhook.State{webhook.StateCanceled}})
	require.NoError(t, err)
	assert.Len(t, ds, 2, "without keeping them they are canceled")
}

func TestAWebhookThatIsHeldCanBeTriedNow(t *testing.T) {
	r := newRig(t)
	w := r.put(func(w *webhook.Webhook) { w.Keep = true })
	d := r.emit("e1")
	w.Hold = time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond)
	w.Health = webhook.Health{Failures: 12, Since: w.Created, Reason: "The receiver failed."}
	_, err := r.store.PutWebhook(t.Context(), w) // as the dispatcher does
	require.NoError(t, err)

	page := r.as("ann", "/webhooks/"+w.ID, nil).Body.String()
	assert.Contains(t, page, "12 failures in a row")
	assert.Contains(t, page, "All wait until")
	assert.Contains(t, page, "Try now")
	assert.Contains(t, r.as("ann", "/deliveries/"+d.ID+"/resend", url.Values{}).Header().Get("Location"), "done=held")

	require.Equal(t, 303, r.as("ann", "/webhooks/"+w.ID+"/try", url.Values{}).Code)
	stored := r.all()[0]
	assert.True(t, stored.Hold.IsZero())
	assert.Equal(t, 12, stored.Health.Failures, "a probe is made, not ten attempts more")
	ds, err := r.Deliveries(t.Context(), webhook.DeliveryQuery{Account: "acme"})
	require.NoError(t, err)
	assert.Equal(t, webhook.StatePending, ds[0].State, "nothing was canceled")
	assert.NotContains(t, r.as("ann", "/webhooks/"+w.ID, nil).Body.String(), "Try now")
}

func TestWhatWasKeptIsSentOrDropped(t *testing.T) {
	for _, c := range []struct {
		kept string
		want webhook.State
		says string
	}{
		{"", webhook.StatePending, "The webhook is on."},
		{"drop", webhook.StateCanceled, "What it had kept was dropped"},
	} {
		t.Run(string(c.want), func(t *testing.T) {
			r := newRig(t)
			w := r.put(func(w *webhook.Webhook) { w.Off, w.Keep = "Moving house.", true })
			r.emit("e1")
			r.emit("e2")
			w.NotKept = 7
			_, err := r.store.PutWebhook(t.Context(), w) // as the dispatcher does
			require.NoError(t, err)
			assert.Contains(t, r.as("ann", "/webhooks/"+w.ID, nil).Body.String(), "<strong>7 could not be kept</strong>")
			page := r.as("ann", "/webhooks/"+w.ID+"/on", nil).Body.String()
			assert.Contains(t, page, "What was kept meanwhile: 2 events")
			assert.Contains(t, page, "7 events more could not be kept")

			got := r.as("ann", "/webhooks/"+w.ID+"/on", url.Values{"kept": {c.kept}})
			require.Equal(t, 303, got.Code)
			page = r.as("ann", "/webhooks/"+w.ID+got.Header().Get("Location")[strings.Index(got.Header().Get("Location"), "?"):], nil).Body.String()
			assert.Contains(t, page, c.says)
			assert.Contains(t, page, "events are kept, but for 7 the last time")
			ds, err := r.Deliveries(t.Context(), webhook.DeliveryQuery{Account: "acme"})
			require.NoError(t, err)
			for _, d := range ds {
				assert.Equal(t, c.want, d.State)
			}

			// Of a webhook that is on, nothing is dropped: that would not be
			// what it kept.
			d := r.emit("e3")
			require.Equal(t, 303, r.as("ann", "/webhooks/"+w.ID+"/on", url.Values{"kept": {c.kept}}).Code)
			ds, err = r.Deliveries(t.Context(), webhook.DeliveryQuery{Account: "acme", IDs: []string{d.ID}})
			require.NoError(t, err)
			assert.Equal(t, webhook.StatePending, ds[0].State)
		})
	}
}

func TestDeletingSaysWhatIsPending(t *testing.T) {
	r := newRig(t)
	w := r.put(nil)
	assert.Contains(t, r.as("ann", "/webhooks/"+w.ID+"/delete", nil).Body.String(), "Nothing is pending for it.")
	d := r.emit("e1")
	r.emit("e2")
	assert.Contains(t, r.as("ann", "/webhooks/"+w.ID+"/delete", nil).Body.String(), "2 deliveries are still pending")
	require.Equal(t, 303, r.as("ann", "/webhooks/"+w.ID+"/delete", url.Values{}).Code)
	assert.Empty(t, r.all())
	page := r.as("ann", "/deliveries/"+d.ID, nil).Body.String()
	assert.Contains(t, page, "to a webhook that was deleted")
	assert.NotContains(t, page, "<button")
}

func TestATestShowsTheAnswerAtOnce(t *testing.T) {
	r := newRig(t)
	w := r.put(nil)
	for _, event := range webhook.EventTypes() {
		var sent string
		r.receiver = func(req *http.Request) (*http.Response, error) {
			sent = req.Header.Get(webhook.HeaderEvent)
			return answer(500, "Fatal error in line 3")(req)
		}
		body := r.as("ann", "/webhooks/"+w.ID+"/test", url.Values{"event": {string(event)}}).Body.String()
		assert.Equal(t, string(event), sent)
		assert.Contains(t, body, label.TextOf(label.Types, event)+": it did not work.")
		assert.Contains(t, body, "The receiver failed (500 Internal Server Error)")
		assert.Contains(t, body, "Fatal error in line 3")
	}
	r.receiver = answer(204, "")
	assert.Contains(t, r.as("ann", "/webhooks/"+w.ID+"/test", url.Values{"event": {"open"}}).Body.String(), "it works.")
	assert.Equal(t, 422, r.as("ann", "/webhooks/"+w.ID+"/test", url.Values{"event": {"party"}}).Code)
}

// finished puts deliveries into the log, a minute apart, newest last.
func (r *rig) finished(w webhook.Webhook, n int, state webhook.State, kind webhook.EventType, from time.Time) {
	var ds []webhook.Delivery
	for i := range n {
		at := from.Add(time.Duration(i) * time.Minute).UTC().Truncate(time.Millisecond)
		ds = append(ds, webhook.Delivery{
			ID: fmt.Sprintf("%s-%s-%03d", kind, state, i), Account: w.Account, WebhookID: w.ID, EventID: "e", Type: kind,
			Body: []byte("type=" + string(kind)), Created: at, State: state, Due: at, Attempts: 1,
		})
	}
	_, err := r.store.Enqueue(r.t.Context(), ds)
	require.NoError(r.t, err)
}

var deliveryLink = regexp.MustCompile(`deliveries/([a-z]+-[a-z]+-\d+)"`)

// shown returns the deliveries that a page links to.
func shown(body string) (ids []string) {
	for _, m := range deliveryLink.FindAllStringSubmatch(body, -1) {
		ids = append(ids, m[1])
	}
	return ids
}

func TestTheLogIsFilteredAndPaged(t *testing.T) {
	r := newRig(t)
	w, other := r.put(nil), r.put(func(w *webhook.Webhook) { w.Name = "Other" })
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r.finished(w, 120, webhook.StateDelivered, webhook.TypeOpen, noon)
	r.finished(w, 3, webhook.StateFailed, webhook.TypeClick, noon)
	r.finished(other, 2, webhook.StateCanceled, webhook.TypeBounce, noon)

	for _, c := range []struct {
		query string
		want  int
	}{
		{"", 50},
		{"?state=failed", 3},
		{"?event=bounce", 2},
		{"?webhook=" + other.ID, 2},
		{"?state=failed&event=open", 0},
		{"?since=2026-03-01T13:50", 10},
		{"?since=2026-03-01T12:00:00&until=2026-03-01T12:01:00", 3},
		{"?state=nonsense", 0},
	} {
		got := r.as("ann", "/deliveries"+c.query, nil)
		assert.Equal(t, 200, got.Code, c.query)
		assert.Len(t, shown(got.Body.String()), c.want, c.query)
	}
	assert.Equal(t, 422, r.as("ann", "/deliveries?since=lately", nil).Code)
	assert.Equal(t, 404, r.as("ann", "/deliveries?after=nonsense", nil).Code)

	follow := func(body, text string) string {
		m := regexp.MustCompile(`href="\./([^"]*)">` + text).FindStringSubmatch(body)
		if m == nil {
			return ""
		}
		return "/" + strings.ReplaceAll(m[1], "&amp;", "&")
	}
	var pages [][]string
	page := "/deliveries?event=open"
	for page != "" {
		body := r.as("ann", page, nil).Body.String()
		pages = append(pages, shown(body))
		if next := follow(body, "Older"); next != "" {
			page = next
			continue
		}
		var back [][]string
		for newer := follow(body, "Newer"); newer != ""; newer = follow(body, "Newer") {
			body = r.as("ann", newer, nil).Body.String()
			back = append([][]string{shown(body)}, back...)
		}
		assert.Equal(t, pages[:len(pages)-1], back, "going back shows the same pages")
		break
	}
	require.Len(t, pages, 3)
	assert.Equal(t, "open-delivered-119", pages[0][0])
	assert.Len(t, pages[2], 20)
}

func TestADeliveryShowsWhatWasSentAndAnswered(t *testing.T) {
	r := newRig(t)
	r.put(func(w *webhook.Webhook) { w.Headers = map[string]string{"Authorization": "Bearer t"} })
	d := r.emit("e1")
	lost, err := r.store.Apply(t.Context(), []webhook.Change{{
		ID: d.ID, Lease: d.Lease, State: webhook.StateFailed, Due: d.Due, Attempts: 1, Log: &webhook.Attempt{
			Start: d.Created, Duration: 250 * time.Millisecond, Status: 500, Reason: "The receiver failed.", Detail: "10.0.0.7 said so",
			Response: []byte("<b>bold\xff</b>"),
		},
	}})
	require.NoError(t, err)
	require.Empty(t, lost)
	body := r.as("ann", "/deliveries/"+d.ID, nil).Body.String()
	for _, want := range []string{
		"Campaign Opened", "The receiver failed.", "250 ms", "&lt;b&gt;bold\ufffd&lt;/b&gt;", "subscriber[email]", "test@test.com",
		"POST /hook HTTP/1.1", "Host: crm.example.com", "Authorization: •••", "Webhook-Id: " + d.ID, "Resend",
		"type=open&amp;date_time=2013-01-02&#43;09%3A28%3A42&amp;",
	} {
		assert.Contains(t, body, want)
	}
	assert.NotContains(t, body, "10.0.0.7", "details are for the operator")
	assert.NotContains(t, body, "Bearer t")

	require.Equal(t, 303, r.as("ann", "/deliveries/"+d.ID+"/resend", url.Values{}).Code)
	ds, err := r.Deliveries(t.Context(), webhook.DeliveryQuery{Account: "acme"})
	require.NoError(t, err)
	assert.Equal(t, webhook.StatePending, ds[0].State)
	assert.Contains(t, r.as("ann", "/deliveries/"+d.ID, nil).Body.String(), "Try now")
}

func TestADeliveryShowsTheURLThatRequestsGoTo(t *testing.T) {
	r := newRig(t)
	w := r.put(func(w *webhook.Webhook) { w.URL = "https://BÜCHER.example:443/hook?name=My shop" })
	d := r.emit("e1")
	body := r.as("ann", "/deliveries/"+d.ID, nil).Body.String()
	assert.Contains(t, body, "POST /hook?name=My%20shop HTTP/1.1")
	assert.Contains(t, body, "Host: xn--bcher-kva.example\n")
	assert.Contains(t, r.as("ann", "/webhooks/"+w.ID, nil).Body.String(), "https://BÜCHER.example:443/hook?name=My shop", "its owner reads what he wrote")
	operator := r.as("op", "/operator/webhook?account=acme&id="+w.ID, nil).Body.String()
	assert.Contains(t, operator, "xn--bcher-kva.example", "the operator reads where it leads")
	assert.NotContains(t, operator, "My shop")
}

func TestWhatWasSentInATimeIsResent(t *testing.T) {
	r := newRig(t)
	w := r.put(nil)
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r.finished(w, 10, webhook.StateFailed, webhook.TypeClick, noon)
	r.finished(w, 10, webhook.StateDelivered, webhook.TypeOpen, noon)
	page := r.as("ann", "/webhooks/"+w.ID+"/resend", nil).Body.String()
	assert.Contains(t, page, "10 deliveries of it failed in all.")
	assert.Equal(t, 422, r.as("ann", "/webhooks/"+w.ID+"/resend", url.Values{"since": {"x"}}).Code)
	resend := func(since, until string, states ...string) string {
		target := "/webhooks/" + w.ID + "/resend"
		got := r.as("ann", target, url.Values{"since": {since}, "until": {until}, "state": states})
		if got.Code == 303 {
			got = r.as("ann", r.follow(target, got), nil)
			require.Equal(t, 200, got.Code)
		}
		return got.Body.String()
	}
	assert.Contains(t, resend("2026-03-01T12:06:00", ""), "Choose what to send again.")
	assert.Contains(t, resend("2026-03-01T12:06:00", "soon", "failed"), "Until is not a time")
	assert.Contains(t, resend("2026-03-01T12:06:00", "2026-03-01T12:05:00", "failed"), "is not after")
	assert.Contains(t, resend("2026-03-01T12:06:00", "", "pending"), "sent anyway")
	assert.Contains(t, resend("2026-03-01T12:06:00", "", "failed"), "4 deliveries of")
	pending := func() int {
		n, err := r.Count(t.Context(), webhook.DeliveryQuery{Account: "acme", States: []webhook.State{webhook.StatePending}})
		require.NoError(t, err)
		return n
	}
	assert.Equal(t, 4, pending())

	// Who lost what came can have it again, for a time.
	assert.Contains(t, resend("2026-03-01T12:02:00", "2026-03-01T12:05:00", "delivered", "failed"), "6 deliveries of")
	assert.Equal(t, 10, pending())
}

func TestExplainSaysWhy(t *testing.T) {
	r := newRig(t)
	r.put(func(w *webhook.Webhook) { w.Events = []webhook.EventType{"click"} })
	r.put(func(w *webhook.Webhook) { w.List = "13" })
	r.put(nil)
	body := r.as("ann", "/explain?event=open&source=public&list=12", nil).Body.String()
	assert.Contains(t, body, "The webhook does not want open events.")
	assert.Contains(t, body, "The webhook is tied to list 13")
	assert.Contains(t, body, "The webhook gets the event.")
	assert.Equal(t, 422, r.as("ann", "/explain?event=open&source=nobody", nil).Code)
	assert.Equal(t, 422, r.as("ann", "/explain?event=party&source=public", nil).Code)
}

func TestTheAPIExplainsWhichListEachDeliveryNames(t *testing.T) {
	r := newRig(t)
	r.put(nil)
	r.put(func(w *webhook.Webhook) { w.List = "13" })
	r.put(func(w *webhook.Webhook) { w.Events = []webhook.EventType{webhook.TypeClick} })
	for event, want := range map[string][][]string{
		`{"type":"subscribe","source":"public","lists":[12,13]}`: {{"12", "13"}, {"13"}, {}},
		`{"type":"open","source":"public"}`:                      {{"0"}, {}, {}},
	} {
		var got struct{ Explanations []struct{ Lists []string } }
		body := r.call("bob", "POST", "/api/3/listhook/explain", event).Body.Bytes()
		require.NoError(t, json.Unmarshal(body, &got), "%s", body)
		var lists [][]string
		for _, e := range got.Explanations {
			require.NotNil(t, e.Lists, "%s", body)
			lists = append(lists, e.Lists)
		}
		assert.ElementsMatch(t, want, lists, event)
	}
}

func TestTheOperatorSeesAllAccounts(t *testing.T) {
	r := newRig(t)
	w := r.put(nil)
	r.finished(w, 3, webhook.StateFailed, webhook.TypeClick, time.Now().Add(-time.Hour))
	theirs := r.put(func(w *webhook.Webhook) { w.Account, w.Name = "evil", "Theirs" })
	r.emit("e1")
	body := r.as("op", "/operator", nil).Body.String()
	assert.Contains(t, body, "CRM")
	assert.NotContains(t, body, "Theirs", "nothing is wrong with it")
	assert.Equal(t, 303, r.as("op", "/", nil).Code, "the operator has no account")

	one := "/operator/webhook?account=acme&id=" + w.ID
	body = r.as("op", one, nil).Body.String()
	assert.Contains(t, body, "crm.example.com")
	assert.NotContains(t, body, "crm.example.com/hook", "the rest of a URL may be a key")
	require.Equal(t, 303, r.as("op", "/operator/webhook", url.Values{"account": {"acme"}, "id": {w.ID}, "do": {"off"}, "keep": {"1"}}).Code)
	assert.Equal(t, "Switched off by the operator.", r.all()[0].Off)
	assert.Contains(t, r.as("ann", "/webhooks/"+w.ID, nil).Body.String(), "Switched off by the operator.")
	require.Equal(t, 303, r.as("op", "/operator/webhook", url.Values{"account": {"acme"}, "id": {w.ID}, "do": {"on"}}).Code)
	assert.Empty(t, r.all()[0].Off)
	assert.Equal(t, 422, r.as("op", "/operator/webhook", url.Values{"account": {"acme"}, "id": {w.ID}}).Code)
	assert.Equal(t, 404, r.as("op", "/operator/webhook?account=acme&id="+theirs.ID, nil).Code)
}

func TestTheOperatorSeesWhatWasSwitchedOff(t *testing.T) {
	r := newRig(t)
	gone := r.put(func(w *webhook.Webhook) { w.Name = "Gone" })
	dropped := r.put(func(w *webhook.Webhook) { w.Name = "Dropped" })
	off := r.put(func(w *webhook.Webhook) { w.Name = "Answers 410" })
	r.emit("e1")
	assert.Contains(t, r.as("op", "/operator", nil).Body.String(), ">Waiting</span>", "it does not fail")
	off.Off = "The receiver answered 410 Gone."
	_, err := r.PutWebhook(t.Context(), off)
	require.NoError(t, err)
	require.NoError(t, r.DeleteWebhook(t.Context(), "acme", gone.ID))
	_, err = r.DropPending(t.Context(), "acme", dropped.ID)
	require.NoError(t, err)

	body := r.as("op", "/operator", nil).Body.String()
	assert.Contains(t, body, "Answers 410")
	assert.Contains(t, body, "The receiver answered 410 Gone.")
	assert.Contains(t, body, "1 canceled")
	assert.NotContains(t, body, "Dropped", "nothing is wrong with it")
	assert.NotContains(t, body, gone.ID, "nothing is wrong with it")
}

func TestTheOperatorTriesAWebhookThatIsHeld(t *testing.T) {
	r := newRig(t)
	w := r.put(nil)
	w.Hold = time.Now().Add(time.Hour).UTC()
	_, err := r.store.PutWebhook(t.Context(), w)
	require.NoError(t, err)
	assert.Contains(t, r.as("op", "/operator/webhook?account=acme&id="+w.ID, nil).Body.String(), "Try its receiver now")
	require.Equal(t, 303, r.as("op", "/operator/webhook", url.Values{"account": {"acme"}, "id": {w.ID}, "do": {"try"}}).Code)
	assert.Zero(t, r.all()[0].Hold)
}

func TestHostileTextsAreInert(t *testing.T) {
	r := newRig(t, func(o *Options) {
		o.Title = `<script>alert(0)</script>`
		o.Lists = nil
	})
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>'`
	w := r.put(func(w *webhook.Webhook) {
		w.Name, w.URL, w.List = evil, "https://crm.example.com/?"+url.QueryEscape(evil)+`"><script>`, evil
		w.Headers = map[string]string{"X-Evil": evil}
		w.Off, w.Keep = evil, true
	})
	e := webhook.Sample(webhook.TypeOpen).(webhook.Open)
	e.Account, e.Lists, e.Subscriber.Email, e.ID = "acme", []string{evil}, evil, evil
	e.Subscriber.Fields = map[string]string{"<script>": evil}
	require.NoError(t, r.Emit(t.Context(), e))
	ds, err := r.Deliveries(t.Context(), webhook.DeliveryQuery{Account: "acme"})
	require.NoError(t, err)
	require.Len(t, ds, 1)
	r.receiver = answer(500, evil)
	pages := map[string]url.Values{
		"/": nil, "/webhooks/" + w.ID: nil, "/webhooks/" + w.ID + "/edit": nil, "/webhooks/" + w.ID + "/delete": nil,
		"/webhooks/" + w.ID + "/off": nil, "/deliveries": nil, "/deliveries/" + ds[0].ID: nil,
		"/explain?event=open&source=public&list=" + url.QueryEscape(evil): nil,
		"/deliveries?since=" + url.QueryEscape(evil):                      nil,
		"/?done=" + url.QueryEscape(evil):                                 nil,
		"/webhooks/" + w.ID + "/test":                                     {"event": {"open"}},
		"/add":                                                            {"name": {evil}, "url": {evil}, "headers": {evil}, "list": {evil}, "event": {evil}},
	}
	for target, form := range pages {
		body := r.as("ann", target, form).Body.String()
		assert.Contains(t, body, "</html>", target)
		assert.Equal(t, 1, strings.Count(body, "<script"), "%s holds no script but its own", target)
		assert.NotContains(t, body, "<img", target)
	}
}

func TestThePageIsGuarded(t *testing.T) {
	r := newRig(t, func(o *Options) { o.TrustedOrigins = []string{"https://app.example.com"} })
	w := r.put(nil)
	got := r.as("ann", "/", nil)
	assert.Equal(t, "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "+
		"img-src 'self'; form-action 'self'; frame-ancestors 'self'; base-uri 'none'", got.Header().Get("Content-Security-Policy"))
	assert.Equal(t, "nosniff", got.Header().Get("X-Content-Type-Options"))
	assert.Equal(t, "same-origin", got.Header().Get("Referrer-Policy"))
	assert.Equal(t, "no-store", got.Header().Get("Cache-Control"))
	assert.NotRegexp(t, `\son[a-z]+=|style=|<style|javascript:`, got.Body.String(), "nothing that the policy would refuse")

	for _, c := range []struct {
		name   string
		header http.Header
		want   int
	}{
		{"from this page", http.Header{"Sec-Fetch-Site": {"same-origin"}}, 303},
		{"from another site", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		{"from a sibling domain", http.Header{"Sec-Fetch-Site": {"same-site"}}, 403},
		{"from this page on plain http", http.Header{"Origin": {"http://example.com"}}, 303},
		{"from another site on plain http", http.Header{"Origin": {"http://evil.example"}}, 403},
		{"from a sandbox on plain http", http.Header{"Origin": {"null"}}, 403},
		{"from a trusted origin", http.Header{"Origin": {"https://app.example.com"}, "Sec-Fetch-Site": {"cross-site"}}, 303},
	} {
		t.Run(c.name, func(t *testing.T) {
			req := httptest.NewRequestWithContext(t.Context(), "POST", "http://example.com/webhooks/"+w.ID+"/on", nil)
			req.Header = c.header
			req.Header.Set("User", "ann")
			assert.Equal(t, c.want, r.do(req).Code)
		})
	}
	t.Run("a form that is too long", func(t *testing.T) {
		assert.Equal(t, 413, r.as("ann", "/add", url.Values{"name": {strings.Repeat("x", params.MaxBody)}}).Code)
	})
}

func TestAnAppsFaultsAreLoggedAndNotTold(t *testing.T) {
	r := newRig(t, func(o *Options) {
		o.Lists = func(_ context.Context, account string) ([]List, error) { return nil, errors.New("password=hunter2") }
	})
	for _, got := range []*httptest.ResponseRecorder{
		r.as("ann", "/", nil), r.call("ann", "GET", "/api/3/lists", ""),
		r.raw1("ann", "POST", "&api_action=webhook_add", formType, "name=a&url=https://a.example.com&action=open&init=api&lists=12"),
	} {
		assert.Equal(t, 500, got.Code)
		assert.NotContains(t, got.Body.String(), "hunter2")
		assert.Contains(t, strings.ToLower(got.Body.String()), "something went wrong here")
	}
}
