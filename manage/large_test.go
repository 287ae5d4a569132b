package manage

import (
	"bytes"
	"fmt"
	"html"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/memstore"
	"github.com/listhook/webhook/storetest"
)

// TestTheBeginningOfALargeBodyIsShown looks at deliveries with bodies as large as there may
// be, that were tried often and got large answers.
func TestTheBeginningOfALargeBodyIsShown(t *testing.T) {
	store := &countingStore{Store: &memstore.Store{}}
	r := newHarnessOn(t, store)
	w := r.put(nil)
	created := time.Now().UTC().Add(-time.Hour).Truncate(time.Millisecond)
	for name, body := range map[string]string{
		"json":    `{"type":"open","text":"` + strings.Repeat(`\"é<`, 50_000) + `"}`,
		"form":    "type=open" + strings.Repeat("&contact%5Bfields%5D%5B7%5D=%C3%A9%26", 6000),
		"values":  "type=open" + strings.Repeat("&a=", 1900),
		"accents": strings.Repeat("é", 12<<10),
		"small":   `{"type":"open","text":"\u003cb>"}`,
	} {
		d := webhook.Delivery{
			ID: "msg_" + name, Account: "acme", WebhookID: w.ID, EventID: name, Type: webhook.TypeOpen, Body: []byte(body),
			Created: created, Due: created, State: webhook.StateFailed, Attempts: 80,
		}
		for i := range 80 {
			d.Log = append(d.Log, webhook.Attempt{
				Start: created.Add(time.Duration(i) * time.Second), Duration: time.Second, Status: 500, Reason: "It failed.",
				Response: fmt.Appendf(nil, "answer %d %s", i, bytes.Repeat([]byte(`<é>"`), 1000)), Batch: fmt.Sprint("batch_", i), First: fmt.Sprint("first_", i),
			})
		}
		_, err := store.Enqueue(t.Context(), storetest.Events(d))
		require.NoError(t, err)

		page := r.isSmall(store, "ann", "/deliveries/"+d.ID, nil)
		assert.Contains(t, page, "50 earlier attempts are not shown.")
		assert.Contains(t, page, "Attempt 80")
		assert.Contains(t, page, "Attempt 51")
		assert.NotContains(t, page, "Attempt 50 ")
		assert.NotContains(t, page, "\ufffd", "no character is cut in two")
		assert.Contains(t, page, html.EscapeString("answer 79 "+strings.Repeat(`<é>"`, 1000)), "the newest answer is whole")
		assert.NotContains(t, page, html.EscapeString("answer 60 "+strings.Repeat(`<é>"`, 1000)))
		assert.Contains(t, page, "answer 60 ")
		assert.Equal(t, name == "small", strings.Contains(page, "Formatted body"))
		assert.Equal(t, name != "small" && name != "values", strings.Contains(page, "Only the beginning is shown"))
		assert.Equal(t, name == "values" || name == "form", strings.Contains(page, "more values are not shown"))
		assert.Equal(t, name != "small" && name != "values", strings.Contains(page, "--data-binary @body.txt"))

		file := r.as("bob", "/deliveries/"+d.ID+"/body", nil)
		assert.Equal(t, body, file.Body.String())
		assert.Equal(t, "application/octet-stream", file.Header().Get("Content-Type"))
		assert.Equal(t, `attachment; filename="body.txt"`, file.Header().Get("Content-Disposition"))
	}
	assert.Equal(t, 404, r.as("eve", "/deliveries/msg_json/body", nil).Code)
}
