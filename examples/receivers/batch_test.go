package receivers

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/examples/internal/receivertest"
)

// Each receiver knows the same of events that come in batches, and come again in others.
func TestReceiversTakeBatches(t *testing.T) {
	ran := languages(t)
	for _, use := range uses() {
		for _, l := range ran {
			for _, format := range webhook.Formats() {
				t.Run(fmt.Sprintf("%s in %s of %s", use.folder, l.name, format), func(t *testing.T) {
					data := filepath.Join(t.TempDir(), "receiver.db")
					secret := webhook.NewSecret()
					host := serve(t, l, use.folder, secret.Key, data)
					s := receivertest.NewSender(t, host)
					n := len(use.events)
					s.Add(host, webhook.Settings{
						Batch: n, BatchWait: 50 * time.Second, Order: webhook.OrderNone, Format: format, Secrets: []webhook.Secret{secret},
					})
					ds := s.Deliver(n, use.events...)
					_, requests := receivertest.Answers(ds)
					assert.Less(t, requests, n)
					for query, want := range use.rows {
						assert.Equal(t, want, rows(t, data, query))
					}
					assert.Equal(t, []string{fmt.Sprint(n)}, rows(t, data, `SELECT count(*) FROM seen`))

					for _, d := range ds {
						assert.NoError(t, s.RedeliverAnyway(t.Context(), "", d.ID))
					}
					s.Await(n)
					for query, want := range use.rows {
						assert.Equal(t, want, rows(t, data, query), "each came twice")
					}
				})
			}
		}
	}
}
