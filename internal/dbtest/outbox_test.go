package dbtest

import (
	"testing"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/storetest"
)

func TestOutboxSharesTheCallersTransaction(t *testing.T) {
	each(t, func(t *testing.T, open func(string) *handle) {
		ctx := t.Context()
		h := migrated(t, open(""))
		for _, statement := range []string{`create table app (name varchar(9) not null)`} {
			if err := h.exec(ctx, statement); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := h.PutWebhook(ctx, webhook.Webhook{ID: "1", Account: "acme"}); err != nil {
			t.Fatal(err)
		}

		for _, end := range []struct {
			how  string
			end  func(transaction) error
			want int
		}{
			{"rolled back", func(tx transaction) error { return tx.rollback() }, 0},
			{"committed", func(tx transaction) error { return tx.commit() }, 1},
		} {
			tx, err := h.begin(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if err := tx.exec(ctx, `insert into app (name) values ('ann')`); err != nil {
				t.Fatal(err)
			}
			if ws, err := tx.Webhooks(ctx, webhook.WebhookQuery{Account: "acme"}); err != nil || len(ws) != 1 {
				t.Fatalf("the transaction sees %d webhooks, and the error %v; want 1", len(ws), err)
			}
			if _, err := tx.Enqueue(ctx, storetest.Events(delivery("d"))); err != nil {
				t.Fatal(err)
			}
			if err := end.end(tx); err != nil {
				t.Fatal(err)
			}
			if n := count(t, h); n != end.want {
				t.Errorf("%s, there are %d deliveries, want %d", end.how, n, end.want)
			}
		}

		tx, err := h.begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.rollback()
		had, err := tx.Enqueue(ctx, storetest.Events(delivery("d"), delivery("e")))
		if err != nil || len(had) != 1 || had[0] != "d" {
			t.Errorf("Enqueue in a transaction returned %q and the error %v, want d as stored before", had, err)
		}
	})
}

// What a transaction has not committed is claimed by nobody.
func TestOutboxHidesWhatIsNotCommitted(t *testing.T) {
	each(t, func(t *testing.T, open func(string) *handle) {
		ctx := t.Context()
		h, other := migrated(t, open("")), open("")
		tx, err := h.begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.rollback()
		if _, err := tx.Enqueue(ctx, storetest.Events(delivery("d"))); err != nil {
			t.Fatal(err)
		}
		claim := webhook.Claim{Now: now, Until: now.Add(1), Limit: 9, Each: 9}
		if ds, err := other.Claim(ctx, claim); err != nil || len(ds) != 0 {
			t.Errorf("another process claimed %d and got the error %v, want none", len(ds), err)
		}
		if err := tx.commit(); err != nil {
			t.Fatal(err)
		}
		if ds, err := other.Claim(ctx, claim); err != nil || len(ds) != 1 {
			t.Errorf("after the commit another process claimed %d and got the error %v, want 1", len(ds), err)
		}
	})
}
