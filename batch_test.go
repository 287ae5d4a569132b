package webhook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// inBatches has a webhook get batches of JSON.
func inBatches(most int, wait time.Duration) func(*webhook.Webhook) {
	return func(w *webhook.Webhook) {
		w.Format, w.Batch, w.BatchWait = webhook.FormatJSON, most, wait
	}
}

// batchOf returns the IDs of the events' deliveries that a request brought.
func batchOf(t *testing.T, req received) (ids []string) {
	t.Helper()
	var events []struct {
		ID string `json:"id"`
	}
	require.NoError(t, json.Unmarshal(req.Body, &events), "%s", req.Body)
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	return ids
}

// sizes returns how many events each request brought.
func sizes(t *testing.T, reqs []received) (n []int) {
	t.Helper()
	for _, req := range reqs {
		n = append(n, len(batchOf(t, req)))
	}
	return n
}

// opens returns open events, for different IDs.
func opens(n int) (events []webhook.Event) {
	for i := range n {
		events = append(events, open(fmt.Sprintf("%s-%d", time.Now().Format("150405.000"), i)))
	}
	return events
}

func TestAFullBatchIsSentAtOnceAndTheRestWhenItsWindowEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		w := r.put(func(w *webhook.Webhook) {
			inBatches(10, 20*time.Second)(w)
			w.Secrets = []webhook.Secret{webhook.NewSecret()}
		})
		began := time.Now()
		r.emit(opens(25)...)
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		require.Equal(t, []int{10, 10}, sizes(t, r.receiver.requests()))
		assert.Equal(t, 5, r.Status().Batched)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		require.Equal(t, []int{10, 10, 5}, sizes(t, r.receiver.requests()))
		assert.LessOrEqual(t, r.receiver.requests()[2].At.Sub(began), 20*time.Second)
		assert.Zero(t, r.Status().Batched)

		ids := map[string]int{}
		for _, req := range r.receiver.requests() {
			assert.True(t, strings.HasPrefix(req.Header.Get(webhook.HeaderID), "batch_"))
			assert.Equal(t, "application/json", req.Header.Get("Content-Type"))
			assert.NoError(t, webhook.Verify(req.Header, req.Body, &webhook.ReceiveOptions{Secrets: w.Secrets}))
			for _, name := range []string{webhook.HeaderEvent, webhook.HeaderSequence, webhook.HeaderEventTime} {
				assert.Empty(t, req.Header.Get(name), name)
			}
			for _, id := range batchOf(t, req) {
				ids[id]++
			}
		}
		for _, d := range r.log() {
			assert.Equal(t, webhook.StateDelivered, d.State)
			assert.Equal(t, 1, ids[d.ID], "each is an item of its own")
			require.Len(t, d.Log, 1)
		}
	})
}

func TestOneAnswerIsTheOutcomeOfEachMember(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var attempts, changed int
		r := newHarness(t, &webhook.Options{Hooks: webhook.Hooks{
			Attempt: func(ctx context.Context, _ webhook.Delivery) (context.Context, func(webhook.Attempt)) {
				attempts++
				return ctx, nil
			},
			Changed: func(webhook.Delivery) { changed++ },
		}}).start()
		w := r.put(inBatches(3, 0))
		r.receiver.set(status(500))
		r.emit(opens(3)...)
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, []int{1, 3}, []int{attempts, changed})
		ds := r.log()
		require.Len(t, ds, 3)
		first := ds[slices.IndexFunc(ds, func(d webhook.Delivery) bool { return d.Log[0].First == "" })]
		for _, d := range ds {
			assert.Equal(t, 1, d.Attempts)
			assert.Equal(t, ds[0].Due, d.Due, "they become due together, so that they go together")
			assert.Equal(t, 500, d.Log[0].Status)
			assert.Equal(t, r.receiver.requests()[0].Header.Get(webhook.HeaderID), d.Log[0].Batch)
			if d.ID != first.ID {
				assert.Equal(t, first.ID, d.Log[0].First)
				assert.Empty(t, d.Log[0].Response, "the answer is kept once")
				assert.Empty(t, d.Log[0].Members)
			}
		}
		assert.Equal(t, "answer", string(first.Log[0].Response))
		assert.Equal(t, batchOf(t, r.receiver.requests()[0]), first.Log[0].Members)
		stored, err := r.Webhook(r.ctx, "", w.ID)
		require.NoError(t, err)
		assert.Equal(t, 1, stored.Health.Failures, "it is one attempt")

		r.receiver.set(status(200))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Equal(t, []int{3, 3}, sizes(t, r.receiver.requests()))
		again := r.receiver.requests()
		assert.Equal(t, again[0].Header.Get(webhook.HeaderID), again[1].Header.Get(webhook.HeaderID), "the same members")
		assert.Equal(t, "2", again[1].Header.Get(webhook.HeaderAttempt))
	})
}

// Deliveries that failed at different attempts keep schedules of their own, and may go
// with others the next time.
func TestMembersKeepTheirOwnSchedules(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{Backoff: webhook.Schedule(time.Minute, time.Hour)}).start()
		r.put(inBatches(10, 0))
		r.receiver.set(status(500))
		r.emit(opens(2)...)
		time.Sleep(2 * time.Minute) // two attempts have failed
		r.emit(opens(3)...)
		time.Sleep(time.Second)
		require.Equal(t, []int{2, 2, 3}, sizes(t, r.receiver.requests()))
		due := map[int]map[time.Time]int{}
		for _, d := range r.log() {
			if due[d.Attempts] == nil {
				due[d.Attempts] = map[time.Time]int{}
			}
			due[d.Attempts][d.Due]++
		}
		assert.Len(t, due[1], 1)
		assert.Len(t, due[2], 1)
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		for _, d := range r.log() {
			assert.Equal(t, webhook.StateFailed, d.State)
			assert.Len(t, d.Log, 3)
		}
	})
}

func TestABatchThatIsTooLargeIsHalvedWithoutAnAttempt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		r.put(inBatches(16, 0))
		r.receiver.set(func(req *http.Request) (*http.Response, error) {
			if req.ContentLength > 3000 {
				return status(413)(req)
			}
			return status(200)(req)
		})
		r.emit(opens(16)...)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		var taken int
		for _, req := range r.receiver.requests() {
			if len(req.Body) <= 3000 {
				taken += len(batchOf(t, req))
			}
		}
		assert.Equal(t, 16, taken)
		for _, d := range r.log() {
			assert.Equal(t, webhook.StateDelivered, d.State)
			assert.Equal(t, 1, d.Attempts)
		}
		n := len(r.receiver.requests())
		r.emit(opens(16)...)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		for _, req := range r.receiver.requests()[n:] {
			assert.LessOrEqual(t, len(req.Body), 3000, "what is too large is known for a while")
		}

		r.receiver.set(status(413))
		r.emit(open("alone"))
		time.Sleep(time.Second)
		synctest.Wait()
		ds := r.log()
		last := ds[slices.IndexFunc(ds, func(d webhook.Delivery) bool { return d.EventID == "alone" })]
		assert.Equal(t, 1, last.Attempts, "one event that is too large has failed")
		assert.True(t, last.Due.After(time.Now()))
	})
}

func TestWhatIsCanceledOrErasedWhileItGathersIsNotSent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		w := r.put(inBatches(100, 40*time.Second))
		other := open("other")
		other.Subscriber = webhook.Subscriber{ID: "2", Email: "b@example.com"}
		r.emit(open("erased"), other)
		time.Sleep(10 * time.Millisecond)
		_, err := r.EraseSubscriber(r.ctx, "", "1", "a@example.com", nil)
		require.NoError(t, err)
		time.Sleep(40 * time.Second)
		synctest.Wait()
		require.Equal(t, []int{1}, sizes(t, r.receiver.requests()))
		assert.NotContains(t, string(r.receiver.requests()[0].Body), "a@example.com")

		r.emit(opens(5)...)
		time.Sleep(10 * time.Millisecond)
		n, err := r.CancelPending(r.ctx, "", w.ID)
		require.NoError(t, err)
		assert.Equal(t, 5, n)
		time.Sleep(40 * time.Second)
		synctest.Wait()
		assert.Len(t, r.receiver.requests(), 1)
		assert.Zero(t, r.Status().Batched)
	})
}

func TestABatchHeedsWhatItsWebhookSaysWhenItIsSent(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*webhook.Webhook)
		want   []int // sizes of requests
		state  webhook.State
	}{
		"disabled":              {func(w *webhook.Webhook) { w.Disabled = "paused" }, nil, webhook.StateCanceled},
		"disabled, keeping":     {func(w *webhook.Webhook) { w.Disabled, w.KeepEvents = "paused", true }, nil, webhook.StatePending},
		"without batches":       {func(w *webhook.Webhook) { w.Batch, w.BatchWait = 0, 0 }, []int{1, 1, 1, 1}, webhook.StateDelivered},
		"with a shorter window": {func(w *webhook.Webhook) { w.BatchWait = time.Second }, []int{4}, webhook.StateDelivered},
		"another URL":           {func(w *webhook.Webhook) { w.URL = "https://elsewhere.test/" }, []int{4}, webhook.StateDelivered},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newHarness(t, nil).start()
				w := r.put(inBatches(100, 30*time.Second))
				r.emit(opens(4)...)
				time.Sleep(10 * time.Millisecond)
				test.change(&w)
				_, err := r.UpdateWebhook(r.ctx, w)
				require.NoError(t, err)
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				var got []int
				for _, req := range r.receiver.requests() {
					if strings.HasPrefix(string(req.Body), "[") {
						got = append(got, len(batchOf(t, req)))
					} else {
						got = append(got, 1)
					}
				}
				assert.Equal(t, test.want, got)
				for _, d := range r.log() {
					assert.Equal(t, test.state, d.State)
				}
				assert.Zero(t, r.Status().Batched)
			})
		})
	}
	t.Run("deleted", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			r := newHarness(t, nil).start()
			w := r.put(inBatches(100, 30*time.Second))
			r.emit(opens(4)...)
			time.Sleep(10 * time.Millisecond)
			require.NoError(t, r.DeleteWebhook(r.ctx, "", w.ID))
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			assert.Empty(t, r.receiver.requests())
		})
	})
}

func TestShutdownGivesBackWhatGathers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		r.put(inBatches(100, 50*time.Second))
		r.emit(opens(7)...)
		time.Sleep(10 * time.Millisecond)
		began := time.Now()
		require.NoError(t, r.Shutdown(r.ctx))
		assert.Less(t, time.Since(began), time.Second)
		assert.Empty(t, r.receiver.requests())
		for _, d := range r.log() {
			assert.Equal(t, webhook.StatePending, d.State)
			assert.False(t, d.Due.After(time.Now()), "it is due for another process")
			assert.Zero(t, d.Attempts)
		}
		next := r.another(nil)
		require.NoError(t, next.Start())
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		got := 0
		for _, n := range sizes(t, r.receiver.requests()) {
			got += n
		}
		assert.Equal(t, 7, got)
		require.NoError(t, next.Shutdown(r.ctx))
	})
}

func TestABatchKeepsOrderAndWaitsOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		r.put(inBatches(100, 30*time.Second))
		var events []webhook.Event
		meta := webhook.Meta{Lists: []string{"12"}, Source: webhook.SourcePublic}
		for range 3 {
			events = append(events, webhook.Subscribe{Meta: meta, Subscriber: webhook.Subscriber{ID: "1"}},
				webhook.Unsubscribe{Meta: meta, Subscriber: webhook.Subscriber{ID: "1"}})
		}
		r.emit(events...)
		time.Sleep(31 * time.Second)
		synctest.Wait()
		var types []string
		for _, req := range r.receiver.requests() {
			var items []struct {
				Type     string `json:"type"`
				Sequence int64  `json:"sequence"`
			}
			require.NoError(t, json.Unmarshal(req.Body, &items))
			require.Len(t, items, 1, "two of one key never go together")
			assert.Positive(t, items[0].Sequence)
			types = append(types, items[0].Type)
		}
		assert.Equal(t, []string{"subscribe", "unsubscribe", "subscribe", "unsubscribe", "subscribe", "unsubscribe"}, types)
		assert.Less(t, r.receiver.requests()[5].At.Sub(r.receiver.requests()[0].At), 2*time.Second,
			"what waited for an earlier one waits for no window")
	})
}

func TestUrgentDeliveriesGoFirstInTheirBatch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		r.put(func(w *webhook.Webhook) {
			inBatches(100, 3*time.Second)(w)
			w.Order = webhook.OrderNone
		})
		r.emit(append(opens(3), webhook.Unsubscribe{
			Meta: webhook.Meta{Lists: []string{"12"}, Source: webhook.SourcePublic}, Subscriber: webhook.Subscriber{ID: "1"},
		})...)
		time.Sleep(4 * time.Second)
		synctest.Wait()
		var items []struct {
			Type string `json:"type"`
		}
		require.Len(t, r.receiver.requests(), 1, "urgency shortens no window")
		require.NoError(t, json.Unmarshal(r.receiver.requests()[0].Body, &items))
		assert.Equal(t, "unsubscribe", items[0].Type)
	})
}
