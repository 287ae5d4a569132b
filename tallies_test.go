package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
)

// A putStore is a store that counts how often webhooks are written, and fails to when
// the test says so.
type putStore struct {
	webhook.Store
	puts   atomic.Int32
	broken atomic.Bool
}

func (s *putStore) PutWebhook(ctx context.Context, w webhook.Webhook) (int64, error) {
	s.puts.Add(1)
	if s.broken.Load() {
		return 0, errDown
	}
	return s.Store.PutWebhook(ctx, w)
}

func newPutHarness(t *testing.T) (*harness, *putStore) {
	store := &putStore{Store: memstore.New()}
	r := &harness{t: t, ctx: t.Context(), store: store, receiver: &receiver{}}
	r.Dispatcher = r.another(nil)
	return r, store
}

// tallies returns those of a webhook, as they are stored.
func (r *harness) tallies(id string) webhook.Tallies {
	ws, err := r.Webhooks(r.ctx, webhook.WebhookQuery{IDs: []string{id}, Tallies: true})
	require.NoError(r.t, err)
	require.Len(r.t, ws, 1)
	return webhook.SumTallies(time.Now(), ws...)
}

// figures are what a test compares of a Tally.
func figures(t webhook.Tally) [3]int { return [3]int{t.Attempts, t.Delivered, t.Failed} }

func TestTalliesCountWhatBecomesOfAttempts(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers []int // of the attempts, one after the other; 0: a timeout
		opts    webhook.Options
		edit    func(*webhook.Webhook)
		want    [3]int
	}{
		{"delivered at once", []int{200}, webhook.Options{}, nil, [3]int{1, 1, 0}},
		{"delivered at the third attempt", []int{500, 503, 204}, webhook.Options{}, nil, [3]int{3, 1, 0}},
		{"failed for good", []int{500, 500}, webhook.Options{Backoff: webhook.Schedule(time.Second)}, nil, [3]int{2, 0, 1}},
		{"failed without a retry", []int{500}, webhook.Options{}, func(w *webhook.Webhook) { w.NoRetry = true }, [3]int{1, 0, 1}},
		{"gone", []int{410}, webhook.Options{}, nil, [3]int{1, 0, 1}},
		{"a timeout", []int{0, 200}, webhook.Options{}, nil, [3]int{2, 1, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newHarness(t, &c.opts).start()
				w := r.put(c.edit)
				var n atomic.Int32
				r.receiver.set(func(req *http.Request) (*http.Response, error) {
					code := c.answers[n.Add(1)-1]
					if code == 0 {
						return hang(req)
					}
					time.Sleep(60 * time.Millisecond)
					return status(code)(req)
				})
				r.emit(open("1"))
				time.Sleep(40 * time.Minute)
				ts := r.tallies(w.ID)
				for _, spans := range [][]webhook.Tally{ts.Day, ts.Week, ts.Month} {
					all := webhook.TotalTally(spans)
					assert.Equal(t, c.want, figures(all))
					assert.Equal(t, spans[0].From, all.From)
					assert.Equal(t, spans[len(spans)-1].Until, all.Until)
					latency := all.Latency(0.5)
					assert.True(t, latency > 40*time.Millisecond && latency <= 80*time.Millisecond || c.name == "a timeout", latency)
					if c.name == "a timeout" {
						assert.Greater(t, all.Latency(0.95), 8*time.Second)
					}
				}
			})
		})
	}
}

func TestTalliesLeaveOutWhatIsNotTheReceivers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		w := r.put(nil)
		_, err := r.SendTest(r.ctx, w.Account, w.ID, webhook.TypeOpen)
		require.NoError(t, err)
		r.receiver.set(status(500))
		r.emit(open("1"))
		synctest.Wait()
		w.Disabled = "for a test"
		_, err = r.UpdateWebhook(r.ctx, w)
		require.NoError(t, err)
		time.Sleep(time.Hour)
		assert.Equal(t, [3]int{1, 0, 0}, figures(webhook.TotalTally(r.tallies(w.ID).Month)), "neither the test nor what was canceled")
	})
}

// A webhook's tallies are written once a minute by each process, however much it gets,
// and what its owner edits meanwhile is kept, as are the tallies.
func TestTalliesOfSeveralProcessesAddUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newPutHarness(t)
		w := r.put(nil)
		processes := []*webhook.Dispatcher{r.Dispatcher, r.another(nil), r.another(nil)}
		for _, d := range processes {
			require.NoError(t, d.Start())
		}
		puts := int(store.puts.Load())
		const minutes, each = 30, 40
		var emitting sync.WaitGroup
		for p, d := range processes {
			emitting.Go(func() {
				for i := range minutes * each {
					assert.NoError(t, d.Emit(t.Context(), open(fmt.Sprint(p, "-", i))))
					time.Sleep(time.Minute / each)
				}
			})
		}
		edits := 0
		for range minutes * 60 {
			time.Sleep(time.Second)
			w.Name = fmt.Sprint("edited ", edits)
			var err error
			w, err = r.UpdateWebhook(r.ctx, w)
			require.NoError(t, err, "an owner sees no conflict")
			edits++
		}
		emitting.Wait()
		for _, d := range processes {
			require.NoError(t, d.Shutdown(context.Background()))
		}
		want := minutes * each * len(processes)
		ts := r.tallies(w.ID)
		for _, spans := range [][]webhook.Tally{ts.Day, ts.Week, ts.Month} {
			assert.Equal(t, [3]int{want, want, 0}, figures(webhook.TotalTally(spans)))
		}
		// Each process writes once a minute, and once at its end.
		writes := int(store.puts.Load()) - puts - edits
		conflicts := edits // at most: each edit may make another process try again
		assert.LessOrEqual(t, writes, len(processes)*(minutes+4)+conflicts)
		stored, err := r.Webhook(r.ctx, w.Account, w.ID)
		require.NoError(t, err)
		assert.Equal(t, w.Name, stored.Name)
	})
}

func TestTalliesAreWrittenOnceAMinute(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newPutHarness(t)
		r.start()
		r.put(nil)
		puts := int(store.puts.Load())
		for i := range 60 * 50 {
			r.emit(open(fmt.Sprint(i)))
			time.Sleep(time.Second)
		}
		assert.LessOrEqual(t, int(store.puts.Load())-puts, 50+1, "with the health")
	})
}

// A webhook's first success, and one after an hour, is noted by the write of its tallies.
func TestASuccessIsNotedWithTheTallies(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newPutHarness(t)
		r.start()
		var ids []string
		for range 30 {
			ids = append(ids, r.put(nil).ID)
		}
		for hour := range 3 {
			puts := int(store.puts.Load())
			at := time.Now().UTC()
			r.emit(open(fmt.Sprint(hour)))
			time.Sleep(time.Minute + time.Second)
			assert.Equal(t, len(ids), int(store.puts.Load())-puts)
			for _, id := range ids {
				assert.Equal(t, webhook.Health{Success: at}, r.webhook(id).Health)
			}
			time.Sleep(time.Hour)
		}
	})
}

// lostAnswers carries out puts of tallies and then says that it failed, so often.
type lostAnswers struct {
	webhook.Store
	left atomic.Int32
}

var errLost = errors.New("the connection was lost")

func (s *lostAnswers) PutWebhook(ctx context.Context, w webhook.Webhook) (int64, error) {
	version, err := s.Store.PutWebhook(ctx, w)
	if err == nil && w.Tallies != nil && s.left.Add(-1) >= 0 {
		return 0, errLost
	}
	return version, err
}

func TestAWriteOfTalliesWhoseAnswerIsLostIsNotMadeTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil)
		store := &lostAnswers{Store: r.store}
		store.left.Store(3)
		r.store = store
		r.Dispatcher = r.another(nil)
		r.start()
		w := r.put(nil)
		for i := range 600 {
			r.emit(open(fmt.Sprint(i)))
			time.Sleep(time.Second)
		}
		require.NoError(t, r.Shutdown(context.Background()))
		assert.Negative(t, store.left.Load())
		assert.Equal(t, [3]int{600, 600, 0}, figures(webhook.TotalTally(r.tallies(w.ID).Day)))
	})
}

func TestShutdownStoresTheTallies(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{EncryptionKeys: []webhook.EncryptionKey{make([]byte, 32)}}).start()
		w := r.put(nil)
		r.emit(open("1"), open("2"))
		synctest.Wait()
		require.NoError(t, r.Shutdown(context.Background()))
		assert.Equal(t, [3]int{2, 2, 0}, figures(webhook.TotalTally(r.tallies(w.ID).Day)))
		stored, err := r.Webhook(r.ctx, w.Account, w.ID)
		require.NoError(t, err)
		assert.Equal(t, w.URL, stored.URL, "with its secrets as they were")
	})
}

func TestTalliesSurviveTheStoresOutage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, store := newPutHarness(t)
		r.start()
		w := r.put(nil)
		r.emit(open("1"))
		synctest.Wait()
		store.broken.Store(true)
		time.Sleep(5 * time.Minute)
		assert.Zero(t, webhook.TotalTally(r.tallies(w.ID).Day).Attempts)
		r.emit(open("2"))
		store.broken.Store(false)
		time.Sleep(3 * time.Minute)
		assert.Equal(t, [3]int{2, 2, 0}, figures(webhook.TotalTally(r.tallies(w.ID).Day)))
	})
}

func TestTalliesOfADeletedWebhookAreDropped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		w := r.put(nil)
		r.emit(open("1"))
		synctest.Wait()
		require.NoError(t, r.DeleteWebhook(r.ctx, w.Account, w.ID))
		time.Sleep(3 * time.Minute)
		stored, err := r.store.Webhooks(r.ctx, webhook.WebhookQuery{IDs: []string{w.ID}, Deleted: true, Tallies: true})
		require.NoError(t, err)
		assert.True(t, stored[0].Deleted)
		assert.Empty(t, stored[0].Tallies)
	})
}

func TestTalliesOfALaterVersionAreLeftAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		w := r.put(nil)
		stored := w
		stored.Tallies = []byte{99, 1, 2, 3}
		_, err := r.store.PutWebhook(r.ctx, stored)
		require.NoError(t, err)
		r.emit(open("1"))
		time.Sleep(3 * time.Minute)
		ws, err := r.Webhooks(r.ctx, webhook.WebhookQuery{Tallies: true})
		require.NoError(t, err)
		assert.Equal(t, stored.Tallies, ws[0].Tallies)
		assert.Zero(t, webhook.TotalTally(webhook.SumTallies(time.Now(), ws...).Day).Attempts)
	})
}

func ExampleSumTallies() {
	ctx := context.Background()
	d, err := webhook.New(memstore.New(), nil, nil)
	if err != nil {
		panic(err)
	}
	ws, err := d.Webhooks(ctx, webhook.WebhookQuery{Account: "acme", Tallies: true})
	if err != nil {
		panic(err)
	}
	day := webhook.TotalTally(webhook.SumTallies(time.Now(), ws...).Day)
	fmt.Println(day.Delivered, "of", day.Attempts, "attempts delivered, p95", day.Latency(0.95))
	// Output: 0 of 0 attempts delivered, p95 0s
}
