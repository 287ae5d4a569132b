package manage

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

func TestTheFormTakesARateLimit(t *testing.T) {
	for typed, want := range map[string]float64{"": 0, "0": 0, "5": 5, " 0.5 ": 0.5, "0,25": 0.25, "10000": 10_000, "0.001": 0.001} {
		r := newHarness(t)
		form := filledForm()
		form.Set("rate_limit", typed)
		require.Equal(t, 303, r.as("ann", "/add", form).Code)
		assert.Equal(t, want, r.all()[0].RateLimit, "typed %q", typed)
	}
}

func TestARateLimitThatIsNoneIsRefusedAtItsField(t *testing.T) {
	for typed, says := range map[string]string{
		"-1": "Enter a number such as 5 or 0.5, or leave it empty for no limit.", "NaN": "Enter a number such as",
		"Inf": "Enter a number such as", "1e3": "Enter a number such as", "1,000.5": "Enter a number such as",
		"five": "Enter a number such as", "0.0001": "Enter at least 0.001, or leave it empty for no limit.",
		"10000.5": "Enter at most 10000.",
	} {
		r := newHarness(t)
		w := r.put(func(w *webhook.Webhook) { w.RateLimit = 3 })
		form := formOf(t, r.as("ann", "/webhooks/"+w.ID+"/edit", nil).Body.String())
		assert.Equal(t, "3", form.Get("rate_limit"))
		form.Set("rate_limit", typed)
		got := r.as("ann", "/webhooks/"+w.ID+"/edit", form)
		require.Equal(t, 422, got.Code, "typed %q", typed)
		assert.Contains(t, got.Body.String(), `id="RateLimit-error">`+says)
		assert.Contains(t, got.Body.String(), `name="rate_limit" value="`+typed+`"`, "what was typed is kept")
		assert.InDelta(t, 3, r.all()[0].RateLimit, 0)
	}
}

func TestTheWebhooksPageShowsItsRateLimit(t *testing.T) {
	r := newHarness(t)
	w := r.put(func(w *webhook.Webhook) { w.RateLimit = 0.5 })
	assert.Contains(t, r.as("ann", "/webhooks/"+w.ID, nil).Body.String(), "at most 0.5")
	w = r.put(nil)
	assert.Contains(t, r.as("ann", "/webhooks/"+w.ID, nil).Body.String(), "no limit")
}

func TestTheNewerAPITakesARateLimit(t *testing.T) {
	r := newHarness(t)
	w := r.put(nil)
	put := func(limit string) (int, string) {
		got := r.call("ann", "PUT", "/api/3/listhook/webhooks/"+w.ID, `{"webhook":{"rate_limit":`+limit+`}}`)
		return got.Code, got.Body.String()
	}
	code, body := put("2.5")
	require.Equal(t, 200, code, body)
	assert.Contains(t, body, `"rate_limit":2.5`)
	assert.InDelta(t, 2.5, r.all()[0].RateLimit, 0)
	for _, limit := range []string{"-1", "0.0001", "10001", "1e999", `"fast"`, `"NaN"`, "[1]"} {
		code, body := put(limit)
		assert.Equal(t, 422, code, "%s: %s", limit, body)
		assert.Contains(t, body, "/data/attributes/rate_limit")
	}
	assert.InDelta(t, 2.5, r.all()[0].RateLimit, 0)
	code, _ = put("0")
	assert.Equal(t, 200, code)
	assert.Zero(t, r.all()[0].RateLimit)
}
