package dbtest

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
)

// Two processes add webhooks in turns, as fast as the database takes them. They
// are listed in the order in which they were added, page by page too.
func TestWebhooksAreListedInTheOrderInWhichTheyWereAdded(t *testing.T) {
	for _, s := range storages {
		t.Run(s.name, func(t *testing.T) {
			open := s.create(t)
			var processes []*webhook.Dispatcher
			for range 2 {
				d, err := webhook.New(migrated(t, open("")), nil, nil)
				require.NoError(t, err)
				processes = append(processes, d)
			}
			var names []string
			for i := range 60 {
				name := strconv.Itoa(i)
				names = append(names, name)
				_, err := processes[i%2].AddWebhook(t.Context(), webhook.Webhook{Settings: webhook.Settings{
					Name: name, URL: "https://example.com/hook", Events: webhook.EventTypes(), Sources: webhook.Sources(),
				}})
				require.NoError(t, err)
			}
			var listed []string
			for q := (webhook.WebhookQuery{Limit: 25}); ; {
				ws, err := processes[1].Webhooks(t.Context(), q)
				require.NoError(t, err)
				for _, w := range ws {
					listed = append(listed, w.Name)
					q.After = w.ID
				}
				if len(ws) < q.Limit {
					break
				}
			}
			assert.Equal(t, names, listed)
		})
	}
}
