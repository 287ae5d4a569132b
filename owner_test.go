package webhook_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// What an owner is told beside the percents of a warning.
const (
	recovered = -1
	fails     = 1
)

// allOptions returns those of a dispatcher that tells the owner everything.
func (o *owner) allOptions() *webhook.Options {
	opts := o.options()
	opts.Hooks.Failing = func(w webhook.Webhook) { o.note(w, fails) }
	opts.Hooks.Recovered = func(w webhook.Webhook) { o.note(w, recovered) }
	return opts
}

// kinds returns what the owner was told, in order.
func (o *owner) kinds() (kinds []int) {
	for _, n := range o.told() {
		kinds = append(kinds, n.percent)
	}
	return kinds
}

func TestOneOfSeveralProcessesTellsTheOwner(t *testing.T) {
	bubble(t, func(t *testing.T) {
		owner := newOwner()
		r := newHarness(t, owner.allOptions()).start()
		for range 3 {
			other := r.another(owner.allOptions())
			require.NoError(t, other.Start())
			defer other.Shutdown(r.ctx)
		}
		id := r.put(nil).ID
		r.receiver.set(status(500))
		r.steadily(time.Minute, 55*time.Minute)
		assert.Empty(t, owner.told(), "it has failed for less than an hour")
		r.steadily(time.Minute, 3*time.Hour)
		require.Equal(t, []int{fails}, owner.kinds())
		told := owner.told()[0]
		assert.Equal(t, id, told.webhook.ID)
		assert.InDelta(t, 1, told.after.Hours(), 0.6)
		assert.Contains(t, told.webhook.Health.Reason, "500")

		r.receiver.set(nil)
		time.Sleep(2 * time.Hour) // the next probe is made within an hour
		assert.Equal(t, []int{fails, recovered}, owner.kinds())
		assert.Zero(t, r.webhook(id).Health.Telling)

		r.receiver.set(status(500))
		r.steadily(10*time.Minute, 4*time.Hour)
		assert.Equal(t, []int{fails, recovered, fails}, owner.kinds(), "the next time the owner is told anew")
		r.steadily(time.Hour, 6*day)
		assert.Equal(t, []int{fails, recovered, fails, 50, 90, 100}, owner.kinds())
	})
}

func TestAShortOutageIsNotTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		owner := newOwner()
		r := newHarness(t, owner.allOptions()).start()
		r.put(nil)
		r.receiver.set(status(500))
		r.steadily(time.Minute, 30*time.Minute)
		r.receiver.set(nil)
		r.steadily(time.Minute, 3*time.Hour)
		assert.Empty(t, owner.told())
	})
}

func TestAnOwnerWhoMendedAWebhookIsNotToldThatItRecovered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		owner := newOwner()
		r := newHarness(t, owner.allOptions()).start()
		id := r.put(nil).ID
		r.receiver.set(status(500))
		r.steadily(10*time.Minute, 3*time.Hour)
		require.Equal(t, []int{fails}, owner.kinds())
		r.receiver.set(nil)
		w := r.webhook(id)
		w.URL = "https://mended.test/"
		_, err := r.UpdateWebhook(r.ctx, w)
		require.NoError(t, err)
		r.steadily(10*time.Minute, 3*time.Hour)
		assert.Equal(t, []int{fails}, owner.kinds())
	})
}

// A process may die at any moment, and others live on.
func TestWhatAProcessLeftUntoldIsToldOnce(t *testing.T) {
	for _, c := range []struct {
		name string
		left func(*webhook.Webhook)
		want []int
	}{
		{"failing", func(w *webhook.Webhook) { w.Health.Telling, w.Health.Failures, w.Health.Since = fails, 3, time.Now() }, []int{fails}},
		{"a warning", func(w *webhook.Webhook) { w.Health.Telling, w.Health.Failures, w.Health.Since = 50, 30, time.Now() }, []int{50}},
		{"recovered", func(w *webhook.Webhook) { w.Health.Telling = recovered }, []int{recovered}},
		{"recovered, before it began to tell", func(w *webhook.Webhook) {
			w.Health.Telling, w.Health.TellingAt = recovered, time.Time{}
		}, []int{recovered}},
		{"disabled", func(w *webhook.Webhook) {
			w.Disabled, w.Health.AutoDisabled, w.Health.Telling = "The receiver answered 410 Gone.", true, 100
		}, []int{100}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				owner := newOwner()
				r := newHarness(t, owner.allOptions()).start()
				for range 3 {
					other := r.another(owner.allOptions())
					require.NoError(t, other.Start())
					defer other.Shutdown(r.ctx)
					require.NoError(t, other.Emit(r.ctx, open("known"))) // of the webhook's account
				}
				w := r.put(nil)
				r.emit(open("known"))
				time.Sleep(2 * time.Minute)
				w = r.webhook(w.ID)
				w.Health.TellingAt = time.Now().UTC().Truncate(time.Millisecond)
				c.left(&w)
				_, err := r.store.PutWebhook(r.ctx, w)
				require.NoError(t, err)
				time.Sleep(30 * time.Second)
				assert.Empty(t, owner.told(), "the process may just be slow")
				time.Sleep(5 * time.Minute)
				assert.Equal(t, c.want, owner.kinds())
				assert.Zero(t, r.webhook(w.ID).Health.Telling)
			})
		})
	}
}

func TestAHookThatPanicsIsNotCalledAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		owner := newOwner()
		opts := owner.allOptions()
		opts.Hooks.Failing = func(w webhook.Webhook) { owner.note(w, fails); panic("mail") }
		r := newHarness(t, opts).start()
		r.put(nil)
		r.receiver.set(status(500))
		r.steadily(10*time.Minute, 5*time.Hour)
		assert.Equal(t, []int{fails}, owner.kinds())
	})
}
