package clienttest

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

func fingerprint(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

func TestActiveCampaignsOwnClient(t *testing.T) {
	node(t, "activecampaign.js", newRig(t).base, key, "12")
}

func TestASecondClient(t *testing.T) {
	node(t, "activecampaign-api.js", newRig(t).base, key, "12")
}
