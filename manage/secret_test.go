package manage

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

func TestAWebhookIsAddedAndItsSecretShownOnce(t *testing.T) {
	r := newHarness(t)
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
	assert.Contains(t, r.as("ann", shown, nil).Body.String(), "The webhook was added and is on")
	assert.Contains(t, r.as("ann", shown, nil).Body.String(), "jsonParse: false")
	assert.NotContains(t, shown, w.Secrets[0].Key, "no address holds a secret")
	for _, page := range []string{"/", "/webhooks/" + w.ID, "/webhooks/" + w.ID + "/edit"} {
		assert.NotContains(t, r.as("ann", page, nil).Body.String(), htmlText(w.Secrets[0].Key), page)
	}
}

func TestASecretIsShownOnlyAtTheAddressMadeForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newHarness(t)
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
	r := newHarness(t)
	shown := r.follow("/add", r.as("ann", "/add", filledForm()))
	w := r.all()[0]
	address := "/webhooks/" + w.ID + "/secret"
	next := r.follow(address, r.as("ann", address, url.Values{"overlap": {"3600"}, "revision": {fmt.Sprint(w.Revision)}}))
	assert.Equal(t, 303, r.as("ann", shown, nil).Code)
	body := r.as("ann", next, nil).Body.String()
	assert.Contains(t, body, htmlText(r.all()[0].Secrets[0].Key))
	assert.NotContains(t, body, htmlText(w.Secrets[0].Key))
}

func TestSecretsRotateWithAnOverlap(t *testing.T) {
	r := newHarness(t)
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
	r := newHarness(t)
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
	assert.Contains(t, got.Body.String(), "end the older ones at once")
	assert.Regexp(t, `wait (2 hours|1 hour) until`, got.Body.String())
	assert.Equal(t, before, r.all()[0])

	_, err := r.UpdateWebhook(t.Context(), withNinth(before))
	require.ErrorContains(t, err, "remove those that no longer need to sign")
	require.Equal(t, 303, rotate("0").Code)
	assert.Len(t, r.all()[0].Secrets, 1)
	require.Equal(t, 303, rotate("86400").Code)
}

func withNinth(w webhook.Webhook) webhook.Webhook {
	w.Secrets = append(slices.Clone(w.Secrets), webhook.NewSecret())
	return w
}
