package webhook

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/listhook/webhook/internal/diagnose"
)

// A webhook that has to wait for the end of its own outage does not take the one attempt
// that finds out whether nothing can be sent.
func TestATrialIsOfAWebhookThatMayBeAttempted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const timeout = 15 * time.Second
		os := &outages{}
		os.failed("own", diagnose.ScopeWebhook, "its own")
		os.failed("other", diagnose.ScopeAll, "of all")
		time.Sleep(outageFirst)
		assert.True(t, os.holdsBack("own", timeout))
		assert.False(t, os.holdsBack("other", timeout), "it is the trial")
		assert.True(t, os.holdsBack("third", timeout), "the trial has not ended")
		assert.True(t, os.worked("other"))
		assert.False(t, os.holdsBack("third", timeout))
		assert.True(t, os.holdsBack("own", timeout))
		time.Sleep(probeFirst)
		assert.False(t, os.holdsBack("own", timeout), "its own trial")
		assert.True(t, os.holdsBack("own", timeout))
	})
}
