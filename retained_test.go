package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// paused is a webhook that is disabled and keeps its events.
func paused(w *webhook.Webhook) { w.Disabled, w.KeepEvents = "Moving house.", true }

// resume enables a webhook.
func (r *harness) resume(id string) {
	w := r.webhook(id)
	w.Disabled = ""
	_, err := r.UpdateWebhook(r.ctx, w)
	require.NoError(r.t, err)
}

func TestWhatWasKeptIsDeliveredInTheOrderInWhichItHappened(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{PerWebhook: 1}).start()
		id := r.put(paused).ID
		var want []string
		for i := range 30 {
			var e webhook.Event = webhook.Sample(webhook.EventTypes()[i%9])
			if i%9 == 3 { // no subscriber
				continue
			}
			r.emit(e)
			want = append(want, string(e.Type()))
			time.Sleep(time.Minute)
		}
		require.Empty(t, r.receiver.requests())
		r.resume(id)
		synctest.Wait()
		var got []string
		for _, g := range r.receiver.requests() {
			got = append(got, g.Form.Get("type"))
		}
		assert.Equal(t, want, got)
		assert.Zero(t, r.webhook(id).Discarded)
	})
}

// TestSwitchingOnSendsAllThatWaitsTheOldestFirst has deliveries wait that failed,
// that are urgent, and that were kept, when the webhook is enabled.
func TestSwitchingOnSendsAllThatWaitsTheOldestFirst(t *testing.T) {
	for _, off := range []time.Duration{2 * time.Minute, time.Hour, 100 * time.Hour} {
		t.Run(off.String()+" off", func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newHarness(t, &webhook.Options{PerWebhook: 1, PollInterval: time.Minute}).start()
				id := r.put(nil).ID
				var want []string
				emit := func() {
					for range 3 {
						for _, e := range []webhook.Event{
							webhook.Sample(webhook.TypeOpen), webhook.Sample(webhook.TypeUnsubscribe), webhook.Sample(webhook.TypeClick),
						} {
							r.emit(e)
							want = append(want, string(e.Type()))
							time.Sleep(time.Second)
						}
					}
				}
				r.receiver.set(status(500))
				emit()
				time.Sleep(20 * time.Minute) // the third attempts failed: the next ones are half an hour away
				w := r.webhook(id)
				w.Disabled, w.KeepEvents = "Moving house.", true
				_, err := r.UpdateWebhook(r.ctx, w)
				require.NoError(t, err)
				emit()
				time.Sleep(off) // attempts that began before it was disabled have ended
				r.receiver.set(nil)
				sent := len(r.receiver.requests())

				r.resume(id)
				synctest.Wait()
				var got []string
				for _, g := range r.receiver.requests()[sent:] {
					got = append(got, g.Form.Get("type"))
				}
				assert.Equal(t, want, got)
				assert.Equal(t, len(want), r.states()[webhook.StateDelivered], "none waits for its retry")
			})
		})
	}
}

// TestEnablingSendsNothingTwice disables and enables a webhook while an
// attempt is under way.
func TestEnablingSendsNothingTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		id := r.put(func(w *webhook.Webhook) { w.KeepEvents = true }).ID
		r.receiver.set(func(req *http.Request) (*http.Response, error) {
			time.Sleep(10 * time.Second)
			return status(200)(req)
		})
		r.emit(open("e1"))
		time.Sleep(time.Second)
		w := r.webhook(id)
		w.Disabled = "Moving house."
		_, err := r.UpdateWebhook(r.ctx, w)
		require.NoError(t, err)
		r.resume(id)
		time.Sleep(time.Hour)
		assert.Len(t, r.receiver.requests(), 1)
		assert.Equal(t, 1, r.states()[webhook.StateDelivered])
	})
}

func TestNoMoreIsKeptThanTheLimitAndTheRestIsCounted(t *testing.T) {
	for _, c := range []struct {
		name string
		emit func(*harness, webhook.Event) error
	}{
		{"Emit", func(r *harness, e webhook.Event) error { return r.Emit(r.ctx, e) }},
		{"EmitTx", func(r *harness, e webhook.Event) error { return r.EmitTx(r.ctx, r.store, e) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r, store := newCountingHarness(t, &webhook.Options{KeepLimit: 100})
				r.start()
				id := r.put(paused).ID
				before := store.count()
				for i := range 2100 {
					require.NoError(t, c.emit(r, open(fmt.Sprint(i))))
					time.Sleep(100 * time.Millisecond)
				}
				time.Sleep(time.Minute)
				assert.InDelta(t, 100, len(r.log()), 2)
				assert.Equal(t, 2100-len(r.log()), r.webhook(id).Discarded)
				assert.LessOrEqual(t, store.count()-before, 22, "it is not written for each event")

				// Another process counts for itself.
				other := r.another(&webhook.Options{KeepLimit: 100})
				require.NoError(t, other.Emit(r.ctx, open("elsewhere")))
				time.Sleep(time.Minute)
				assert.Equal(t, 2101-len(r.log()), r.webhook(id).Discarded)

				r.resume(id)
				time.Sleep(time.Minute)
				assert.Len(t, r.receiver.requests(), len(r.log()))
				assert.Equal(t, 2101-len(r.log()), r.webhook(id).Discarded, "so that the owner learns of it")
				w := r.webhook(id)
				w.Disabled = "Again."
				w, err := r.UpdateWebhook(r.ctx, w)
				require.NoError(t, err)
				assert.Zero(t, w.Discarded)
				r.emit(open("room again"))
				time.Sleep(time.Minute)
				assert.Zero(t, r.webhook(id).Discarded)
			})
		})
	}
}

func TestNothingIsKeptForLongerThanTheRetention(t *testing.T) {
	bubble(t, func(t *testing.T) {
		opts := &webhook.Options{Retention: 2 * day, PollInterval: time.Minute}
		r := newHarness(t, opts)
		id := r.put(paused).ID
		on := r.put(func(w *webhook.Webhook) { w.Account = "other" }).ID
		for i := range 10 {
			r.emit(open(fmt.Sprint(i)))
			time.Sleep(6 * time.Hour)
		}
		waiting := open("waits for its webhook's process")
		waiting.Account = "other"
		r.emit(waiting)

		// A process that has never heard of the account cleans up all the same.
		r.Dispatcher = r.another(opts)
		r.start()
		time.Sleep(15 * time.Minute)
		for i, d := range r.log() {
			old := i < 3
			assert.Equal(t, old, d.State == webhook.StateCanceled, "event %d", i)
			assert.Equal(t, old, len(d.Body) == 0, "event %d", i)
		}
		assert.Equal(t, 3, r.webhook(id).Discarded)
		assert.Len(t, r.receiver.requests(), 1)
		_, err := r.Webhook(r.ctx, "other", on)
		require.NoError(t, err)
	})
}

func TestWhatWaitsCanBeDropped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{KeepLimit: 1200}).start()
		id := r.put(paused).ID
		for i := range 1201 {
			r.emit(open(fmt.Sprint(i)))
		}
		_, err := r.CancelPending(r.ctx, "another", id)
		require.ErrorIs(t, err, webhook.ErrNotFound)
		n, err := r.CancelPending(r.ctx, "", id)
		require.NoError(t, err)
		assert.Equal(t, 1200, n)
		n, err = r.CancelPending(r.ctx, "", id)
		require.NoError(t, err)
		assert.Zero(t, n)
		assert.Equal(t, map[webhook.State]int{webhook.StateCanceled: 1200}, r.states())
		assert.Contains(t, r.log()[0].Log[0].Reason, "dropped")

		r.emit(open("there is room again"))
		r.resume(id)
		time.Sleep(time.Minute)
		require.Len(t, r.receiver.requests(), 1)
		replayed, err := r.Replay(r.ctx, "", id, webhook.ReplayQuery{States: []webhook.State{webhook.StateCanceled}})
		require.NoError(t, err)
		assert.Equal(t, 1200, replayed.Resent, "until it leaves the log it can be had after all")
		time.Sleep(time.Minute)
		assert.Len(t, r.receiver.requests(), 1201)

		require.NoError(t, r.DeleteWebhook(r.ctx, "", id))
		_, err = r.CancelPending(r.ctx, "", id)
		require.ErrorIs(t, err, webhook.ErrNotFound)
	})
}

func TestDeletingAPausedWebhookLeavesNothingWaiting(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		id := r.put(paused).ID
		emitter := r.another(nil)
		require.NoError(t, emitter.Emit(r.ctx, open("before")))
		require.NoError(t, r.DeleteWebhook(r.ctx, "", id))
		require.NoError(t, emitter.Emit(r.ctx, open("by a process that has not heard")))
		time.Sleep(time.Minute)
		assert.Equal(t, map[webhook.State]int{webhook.StateCanceled: 2}, r.states())
	})
}

// While the store hangs, callers give up, and what nobody waits for is dropped when it is
// too much. It must not count as kept: events that follow would be discarded.
func TestWhatIsDroppedWhileTheStoreHangsIsNotKept(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const dropped = 10_100
		r, store := newStallingHarness(t, &webhook.Options{KeepLimit: dropped + 1})
		id := r.put(paused).ID
		r.emit(open("counts"))
		release := make(chan struct{})
		store.set(func(s *stallingStore) {
			s.enqueue = func(context.Context) error { <-release; return nil }
		})
		impatient, giveUp := context.WithCancel(r.ctx)
		for i := range dropped {
			go func() { assert.Error(t, r.Emit(impatient, open(fmt.Sprint("dropped", i)))) }()
		}
		synctest.Wait()
		giveUp()
		synctest.Wait()
		close(release)
		synctest.Wait()
		kept := len(r.log())
		require.Less(t, kept, 1000, "of those that nobody waited for")
		for i := range 100 {
			r.emit(open(fmt.Sprint("follows", i)))
		}
		assert.Equal(t, kept+100, len(r.log()))
		time.Sleep(time.Minute)
		assert.Zero(t, r.webhook(id).Discarded)
	})
}
