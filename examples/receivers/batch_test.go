package receivers

import (
	"fmt"
	"net/http"
	"os/exec"
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

// What PHP cuts off would be lost if the answer were a success.
func TestReceiversInPHPRefuseWhatPHPCutOff(t *testing.T) {
	for _, limit := range receivertest.PHPLimits {
		l := language{"PHP", func(folder, host string) *exec.Cmd {
			return exec.Command("php", "-d", "display_startup_errors=0", "-d", limit, "-S", host, filepath.Join(folder, folder+".php"))
		}}
		data := filepath.Join(t.TempDir(), "receiver.db")
		secret := webhook.NewSecret()
		host := serve(t, l, "sync", secret.Key, data)
		for _, events := range []int{10, 1} {
			body := receivertest.BatchOf(events)
			status, answer := receivertest.Post(t, host, body, receivertest.Signed(secret, "batch_1", time.Now().Unix(), body))
			if events == 1 {
				assert.Equal(t, http.StatusOK, status, "%s: %s", limit, answer)
				assert.Equal(t, []string{"1"}, rows(t, data, `SELECT count(*) FROM subscribers`))
				continue
			}
			assert.Equal(t, http.StatusRequestEntityTooLarge, status, "%s: %s", limit, answer)
			assert.Equal(t, []string{"0"}, rows(t, data, `SELECT count(*) FROM subscribers`))
		}
	}
}

// A proxy may write the content type otherwise.
func TestReceiversTakeJSONWithACharset(t *testing.T) {
	for _, l := range languages(t) {
		t.Run(l.name, func(t *testing.T) {
			data := filepath.Join(t.TempDir(), "receiver.db")
			secret := webhook.NewSecret()
			host := serve(t, l, "sync", secret.Key, data)
			const body = `{"id":"a","type":"subscribe","date_time":"2026-03-31T09:00:00.000Z","lists":["12"],"contact":{"id":"1","email":"a@example.com"}}`
			header := receivertest.Signed(secret, "a", time.Now().Unix(), body)
			header.Set("Content-Type", "Application/JSON; charset=utf-8")
			status, answer := receivertest.Post(t, host, body, header)
			assert.Equal(t, http.StatusOK, status, answer)
			assert.Equal(t, []string{"1"}, rows(t, data, `SELECT count(*) FROM subscribers`))
		})
	}
}
