package webhook_test

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// An unsubscribe waits for a subscribe that the receiver refuses, but not for days.
func TestADeliveryThatIsRefusedIsCanceledOnceALaterOneReplacesIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		r.put(nil)
		r.receiver.set(refusing(webhook.TypeSubscribe))
		r.emit(person(webhook.TypeSubscribe, "1", "12"))
		time.Sleep(time.Second)
		r.emit(person(webhook.TypeUnsubscribe, "1", "12"))
		for range 12 { // others are delivered meanwhile
			time.Sleep(4*time.Minute + 50*time.Second)
			r.emit(person(webhook.TypeOpen, "2", "12"))
		}
		assert.NotContains(t, r.told()["1"], "unsubscribe")
		time.Sleep(4 * time.Minute)
		told := r.told()["1"]
		assert.Equal(t, "unsubscribe", told[len(told)-1])
		log := r.log()
		assert.Equal(t, webhook.StateCanceled, log[0].State)
		assert.Equal(t, webhook.StateDelivered, log[1].State)
		why := log[0].Log[len(log[0].Log)-1]
		assert.Equal(t, "Canceled: a newer event replaces it: unsubscribe, delivery "+log[1].ID+", of 2000-01-01 00:00:01 UTC.", why.Reason)
		assert.Equal(t, "canceled", why.Failure())

		r.receiver.set(nil)
		var newer *webhook.NewerError
		require.ErrorAs(t, r.Redeliver(r.ctx, "", log[0].ID), &newer)
		assert.Equal(t, log[1].ID, newer.Newer.ID)
		assert.Equal(t, webhook.StateCanceled, r.log()[0].State, "a warning changes nothing")
		require.NoError(t, r.RedeliverAnyway(r.ctx, "", log[0].ID))
		time.Sleep(time.Second)
		requests := r.receiver.requests()
		last, before := requests[len(requests)-1], requests[len(requests)-2]
		for i := len(requests) - 2; before.Form.Get("type") != "unsubscribe"; i-- {
			before = requests[i]
		}
		assert.Equal(t, "subscribe", last.Form.Get("type"))
		first := sequenceOf(t, requests[0])
		assert.Equal(t, first, sequenceOf(t, last), "it keeps its number when it is sent again")
		assert.Greater(t, sequenceOf(t, before), first)
	})
}

func sequenceOf(t *testing.T, got received) int64 {
	n, err := strconv.ParseInt(got.Header.Get(webhook.HeaderSequence), 10, 64)
	require.NoError(t, err)
	return n
}

// Nothing replaces a bounce, so it keeps its schedule, and no more than the line behind
// it goes on.
func TestADeliveryThatNothingReplacesIsPassedOver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, rarely()).start()
		r.put(nil)
		r.receiver.set(refusing(webhook.TypeBounce))
		r.emit(person(webhook.TypeBounce, "1", "12"))
		r.emit(person(webhook.TypeUpdate, "1", "12"))
		r.emit(person(webhook.TypeUnsubscribe, "1", "12"))
		time.Sleep(59 * time.Minute)
		assert.NotContains(t, r.told()["1"], "update")
		time.Sleep(3 * time.Minute)
		told := r.told()["1"]
		assert.Equal(t, []string{"update", "unsubscribe"}, told[len(told)-2:])
		r.receiver.set(nil)
		time.Sleep(72 * time.Hour)
		for _, d := range r.log() {
			assert.Equal(t, webhook.StateDelivered, d.State, "%s", d.Type)
		}
		told = r.told()["1"]
		assert.Equal(t, "bounce", told[len(told)-1])
	})
}

// A subscribe was passed over for an update. Then an unsubscribe comes, and the
// receiver takes subscribes again: the old one must not come after the unsubscribe.
func TestADeliveryThatWasPassedOverIsNotSentAfterWhatReplacesIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, rarely()).start()
		r.put(nil)
		r.receiver.set(refusing(webhook.TypeSubscribe))
		r.emit(person(webhook.TypeSubscribe, "1", "12"))
		time.Sleep(time.Second)
		r.emit(person(webhook.TypeUpdate, "1", "12"))
		time.Sleep(62 * time.Minute)
		told := r.told()["1"]
		require.Equal(t, "update", told[len(told)-1])
		r.emit(person(webhook.TypeUnsubscribe, "1", "12"))
		r.receiver.set(nil)
		time.Sleep(24 * time.Hour)
		told = r.told()["1"]
		assert.Equal(t, "unsubscribe", told[len(told)-1])
		assert.Equal(t, webhook.StateCanceled, r.log()[0].State)
	})
}

// An outage of the receiver, or of the sender, and a webhook that is held or disabled
// cancel nothing, and let nobody pass.
func TestTimeInWhichNothingIsAttemptedDoesNotCount(t *testing.T) {
	for name, outage := range map[string]func(*harness, string){
		"the receiver is down": func(r *harness, _ string) {
			r.receiver.set(func(*http.Request) (*http.Response, error) { return nil, fmt.Errorf("connection refused") })
			for range 100 {
				r.emit(person(webhook.TypeOpen, "2", "12"))
				time.Sleep(6 * time.Minute)
			}
		},
		"the receiver of one subscriber's events is down": func(r *harness, _ string) {
			r.receiver.set(func(*http.Request) (*http.Response, error) { return nil, fmt.Errorf("connection refused") })
			time.Sleep(10 * time.Hour)
		},
		"the receiver wants to be left alone": func(r *harness, _ string) {
			r.receiver.set(status(503, "Retry-After", "36000"))
			time.Sleep(10 * time.Hour)
		},
		"disabled": func(r *harness, id string) {
			w := r.webhook(id)
			w.Disabled, w.KeepEvents = "For a while.", true
			_, err := r.UpdateWebhook(r.ctx, w)
			require.NoError(r.t, err)
			time.Sleep(10 * time.Hour)
			r.resume(id)
		},
		"nothing runs": func(r *harness, _ string) {
			require.NoError(r.t, r.Shutdown(r.ctx))
			time.Sleep(10 * time.Hour)
			r.receiver.set(nil) // before the first attempt of the other Dispatcher
			r.Dispatcher = r.another(rarely())
			r.start()
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newHarness(t, rarely()).start()
				id := r.put(nil).ID
				r.receiver.set(refusing(webhook.TypeSubscribe))
				r.emit(person(webhook.TypeSubscribe, "1", "12"))
				r.emit(person(webhook.TypeUnsubscribe, "1", "12"))
				time.Sleep(time.Minute)
				outage(r, id)
				r.receiver.set(nil)
				_, err := r.ProbeNow(r.ctx, "", id)
				require.NoError(t, err)
				time.Sleep(25 * time.Hour)
				for _, d := range r.log() {
					assert.Equal(t, webhook.StateDelivered, d.State, "%s", d.Type)
				}
				told := r.told()["1"]
				assert.Equal(t, "unsubscribe", told[len(told)-1])
			})
		})
	}
}

// With retries that come every few seconds, the attempts themselves end the wait.
func TestAWaitEndsAlsoWithRetriesThatComeSoon(t *testing.T) {
	bubble(t, func(t *testing.T) {
		delays := make([]time.Duration, 5000)
		for i := range delays {
			delays[i] = 10 * time.Second
		}
		r := newHarness(t, &webhook.Options{Backoff: webhook.Schedule(delays...), OrderWait: 10 * time.Minute}).start()
		r.put(nil)
		r.receiver.set(refusing(webhook.TypeUpdate))
		for _, e := range []webhook.EventType{webhook.TypeUpdate, webhook.TypeUpdate, webhook.TypeSubscribe} {
			r.emit(person(e, "1", "12"))
			time.Sleep(time.Millisecond)
		}
		for range 19 {
			time.Sleep(30 * time.Second)
			r.emit(person(webhook.TypeOpen, "2", "12"))
		}
		assert.NotContains(t, r.told()["1"], "subscribe")
		for range 4 {
			time.Sleep(30 * time.Second)
			r.emit(person(webhook.TypeOpen, "2", "12"))
		}
		assert.Contains(t, r.told()["1"], "subscribe")
		assert.Equal(t, webhook.StateCanceled, r.log()[0].State, "the second update replaces the first")
		assert.Equal(t, webhook.StatePending, r.log()[1].State, "and nothing the second, which keeps its schedule")
	})
}

func TestTheOwnerCanSkipTheDeliveryThatBlocks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		r.put(nil)
		r.receiver.set(refusing(webhook.TypeUpdate))
		r.emit(person(webhook.TypeUpdate, "1", "12"))
		time.Sleep(time.Second)
		r.emit(person(webhook.TypeUnsubscribe, "1", "12"))
		log := r.log()
		_, err := r.Skip(r.ctx, "", log[0].ID)
		require.ErrorIs(t, err, webhook.ErrUnderWay, "the retry comes so soon that it may be under way")
		time.Sleep(10 * time.Minute)

		first, err := r.Blocking(r.ctx, "", log[1].ID)
		require.NoError(t, err)
		require.NotNil(t, first)
		assert.Equal(t, log[0].ID, first.ID)
		none, err := r.Blocking(r.ctx, "", log[0].ID)
		require.NoError(t, err)
		assert.Nil(t, none)
		for name, call := range map[string]func(account, id string) error{
			"Skip":     func(account, id string) error { _, err := r.Skip(r.ctx, account, id); return err },
			"Blocking": func(account, id string) error { _, err := r.Blocking(r.ctx, account, id); return err },
			"Newer":    func(account, id string) error { _, err := r.Newer(r.ctx, account, id); return err },
		} {
			require.ErrorIs(t, call("another", log[0].ID), webhook.ErrNotFound, name)
			require.ErrorIs(t, call("", "unknown"), webhook.ErrNotFound, name)
		}
		var invalid *webhook.InvalidError
		_, err = r.Skip(r.ctx, "", log[1].ID)
		require.ErrorAs(t, err, &invalid, "it is the one that waits")

		skipped, err := r.Skip(r.ctx, "", log[0].ID)
		require.NoError(t, err)
		assert.Equal(t, webhook.StatePending, skipped.State, "nothing replaces the update")
		time.Sleep(time.Second)
		told := r.told()["1"]
		assert.Equal(t, "unsubscribe", told[len(told)-1])
		_, err = r.Skip(r.ctx, "", log[0].ID)
		require.ErrorAs(t, err, &invalid, "once is enough")
	})
}

func TestReplayLeavesOutWhatANewerDeliveryReplaces(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		w := r.put(nil)
		for _, e := range []webhook.Event{
			person(webhook.TypeSubscribe, "1", "12"), person(webhook.TypeUpdate, "1", "12"), person(webhook.TypeUnsubscribe, "1", "12"),
			person(webhook.TypeSubscribe, "1", "13"), person(webhook.TypeUpdate, "1", "12"), person(webhook.TypeBounce, "1", "12"),
			person(webhook.TypeBounce, "1", "12"), person(webhook.TypeSubscribe, "2", "12"), person(webhook.TypeOpen, "1", "12"),
		} {
			r.emit(e)
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Minute)
		sent := len(r.receiver.requests())
		replayed, err := r.Replay(r.ctx, "", w.ID, webhook.ReplayQuery{})
		require.NoError(t, err)
		assert.Equal(t, webhook.Replayed{Resent: 7, Replaced: 2}, replayed)
		time.Sleep(time.Minute)
		var about []string
		for _, got := range r.receiver.requests()[sent:] {
			if got.Form.Get("subscriber[id]") == "1" && got.Form.Get("type") != "open" {
				about = append(about, got.Form.Get("type")+got.Form.Get("list"))
			}
		}
		assert.Equal(t, []string{"unsubscribe12", "subscribe13", "update12", "bounce12", "bounce12"}, about)
		replayed, err = r.Replay(r.ctx, "", w.ID, webhook.ReplayQuery{IncludeReplaced: true})
		require.NoError(t, err)
		assert.Equal(t, webhook.Replayed{Resent: 9}, replayed)
	})
}
