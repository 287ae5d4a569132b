package webhook_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/listhook/webhook"
)

// The limit of EmitBuffered's memory counts all that an event holds, also the data of a
// type of the app's own, however deep it lies.
func TestTheBufferCountsTheDataOfCustomEvents(t *testing.T) {
	long := strings.Repeat("x", 100<<10)
	for name, data := range map[string]map[string]any{
		"a text":    {"note": long},
		"deep down": {"n": []any{strings.Repeat("x", 50<<10), map[string]any{"deep": []string{long}}}},
		"many keys": {long: true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newHarness(t, &webhook.Options{
					Catalogue: []webhook.EventInfo{{Type: "finished"}}, BodyLimit: 1 << 20,
					Buffer: webhook.BufferOptions{Bytes: 1 << 20, Wait: time.Minute, WhenFull: webhook.WhenFullDrop},
				}).start()
				r.put(func(w *webhook.Webhook) { w.Events = []webhook.EventType{"finished"} })
				var err error
				n := 0
				for ; n < 20 && err == nil; n++ {
					err = r.EmitBuffered(r.ctx, webhook.Custom{
						Meta: webhook.Meta{Source: webhook.SourceSystem}, Name: "finished", Data: data,
					})
				}
				assert.ErrorIs(t, err, webhook.ErrBufferFull)
				assert.LessOrEqual(t, n, 11)
			})
		})
	}
}
