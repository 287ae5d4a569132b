package webhook_test

import (
	"log/slog"
	"math"
	"testing"
	"testing/synctest"
	"time"

	cenkalti "github.com/cenkalti/backoff/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// A constant policy returns one wait, whatever is asked.
type constant time.Duration

func (p constant) NextBackOff() time.Duration { return time.Duration(p) }
func (p constant) Reset()                     {}

// A panicking policy is one that fails its caller.
type panicking struct{}

func (panicking) NextBackOff() time.Duration { panic("no idea") }
func (panicking) Reset()                     {}

func TestEveryPolicyIsFollowedOrReplaced(t *testing.T) {
	for _, c := range []struct {
		name        string
		policy      func() cenkalti.BackOff
		least, most int // attempts within four days
		ends        bool
	}{
		{"stop at once", func() cenkalti.BackOff { return &cenkalti.StopBackOff{} }, 1, 1, true},
		{"no delays", webhook.Schedule(), 1, 1, true},
		{"a negative delay that is Stop", webhook.Schedule(cenkalti.Stop), 1, 2, true},
		{"negative delays", webhook.Schedule(-time.Second, -time.Hour), 3, 3, true},
		{"zero delays", webhook.Schedule(0, 0), 3, 3, true},
		{"the longest delay", webhook.Schedule(math.MaxInt64), 1, 1, false},
		{"the longest constant", func() cenkalti.BackOff { return constant(math.MaxInt64) }, 1, 1, false},
		{"the most negative constant", func() cenkalti.BackOff { return cenkalti.WithMaxRetries(constant(math.MinInt64), 4) }, 5, 5, true},
		{"exponential", func() cenkalti.BackOff { return cenkalti.NewExponentialBackOff() }, 5, 30, true},
		{"exponential of a day", func() cenkalti.BackOff {
			return cenkalti.NewExponentialBackOff(cenkalti.WithMaxElapsedTime(24*time.Hour), cenkalti.WithInitialInterval(time.Minute), cenkalti.WithMaxInterval(2*time.Hour))
		}, 10, 30, true},
		{"exponential without a clock", func() cenkalti.BackOff {
			return &cenkalti.ExponentialBackOff{InitialInterval: time.Second, Multiplier: 2, MaxInterval: time.Minute, MaxElapsedTime: 5 * time.Minute}
		}, 4, 20, true},
		{"exponential without an end", func() cenkalti.BackOff {
			return cenkalti.NewExponentialBackOff(cenkalti.WithMaxElapsedTime(0), cenkalti.WithInitialInterval(12*time.Hour), cenkalti.WithMaxInterval(24*time.Hour))
		}, 3, 15, false},
		{"nil", func() cenkalti.BackOff { return nil }, 10, 10, true},
		{"a panic", func() cenkalti.BackOff { panic("no idea") }, 10, 10, true},
		{"a panic later", func() cenkalti.BackOff { return panicking{} }, 10, 10, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newHarness(t, &webhook.Options{Backoff: c.policy, DisableAfter: -1, PollInterval: time.Minute, Logger: slog.New(slog.DiscardHandler)}).start()
				r.put(nil)
				r.receiver.set(status(500))
				r.emit(open("e1"))
				for range 4 {
					if time.Sleep(day); r.log()[0].State == webhook.StateFailed {
						break // for good
					}
				}
				n := len(r.receiver.requests())
				assert.GreaterOrEqual(t, n, c.least)
				assert.LessOrEqual(t, n, c.most)
				want := webhook.StatePending
				if c.ends {
					want = webhook.StateFailed
				}
				assert.Equal(t, want, r.log()[0].State)
			})
		})
	}
}

// What was begun again has the whole time of its policy before it.
func TestElapsedTimeCountsFromTheFirstAttemptOfASchedule(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{DisableAfter: -1, PollInterval: 10 * time.Second, Backoff: func() cenkalti.BackOff {
			return cenkalti.NewExponentialBackOff(cenkalti.WithInitialInterval(time.Minute), cenkalti.WithMaxElapsedTime(5*time.Minute))
		}})
		r.start()
		r.put(nil)
		r.receiver.set(status(500))
		r.emit(open("e1"))
		time.Sleep(time.Hour)
		first := len(r.receiver.requests())
		require.Greater(t, first, 2)
		require.Equal(t, webhook.StateFailed, r.log()[0].State)
		last := r.receiver.requests()[first-1].At
		assert.LessOrEqual(t, last.Sub(r.receiver.requests()[0].At), 6*time.Minute)

		time.Sleep(day)
		require.NoError(t, r.Redeliver(r.ctx, "", r.log()[0].ID))
		time.Sleep(time.Hour)
		assert.Greater(t, len(r.receiver.requests()), first+2)
		assert.Equal(t, webhook.StateFailed, r.log()[0].State)
	})
}

func TestRedeliverToADisabledWebhook(t *testing.T) {
	for _, keeps := range []bool{false, true} {
		for _, state := range []webhook.State{webhook.StateDelivered, webhook.StateFailed, webhook.StateCanceled} {
			t.Run(string(state), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					r := newHarness(t, &webhook.Options{Backoff: webhook.Schedule()}).start()
					id := r.put(func(w *webhook.Webhook) { w.KeepEvents = keeps }).ID
					if state == webhook.StateFailed {
						r.receiver.set(status(500))
					}
					r.emit(open("e1"))
					time.Sleep(time.Minute)
					before := r.log()[0]
					if state == webhook.StateCanceled {
						_, err := r.store.Apply(r.ctx, []webhook.Change{{ID: before.ID, Lease: before.Lease, State: state, Due: before.Due}})
						require.NoError(t, err)
						before = r.log()[0]
					}
					require.Equal(t, state, before.State)
					w := r.webhook(id)
					w.Disabled = "By its owner."
					_, err := r.UpdateWebhook(r.ctx, w)
					require.NoError(t, err)
					r.receiver.set(nil)
					sent := len(r.receiver.requests())

					err = r.Redeliver(r.ctx, "", before.ID)
					if !keeps {
						var invalid *webhook.InvalidError
						require.ErrorAs(t, err, &invalid)
						assert.Equal(t, "webhook", invalid.Field)
						assert.Contains(t, invalid.Reason, "switch it on first")
						time.Sleep(time.Hour)
						assert.Equal(t, before, r.log()[0], "it stays as it was")
						assert.Len(t, r.receiver.requests(), sent)
						return
					}
					require.NoError(t, err)
					time.Sleep(time.Hour)
					assert.Equal(t, webhook.StatePending, r.log()[0].State, "it waits until the webhook is enabled")
					assert.Len(t, r.receiver.requests(), sent)
					r.resume(id)
					synctest.Wait()
					assert.Equal(t, webhook.StateDelivered, r.log()[0].State)
					assert.Len(t, r.receiver.requests(), sent+1)
				})
			})
		}
	}
}
