package webhooktest_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/webhooktest"
)

const form = "application/x-www-form-urlencoded"

const opened = "type=open&initiated_from=public&list=12&subscriber[email]=test@test.com"

// post sends a body to a receiver, as a form unless told otherwise by header
// fields in pairs.
func post(t *testing.T, client *http.Client, url, body string, header ...string) (*http.Response, error) {
	t.Helper()
	return postWithin(t.Context(), t, client, url, body, header...)
}

func postWithin(ctx context.Context, t *testing.T, client *http.Client, url, body string, header ...string) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", form)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := client.Do(r)
	if err == nil {
		t.Cleanup(func() { _ = answer.Body.Close() })
	}
	return answer, err
}

// send posts an event and returns the whole answer's status.
func send(t *testing.T, r *webhooktest.Receiver, header ...string) int {
	t.Helper()
	answer, err := post(t, r.Client(), r.URL()+"?key=k", opened, header...)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, answer.Body)
	require.NoError(t, err)
	return answer.StatusCode
}

func TestWhatComesIsRecordedAndDecoded(t *testing.T) {
	r := webhooktest.NewReceiver(t, nil)
	require.Equal(t, http.StatusOK, send(t, r, webhook.HeaderID, "msg_1"))

	got := r.Received()
	require.Len(t, got, 1)
	require.NoError(t, got[0].Err)
	e, ok := got[0].Events[0].(webhook.Open)
	require.True(t, ok, "%T", got[0].Events)
	assert.Equal(t, "test@test.com", e.Subscriber.Email)
	assert.Equal(t, "msg_1", e.ID)
	assert.Equal(t, opened, string(got[0].Body))
	assert.Equal(t, "/webhook?key=k", got[0].RequestURI)
	assert.Equal(t, form, got[0].Header.Get("Content-Type"))
	assert.False(t, got[0].At.IsZero())
	assert.NotContains(t, got[0].String(), "test.com")
}

func TestAReceiverTakesJSON(t *testing.T) {
	r := webhooktest.NewReceiver(t, nil)
	body := webhook.SampleBody(webhook.TypeClick, webhook.FormatJSON)
	answer, err := post(t, r.Client(), r.URL(), string(body), "Content-Type", "application/json")
	require.NoError(t, err)
	assert.Equal(t, 200, answer.StatusCode)
	got := r.Wait(t, 1)[0]
	assert.Equal(t, "test@test.com", got.Events[0].(webhook.Click).Subscriber.Email)
	assert.Equal(t, string(body), string(got.Body))
}

func TestWhatIsNoWebhookIsRefusedAndRecorded(t *testing.T) {
	secrets := []webhook.Secret{webhook.NewSecret()}
	for name, test := range map[string]struct {
		opts   *webhooktest.Options
		body   string
		header []string
		status int
		err    error // nil: an *InvalidError
	}{
		"unsigned":                {&webhooktest.Options{Secrets: secrets}, opened, nil, 401, webhook.ErrSignature},
		"neither a form nor JSON": {nil, "<open/>", []string{"Content-Type", "application/xml"}, 415, webhook.ErrContentType},
		"JSON that is no event":   {nil, "{}", []string{"Content-Type", "application/json"}, 400, nil},
		"an unknown type":         {nil, "type=Unknown", nil, 400, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := webhooktest.NewReceiver(t, test.opts)
			answer, err := post(t, r.Client(), r.URL(), test.body, test.header...)
			require.NoError(t, err)
			assert.Equal(t, test.status, answer.StatusCode)
			got := r.WaitFor(t, func(webhooktest.Received) bool { return true })
			if test.err == nil {
				require.ErrorAs(t, got.Err, new(*webhook.InvalidError))
			} else {
				require.ErrorIs(t, got.Err, test.err)
			}
			assert.Nil(t, got.Events)
			assert.Equal(t, test.body, string(got.Body), "for whoever wonders why")
		})
	}
}

func TestWaitingEndsTheTestWhenNothingComes(t *testing.T) {
	opts := &webhooktest.Options{Patience: time.Millisecond}
	for name, test := range map[string]struct {
		wait     func(testing.TB, *webhooktest.Receiver)
		failures string
	}{
		"for events": {
			func(t testing.TB, r *webhooktest.Receiver) { r.Wait(t, 2) },
			"waited 1ms for 2 events; 2 came:\n\topen msg_1, attempt 1\n\ta request msg_2, attempt 7: webhook: Type is",
		},
		"for one in particular": {
			func(t testing.TB, r *webhooktest.Receiver) {
				r.WaitFor(t, func(webhooktest.Received) bool { return false })
			},
			"waited 1ms for a matching request; 2 came:",
		},
		"for none": {
			func(t testing.TB, r *webhooktest.Receiver) { r.None(t, 0) },
			"nothing was to come, but 2 came:",
		},
		"for one that came": {
			func(t testing.TB, r *webhooktest.Receiver) { r.Wait(t, 1) },
			"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			failures := run(func(inner testing.TB) {
				r := webhooktest.NewReceiver(inner, opts)
				send(t, r, webhook.HeaderID, "msg_1", webhook.HeaderAttempt, "1")
				_, err := post(t, r.Client(), r.URL(), "type=No", webhook.HeaderID, "msg_2", webhook.HeaderAttempt, "7")
				require.NoError(t, err)
				test.wait(inner, r)
			})
			if test.failures == "" {
				assert.Empty(t, failures)
			}
			assert.Contains(t, failures, test.failures)
		})
	}
}

func TestNoneFailsOnWhatComesMeanwhile(t *testing.T) {
	failures := run(func(inner testing.TB) {
		r := webhooktest.NewReceiver(inner, nil)
		go func() {
			if answer, err := r.Client().Post(r.URL(), form, strings.NewReader(opened)); err == nil {
				_ = answer.Body.Close()
			}
		}()
		r.None(inner, time.Minute) // ends when it comes
	})
	assert.Contains(t, failures, "nothing was to come, but 1 came:\n\topen")

	assert.Empty(t, run(func(inner testing.TB) {
		webhooktest.NewReceiver(inner, nil).None(inner, time.Millisecond)
	}))
}

func TestSeveralReceiversHaveOneClient(t *testing.T) {
	a := webhooktest.NewReceiver(t, &webhooktest.Options{TLS: webhooktest.TLSValid})
	b := webhooktest.NewReceiver(t, &webhooktest.Options{TLS: webhooktest.TLSValid})
	for _, r := range []*webhooktest.Receiver{a, b} {
		_, err := post(t, a.Client(), r.URL(), opened)
		require.NoError(t, err)
		r.Wait(t, 1)
	}
}

func TestHTTP2IsOfferedOnRequest(t *testing.T) {
	r := webhooktest.NewReceiver(t, &webhooktest.Options{TLS: webhooktest.TLSValid, HTTP2: true})
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: webhooktest.ClientOptions().TLS, ForceAttemptHTTP2: true,
	}}
	defer client.CloseIdleConnections()
	answer, err := post(t, client, r.URL(), opened)
	require.NoError(t, err)
	assert.Equal(t, 2, answer.ProtoMajor)

	r.AnswerWith(webhooktest.Reset())
	_, err = post(t, client, r.URL(), opened)
	require.ErrorContains(t, err, "stream error")
	r.AnswerWith(webhooktest.Status(200))
	assert.Equal(t, http.StatusOK, send(t, r), "the library's own client speaks HTTP/1.1")
}

func TestClosingEndsWhatHangsAndLeavesNothingBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, a := range []webhooktest.Answer{
		webhooktest.Hang(), webhooktest.Unread(), webhooktest.Status(200).Stall(), webhooktest.Status(200).Endless(),
		webhooktest.Status(200).Twice(), webhooktest.EndlessHead(), webhooktest.Status(200).After(time.Hour),
		webhooktest.Status(200).Drip(time.Hour),
	} {
		failures := run(func(inner testing.TB) {
			r := webhooktest.NewReceiver(inner, &webhooktest.Options{Answer: a})
			done := make(chan error)
			go func() {
				answer, err := r.Client().Post(r.URL(), form, strings.NewReader(opened))
				if err == nil {
					_, err = io.Copy(io.Discard, answer.Body)
				}
				done <- err
			}()
			r.WaitFor(inner, func(webhooktest.Received) bool { return true })
			r.Close()
			<-done
			if _, err := r.Client().Get(r.URL()); err == nil {
				inner.Errorf("it still answers")
			}
		})
		require.Empty(t, failures)
	}
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+1 }, 10*time.Second, time.Millisecond,
		"goroutines are left: %d before", before)
}

func TestTLSFailsAsToldTo(t *testing.T) {
	for kind, want := range map[webhooktest.TLS]string{
		webhooktest.TLSValid:       "",
		webhooktest.TLSExpired:     "certificate has expired or is not yet valid",
		webhooktest.TLSNotYetValid: "certificate has expired or is not yet valid",
		webhooktest.TLSWrongHost:   "doesn't contain any IP SANs",
		webhooktest.TLSSelfSigned:  "unknown authority",
		webhooktest.TLSOld:         "protocol version",
		webhooktest.TLSClientAuth:  "certificate required",
		webhooktest.TLSStalled:     "deadline exceeded",
		webhooktest.TLSHangup:      "EOF",
		webhooktest.TLSMissing:     "HTTP response to HTTPS client",
	} {
		t.Run(string(kind), func(t *testing.T) {
			r := webhooktest.NewReceiver(t, &webhooktest.Options{TLS: kind})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if kind == webhooktest.TLSStalled {
				ctx, cancel = context.WithTimeout(ctx, 50*time.Millisecond)
				defer cancel()
			}
			_, err := postWithin(ctx, t, r.Client(), r.URL(), opened)
			if want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, want)
		})
	}

	t.Run("untrusted by whoever does not know the authority", func(t *testing.T) {
		r := webhooktest.NewReceiver(t, &webhooktest.Options{TLS: webhooktest.TLSValid})
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{}}}
		_, err := post(t, client, r.URL(), opened)
		var unverified *tls.CertificateVerificationError
		require.True(t, errors.As(err, &unverified), "%v", err)
	})
}
