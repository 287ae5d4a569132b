package clienttest

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

var block = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")

// TestTheDocumentationsExamples runs the commands of docs/api.md one after the
// other, and compares what comes back with the block that follows each.
func TestTheDocumentationsExamples(t *testing.T) {
	need(t, "curl", "curl")
	need(t, "curl", "bash")
	doc, err := os.ReadFile("../../docs/api.md")
	require.NoError(t, err)
	blocks := block.FindAllStringSubmatch(string(doc), -1)
	require.NotEmpty(t, blocks)
	require.Zero(t, len(blocks)%2, "each command is followed by its answer")

	r := newHarness(t)
	env := append(os.Environ(), "BASE="+r.base, "KEY="+key)
	var id, delivery string
	for i := 0; i < len(blocks); i += 2 {
		command, want := blocks[i], blocks[i+1]
		require.Equal(t, "sh", command[1])
		cmd := exec.Command("bash", "-euc", command[2])
		cmd.Env = append(env, "ID="+id, "DELIVERY="+delivery)
		out, err := cmd.Output()
		require.NoError(t, err, command[2])
		if want[1] == "json" {
			assert.Equal(t, steady(t, []byte(want[2])), steady(t, out), command[2])
		} else {
			assert.Equal(t, want[2], string(out), command[2])
		}
		if id == "" {
			id, delivery = r.failOnce(t)
		}
	}
}

// failOnce puts a failed delivery of the only webhook into the log.
func (r *harness) failOnce(t *testing.T) (id, delivery string) {
	ws, err := r.Webhooks(t.Context(), webhook.WebhookQuery{Account: "acme"})
	require.NoError(t, err)
	require.Len(t, ws, 1)
	event := webhook.Sample(webhook.TypeSubscribe).(webhook.Subscribe)
	event.Account, event.ID = "acme", "order-7"
	require.NoError(t, r.Shutdown(t.Context())) // it waits now, for what is told next
	require.NoError(t, r.Emit(t.Context(), event))
	ds, err := r.Deliveries(t.Context(), webhook.DeliveryQuery{Account: "acme"})
	require.NoError(t, err)
	require.Len(t, ds, 1)
	d := ds[0]
	_, err = r.store.Apply(t.Context(), []webhook.Change{{
		ID: d.ID, Lease: d.Lease, State: webhook.StateFailed, Due: d.Created, Attempts: 1, Log: &webhook.Attempt{
			Start: d.Created, Duration: 250 * time.Millisecond, Status: 500, Response: []byte("Fatal error in line 3"),
			Reason: "The receiver failed (500 Internal Server Error): check its error log.",
		},
	}})
	require.NoError(t, err)
	return ws[0].ID, d.ID
}

// volatile are the fields that differ each time.
var volatile = []string{"id", "cdate", "created", "finished", "start", "duration", "secret", "webhook", "body", "sequence", "started", "from", "until"}

// steady reads JSON and replaces what differs each time by its kind.
func steady(t *testing.T, text []byte) any {
	var value any
	require.NoError(t, json.Unmarshal(text, &value), "%s", text)
	var walk func(value any) any
	walk = func(value any) any {
		switch v := value.(type) {
		case []any:
			for i := range v {
				v[i] = walk(v[i])
			}
		case map[string]any:
			for key, inner := range v {
				v[key] = walk(inner)
				if key == "spans" { // the document shows the first one
					v[key] = inner.([]any)[:1]
				}
				if !slices.Contains(volatile, key) {
					continue
				}
				switch inner.(type) {
				case string:
					v[key] = "text"
				case float64:
					v[key] = "number"
				}
			}
		}
		return value
	}
	return walk(value)
}
