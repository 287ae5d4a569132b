package webhooktest_test

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook/webhooktest"
)

func TestAnswersComeInTheirManner(t *testing.T) {
	status := webhooktest.Status
	for name, test := range map[string]struct {
		answer  webhooktest.Answer
		status  int
		body    string
		err     string // of the request
		bodyErr string // of reading the body
	}{
		"the zero value":    {answer: webhooktest.Answer{}, status: 200},
		"a status":          {answer: status(500), status: 500, body: "Internal Server Error\n"},
		"without a body":    {answer: status(204), status: 204},
		"a body":            {answer: status(200).Body("é\x00\xff"), status: 200, body: "é\x00\xff"},
		"a redirect":        {answer: webhooktest.Redirect("/other"), status: 302, body: "Found\n"},
		"later":             {answer: status(200).After(time.Millisecond), status: 200, body: "OK\n"},
		"after hints":       {answer: status(200).Hints(3), status: 200, body: "OK\n"},
		"dripping":          {answer: status(200).Drip(time.Millisecond), status: 200, body: "OK\n"},
		"to half":           {answer: status(200).Truncate(), status: 200, body: "O", bodyErr: "reset"},
		"stalling":          {answer: status(200).Stall(), status: 200, body: "O", bodyErr: "deadline exceeded"},
		"two times":         {answer: status(404).Twice(), status: 404, body: "Not Found\n"},
		"never":             {answer: webhooktest.Hang(), err: "deadline exceeded"},
		"unread, never":     {answer: webhooktest.Unread(), err: "deadline exceeded"},
		"hanging up":        {answer: webhooktest.Hangup(), err: "EOF"},
		"resetting":         {answer: webhooktest.Reset(), err: "reset"},
		"in another tongue": {answer: webhooktest.Raw("220 mail.example ESMTP\r\n"), err: "malformed"},
		"a head, no end":    {answer: webhooktest.EndlessHead(), err: "headers exceeded"},
		"a large head":      {answer: status(200).Header("X", strings.Repeat("x", 100_000)), err: "headers exceeded"},
		"a handler": {
			answer: webhooktest.Func(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(202)
				_, _ = io.Copy(w, r.Body)
			}),
			status: 202, body: opened,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := webhooktest.NewReceiver(t, &webhooktest.Options{Answer: test.answer})
			client := *r.Client()
			client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if strings.Contains(test.err+test.bodyErr, "deadline") {
				ctx, cancel = context.WithTimeout(ctx, 500*time.Millisecond)
				defer cancel()
			}
			answer, err := postWithin(ctx, t, &client, r.URL(), opened)
			require.Eventually(t, func() bool { return len(r.Received()) == 1 }, 10*time.Second, time.Millisecond,
				"whatever the answer, what came is recorded, perhaps after the sender has given up")
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, test.status, answer.StatusCode)
			body, err := io.ReadAll(answer.Body)
			assert.Equal(t, test.body, string(body))
			if test.bodyErr == "" {
				assert.NoError(t, err)
			} else {
				assert.ErrorContains(t, err, test.bodyErr)
			}
		})
	}
}

func TestHeadersAreSentAndAnAnswerCanBeUsedAgain(t *testing.T) {
	plain := webhooktest.Status(503)
	held := plain.Header("Retry-After", "120").Header("X-Two", "a").Header("X-Two", "b")
	r := webhooktest.NewReceiver(t, &webhooktest.Options{Answer: held})
	answer, err := post(t, r.Client(), r.URL(), opened)
	require.NoError(t, err)
	assert.Equal(t, "120", answer.Header.Get("Retry-After"))
	assert.Equal(t, []string{"a", "b"}, answer.Header.Values("X-Two"))

	r.AnswerWith(plain)
	answer, err = post(t, r.Client(), r.URL(), opened)
	require.NoError(t, err)
	assert.Empty(t, answer.Header.Get("Retry-After"))
}

func TestASequenceGoesOnWithItsLastAnswer(t *testing.T) {
	inner := webhooktest.Sequence(webhooktest.Status(201), webhooktest.Status(202))
	r := webhooktest.NewReceiver(t, &webhooktest.Options{Answer: webhooktest.Sequence(webhooktest.Status(500), inner)})
	for _, want := range []int{500, 201, 202, 202} {
		assert.Equal(t, want, send(t, r))
	}
	r.AnswerWith(webhooktest.Sequence())
	assert.Equal(t, 200, send(t, r))
}

func TestAnEarlyAnswerDoesNotReadTheRequest(t *testing.T) {
	r := webhooktest.NewReceiver(t, &webhooktest.Options{Answer: webhooktest.Status(413).Early()})
	assert.Equal(t, 413, send(t, r))
	got := r.Received()
	require.Len(t, got, 1)
	assert.ErrorIs(t, got[0].Err, webhooktest.ErrUnread)
	assert.Empty(t, got[0].Body)
}

func TestABombExpandsAThousandfold(t *testing.T) {
	r := webhooktest.NewReceiver(t, &webhooktest.Options{Answer: webhooktest.Status(200).Bomb()})
	answer, err := post(t, r.Client(), r.URL(), opened)
	require.NoError(t, err)
	assert.Equal(t, "gzip", answer.Header.Get("Content-Encoding"))
	z, err := gzip.NewReader(answer.Body)
	require.NoError(t, err)
	n, err := io.CopyN(io.Discard, z, 32<<20) // enough to see the members strung together
	require.NoError(t, err)
	assert.EqualValues(t, 32<<20, n)
}

func TestAnEndlessBodyEndsWithTheClient(t *testing.T) {
	r := webhooktest.NewReceiver(t, &webhooktest.Options{Answer: webhooktest.Status(200).Endless()})
	answer, err := post(t, r.Client(), r.URL(), opened)
	require.NoError(t, err)
	_, err = io.CopyN(io.Discard, answer.Body, 1<<20)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
}

func TestAReusedConnectionIsClosedUnanswered(t *testing.T) {
	r := webhooktest.NewReceiver(t, &webhooktest.Options{Answer: webhooktest.Status(200).CloseReused()})
	require.Equal(t, 200, send(t, r))

	reused := false
	trace := &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) { reused = c.Reused }}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodPost, r.URL(), strings.NewReader(opened))
	require.NoError(t, err)
	req.Header.Set("Content-Type", form)
	_, err = r.Client().Do(req)
	require.Error(t, err)
	assert.True(t, reused)
}
