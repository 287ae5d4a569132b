package redisstore

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/webhooktest"
)

// Two apps and the server are killed at random moments and started again, 4 times or
// as often as LISTHOOK_ROUNDS says. Each event that was promised arrives at both
// webhooks, those of one subscriber in their order.
func TestNothingPromisedIsLostToKill9(t *testing.T) {
	rounds, err := strconv.Atoi(cmp.Or(os.Getenv("LISTHOOK_ROUNDS"), "4"))
	require.NoError(t, err)
	s := newServer(t)
	receiver := webhooktest.NewReceiver(t, &webhooktest.Options{Answer: answer()})
	store, err := Open(t.Context(), *s.options(), "app")
	require.NoError(t, err)
	defer store.Close()
	d, err := webhook.New(store, receiver.Client(), nil)
	require.NoError(t, err)
	for _, name := range []string{"a", "b"} {
		_, err := d.AddWebhook(t.Context(), webhook.Webhook{ID: name, Settings: webhook.Settings{
			Name: name, URL: receiver.URL() + "/" + name, Events: webhook.EventTypes(), Sources: webhook.Sources(),
		}})
		require.NoError(t, err)
	}

	var mu sync.Mutex
	promised := map[string]bool{}
	apps, started := [2]*app{}, 0
	start := func(i int) {
		started++
		apps[i] = startApp(t, fmt.Sprint("app", started), s.options().Addr, func(id string) {
			mu.Lock()
			defer mu.Unlock()
			promised[id] = true
		})
	}
	start(0)
	start(1)
	kills := map[string]int{}
	for range rounds {
		i := rand.IntN(3)
		if rand.IntN(8) > 0 { // else an app dies while it is starting
			<-apps[i%2].ready
		}
		time.Sleep(rand.N(500 * time.Millisecond))
		if i == 2 {
			kills["the server"]++
			s.kill()
			s.start(t)
			continue
		}
		kills["an app"]++
		apps[i].kill()
		start(i)
	}
	for _, a := range apps {
		<-a.ready
	}
	for _, a := range apps {
		a.quiet()
	}
	for _, a := range apps {
		a.finish()
	}
	events, repeated := audit(t, store, receiver.Received(), promised)
	t.Logf("killed: %v; %d events promised, %d stored, %d requests came twice", kills, len(promised), events, repeated)
	assert.NotEmpty(t, promised)
}

// answer refuses one request in seven, for now.
func answer() webhooktest.Answer {
	var n atomic.Int64
	return webhooktest.Func(func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1)%7 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
}

// audit compares what was promised, what came, and what the log says.
func audit(t *testing.T, store *Store, received []webhooktest.Received, promised map[string]bool) (events, repeated int) {
	t.Helper()
	log, err := store.Deliveries(t.Context(), webhook.DeliveryQuery{All: true})
	require.NoError(t, err)
	requests, attempts := map[string]int{}, 0
	for _, r := range received {
		requests[r.Header.Get(webhook.HeaderID)]++
	}
	deliveries := map[string]int{}
	for _, d := range log {
		deliveries[d.EventID]++
		attempts += len(d.Log)
		assert.Equal(t, webhook.StateDelivered, d.State, "%s to %s", d.EventID, d.WebhookID)
		assert.Len(t, d.Log, d.Attempts, "%s to %s", d.EventID, d.WebhookID)
		assert.NotZero(t, requests[d.ID], "LOST: %s did not arrive at %s", d.EventID, d.WebhookID)
	}
	for id := range promised {
		assert.NotZero(t, deliveries[id], "LOST: %s was promised, and is not stored", id)
	}
	for id, n := range deliveries {
		assert.Equal(t, 2, n, "deliveries of %s: an event has all or none", id)
	}
	inOrder(t, received)
	return len(deliveries), len(received) - attempts
}

// inOrder checks that all requests with an event came before the first one with the next
// event of its subscriber, and that their Sequences say so.
func inOrder(t *testing.T, received []webhooktest.Received) {
	t.Helper()
	last := map[string][]int64{} // the number and the Sequence, by webhook and subscriber
	for _, r := range received {
		require.NoError(t, r.Err)
		e := r.Events[0].(webhook.Update)
		n, err := strconv.ParseInt(e.Subscriber.FirstName, 10, 64)
		require.NoError(t, err)
		now := []int64{n, e.Sequence}
		line := r.RequestURI + " " + e.Subscriber.ID
		before, ok := last[line]
		assert.True(t, !ok && n == 0 || ok && (slices.Equal(now, before) || n == before[0]+1 && e.Sequence > before[1]),
			"%s got the event and Sequence %v after %v", line, now, before)
		last[line] = now
	}
}
