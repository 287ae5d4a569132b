package webhook_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// document is a disabled webhook as stores hold it. Its text never changes:
// under other names, a webhook that is disabled would be read as enabled.
const document = `{"ID":"7","Account":"acme","List":"2","Hold":"9999-01-01T00:00:00Z",` +
	`"Changed":"2026-11-20T10:00:00Z","Deleted":false,"Version":5,"Name":"CRM","URL":"https://example.com/in",` +
	`"Events":["subscribe"],"Sources":["public"],"Format":"current",` +
	`"Secrets":[{"Key":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw","Until":"0001-01-01T00:00:00Z"}],"Headers":{"X-Key":"k"},` +
	`"NoRetry":true,"Off":"Moving house.","Keep":true,"IgnoredEvents":["deal_add"],` +
	`"OffSince":"2026-11-20T10:00:00Z","Created":"2026-11-01T10:00:00Z","Revision":3,"NotKept":12,` +
	`"Health":{"Failures":2,"Since":"2026-11-19T10:00:00Z","Last":"2026-11-19T11:00:00Z","Hours":2,` +
	`"Success":"2026-11-19T09:00:00Z","Reason":"The receiver answered 503.","Probes":1,"Warned":50,` +
	`"WarnedAt":"2026-11-19T11:00:00Z","SwitchedOff":true},"Sealed":null}`

func TestADocumentHasTheNamesThatStoresHold(t *testing.T) {
	var w webhook.Webhook
	require.NoError(t, json.Unmarshal([]byte(document), &w))
	at := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	assert.Equal(t, "Moving house.", w.Disabled)
	assert.Equal(t, at, w.DisabledAt)
	assert.True(t, w.KeepEvents)
	assert.Equal(t, 12, w.Discarded)
	assert.Equal(t, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), w.HeldUntil)

	written, err := json.Marshal(w)
	require.NoError(t, err)
	assert.JSONEq(t, document, string(written))
}

// A replay that an earlier version started goes on: its document has the names of then.
func TestAReplayJobHasTheNamesThatStoresHold(t *testing.T) {
	const document = `{"ID":"r","Query":{"Since":"0001-01-01T00:00:00Z","Until":"2026-11-20T10:00:00Z","States":["failed"],"Superseded":true},` +
		`"Started":"2026-11-20T10:00:00Z","Ended":"0001-01-01T00:00:00Z","Reason":"","Total":9,"Looked":5,"Begun":3,"Superseded":2,` +
		`"Place":{"Created":"2026-11-19T10:00:00Z","ID":"msg_5"},"Taken":"2026-11-20T10:01:00Z"}`
	var job webhook.ReplayJob
	require.NoError(t, json.Unmarshal([]byte(document), &job))
	assert.Equal(t, []int{9, 5, 3, 2}, []int{job.Total, job.Checked, job.Resent, job.Replaced})
	assert.Equal(t, "msg_5", job.Cursor.ID)
	assert.True(t, job.Query.IncludeReplaced)

	written, err := json.Marshal(job)
	require.NoError(t, err)
	assert.JSONEq(t, document, string(written))
}
