package webhook_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// failed puts n opens into the log that failed for good, and starts the dispatcher.
func (r *harness) failed(n int) webhook.Webhook {
	w := r.put(func(w *webhook.Webhook) { w.NoRetry = true })
	for i := range n {
		r.emit(open(fmt.Sprintf("failed %04d", i)))
		time.Sleep(time.Millisecond)
	}
	var changes []webhook.Change
	for _, d := range r.log() {
		changes = append(changes, webhook.Change{ID: d.ID, Lease: d.Lease, State: webhook.StateFailed, Due: d.Created, Attempts: 1})
	}
	lost, err := r.store.Apply(r.ctx, changes)
	require.NoError(r.t, err)
	require.Empty(r.t, lost)
	r.start()
	return w
}

// job waits until the replay of a webhook has ended.
func (r *harness) job(w webhook.Webhook) webhook.ReplayJob {
	for range 1000 {
		stored, err := r.Webhook(r.ctx, w.Account, w.ID)
		require.NoError(r.t, err)
		if !stored.Replay.UnderWay() {
			return stored.Replay
		}
		time.Sleep(time.Second)
	}
	r.t.Fatal("the replay does not end")
	return webhook.ReplayJob{}
}

var onlyFailed = webhook.ReplayQuery{States: []webhook.State{webhook.StateFailed}}

func TestAReplayIsCarriedOutInSteps(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil)
		w := r.failed(250)
		n, err := r.CountReplay(r.ctx, "", w.ID, onlyFailed)
		require.NoError(t, err)
		assert.Equal(t, 250, n)
		before := len(r.receiver.requests())

		job, err := r.StartReplay(r.ctx, "", w.ID, "job", onlyFailed)
		require.NoError(t, err)
		assert.True(t, job.UnderWay())
		assert.Equal(t, 250, job.Total)
		again, err := r.StartReplay(r.ctx, "", w.ID, "job", onlyFailed)
		require.NoError(t, err)
		assert.Equal(t, job, again)
		_, err = r.StartReplay(r.ctx, "", w.ID, "another", onlyFailed)
		require.ErrorIs(t, err, webhook.ErrReplaying)
		assert.EqualError(t, err, webhook.ErrReplaying.Error(), "it names the library once")

		job = r.job(w)
		assert.Equal(t, []int{250, 250, 250, 0}, []int{job.Total, job.Checked, job.Resent, job.Replaced})
		assert.Empty(t, job.Reason)
		assert.GreaterOrEqual(t, job.Ended.Sub(job.Started), 2*time.Second*9/10, "three steps, a second apart")
		time.Sleep(time.Minute)
		assert.Equal(t, 250, r.states()[webhook.StateDelivered])
		assert.Len(t, r.receiver.requests()[before:], 250)

		_, err = r.StartReplay(r.ctx, "", w.ID, "next", onlyFailed)
		require.NoError(t, err)
		assert.Zero(t, r.job(w).Total)
		job, err = r.StartReplay(r.ctx, "", w.ID, "job", webhook.ReplayQuery{})
		require.NoError(t, err)
		assert.Equal(t, "next", job.ID, "one that was carried out is not carried out again")
		time.Sleep(time.Minute)
		assert.Len(t, r.receiver.requests()[before:], 250)
	})
}

// With a receiver that takes nothing, a replay stops making deliveries due, so that what
// is emitted meanwhile waits for few of them.
func TestAReplayLeavesRoomForLiveDeliveries(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil)
		w := r.failed(1000)
		r.receiver.set(hang)
		_, err := r.StartReplay(r.ctx, "", w.ID, "job", onlyFailed)
		require.NoError(t, err)
		time.Sleep(14 * time.Second)
		stored, err := r.Webhook(r.ctx, "", w.ID)
		require.NoError(t, err)
		assert.True(t, stored.Replay.UnderWay())
		assert.LessOrEqual(t, stored.Replay.Resent, 400)

		r.receiver.set(status(200))
		r.emit(open("live"))
		time.Sleep(time.Minute)
		place, live := 0, r.idOf("live")
		for i, got := range r.receiver.requests() {
			if got.Header.Get("Webhook-Id") == live {
				place = i
			}
		}
		assert.Positive(t, place)
		assert.Less(t, place, 400)
		assert.Equal(t, 1000, r.job(w).Checked)
	})
}

// idOf returns the ID of the delivery of an event.
func (r *harness) idOf(event string) string {
	for _, d := range r.log() {
		if d.EventID == event {
			return d.ID
		}
	}
	return ""
}

func TestAReplayIsCanceled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil)
		w := r.failed(350)
		_, err := r.StartReplay(r.ctx, "", w.ID, "job", onlyFailed)
		require.NoError(t, err)
		time.Sleep(1500 * time.Millisecond)
		job, err := r.CancelReplay(r.ctx, "", w.ID)
		require.NoError(t, err)
		assert.False(t, job.UnderWay())
		assert.Equal(t, "It was canceled.", job.Reason)
		time.Sleep(time.Minute)
		assert.Equal(t, r.states()[webhook.StateDelivered], r.job(w).Resent)
		assert.Positive(t, r.states()[webhook.StateDelivered])
		assert.GreaterOrEqual(t, r.states()[webhook.StateFailed], 150)
		again, err := r.CancelReplay(r.ctx, "", w.ID)
		require.NoError(t, err)
		assert.Equal(t, job.Ended, again.Ended)
		_, err = r.CancelReplay(r.ctx, "another", w.ID)
		require.ErrorIs(t, err, webhook.ErrNotFound)
	})
}

// The process that carries a replay out ends. Another one that runs goes on with it, and
// so does one that is started later.
func TestAReplaySurvivesItsProcess(t *testing.T) {
	for _, later := range []bool{false, true} {
		t.Run(fmt.Sprintf("started later %v", later), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newHarness(t, nil)
				w := r.failed(350)
				other := r.another(nil)
				t.Cleanup(func() { _ = other.Shutdown(r.t.Context()) })
				if !later {
					require.NoError(t, other.Start())
				}
				_, err := r.StartReplay(r.ctx, "", w.ID, "job", onlyFailed)
				require.NoError(t, err)
				time.Sleep(1500 * time.Millisecond)
				require.NoError(t, r.Shutdown(r.ctx))
				if later {
					time.Sleep(24 * time.Hour)
					require.NoError(t, other.Start())
				}
				job := r.job(w)
				assert.Equal(t, 350, job.Resent)
				time.Sleep(time.Minute)
				assert.Equal(t, 350, r.states()[webhook.StateDelivered])
			})
		})
	}
}

func TestWhatWaitsIsTriedNow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{DisableAfter: -1}).start()
		w := r.put(nil)
		r.receiver.set(status(500))
		for i := range 5 {
			r.emit(open(fmt.Sprint(i)))
		}
		time.Sleep(3 * time.Hour)
		require.Equal(t, 5, r.states()[webhook.StatePending])
		r.receiver.set(status(200))
		before := len(r.receiver.requests())
		_, err := r.StartReplay(r.ctx, "", w.ID, "now", webhook.ReplayQuery{States: []webhook.State{webhook.StatePending}})
		require.NoError(t, err)
		_, err = r.ProbeNow(r.ctx, "", w.ID)
		require.NoError(t, err)
		job := r.job(w)
		time.Sleep(time.Minute)
		assert.Equal(t, 5, r.states()[webhook.StateDelivered])
		assert.Positive(t, job.Resent, "those that were due already waited for the webhook")
		assert.Len(t, r.receiver.requests()[before:], 5)
	})
}

// The lease of a batch is longer by its window, so what a request under way brings may be
// due later than any other that is.
func TestAReplayRepeatsNoBatchThatIsUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		w := r.put(inBatches(10, 50*time.Second))
		other := r.another(nil) // which would claim what the replay made due
		require.NoError(t, other.Start())
		t.Cleanup(func() { _ = other.Shutdown(r.t.Context()) })
		r.receiver.set(func(req *http.Request) (*http.Response, error) {
			time.Sleep(5 * time.Second)
			return status(200)(req)
		})
		r.emit(opens(10)...)
		time.Sleep(time.Second)
		_, err := other.StartReplay(r.ctx, "", w.ID, "now", webhook.ReplayQuery{States: []webhook.State{webhook.StatePending}})
		require.NoError(t, err)
		assert.Zero(t, r.job(w).Resent)
		time.Sleep(2 * time.Minute)
		assert.Equal(t, []int{10}, sizes(t, r.receiver.requests()))
		assert.Equal(t, 10, r.states()[webhook.StateDelivered])
	})
}

// Webhooks that gather are claimed together, under the longest of their windows.
func TestABatchThatWasClaimedWithOthersIsNotRepeated(t *testing.T) {
	for name, tries := range map[string]func(*harness, *webhook.Dispatcher, webhook.Webhook){
		"by a replay": func(r *harness, other *webhook.Dispatcher, w webhook.Webhook) {
			_, err := other.StartReplay(r.ctx, "", w.ID, "now", webhook.ReplayQuery{States: []webhook.State{webhook.StatePending}})
			require.NoError(r.t, err)
			assert.Zero(r.t, r.job(w).Resent)
		},
		"by switching it off and on": func(r *harness, other *webhook.Dispatcher, w webhook.Webhook) {
			for _, disabled := range []string{"Moving house.", ""} {
				w = r.webhook(w.ID)
				w.Disabled, w.KeepEvents = disabled, true
				_, err := other.UpdateWebhook(r.ctx, w)
				require.NoError(r.t, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) { testABatchClaimedWithOthers(t, tries) })
	}
}

func testABatchClaimedWithOthers(t *testing.T, tries func(*harness, *webhook.Dispatcher, webhook.Webhook)) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		w := r.put(inBatches(10, time.Second))
		r.put(inBatches(10, 50*time.Second))
		r.emit(opens(10)...) // so that both gather
		time.Sleep(10 * time.Second)
		require.Equal(t, 20, r.states()[webhook.StateDelivered])
		r.receiver.set(func(req *http.Request) (*http.Response, error) {
			time.Sleep(5 * time.Second)
			return status(200)(req)
		})
		require.NoError(t, r.EmitTx(r.ctx, r.store, opens(10)...))
		r.Wake()
		time.Sleep(time.Second)
		require.Equal(t, []int{10, 10, 10, 10}, sizes(t, r.receiver.requests()))
		other := r.another(nil) // another process
		require.NoError(t, other.Start())
		t.Cleanup(func() { _ = other.Shutdown(r.t.Context()) })
		tries(r, other, w)
		time.Sleep(2 * time.Minute)
		assert.Equal(t, []int{10, 10, 10, 10}, sizes(t, r.receiver.requests()))
		assert.Equal(t, 40, r.states()[webhook.StateDelivered])
	})
}

// What a newer delivery replaces is left out, unless it is asked for.
func TestAReplayLeavesOutWhatIsReplaced(t *testing.T) {
	for _, superseded := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			r := newHarness(t, &webhook.Options{DisableAfter: -1}).start()
			w := r.put(func(w *webhook.Webhook) { w.NoRetry = true })
			r.receiver.set(status(404))
			for range 3 {
				r.emit(about("12", "bob@example.com"))
				time.Sleep(time.Second)
			}
			time.Sleep(time.Minute)
			r.receiver.set(status(200))
			q := onlyFailed
			q.IncludeReplaced = superseded
			_, err := r.StartReplay(r.ctx, "", w.ID, "job", q)
			require.NoError(t, err)
			job := r.job(w)
			if superseded {
				assert.Equal(t, webhook.Replayed{Resent: 3}, job.Replayed)
			} else {
				assert.Equal(t, webhook.Replayed{Resent: 1, Replaced: 2}, job.Replayed)
			}
		})
	}
}

func TestAReplayThatCannotBeIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil)
		w, at := r.failed(150), time.Now()
		for field, start := range map[string]func() error{
			"id": func() error { _, err := r.StartReplay(r.ctx, "", w.ID, "", onlyFailed); return err },
			"Until": func() error {
				_, err := r.StartReplay(r.ctx, "", w.ID, "1", webhook.ReplayQuery{Since: at, Until: at})
				return err
			},
			"States": func() error {
				_, err := r.CountReplay(r.ctx, "", w.ID, webhook.ReplayQuery{States: []webhook.State{"lost"}})
				return err
			},
		} {
			var invalid *webhook.InvalidError
			require.ErrorAs(t, start(), &invalid, field)
			assert.Equal(t, field, invalid.Field)
		}
		_, err := r.StartReplay(r.ctx, "", "none", "1", onlyFailed)
		require.ErrorIs(t, err, webhook.ErrNotFound)

		_, err = r.StartReplay(r.ctx, "", w.ID, "1", onlyFailed)
		require.NoError(t, err)
		stored, err := r.Webhook(r.ctx, "", w.ID)
		require.NoError(t, err)
		stored.Disabled = "Moved."
		_, err = r.UpdateWebhook(r.ctx, stored)
		require.NoError(t, err)
		job := r.job(w)
		assert.Equal(t, "The webhook is off.", job.Reason)
		_, err = r.StartReplay(r.ctx, "", w.ID, "2", onlyFailed)
		require.ErrorAs(t, err, new(*webhook.InvalidError))
	})
}
