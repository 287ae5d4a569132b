package webhook_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

func TestRedeliverRightAfterAnOutcomeIsAttemptedAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var r *harness
		again := true
		r = newHarness(t, &webhook.Options{Hooks: webhook.Hooks{Changed: func(d webhook.Delivery) {
			if again {
				again = false
				require.NoError(t, r.Redeliver(t.Context(), d.Account, d.ID))
				time.Sleep(10 * time.Millisecond) // meanwhile it is claimed
			}
		}}}).start()
		r.put(nil)
		r.emit(open("e1"))
		time.Sleep(time.Minute)
		got := r.receiver.requests()
		require.Len(t, got, 2)
		assert.Less(t, got[1].At.Sub(got[0].At), 2*time.Second)
	})
}
