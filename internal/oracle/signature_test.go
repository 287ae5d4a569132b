package oracle

import (
	"bytes"
	"context"
	"encoding/base64"
	"net/http"
	"strconv"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
	"github.com/listhook/webhook/webhooktest"
)

// TestTheirLibraryVerifiesWhatIsSent reads each request as a receiver does that
// knows nothing but Standard Webhooks.
func TestTheirLibraryVerifiesWhatIsSent(t *testing.T) {
	for _, format := range webhook.Formats() {
		t.Run(string(format), func(t *testing.T) {
			receiver := webhooktest.NewReceiver(t, nil)
			d, err := webhook.New(&memstore.Store{}, receiver.Client(), nil)
			require.NoError(t, err)
			older, newer := webhook.NewSecret(), webhook.NewSecret()
			older.Until = time.Now().Add(time.Hour) // a rotation is under way: both sign
			_, err = d.AddWebhook(t.Context(), webhook.Webhook{Settings: webhook.Settings{
				URL: receiver.URL(), Events: webhook.EventTypes(), Sources: webhook.Sources(),
				Format: format, Secrets: []webhook.Secret{newer, older},
			}})
			require.NoError(t, err)
			require.NoError(t, d.Start())
			t.Cleanup(func() { assert.NoError(t, d.Shutdown(context.Background())) })
			for _, kind := range webhook.EventTypes() {
				require.NoError(t, d.Emit(t.Context(), webhook.Sample(kind)))
			}

			for _, got := range receiver.Wait(t, len(webhook.EventTypes())) {
				for _, secret := range []webhook.Secret{older, newer} {
					theirs, err := standardwebhooks.NewWebhook(secret.Key)
					require.NoError(t, err)
					assert.NoError(t, theirs.Verify(got.Body, got.Header))
					assert.Error(t, theirs.Verify(append(bytes.Clone(got.Body), '&'), got.Header))
				}
				stranger, err := standardwebhooks.NewWebhook(webhook.NewSecret().Key)
				require.NoError(t, err)
				assert.Error(t, stranger.Verify(got.Body, got.Header))
			}
		})
	}
}

func TestWhatTheirLibrarySignsIsVerified(t *testing.T) {
	secret := webhook.NewSecret()
	theirs, err := standardwebhooks.NewWebhook(secret.Key)
	require.NoError(t, err)
	body, now := []byte("type=open&subscriber[fields][7]=Ann+%E2%9C%93"), time.Now()
	sign := func(at time.Time) http.Header {
		signature, err := theirs.Sign("msg_1", at, body)
		require.NoError(t, err)
		h := http.Header{}
		h.Set(standardwebhooks.HeaderWebhookID, "msg_1")
		h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
		h.Set(standardwebhooks.HeaderWebhookSignature, signature)
		return h
	}
	with := func(s webhook.Secret) *webhook.ReceiveOptions {
		return &webhook.ReceiveOptions{Secrets: []webhook.Secret{s}}
	}
	require.NoError(t, webhook.Verify(sign(now), body, with(secret)))
	assert.ErrorIs(t, webhook.Verify(sign(now), body, with(webhook.NewSecret())), webhook.ErrSignature)
	assert.ErrorIs(t, webhook.Verify(sign(now), body[1:], with(secret)), webhook.ErrSignature)

	// Both take what is up to five minutes old, or as much too early.
	for _, at := range []time.Duration{-290 * time.Second, 290 * time.Second, -310 * time.Second, 310 * time.Second} {
		h := sign(now.Add(at))
		assert.Equal(t, theirs.Verify(body, h) == nil, webhook.Verify(h, body, with(secret)) == nil, at)
	}
}

func TestSecretsThatTheirLibraryTakesAreTaken(t *testing.T) {
	for n := 24; n <= 64; n++ {
		raw := bytes.Repeat([]byte{0xfb, 0xff, 'k'}, 22)[:n]
		for _, key := range []string{
			"whsec_" + base64.StdEncoding.EncodeToString(raw), base64.StdEncoding.EncodeToString(raw),
			"whsec_" + base64.RawStdEncoding.EncodeToString(raw), "whsec_" + base64.URLEncoding.EncodeToString(raw),
		} {
			theirs, err := standardwebhooks.NewWebhook(key)
			if err != nil {
				theirs, err = standardwebhooks.NewWebhookRaw(raw) // other libraries of theirs take it
			}
			require.NoError(t, err)
			body, now := []byte("type=open"), time.Now()
			signature, err := theirs.Sign("msg_1", now, body)
			require.NoError(t, err)
			h := http.Header{}
			h.Set(standardwebhooks.HeaderWebhookID, "msg_1")
			h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
			h.Set(standardwebhooks.HeaderWebhookSignature, signature)
			opts := &webhook.ReceiveOptions{Secrets: []webhook.Secret{{Key: key}}}
			assert.NoError(t, webhook.Verify(h, body, opts), "%d bytes", n)
			w := webhook.Webhook{Settings: webhook.Settings{
				URL: "https://example.com/", Events: webhook.EventTypes(), Sources: webhook.Sources(), Secrets: opts.Secrets,
			}}
			assert.NoError(t, w.Validate(), "%d bytes", n)
		}
	}
}
