package webhook_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// hangAt answers by hanging for requests to a host.
func hangAt(host string) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) {
		if req.URL.Host == host {
			return hang(req)
		}
		return status(200)(req)
	}
}

func at(host string) func(*webhook.Webhook) {
	return func(w *webhook.Webhook) { w.URL = "https://" + host + "/" }
}

func TestAReceiverThatHangsSlowsNobodyElse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		r.put(at("dead.test"))
		r.put(at("alive.test"))
		r.receiver.set(hangAt("dead.test"))
		for i := range 300 {
			sent := time.Now()
			r.emit(open(fmt.Sprint(i)))
			synctest.Wait()
			alive := slices.DeleteFunc(r.receiver.requests(), func(got received) bool {
				return got.URL != "https://alive.test/"
			})
			require.Len(t, alive, i+1)
			assert.Equal(t, sent, alive[i].At)
			time.Sleep(100 * time.Millisecond)
		}
	})
}

// In the first moments nothing is known of any of them.
func TestAThousandReceiversThatHangSlowNobodyElse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil).start()
		for i := range 1000 {
			r.put(func(w *webhook.Webhook) {
				w.Account, w.URL = fmt.Sprint(i), fmt.Sprintf("https://%d.test/", i)
			})
		}
		r.put(func(w *webhook.Webhook) { w.Account, w.URL = "alive", "https://alive.test/" })
		r.receiver.set(func(req *http.Request) (*http.Response, error) {
			if req.URL.Host == "alive.test" {
				return status(200)(req)
			}
			return hang(req)
		})
		for i := range 4000 { // 1,000 a second, and 100 to the one that answers
			e := open(fmt.Sprint(i))
			e.Account = fmt.Sprint(i % 1000)
			r.emit(e)
			if i%10 == 0 {
				e.Account = "alive"
				r.emit(e)
			}
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		count := 0
		for _, d := range r.log() {
			if d.Account == "alive" {
				count++
				require.NotEmpty(t, d.Log)
				assert.LessOrEqual(t, d.Log[0].Start.Sub(d.Created), 250*time.Millisecond)
			}
		}
		assert.Equal(t, 400, count)
	})
}

func TestABacklogOfOneDoesNotDelayAnother(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{Concurrency: 16})
		r.put(at("busy.test"))
		r.put(func(w *webhook.Webhook) { w.Account = "other"; w.URL = "https://quick.test/" })
		for i := range 5000 {
			r.emit(open(fmt.Sprint(i)))
		}
		r.receiver.set(func(req *http.Request) (*http.Response, error) {
			return slowly(50 * time.Millisecond)(req)
		})
		r.start()
		time.Sleep(3 * time.Second)

		emitter := r.another(nil) // another process: only the poll finds what it emits
		e := open("theirs")
		e.Account = "other"
		began := time.Now()
		require.NoError(t, emitter.Emit(r.ctx, e))
		time.Sleep(1200 * time.Millisecond)
		var arrived time.Time
		for _, got := range r.receiver.requests() {
			if got.URL == "https://quick.test/" {
				arrived = got.At
			}
		}
		require.False(t, arrived.IsZero(), "it waits behind the backlog of another account")
		assert.LessOrEqual(t, arrived.Sub(began), 1200*time.Millisecond)
	})
}

func TestUrgentDeliveriesGoFirstInTheirQueue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{Concurrency: 1})
		r.put(nil)
		for i := range 20 {
			r.emit(open(fmt.Sprint(i)))
		}
		meta := webhook.Meta{Source: webhook.SourcePublic}
		r.emit(webhook.Unsubscribe{Meta: meta, Subscriber: webhook.Subscriber{ID: "1"}},
			webhook.Bounce{Meta: meta, Subscriber: webhook.Subscriber{ID: "2"}, Details: webhook.BounceDetails{Type: webhook.BounceSoft}},
			webhook.Subscribe{Meta: meta, Subscriber: webhook.Subscriber{ID: "3"}})
		r.start()
		time.Sleep(time.Minute)
		var order []string
		for _, got := range r.receiver.requests() {
			order = append(order, got.Form.Get("type"))
		}
		require.Len(t, order, 23)
		assert.ElementsMatch(t, []string{"unsubscribe", "bounce", "subscribe"}, order[:3])
	})
}

func TestRetriesDoNotStarveBehindNewEvents(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{Concurrency: 4, PerHost: 4, Backoff: webhook.Schedule(5 * time.Second)}).start()
		r.put(nil)
		r.receiver.set(func(req *http.Request) (*http.Response, error) {
			if time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)) < 100*time.Millisecond {
				return status(500)(req)
			}
			return slowly(90 * time.Millisecond)(req)
		})
		r.emit(open("retried"))
		for i := range 600 { // more than can be delivered: about 40 a second
			time.Sleep(20 * time.Millisecond)
			r.emit(open(fmt.Sprint(i)))
		}
		for _, d := range r.log() {
			if d.EventID == "retried" {
				assert.Equal(t, webhook.StateDelivered, d.State, "12 seconds later")
			}
		}
	})
}

func TestTwoDispatchersShareTheWork(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, nil)
		r.put(nil)
		for i := range 500 {
			r.emit(open(fmt.Sprint(i)))
		}
		r.receiver.set(slowly(10 * time.Millisecond))
		r.start()
		other := r.another(nil)
		require.NoError(t, other.Start())
		time.Sleep(time.Minute)
		require.NoError(t, other.Shutdown(r.ctx))
		seen := map[string]int{}
		for _, got := range r.receiver.requests() {
			seen[got.Header.Get("webhook-id")]++
		}
		assert.Len(t, seen, 500)
		assert.Len(t, r.receiver.requests(), 500, "nothing is sent twice")
	})
}

func TestWebhooksBehindOneHostShareItsLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newHarness(t, &webhook.Options{PerHost: 3}).start()
		for i := range 10 {
			r.put(func(w *webhook.Webhook) { w.URL = fmt.Sprintf("https://Shared.test/%d", i) })
		}
		r.put(at("other.test"))
		r.receiver.set(slowly(500 * time.Millisecond))
		began := time.Now()
		for i := range 3 {
			r.emit(open(fmt.Sprint(i)))
		}
		time.Sleep(time.Minute)
		underWay := map[time.Time]int{}
		for _, got := range r.receiver.requests() {
			if got.URL == "https://other.test/" {
				assert.Equal(t, began, got.At, "another host's do not wait")
				continue
			}
			underWay[got.At]++
		}
		assert.Len(t, underWay, 10)
		for at, n := range underWay {
			assert.Equal(t, 3, n, "at %s", at)
		}
	})
}
