package dbtest

import (
	"errors"
	"strings"
	"testing"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/storetest"
)

// Texts that a database refuses select nothing, for they may come from a
// stranger's request, and are not stored.
func TestTextsThatCannotBeStored(t *testing.T) {
	each(t, func(t *testing.T, open func(string) *handle) {
		ctx := t.Context()
		h := migrated(t, open(""))
		if _, err := h.Enqueue(ctx, storetest.Events(delivery("d"))); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"a\x00b", "\xff", strings.Repeat("a", 256)} {
			for _, q := range []webhook.DeliveryQuery{
				{Account: text}, {Account: "acme", Webhook: text}, {Account: "acme", IDs: []string{text}},
				{Account: text, States: []webhook.State{webhook.StatePending}},
				{All: true, Types: []webhook.EventType{webhook.EventType(text)}},
			} {
				if ds, err := h.Deliveries(ctx, q); err != nil || len(ds) != 0 {
					t.Errorf("a query with %.9q returned %d deliveries and the error %v, want neither", text, len(ds), err)
				}
			}
			if ws, err := h.Webhooks(ctx, webhook.WebhookQuery{Account: text, IDs: []string{text}}); err != nil || len(ws) != 0 {
				t.Errorf("a query with %.9q returned %d webhooks and the error %v, want neither", text, len(ws), err)
			}
			var invalid *webhook.InvalidError
			if _, err := h.Enqueue(ctx, storetest.Events(delivery("e"), delivery(text))); !errors.As(err, &invalid) {
				t.Errorf("Enqueue of the id %.9q returned the error %v, want an InvalidError", text, err)
			}
			if _, err := h.PutWebhook(ctx, webhook.Webhook{ID: text}); !errors.As(err, &invalid) {
				t.Errorf("PutWebhook of the id %.9q returned the error %v, want an InvalidError", text, err)
			}
		}
		if n := count(t, h); n != 1 {
			t.Errorf("there are %d deliveries, want 1", n)
		}
	})
}
