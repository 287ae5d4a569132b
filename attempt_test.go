package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/webhooktest"
)

func TestSwitchingOnInAnotherProcessLosesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil)
		other := r.another(nil)
		w := r.put(func(w *webhook.Webhook) { w.Disabled, w.KeepEvents = "a holiday", true })
		for _, id := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
			r.emit(open(id))
		}
		r.start()
		time.Sleep(time.Minute)
		require.Empty(t, r.receiver.requests())

		// What this process remembers is older for up to a second.
		w.Disabled = ""
		_, err := other.UpdateWebhook(r.ctx, w)
		require.NoError(t, err)
		time.Sleep(time.Minute)
		assert.Len(t, r.receiver.requests(), 8)
		for _, d := range r.log() {
			assert.Equal(t, webhook.StateDelivered, d.State)
			assert.Equal(t, 1, d.Attempts)
		}
	})
}

// A readFault is a store that cannot read webhooks for a while.
type readFault struct {
	webhook.Store
	broken atomic.Bool
}

func (s *readFault) Webhooks(ctx context.Context, q webhook.WebhookQuery) ([]webhook.Webhook, error) {
	if s.broken.Load() {
		return nil, errors.New("the store cannot read webhooks")
	}
	return s.Store.Webhooks(ctx, q)
}

func TestWebhooksThatCannotBeReadForAWhileCostNoDelivery(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil)
		r.put(nil)
		for _, id := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
			r.emit(open(id))
		}
		store := &readFault{Store: r.store}
		store.broken.Store(true)
		r.store = store
		r.Dispatcher = r.another(nil) // a new process, which remembers nothing
		r.start()
		time.Sleep(10 * time.Minute)
		require.Empty(t, r.receiver.requests())

		store.broken.Store(false)
		time.Sleep(time.Minute)
		assert.Len(t, r.receiver.requests(), 8)
		for _, d := range r.log() {
			assert.Equal(t, webhook.StateDelivered, d.State)
			assert.Equal(t, 1, d.Attempts)
		}
	})
}

// A panickingBody is one of a transport of the app's.
type panickingBody struct{}

func (panickingBody) Read([]byte) (int, error) { panic("a transport of the app's") }
func (panickingBody) Close() error             { return nil }

func TestAPanicInTheAnswersBodyUndoesNoSuccess(t *testing.T) {
	for status, state := range map[int]webhook.State{200: webhook.StateDelivered, 500: webhook.StateFailed} {
		bubble(t, func(t *testing.T) {
			r := newHarness(t, nil).start()
			r.receiver.set(func(req *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: status, Header: http.Header{}, Request: req, Body: panickingBody{}}, nil
			})
			r.put(func(w *webhook.Webhook) { w.NoRetry = true })
			r.emit(open("e1"))
			synctest.Wait()
			d := r.log()[0]
			assert.Equal(t, state, d.State)
			assert.Equal(t, status, d.Log[0].Status)
			assert.Equal(t, status == 200, d.Log[0].Reason == "")
			assert.Contains(t, d.Log[0].Detail, "panic")
		})
	}
}

func TestAnAttemptThatAHookCancelsSaysSo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{Hooks: webhook.Hooks{
			Attempt: func(ctx context.Context, _ webhook.Delivery) (context.Context, func(webhook.Attempt)) {
				ctx, cancel := context.WithCancel(ctx)
				cancel()
				return ctx, nil
			},
		}}).start()
		r.receiver.set(hang)
		r.put(func(w *webhook.Webhook) { w.NoRetry = true })
		r.emit(open("e1"))
		synctest.Wait()
		d := r.log()[0]
		assert.Equal(t, webhook.StatePending, d.State)
		assert.Zero(t, d.Attempts)
		assert.Equal(t, "sender", d.Log[0].Failure())
		assert.Equal(t, "The sender cut the attempt short, which is no fault of the receiver's.", d.Log[0].Reason)
	})
}

func TestAStoredWebhookThatCannotBeUsedIsNotAttempted(t *testing.T) {
	for name, c := range map[string]struct {
		spoil  func(*webhook.Webhook)
		reason string
	}{
		"Secrets": {
			func(w *webhook.Webhook) { w.Secrets = []webhook.Secret{{Key: "whsec_s3cret"}} },
			"The webhook's settings cannot be used: edit and save it.",
		},
		"URL": {
			func(w *webhook.Webhook) { w.URL = "https://s3cret.receiver..test/" },
			"The webhook's settings cannot be used: the URL has a host that is not a name or an address: check its spelling. Edit and save it.",
		},
	} {
		bubble(t, func(t *testing.T) {
			r := newHarness(t, nil)
			w := everything()
			w.ID, w.Created, w.Revision = "1", time.Now(), 1
			c.spoil(&w)
			_, err := r.store.PutWebhook(r.ctx, w)
			require.NoError(t, err)
			r.start()
			r.emit(open("e1"))
			synctest.Wait()
			assert.Empty(t, r.receiver.requests())
			d := r.log()[0]
			assert.Equal(t, webhook.StatePending, d.State, "it is tried again, in case the owner fixes it")
			require.NotEmpty(t, d.Log)
			require.LessOrEqual(t, len(d.Log), 2, "a claim that had begun before may bring it once more")
			assert.Equal(t, c.reason, d.Log[0].Reason)
			assert.Equal(t, "sender", d.Log[0].Failure())
			assert.Contains(t, d.Log[0].Detail, name)
			assert.NotContains(t, d.Log[0].Detail, "s3cret")
		})
	}
}

func TestOfTheUsersClientTheTransportAndTheTimeoutAreUsed(t *testing.T) {
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		assert.Empty(t, r.Cookies())
		http.SetCookie(w, &http.Cookie{Name: "seen", Value: "yes"})
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	defer s.Close()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	client := s.Client()
	client.Jar = jar
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return nil }
	for range 2 {
		assert.Equal(t, http.StatusFound, firstAttempt(t, s.URL, client, 1).Status)
	}
	assert.EqualValues(t, 2, asked.Load(), "nothing was redirected")
	assert.Same(t, jar, client.Jar, "the user's is left alone")

	client.Timeout = 200 * time.Millisecond
	hangs := webhooktest.NewReceiver(t, &webhooktest.Options{Answer: webhooktest.Hang()})
	a := firstAttempt(t, hangs.URL(), client, 1)
	assert.Equal(t, "The receiver did not answer within 200ms: make it answer first and do its work afterwards.", a.Reason)
}

func TestATransportThatLeavesOutTheBodyOfAnAnswerIsUnderstood(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := firstAttempt(t, "https://receiver.test/hook", &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK}, nil
		})}, 1)
		assert.Equal(t, http.StatusOK, a.Status)
		assert.Empty(t, a.Detail)
	})
}

// transport is a http.RoundTripper by a function.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAURLsUserAndPasswordAreSentAsHTTPHasThem(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil)
		r.put(func(w *webhook.Webhook) { w.URL = "https://ann:s3cret%21@receiver.test/hook" })
		r.put(func(w *webhook.Webhook) {
			w.URL, w.Headers = "https://ann:s3cret%21@receiver.test/hook", map[string]string{"authorization": "Bearer x"}
		})
		r.start()
		r.emit(open("a"))
		synctest.Wait()
		var sent []string
		for _, q := range r.receiver.requests() {
			sent = append(sent, q.Header.Get("Authorization"))
		}
		assert.ElementsMatch(t, []string{"Basic YW5uOnMzY3JldCE=", "Bearer x"}, sent)
	})
}

func TestAFailureIsOneWord(t *testing.T) {
	for _, c := range []struct {
		attempt webhook.Attempt
		want    string
	}{
		{webhook.Attempt{Status: 200}, ""},
		{webhook.Attempt{Status: 503, Reason: "The receiver is not available."}, "503"},
		{webhook.Attempt{Code: "reset", Reason: "A sentence that may be reworded."}, "reset"},
		{webhook.Attempt{Reason: "The receiver reset the connection without an answer: stored before there were codes."}, "other"},
	} {
		assert.Equal(t, c.want, c.attempt.Failure())
	}
}

func TestWhyNoAttemptWasMadeHasAWordToo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		w := r.put(nil)
		r.receiver.set(status(500))
		r.emit(open("e1"))
		synctest.Wait()
		require.NoError(t, r.DeleteWebhook(r.ctx, "", w.ID))
		time.Sleep(time.Minute)
		log := r.log()[0].Log
		assert.Equal(t, "canceled", log[len(log)-1].Failure())
	})
}

// A 410 of a URL that its owner has replaced meanwhile says nothing of the new one.
func TestA410FromBeforeAnEditFailsNoDelivery(t *testing.T) {
	for _, batch := range []int{0, 10} {
		t.Run(fmt.Sprint("batch ", batch), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newHarness(t, nil).start()
				other := r.another(nil)
				w := r.put(func(w *webhook.Webhook) { w.Format, w.Batch = webhook.FormatJSON, batch })
				r.receiver.set(func(req *http.Request) (*http.Response, error) {
					if req.URL.String() != w.URL {
						return status(200)(req)
					}
					time.Sleep(3 * time.Second)
					return status(410)(req)
				})
				r.emit(open("1"))
				time.Sleep(2500 * time.Millisecond)
				edited := w
				edited.URL = "https://new.test/"
				_, err := other.UpdateWebhook(r.ctx, edited)
				require.NoError(t, err)
				time.Sleep(time.Minute)
				assert.Equal(t, map[webhook.State]int{webhook.StateDelivered: 1}, r.states())
				assert.Empty(t, r.webhook(w.ID).Disabled)

				edited = r.webhook(w.ID)
				edited.URL = w.URL
				_, err = other.UpdateWebhook(r.ctx, edited)
				require.NoError(t, err)
				time.Sleep(time.Minute)
				r.emit(open("2"))
				time.Sleep(time.Minute)
				assert.Equal(t, map[webhook.State]int{webhook.StateDelivered: 1, webhook.StateFailed: 1}, r.states())
				assert.NotEmpty(t, r.webhook(w.ID).Disabled)
			})
		})
	}
}
