package webhook_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// key returns the nth key of the tests.
func key(n byte) webhook.EncryptionKey { return bytes.Repeat([]byte{n}, 32) }

func keys(ns ...byte) *webhook.Options {
	opts := &webhook.Options{}
	for _, n := range ns {
		opts.EncryptionKeys = append(opts.EncryptionKeys, key(n))
	}
	return opts
}

// stored returns the documents that the store has of all webhooks.
func (r *harness) stored() ([]webhook.Webhook, string) {
	ws, err := r.store.Webhooks(r.ctx, webhook.WebhookQuery{All: true, Deleted: true})
	require.NoError(r.t, err)
	doc, err := json.Marshal(ws)
	require.NoError(r.t, err)
	return ws, string(doc)
}

// confidential is a webhook with a secret, a header and a URL that is one.
func confidential(w *webhook.Webhook) {
	w.Secrets = []webhook.Secret{{Key: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}}
	w.Headers = map[string]string{"Authorization": "Bearer t0ken"}
}

var confidentialTexts = []string{"receiver.test", "s3cret", "MfKQ9r8", "Authorization", "t0ken"}

func TestAStoreNeverHasWhatIsSecretInPlainText(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, keys(1)).start()
		put := r.put(confidential)
		again := put
		again.Name = "renamed"
		put, err := r.UpdateWebhook(r.ctx, again)
		require.NoError(t, err)
		ws, doc := r.stored()
		assert.NotEmpty(t, ws[0].Sealed)
		for _, text := range confidentialTexts {
			assert.NotContains(t, doc, text)
		}

		w := r.webhook(put.ID)
		put.Put = w.Put // which the store alone knows
		assert.Equal(t, put, w)
		assert.Nil(t, w.Sealed)
		require.NoError(t, r.EmitTx(r.ctx, r.store, open("by a process that remembers it")))
		other := r.another(keys(1))
		require.NoError(t, other.EmitTx(r.ctx, r.store, open("by one that reads it in a transaction")))
		require.NoError(t, r.Emit(r.ctx, open("e3")))
		r.Wake()
		synctest.Wait()
		got := r.receiver.requests()
		require.Len(t, got, 3)
		for _, g := range got {
			assert.Equal(t, put.URL, g.URL)
			assert.NotEmpty(t, g.Header.Get(webhook.HeaderSignature))
			assert.Equal(t, "Bearer t0ken", g.Header.Get("Authorization"))
		}
		_, doc = r.stored()
		for _, text := range confidentialTexts {
			assert.NotContains(t, doc, text, "after its health was noted")
		}
	})
}

func TestKeysAreChangedWithoutAStop(t *testing.T) {
	r := newHarness(t, nil)
	var ids []string
	for range 120 {
		ids = append(ids, r.put(confidential).ID)
	}
	require.NoError(t, r.DeleteWebhook(r.ctx, "", ids[0]))
	_, doc := r.stored()
	require.Contains(t, doc, "t0ken", "stored before there were keys")

	for _, step := range []struct {
		name string
		opts *webhook.Options
	}{
		{"the first key", keys(1)},
		{"a new one", keys(2, 1)},
		{"the old one taken away", keys(2)},
	} {
		r.Dispatcher = r.another(step.opts)
		w := r.webhook(ids[1])
		assert.Equal(t, "Bearer t0ken", w.Headers["Authorization"], step.name)
		n, err := r.ReencryptWebhooks(r.ctx)
		require.NoError(t, err, step.name)
		assert.Equal(t, 120, n, "the deleted one too")
		_, doc = r.stored()
		assert.NotContains(t, doc, "t0ken")
		assert.NotContains(t, doc, "receiver.test")
	}
	w, err := r.another(keys(1)).Webhook(r.ctx, "", ids[1])
	require.NoError(t, err)
	assert.NotEmpty(t, w.Unreadable())
	_, err = r.another(nil).ReencryptWebhooks(r.ctx)
	require.ErrorAs(t, err, new(*webhook.InvalidError))
	_, err = r.another(keys(3)).ReencryptWebhooks(r.ctx)
	require.Error(t, err)
}

func TestAnUnreadableWebhookIsLeftAloneUntilItIsEnteredAnew(t *testing.T) {
	for name, opts := range map[string]*webhook.Options{"no key": nil, "another key": keys(2)} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newHarness(t, keys(1))
				id := r.put(confidential).ID
				before, _ := r.stored()
				right := r.Dispatcher
				r.Dispatcher = r.another(opts)
				r.start()

				for range 30 {
					r.emit(open(""))
				}
				a, err := r.SendTest(r.ctx, "", id, webhook.TypeOpen)
				require.NoError(t, err)
				assert.Contains(t, a.Reason, "cannot be read")
				time.Sleep(time.Minute)
				assert.Empty(t, r.receiver.requests())
				after, _ := r.stored()
				assert.Equal(t, before[0], after[0], "it is no fault of the receiver's")
				_, err = r.CancelPending(r.ctx, "", id)
				require.NoError(t, err)
				require.NoError(t, r.Shutdown(r.ctx))

				w, err := right.Webhook(r.ctx, "", id)
				require.NoError(t, err)
				r.Dispatcher = r.another(opts)
				w.Headers = map[string]string{"X-Key": "entered anew"}
				w, err = r.UpdateWebhook(r.ctx, w)
				require.NoError(t, err)
				stored := r.webhook(id)
				w.Put = stored.Put // which only the store knows
				assert.Equal(t, w, stored, "its owner can enter it anew")
			})
		})
	}
}

func TestAnUnreadableWebhookCanBeDeleted(t *testing.T) {
	r := newHarness(t, keys(1))
	id := r.put(confidential).ID
	require.NoError(t, r.another(nil).DeleteWebhook(r.ctx, "", id))
	ws, _ := r.stored()
	assert.Empty(t, ws[0].Sealed)
}

func TestWhatIsSealedForOneWebhookOpensForNoOther(t *testing.T) {
	r := newHarness(t, keys(1))
	mine, theirs := r.put(confidential), r.put(func(w *webhook.Webhook) { w.Account = "theirs" })
	ws, _ := r.stored()
	sealed := map[string][]byte{ws[0].ID: ws[0].Sealed, ws[1].ID: ws[1].Sealed}
	for _, c := range []struct {
		name   string
		sealed []byte
	}{
		{"another's", sealed[mine.ID]},
		{"changed", append(bytes.Clone(sealed[theirs.ID][:60]), append([]byte{sealed[theirs.ID][60] ^ 1}, sealed[theirs.ID][61:]...)...)},
		{"cut off", sealed[theirs.ID][:17]},
		{"of a later version", append([]byte{2}, sealed[theirs.ID][1:]...)},
	} {
		stored, err := r.store.Webhooks(r.ctx, webhook.WebhookQuery{Account: "theirs"})
		require.NoError(t, err)
		stored[0].Sealed = c.sealed
		_, err = r.store.PutWebhook(r.ctx, stored[0])
		require.NoError(t, err)
		w, err := r.Webhook(r.ctx, "theirs", theirs.ID)
		require.NoError(t, err)
		assert.NotEmpty(t, w.Unreadable(), c.name)
	}
}

func TestKeysAreOfTheRightLengthAndNeverPrinted(t *testing.T) {
	r := newHarness(t, nil)
	for _, bad := range []webhook.EncryptionKey{nil, make([]byte, 16), make([]byte, 33)} {
		_, err := webhook.New(r.store, nil, &webhook.Options{EncryptionKeys: []webhook.EncryptionKey{key(1), bad}})
		var invalid *webhook.InvalidError
		require.ErrorAs(t, err, &invalid)
		assert.Equal(t, "Options.EncryptionKeys", invalid.Field)
	}
	secret := webhook.EncryptionKey("0123456789abcdef0123456789abcdef")
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("", "key", secret)
	text := log.String()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		text += fmt.Sprintf(verb, secret) + fmt.Sprintf(verb, []webhook.EncryptionKey{secret})
	}
	assert.NotContains(t, text, "0123456789")
	assert.NotContains(t, text, "0x30")
	assert.NotContains(t, text, "48 49")
}
