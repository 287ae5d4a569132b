package webhook_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// withUnreadable returns a harness whose Dispatcher has opts, and two webhooks: one that
// was stored under a key which opts do not have, and one that it can read.
func withUnreadable(t *testing.T, opts *webhook.Options, change func(*webhook.Webhook)) (r *harness, bad, good webhook.Webhook) {
	r = newHarness(t, keys(1))
	bad = r.put(func(w *webhook.Webhook) {
		confidential(w)
		if change != nil {
			change(w)
		}
	})
	r.Dispatcher = r.another(opts)
	good = r.put(func(w *webhook.Webhook) { w.URL = "https://good.test/hook" })
	return r, bad, good
}

// requireNoSecret checks a text that people may read.
func requireNoSecret(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		for _, secret := range confidentialTexts {
			require.NotContains(t, text, secret)
		}
	}
}

func TestAnUnreadableWebhookIsListedBesideTheOthers(t *testing.T) {
	for name, opts := range map[string]*webhook.Options{"no key": nil, "another key": keys(2)} {
		t.Run(name, func(t *testing.T) {
			r, bad, good := withUnreadable(t, opts, nil)
			ws, err := r.Webhooks(r.ctx, webhook.WebhookQuery{Tallies: true})
			require.NoError(t, err)
			require.Len(t, ws, 2)
			assert.Equal(t, []string{bad.ID, good.ID}, []string{ws[0].ID, ws[1].ID})
			assert.Equal(t, good.URL, ws[1].URL)
			assert.Empty(t, ws[1].Unreadable())
			one, err := r.Webhook(r.ctx, "", bad.ID)
			require.NoError(t, err)
			for _, w := range []webhook.Webhook{ws[0], one} {
				assert.Contains(t, w.Unreadable(), "cannot be read")
				assert.Contains(t, w.Unreadable(), "Options.EncryptionKeys")
				assert.Equal(t, "all", w.Name)
				assert.Equal(t, bad.Events, w.Events)
				assert.Empty(t, w.URL)
				assert.Empty(t, w.Secrets)
				assert.Empty(t, w.Headers)
			}
		})
	}
}

func TestAnUnreadableWebhookIsNeitherEditedNorEnabled(t *testing.T) {
	r, bad, good := withUnreadable(t, keys(2), nil)
	w, err := r.Webhook(r.ctx, "", bad.ID)
	require.NoError(t, err)
	before, _ := r.stored()
	for name, change := range map[string]func(*webhook.Webhook){
		"renamed":          func(w *webhook.Webhook) { w.Name = "renamed" },
		"disabled":         func(w *webhook.Webhook) { w.Disabled = "away" },
		"with another URL": func(w *webhook.Webhook) { w.URL = "https://elsewhere.test/" },
	} {
		edited := w
		change(&edited)
		_, err = r.UpdateWebhook(r.ctx, edited)
		require.ErrorIs(t, err, webhook.ErrUnreadable, name)
		require.ErrorAs(t, err, new(*webhook.InvalidError), name)
		requireNoSecret(t, err.Error())
	}
	after, _ := r.stored()
	assert.Equal(t, before, after)
	good.Name = "renamed"
	_, err = r.UpdateWebhook(r.ctx, good)
	require.NoError(t, err)
	require.NoError(t, r.DeleteWebhook(r.ctx, "", bad.ID))
	ws, err := r.Webhooks(r.ctx, webhook.WebhookQuery{})
	require.NoError(t, err)
	assert.Len(t, ws, 1)
}

func TestEventsOfAnUnreadableWebhookWaitForItsKey(t *testing.T) {
	for name, change := range map[string]func(*webhook.Webhook){
		"one by one":    nil,
		"without retry": func(w *webhook.Webhook) { w.NoRetry = true },
		"in batches":    func(w *webhook.Webhook) { w.Batch = 10 },
		"in no order":   func(w *webhook.Webhook) { w.Order = webhook.OrderNone },
		"limited":       func(w *webhook.Webhook) { w.RateLimit = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				opts := keys(2)
				opts.PollInterval = 5 * time.Minute
				r, bad, good := withUnreadable(t, opts, change)
				r.start()
				r.emit(open("e1"))
				require.NoError(t, r.EmitTx(r.ctx, r.store, open("e2")))
				require.NoError(t, r.EmitBuffered(r.ctx, open("e3")))
				r.emit(unsubscribed("e4"), unsubscribed("e5"))
				time.Sleep(5 * 24 * time.Hour)
				for _, d := range r.log() {
					if d.WebhookID == good.ID {
						assert.Equal(t, webhook.StateDelivered, d.State)
						continue
					}
					assert.Equal(t, webhook.StatePending, d.State, d.EventID)
					assert.Zero(t, d.Attempts, d.EventID)
					for _, a := range d.Log {
						assert.Equal(t, "sender", a.Failure())
						requireNoSecret(t, a.Reason, a.Detail)
					}
				}
				assert.Len(t, r.receiver.requests(), 5, "the other webhook's")
				ws, _ := r.stored()
				assert.Zero(t, ws[0].Health, "it is no fault of the receiver's")
				require.NoError(t, r.Shutdown(r.ctx))

				r.Dispatcher = r.another(keys(2, 1))
				r.start()
				time.Sleep(10 * time.Minute)
				for _, d := range r.log() {
					assert.Equal(t, webhook.StateDelivered, d.State)
				}
				w, err := r.Webhook(r.ctx, "", bad.ID)
				require.NoError(t, err)
				assert.Empty(t, w.Unreadable())
				assert.Equal(t, bad.URL, w.URL)
			})
		})
	}
}

// What waits for months has a short log, and is no poison when the key is back.
func TestADeliveryThatWaitedLongForAKeyIsDelivered(t *testing.T) {
	for name, change := range map[string]func(*webhook.Webhook){
		"alone":       nil,
		"in a batch":  func(w *webhook.Webhook) { w.Batch = 10 },
		"not retried": func(w *webhook.Webhook) { w.NoRetry = true },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				opts := keys(2)
				opts.PollInterval = 10 * time.Minute
				r, bad, good := withUnreadable(t, opts, change)
				require.NoError(t, r.DeleteWebhook(r.ctx, "", good.ID))
				r.start()
				r.emit(unsubscribed("e1"))
				time.Sleep(20 * 24 * time.Hour)
				d := r.log()[0]
				assert.Equal(t, webhook.StatePending, d.State)
				assert.Greater(t, d.Lease, int64(400), "it was claimed again and again")
				assert.Greater(t, len(d.Log), 10)
				assert.Less(t, len(d.Log), 30)
				b, err := r.Backlog(r.ctx)
				require.NoError(t, err)
				assert.Equal(t, 1, b.Due, "the operator sees that it waits")
				require.NoError(t, r.Shutdown(r.ctx))

				r.Dispatcher = r.another(keys(2, 1))
				r.start()
				time.Sleep(time.Minute)
				d = r.log()[0]
				assert.Equal(t, webhook.StateDelivered, d.State)
				assert.Equal(t, bad.URL, r.receiver.requests()[0].URL)
			})
		})
	}
}

func unsubscribed(id string) webhook.Unsubscribe {
	e := open(id)
	return webhook.Unsubscribe{Meta: e.Meta, Subscriber: e.Subscriber}
}

// A lockedBuffer is a log that a test reads while it is written.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func TestTheOperatorIsToldOfAnUnreadableWebhook(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log lockedBuffer
		opts := rarely()
		opts.Logger = slog.New(slog.NewTextHandler(&log, nil))
		r, bad, _ := withUnreadable(t, opts, func(w *webhook.Webhook) { w.Account = "acme" })
		second := r.another(keys(1))
		w := everything()
		w.Account = "acme"
		another, err := second.AddWebhook(r.ctx, w)
		require.NoError(t, err)
		r.start()
		e := open("")
		e.Account = "acme"
		for range 10 {
			r.emit(e)
		}
		time.Sleep(59 * time.Minute)
		synctest.Wait()
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		require.Len(t, lines, 2, "one of each webhook")
		for _, id := range []string{bad.ID, another.ID} {
			assert.Contains(t, log.String(), "webhook="+id+" account=acme")
		}
		requireNoSecret(t, log.String())
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		n := strings.Count(log.String(), "\n")
		assert.Greater(t, n, 2, "it is said again")
		assert.LessOrEqual(t, n, 8)
	})
}

func TestReencryptingLeavesOutWhatIsUnreadable(t *testing.T) {
	r := newHarness(t, keys(1))
	bad := r.put(confidential)
	r.Dispatcher = r.another(keys(2))
	for range 130 {
		r.put(nil)
	}
	before, _ := r.stored()
	n, err := r.another(keys(3, 2)).ReencryptWebhooks(r.ctx)
	require.ErrorIs(t, err, webhook.ErrUnreadable)
	assert.ErrorContains(t, err, bad.ID)
	assert.ErrorContains(t, err, "no key decrypts: 1,")
	requireNoSecret(t, err.Error())
	assert.Equal(t, 130, n)
	after, _ := r.stored()
	assert.Equal(t, before[0].Sealed, after[0].Sealed)
	r.Dispatcher = r.another(keys(3))
	ws, err := r.Webhooks(r.ctx, webhook.WebhookQuery{})
	require.NoError(t, err)
	for _, w := range ws[1:] {
		assert.Empty(t, w.Unreadable())
	}
}

// TestWhatNeedsNoSecretWorksOnAnUnreadableWebhook makes every call that the Dispatcher
// has for a webhook or its deliveries.
func TestWhatNeedsNoSecretWorksOnAnUnreadableWebhook(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, bad, good := withUnreadable(t, keys(2), nil)
		sealed, _ := r.stored()
		r.start()
		r.emit(open("e1"), open("e2"))
		time.Sleep(2 * time.Minute)

		explained, err := r.Explain(r.ctx, open("e3"))
		require.NoError(t, err)
		require.Len(t, explained, 2)
		assert.True(t, explained[0].Matches)
		assert.Contains(t, explained[0].Reason, "cannot be read")
		assert.Equal(t, "The webhook gets the event.", strings.Split(explained[1].Reason, " It ")[0])

		a, err := r.SendTest(r.ctx, "", bad.ID, webhook.TypeOpen)
		require.NoError(t, err)
		assert.Equal(t, sealed[0].Unreadable(), a.Reason)
		_, err = r.ProbeNow(r.ctx, "", bad.ID)
		require.NoError(t, err)
		n, err := r.CancelPending(r.ctx, "", bad.ID)
		require.NoError(t, err)
		assert.Equal(t, 2, n)
		q := webhook.ReplayQuery{Since: time.Now().Add(-time.Hour), States: []webhook.State{webhook.StateCanceled}}
		n, err = r.CountReplay(r.ctx, "", bad.ID, q)
		require.NoError(t, err)
		assert.Equal(t, 2, n)
		_, err = r.StartReplay(r.ctx, "", bad.ID, "job", q)
		require.NoError(t, err)
		time.Sleep(time.Minute)
		n, err = r.Count(r.ctx, webhook.DeliveryQuery{Webhook: bad.ID, States: []webhook.State{webhook.StatePending}})
		require.NoError(t, err)
		assert.Equal(t, 2, n, "what is sent again waits too")
		_, err = r.Backlog(r.ctx)
		require.NoError(t, err)

		ws, err := r.Webhooks(r.ctx, webhook.WebhookQuery{Tallies: true})
		require.NoError(t, err)
		assert.Zero(t, webhook.TotalTally(webhook.SumTallies(time.Now(), ws[0]).Day).Attempts)
		assert.Equal(t, 2, webhook.TotalTally(webhook.SumTallies(time.Now(), ws[1]).Day).Delivered)
		assert.Equal(t, sealed[0].Sealed, ws[0].Sealed, "nothing that is noted of it touches what is encrypted")
		assert.Equal(t, good.URL, ws[1].URL)

		n, err = r.EraseSubscriber(r.ctx, "", "1", "", nil)
		require.NoError(t, err)
		assert.Equal(t, 4, n)
		_, _, err = r.EraseAccount(r.ctx, "")
		require.NoError(t, err)
		ws, doc := r.stored()
		assert.True(t, ws[0].Deleted && ws[1].Deleted)
		assert.Nil(t, ws[0].Sealed)
		requireNoSecret(t, doc)
	})
}

// A process without the key must not stand in the way of one that has it.
func TestAProcessWithTheKeyDeliversBesideOneWithout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarnessOn(t, &memstore.Store{}, keys(1))
		id := r.put(confidential).ID
		with := &harness{Dispatcher: r.Dispatcher, t: t, ctx: r.ctx, store: r.store, receiver: r.receiver}
		r.Dispatcher = r.another(nil)
		r.start()
		with.start()
		for range 20 {
			r.emit(open(""))
		}
		time.Sleep(time.Minute)
		assert.Len(t, r.receiver.requests(), 20)
		w, err := with.Webhook(r.ctx, "", id)
		require.NoError(t, err)
		assert.Equal(t, "Bearer t0ken", w.Headers["Authorization"])
	})
}
