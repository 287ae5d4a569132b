package webhook_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// An owner notes what they are told of their webhook.
type owner struct {
	began time.Time
	mu    sync.Mutex
	news  []news
}

type news struct {
	percent int
	after   time.Duration
	webhook webhook.Webhook
}

func newOwner() *owner { return &owner{began: time.Now()} }

func (o *owner) note(w webhook.Webhook, percent int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.news = append(o.news, news{percent, time.Since(o.began), w})
}

func (o *owner) told() []news {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.news
}

// options returns those of a dispatcher that tells the owner.
func (o *owner) options() *webhook.Options {
	return &webhook.Options{PollInterval: 5 * time.Minute, Hooks: webhook.Hooks{
		Warned:   o.note,
		Disabled: func(w webhook.Webhook) { o.note(w, 100) },
	}}
}

const day = 24 * time.Hour

func TestFiveDaysOfFailuresSwitchAWebhookOffAfterWarnings(t *testing.T) {
	for _, keep := range []bool{false, true} {
		t.Run(fmt.Sprintf("keep %t", keep), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				owner := newOwner()
				r := newHarness(t, owner.options()).start()
				other := r.another(owner.options())
				require.NoError(t, other.Start())
				defer other.Shutdown(r.ctx)
				id := r.put(func(w *webhook.Webhook) { w.KeepEvents = keep }).ID
				r.receiver.set(status(500))
				r.steadily(time.Hour, 6*day)

				told := owner.told()
				require.Len(t, told, 3, "each of these once")
				for i, want := range []struct {
					percent int
					after   time.Duration
				}{{50, 60 * time.Hour}, {90, 108 * time.Hour}, {100, 120 * time.Hour}} {
					assert.Equal(t, want.percent, told[i].percent)
					assert.InDelta(t, want.after.Hours(), told[i].after.Hours(), 2)
					assert.Equal(t, id, told[i].webhook.ID)
					assert.Contains(t, told[i].webhook.Health.Reason, "500")
				}
				w := r.webhook(id)
				assert.Contains(t, w.Disabled, "All attempts have failed since 1 January 2000.")
				assert.Contains(t, w.Disabled, "500")
				assert.True(t, w.Health.AutoDisabled)
				require.NoError(t, w.Validate(), "its owner can put it back as it is")
				assert.Equal(t, told[2].webhook.DisabledAt, w.DisabledAt)
				states := r.states()
				if keep {
					assert.Greater(t, states[webhook.StatePending], 24, "what happens since is kept")
					assert.Zero(t, states[webhook.StateCanceled])
				} else {
					assert.Zero(t, states[webhook.StatePending])
					assert.Positive(t, states[webhook.StateCanceled])
				}

				sent := len(r.receiver.requests())
				r.receiver.set(nil)
				w.Disabled = ""
				_, err := r.UpdateWebhook(r.ctx, w)
				require.NoError(t, err)
				r.emit(open("again"))
				time.Sleep(2 * day)
				assert.Equal(t, states[webhook.StatePending]+1, len(r.receiver.requests())-sent)
				assert.Len(t, owner.told(), 3)
				assert.Equal(t, 0, r.webhook(id).Health.Warned, "the next time its owner is told anew")
			})
		})
	}
}

func TestWhatDoesNotSwitchAWebhookOff(t *testing.T) {
	for _, c := range []struct {
		name string
		opts webhook.Options
		run  func(*harness, string)
	}{
		{"too few failures", webhook.Options{Backoff: webhook.Schedule()}, func(r *harness, _ string) {
			r.steadily(day, 18*day)
		}},
		{"a success once in a while", webhook.Options{}, func(r *harness, _ string) {
			for range 4 {
				r.steadily(time.Hour, 4*day)
				r.receiver.set(nil)
				time.Sleep(2 * time.Hour)
				r.receiver.set(status(500))
			}
		}},
		{"its owner's editing how requests are sent", webhook.Options{}, func(r *harness, id string) {
			for i := range 4 {
				r.steadily(time.Hour, 4*day)
				w := r.webhook(id)
				require.Positive(r.t, w.Health.Failures)
				w.Headers = map[string]string{"Authorization": fmt.Sprintf("try %d", i)}
				w, err := r.UpdateWebhook(r.ctx, w)
				require.NoError(r.t, err)
				require.Zero(r.t, w.Health.Failures)
				require.Zero(r.t, w.HeldUntil)
			}
		}},
		{"the app's choice", webhook.Options{DisableAfter: -1}, func(r *harness, _ string) {
			r.steadily(time.Hour, 10*day)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c.opts.PollInterval = 10 * time.Minute
				r := newHarness(t, &c.opts).start()
				id := r.put(nil).ID
				r.receiver.set(status(500))
				c.run(r, id)
				r.emit(open("the last"))
				time.Sleep(time.Minute)
				assert.Empty(t, r.webhook(id).Disabled)
				assert.Positive(t, r.webhook(id).Health.Failures)
			})
		})
	}
}

func TestARenamedWebhookIsAsIllAsBefore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{PollInterval: 10 * time.Minute}).start()
		id := r.put(nil).ID
		r.receiver.set(status(500))
		r.steadily(time.Hour, 3*day)
		w := r.webhook(id)
		r.steadily(time.Hour, day)
		w.Name = "another"
		_, err := r.UpdateWebhook(r.ctx, w)
		require.NoError(t, err, "an edit does not conflict with what was noted since it was read")
		r.steadily(time.Hour, 2*day)
		assert.NotEmpty(t, r.webhook(id).Disabled)
	})
}

func TestOwnersAreWarnedInTimeHoweverSparseTheFailures(t *testing.T) {
	bubble(t, func(t *testing.T) {
		owner := newOwner()
		opts := owner.options()
		opts.Backoff = webhook.Schedule()
		r := newHarness(t, opts).start()
		id := r.put(nil).ID
		r.receiver.set(status(500))
		r.steadily(time.Hour, 40*time.Hour) // enough failures, but not for five days
		require.Empty(t, owner.told())
		time.Sleep(5 * day)
		r.emit(open("far later"))
		time.Sleep(time.Minute)
		require.Len(t, owner.told(), 1)
		assert.Equal(t, 90, owner.told()[0].percent)
		r.steadily(time.Hour, 5*time.Hour)
		assert.Empty(t, r.webhook(id).Disabled, "not before its owner had time to mend it")
		r.steadily(time.Hour, 3*time.Hour)
		assert.NotEmpty(t, r.webhook(id).Disabled)
		require.Len(t, owner.told(), 2)
		assert.Equal(t, 100, owner.told()[1].percent)
	})
}

func TestAnOwnerIsToldThoughTheProcessThatDisabledItDied(t *testing.T) {
	bubble(t, func(t *testing.T) {
		owner := newOwner()
		r := newHarness(t, owner.options())
		w := r.put(func(w *webhook.Webhook) { w.Disabled = "The receiver answered 410 Gone." })
		w.Health.AutoDisabled = true
		_, err := r.store.PutWebhook(r.ctx, w) // as the process that died left it
		require.NoError(t, err)

		r = &harness{t: t, ctx: r.ctx, store: r.store, receiver: r.receiver}
		r.Dispatcher = r.another(owner.options())
		r.start()
		r.emit(open("e1"))
		time.Sleep(5 * time.Minute)
		require.Len(t, owner.told(), 1)
		assert.Equal(t, w.ID, owner.told()[0].webhook.ID)
		assert.Equal(t, 100, r.webhook(w.ID).Health.Warned)

		third := r.another(owner.options())
		require.NoError(t, third.Start())
		defer third.Shutdown(r.ctx)
		require.NoError(t, third.Emit(r.ctx, open("e2")))
		time.Sleep(5 * time.Minute)
		assert.Len(t, owner.told(), 1, "and then no more")
	})
}

func TestWhatTheOldReceiverAnsweredIsNotTheNewOnesFault(t *testing.T) {
	for _, code := range []int{500, 410} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newHarness(t, nil).start()
				w := r.put(nil)
				r.receiver.set(func(req *http.Request) (*http.Response, error) {
					time.Sleep(5 * time.Second)
					return status(code)(req)
				})
				r.emit(open("e1"))
				time.Sleep(time.Second)
				w.URL = "https://new.test/"
				w, err := r.UpdateWebhook(r.ctx, w)
				require.NoError(t, err)
				time.Sleep(5 * time.Second)
				w = r.webhook(w.ID)
				assert.Empty(t, w.Disabled)
				assert.Zero(t, w.Health)
			})
		})
	}
}
