package manage

import (
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// once makes a call of the newer API with an Idempotency-Key.
func (r *harness) once(user, idempotency, target, body string) *httptest.ResponseRecorder {
	req := httptest.NewRequestWithContext(r.t.Context(), "POST", target, strings.NewReader(body))
	req.Header.Set("Api-Token", user)
	req.Header.Set("Idempotency-Key", idempotency)
	return r.do(req)
}

const addedHook = `{"webhook":{"name":"A","url":"https://a.example.com/","events":["open"],"sources":["public"]}}`

func TestACallWithAKeyIsDoneOnce(t *testing.T) {
	r := newHarness(t)
	first := r.once("ann", "k1", "/api/3/webhooks", addedHook)
	require.Equal(t, 201, first.Code)
	again := r.once("ann", "k1", "/api/3/webhooks", addedHook)
	assert.Equal(t, 201, again.Code)
	assert.Equal(t, first.Body.String(), again.Body.String())
	assert.Equal(t, "true", again.Header().Get("Idempotent-Replayed"))
	assert.Empty(t, first.Header().Get("Idempotent-Replayed"))
	assert.Len(t, r.all(), 1)

	assert.Equal(t, 201, r.once("ann", "k2", "/api/3/webhooks", addedHook).Code)
	assert.Len(t, r.all(), 2, "another key is another call")
	assert.Equal(t, 201, r.once("eve", "k1", "/api/3/webhooks", addedHook).Code)
	assert.Len(t, r.all(), 2, "another account's key is another one")

	w := r.all()[0]
	secret := r.once("ann", "k3", "/api/3/listhook/webhooks/"+w.ID+"/rotate", "")
	assert.Equal(t, secret.Body.String(), r.once("ann", "k3", "/api/3/listhook/webhooks/"+w.ID+"/rotate", "").Body.String())
	assert.Len(t, r.all()[0].Secrets, 1)
}

func TestAKeyIsForOneCall(t *testing.T) {
	r := newHarness(t)
	require.Equal(t, 201, r.once("ann", "k", "/api/3/webhooks", addedHook).Code)
	for target, body := range map[string]string{
		"/api/3/webhooks": strings.Replace(addedHook, `"A"`, `"B"`, 1),
		"/api/3/listhook/webhooks/" + r.all()[0].ID + "/rotate": addedHook,
	} {
		got := r.once("ann", "k", target, body)
		assert.Equal(t, 422, got.Code, target)
		assert.Contains(t, got.Body.String(), "was used for another call")
	}
	assert.Equal(t, 422, r.once("ann", strings.Repeat("k", 256), "/api/3/webhooks", addedHook).Code)
	assert.Len(t, r.all(), 1)
}

func TestACallThatFailedMayBeTriedAgain(t *testing.T) {
	r := newHarness(t, func(o *Options) { o.MaxWebhooks = 1 })
	w := r.put(nil)
	require.Equal(t, 403, r.once("ann", "k", "/api/3/webhooks", addedHook).Code)
	require.NoError(t, r.DeleteWebhook(t.Context(), "acme", w.ID))
	assert.Equal(t, 201, r.once("ann", "k", "/api/3/webhooks", addedHook).Code)
}

func TestAKeyOfARefusedCallMayBeUsedAgain(t *testing.T) {
	r := newHarness(t)
	require.Equal(t, 422, r.once("ann", "k", "/api/3/webhooks", `{"webhook":{}}`).Code)
	assert.Equal(t, 201, r.once("ann", "k", "/api/3/webhooks", addedHook).Code, "the corrected call")

	w := r.all()[0]
	target := "/api/3/listhook/webhooks/" + w.ID + "/replay"
	const since = `{"since":"2000-01-01T00:00:00Z"}`
	require.Equal(t, 202, r.once("ann", "a", target, since).Code)
	require.Equal(t, 409, r.once("ann", "b", target, since).Code, "one is under way")
	require.Equal(t, 200, r.call("ann", "POST", target+"/cancel", "").Code)
	assert.Equal(t, 202, r.once("ann", "b", target, since).Code)
}

func TestCallsAtTheSameTimeAreDoneOnce(t *testing.T) {
	r := newHarness(t)
	var calls sync.WaitGroup
	for range 20 {
		calls.Go(func() { assert.Equal(t, 201, r.once("ann", "k", "/api/3/webhooks", addedHook).Code) })
	}
	calls.Wait()
	assert.Len(t, r.all(), 1)
}

func TestAKeyIsForgottenAfterADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newHarness(t)
		require.Equal(t, 201, r.once("ann", "k", "/api/3/webhooks", addedHook).Code)
		time.Sleep(25 * time.Hour)
		require.Equal(t, 201, r.once("ann", "k", "/api/3/webhooks", addedHook).Code)
		assert.Len(t, r.all(), 2)
	})
}

func TestAnAnswerIsForTheAPIKeyThatGotIt(t *testing.T) {
	r := newHarness(t)
	ours, others := r.put(nil), r.put(nil)
	people["amy"] = Access{Account: "acme", Manage: true, Limits: Limits{Webhook: ours.ID}}
	defer delete(people, "amy")
	target := "/api/3/listhook/webhooks/" + others.ID + "/rotate"
	require.Equal(t, 201, r.once("ann", "1", target, "").Code)
	got := r.once("amy", "1", target, "")
	assert.Equal(t, 404, got.Code, "what a limit hides is not found")
	assert.NotContains(t, got.Body.String(), "whsec_")
	assert.Equal(t, 201, r.once("amy", "1", "/api/3/listhook/webhooks/"+ours.ID+"/rotate", "").Code, "another client's key is another one")
}
