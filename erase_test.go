package webhook_test

import (
	"context"
	"fmt"
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

// about is an update about a person.
func about(id, email string) webhook.Update {
	return webhook.Update{
		Meta:       webhook.Meta{Source: webhook.SourceAdmin},
		Subscriber: webhook.Subscriber{ID: id, Email: email, FirstName: "Name of " + id},
	}
}

func TestAPersonIsErasedFromTheQueueTheLogAndWhatIsKept(t *testing.T) {
	for _, c := range []struct{ name, id, email string }{
		{"by ID", "12", ""},
		{"by address", "", "Somebody@Example.com"},
		{"by both", "12", "somebody@example.com"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newHarness(t, &webhook.Options{PollInterval: 5 * time.Minute, Hooks: webhook.Hooks{
					Carrier: func(context.Context) map[string]string { return map[string]string{"trace": "1"} },
				}}).start()
				r.receiver.set(status(500)) // of which the log holds the answer
				r.put(nil)
				r.put(func(w *webhook.Webhook) { w.Format = webhook.FormatCurrent })
				r.put(func(w *webhook.Webhook) { w.Format = webhook.FormatJSON })
				r.put(paused)
				r.put(func(w *webhook.Webhook) { w.Account, w.URL = "another", "https://another.test/" })
				r.put(func(w *webhook.Webhook) { w.NoRetry = true })

				theirs := about("12", "somebody@example.com")
				elsewhere := theirs
				elsewhere.Account = "another"
				r.emit(theirs, about("1", "somebody@example.co"), about("112", "else@example.com"), elsewhere, webhook.Sample(webhook.TypeSent))
				time.Sleep(time.Minute)
				before := r.states()

				n, err := r.EraseSubscriber(r.ctx, "", c.id, c.email, nil)
				require.NoError(t, err)
				assert.Equal(t, 5, n, "one for each of the account's webhooks")
				erased := 0
				for _, d := range r.log() {
					if len(d.Body) > 0 {
						assert.True(t, d.Account == "another" || !strings.Contains(string(d.Body), "somebody%40example.com&") && !strings.Contains(string(d.Body), "somebody@example.com\""))
						assert.NotEmpty(t, d.Carrier)
						continue
					}
					erased++
					assert.Empty(t, d.Carrier)
					assert.Empty(t, d.Account)
					require.Len(t, d.Log, 1)
					assert.Contains(t, d.Log[0].Reason, "Erased")
					assert.Empty(t, d.Log[0].Response)
					assert.NotEqual(t, webhook.StatePending, d.State)
					require.ErrorAs(t, r.Redeliver(r.ctx, "", d.ID), new(*webhook.InvalidError))
				}
				assert.Equal(t, 5, erased)
				assert.Equal(t, before[webhook.StateFailed], r.states()[webhook.StateFailed], "what has failed has failed")
				assert.Equal(t, 4, r.states()[webhook.StateCanceled])

				n, err = r.EraseSubscriber(r.ctx, "", c.id, c.email, nil)
				require.NoError(t, err)
				assert.Zero(t, n)
				sent := len(r.receiver.requests())
				time.Sleep(4 * day)
				for _, got := range r.receiver.requests()[sent:] {
					if got.URL != "https://another.test/" {
						assert.NotEqual(t, "12", got.Form.Get("subscriber[id]")+got.Form.Get("contact[id]"))
					}
				}
			})
		})
	}
}

func TestErasingNobodyIsRefused(t *testing.T) {
	r := newHarness(t, nil)
	_, err := r.EraseSubscriber(r.ctx, "", "", "", nil)
	require.ErrorAs(t, err, new(*webhook.InvalidError))
}

// A busyStore has another process change deliveries between being read and
// being changed, a few times.
type busyStore struct {
	webhook.Store
	mu    sync.Mutex
	times int
}

func (s *busyStore) Apply(ctx context.Context, cs []webhook.Change) ([]string, error) {
	s.mu.Lock()
	busy := s.times > 0
	s.times--
	s.mu.Unlock()
	if busy {
		var other []webhook.Change
		for _, c := range cs[:len(cs)/2+1] {
			other = append(other, webhook.Change{ID: c.ID, Lease: c.Lease, State: webhook.StatePending, Due: time.Now().UTC()})
		}
		if _, err := s.Store.Apply(ctx, other); err != nil {
			return nil, err
		}
	}
	return s.Store.Apply(ctx, cs)
}

func TestNobodyIsLeftOverBecauseOthersAreBusy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := &busyStore{Store: &memstore.Store{}}
		r := &harness{t: t, ctx: t.Context(), store: store, receiver: &receiver{}}
		r.Dispatcher = r.another(nil)
		r.put(nil)
		for i := range 450 {
			r.emit(about(fmt.Sprint(i%2), ""))
			time.Sleep(time.Millisecond)
		}
		store.times = 4
		n, err := r.EraseSubscriber(r.ctx, "", "1", "", nil)
		require.NoError(t, err)
		assert.Equal(t, 225, n)
		for i, d := range r.log() {
			assert.Equal(t, i%2 == 1, len(d.Body) == 0, "event %d", i)
		}
	})
}

func TestWhatIsUnderWayWhenItIsErasedIsNotNoted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		r.put(nil)
		r.receiver.set(slowly(5 * time.Second))
		r.emit(about("12", ""))
		time.Sleep(time.Second)
		n, err := r.EraseSubscriber(r.ctx, "", "12", "", nil)
		require.NoError(t, err)
		assert.Equal(t, 1, n)
		time.Sleep(time.Minute)
		d := r.log()[0]
		assert.Empty(t, d.Body)
		assert.Equal(t, webhook.StateCanceled, d.State)
		assert.Len(t, d.Log, 1)
	})
}

func TestAnAccountIsErasedWithAllThatItsOwnerEntered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		for range 120 {
			r.put(func(w *webhook.Webhook) {
				w.Account, w.Events = "gone", []webhook.EventType{webhook.TypeClick}
				w.Secrets, w.Headers = []webhook.Secret{webhook.NewSecret()}, map[string]string{"X-Key": "k"}
			})
		}
		w := r.put(func(w *webhook.Webhook) { w.Account = "gone"; paused(w) })
		deleted := r.put(func(w *webhook.Webhook) { w.Account = "gone" })
		require.NoError(t, r.DeleteWebhook(r.ctx, "gone", deleted.ID))
		stays := r.put(nil)
		for i := range 150 {
			e := open(fmt.Sprint(i))
			e.Account = "gone"
			r.emit(e, open(fmt.Sprint(i)))
		}
		synctest.Wait()

		webhooks, deliveries, err := r.EraseAccount(r.ctx, "gone")
		require.NoError(t, err)
		assert.Equal(t, 121, webhooks)
		assert.Equal(t, 150, deliveries)
		for _, d := range r.log() {
			assert.Equal(t, d.Account == "gone", len(d.Body) == 0)
			if d.Account == "gone" {
				assert.Equal(t, webhook.StateCanceled, d.State)
			}
		}
		ws, err := r.store.Webhooks(r.ctx, webhook.WebhookQuery{All: true, Deleted: true})
		require.NoError(t, err)
		require.Len(t, ws, 123)
		for _, left := range ws {
			if left.ID != stays.ID {
				assert.Equal(t, webhook.Webhook{
					ID: left.ID, Account: "gone", Deleted: true, Changed: left.Changed, Version: left.Version, Put: left.Put,
					Created: left.Created, Revision: left.Revision,
				}, left)
			}
		}
		_, err = r.Webhook(r.ctx, "gone", w.ID)
		require.ErrorIs(t, err, webhook.ErrNotFound)

		webhooks, deliveries, err = r.EraseAccount(r.ctx, "gone")
		require.NoError(t, err)
		assert.Zero(t, webhooks+deliveries)
		r.emit(func() webhook.Event { e := open("more"); e.Account = "gone"; return e }())
		assert.Len(t, r.log(), 300)
	})
}

// Addresses may be any bytes, and JSON has U+FFFD for those that are no UTF-8.
func TestAPersonWhoseAddressIsNoUTF8IsErased(t *testing.T) {
	for _, format := range webhook.Formats() {
		h := newHarness(t, nil)
		h.put(func(w *webhook.Webhook) { w.Format = format })
		h.emit(about("1", "zo\xeb@example.com"), about("2", "else@example.com"))
		n, err := h.EraseSubscriber(h.ctx, "", "", "ZO\xeb@example.com", nil)
		require.NoError(t, err)
		assert.Equal(t, 1, n, format)
	}
}
