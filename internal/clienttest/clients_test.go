package clienttest

import (
	neturl "net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/internal/npm"
)

// Each client is run below a prefix and at the host's root.
func everywhere(t *testing.T, run func(t *testing.T, r *harness, url string)) {
	t.Run("below a prefix", func(t *testing.T) {
		r := newHarness(t)
		run(t, r, r.base)
	})
	t.Run("at the root", func(t *testing.T) {
		r := newHarness(t)
		run(t, r, r.root)
	})
}

func TestActiveCampaignsOwnClient(t *testing.T) {
	everywhere(t, func(t *testing.T, _ *harness, url string) { node(t, "activecampaign.js", url, key, "12") })
}

func TestASecondClient(t *testing.T) {
	everywhere(t, func(t *testing.T, _ *harness, url string) { node(t, "activecampaign-api.js", url, key, "12") })
}

// n8n's nodes are run as its server runs them, with a stand-in for the server:
// the functions that it hands to a node, and the errors that it throws.
func TestN8nsNodes(t *testing.T) {
	need(t, "npm", "npm")
	dir, err := npm.Unpack("n8n-nodes-base", "2.41.2",
		"sha512-qUItyawxR1aR/t6Fgk0whYwBSDR+VOu5RkgAI3AElVI3dqPLLcCAawAMFc/N3GFG35//quOVRUwuc7a3mVLC0g==",
		"dist/nodes/ActiveCampaign/", "dist/credentials/ActiveCampaignApi.credentials.js")
	require.NoError(t, err)
	everywhere(t, func(t *testing.T, r *harness, url string) {
		out := node(t, "n8n.js", dir, url, key, r.receiver+"/bodies")
		id := strings.TrimSpace(out)
		w, err := r.Webhook(t.Context(), "acme", id)
		require.NoError(t, err)
		assert.Equal(t, []webhook.EventType{webhook.TypeSubscribe, webhook.TypeUpdate}, w.Events)
		assert.Equal(t, []string{"deal_add"}, w.IgnoredEvents)
		assert.Equal(t, webhook.FormatCurrent, w.Format)

		e := webhook.Sample(webhook.TypeUpdate).(webhook.Update)
		e.Account = "acme"
		require.NoError(t, r.Emit(t.Context(), e))
		form, err := neturl.ParseQuery(<-r.received)
		require.NoError(t, err)
		assert.Equal(t, "test@test.com", form.Get("contact[email]"), "what workflows of n8n read")
		node(t, "n8n.js", dir, url, key, r.receiver+"/bodies", id)
		_, err = r.Webhook(t.Context(), "acme", id)
		assert.ErrorIs(t, err, webhook.ErrNotFound)
	})
}
