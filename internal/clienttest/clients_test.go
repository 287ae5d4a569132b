package clienttest

import "testing"

func TestActiveCampaignsOwnClient(t *testing.T) {
	node(t, "activecampaign.js", newRig(t).base, key, "12")
}

func TestASecondClient(t *testing.T) {
	node(t, "activecampaign-api.js", newRig(t).base, key, "12")
}
