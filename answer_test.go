package webhook_test

import (
	"errors"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	policy "github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

func TestWhatAnAnswerMeans(t *testing.T) {
	for _, c := range []struct {
		status  int
		state   webhook.State
		pending bool
		off     bool
	}{
		{status: 200, state: webhook.StateDelivered},
		{status: 204, state: webhook.StateDelivered},
		{status: 299, state: webhook.StateDelivered},
		{status: 301, state: webhook.StatePending},
		{status: 302, state: webhook.StatePending},
		{status: 400, state: webhook.StatePending},
		{status: 404, state: webhook.StatePending},
		{status: 410, state: webhook.StateFailed, off: true},
		{status: 429, state: webhook.StatePending},
		{status: 500, state: webhook.StatePending},
		{status: 503, state: webhook.StatePending},
	} {
		t.Run(strconv.Itoa(c.status), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newHarness(t, nil).start()
				r.receiver.set(status(c.status))
				w := r.put(nil)
				r.emit(open("e1"))
				synctest.Wait()

				d := r.log()[0]
				assert.Equal(t, c.state, d.State)
				assert.Equal(t, 1, d.Attempts)
				require.NotEmpty(t, d.Log)
				assert.Equal(t, c.status, d.Log[0].Status)
				assert.Equal(t, c.state == webhook.StateDelivered, d.Log[0].Reason == "")
				w, err := r.Webhook(r.ctx, "", w.ID)
				require.NoError(t, err)
				assert.Equal(t, c.off, w.Disabled != "")
			})
		})
	}
}

func TestAWebhookWhoseReceiverIsGoneIsDisabled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var told []webhook.Webhook
		r := newHarness(t, &webhook.Options{Hooks: webhook.Hooks{
			Disabled: func(w webhook.Webhook) { told = append(told, w) },
		}}).start()
		w := r.put(nil)
		r.receiver.set(status(500))
		r.emit(open("waits"))
		synctest.Wait()
		r.receiver.set(status(410))
		r.emit(open("gone"))
		synctest.Wait()

		w, err := r.Webhook(r.ctx, "", w.ID)
		require.NoError(t, err)
		assert.Contains(t, w.Disabled, "410")
		assert.Equal(t, time.Now().UTC(), w.DisabledAt)
		require.Len(t, told, 1)
		states := map[string]webhook.State{}
		for _, d := range r.log() {
			states[d.EventID] = d.State
		}
		assert.Equal(t, map[string]webhook.State{"waits": webhook.StateCanceled, "gone": webhook.StateFailed}, states)

		r.emit(open("later"))
		synctest.Wait()
		assert.Len(t, r.log(), 2, "a webhook that is disabled gets nothing")

		w.Disabled = ""
		_, err = r.UpdateWebhook(r.ctx, w)
		require.NoError(t, err)
		r.receiver.set(nil)
		r.emit(open("again"))
		synctest.Wait()
		assert.Len(t, r.log(), 3, "and gets events again once its owner enables it")
	})
}

func TestRetryAfterHoldsTheWholeWebhook(t *testing.T) {
	for name, value := range map[string]func() string{
		"seconds": func() string { return "120" },
		"a date":  func() string { return time.Now().Add(2 * time.Minute).UTC().Format(http.TimeFormat) },
	} {
		for _, code := range []int{429, 503} {
			t.Run(name+" "+strconv.Itoa(code), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					r := newHarness(t, nil).start()
					r.put(nil)
					r.receiver.set(func(req *http.Request) (*http.Response, error) {
						return status(code, "Retry-After", value())(req)
					})
					began := time.Now()
					r.emit(open("e1"))
					synctest.Wait()
					r.receiver.set(nil)
					time.Sleep(time.Minute)
					r.emit(open("e2"))
					synctest.Wait()
					require.Len(t, r.receiver.requests(), 1, "nothing is sent while the receiver wants to be left alone")
					time.Sleep(time.Minute + 2*time.Second)
					got := r.receiver.requests()
					require.Len(t, got, 3)
					for _, g := range got[1:] {
						assert.GreaterOrEqual(t, g.At.Sub(began), 2*time.Minute-time.Second)
					}
				})
			})
		}
	}
}

func TestRetryAfterIsBoundedToADay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		w := r.put(nil)
		r.receiver.set(status(503, "Retry-After", "99999999999"))
		r.emit(open("e1"))
		synctest.Wait()
		w, err := r.Webhook(r.ctx, "", w.ID)
		require.NoError(t, err)
		assert.Equal(t, time.Now().Add(24*time.Hour).UTC(), w.HeldUntil)
	})
}

func TestAWebhookMayAskNeverToBeRetried(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, rarely()).start()
		r.put(func(w *webhook.Webhook) { w.NoRetry = true })
		r.receiver.set(status(500))
		r.emit(open("e1"))
		time.Sleep(7 * 24 * time.Hour / 10)
		assert.Len(t, r.receiver.requests(), 1)
		assert.Equal(t, webhook.StateFailed, r.log()[0].State)
	})
}

func TestAReceiverThatHangsIsGivenUpAfterTheTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		r.put(nil)
		r.receiver.set(hang)
		r.emit(open("e1"))
		time.Sleep(16 * time.Second)
		d := r.log()[0]
		require.NotEmpty(t, d.Log)
		assert.Equal(t, 15*time.Second, d.Log[0].Duration)
		assert.Equal(t, 0, d.Log[0].Status)
		assert.Contains(t, d.Log[0].Reason, "too long")
		assert.Equal(t, webhook.StatePending, d.State)
	})
}

func TestATransportThatPanicsUsesUpNoAttempt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{Hooks: webhook.Hooks{
			Changed: func(webhook.Delivery) { panic("a hook of the app's") },
		}}).start()
		r.put(nil)
		r.receiver.set(func(*http.Request) (*http.Response, error) { panic("a transport of the app's") })
		r.emit(open("e1"))
		synctest.Wait()
		r.receiver.set(nil)
		time.Sleep(2 * time.Minute)
		d := r.log()[0]
		assert.Equal(t, webhook.StateDelivered, d.State)
		assert.Equal(t, 1, d.Attempts)
		assert.Len(t, d.Log, 2)
	})
}

func TestAPolicyThatPanicsLosesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{Backoff: func() policy.BackOff { panic("a policy of the app's") }}).start()
		r.put(nil)
		r.receiver.set(status(500))
		r.emit(open("e1"))
		synctest.Wait()
		r.receiver.set(nil)
		time.Sleep(2 * time.Hour)
		assert.Equal(t, webhook.StateDelivered, r.log()[0].State)
	})
}

func TestReasonsAndDetailsHoldNoSecretAndNoURL(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		r.put(nil)
		r.receiver.set(func(*http.Request) (*http.Response, error) { return nil, errors.New("bro\x00ken \xff") })
		r.emit(open("e1"))
		synctest.Wait()
		a := r.log()[0].Log[0]
		assert.NotContains(t, a.Reason+a.Detail, "s3cret")
		assert.NotContains(t, a.Reason+a.Detail, "receiver.test")
		assert.Contains(t, a.Detail, "broken")
	})
}
