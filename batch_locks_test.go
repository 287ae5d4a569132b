package webhook_test

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// Batches are given back, claims count the room for more of them, and the cache learns of
// webhooks, all at the same time: none waits for another one for ever.
func TestBatchesThatAreGivenBackHoldNothingUp(t *testing.T) {
	r := newHarness(t, &webhook.Options{
		PollInterval: 10 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Backoff: webhook.Schedule(time.Second, time.Second, time.Second),
	})
	r.receiver.set(func(req *http.Request) (*http.Response, error) {
		time.Sleep(time.Duration(20+rand.IntN(60)) * time.Millisecond)
		if rand.IntN(3) > 0 {
			return status(500)(req)
		}
		return status(200)(req)
	})
	for i := range 300 {
		r.put(func(w *webhook.Webhook) {
			inBatches(2, 0)(w)
			w.URL = fmt.Sprintf("https://r%d.test/", i)
		})
	}
	r.start()
	done := make(chan error, 1)
	go func() {
		for i := range 150 {
			if err := r.Emit(r.ctx, open(fmt.Sprint("e", i))); err != nil {
				done <- err
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		done <- nil
	}()
	select {
	case err := <-done:
		require.NoError(t, err)
	case <-time.After(5 * time.Minute):
		panic("no Emit has returned for minutes") // with the stacks of all goroutines
	}
}
