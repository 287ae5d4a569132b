package dbtest

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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

// A delivery that is stored alone in the app's transaction is as it is otherwise.
func TestOutboxStoresADeliveryAloneAsOthers(t *testing.T) {
	bytes := make([]byte, 256) // no text in any character set
	for i := range bytes {
		bytes[i] = byte(i)
	}
	each(t, func(t *testing.T, open func(string) *handle) {
		ctx := t.Context()
		h := migrated(t, open(""))
		for name, change := range map[string]func(*webhook.Delivery){
			"plain": func(*webhook.Delivery) {},
			"body":  func(d *webhook.Delivery) { d.Body = bytes },
			"empty": func(d *webhook.Delivery) { d.Body = []byte{} },
			"texts": func(d *webhook.Delivery) {
				d.Account, d.EventID, d.WebhookID = `a'\"é漢😀`, `\' or '1'='1`, "$1 @i ? {}"
			},
			"time":    func(d *webhook.Delivery) { d.Time = now.Add(-time.Hour) },
			"later":   func(d *webhook.Delivery) { d.Due = now.Add(time.Hour) },
			"leased":  func(d *webhook.Delivery) { d.Lease, d.Due = 1, now.Add(time.Minute) },
			"carrier": func(d *webhook.Delivery) { d.Carrier = map[string]string{"traceparent": `é'\`} },
			"key":     func(d *webhook.Delivery) { d.Key, d.Joined = "k", now },
			"failure": func(d *webhook.Delivery) { d.Log = []webhook.Attempt{{Start: now, Status: 500}} },
			"subject": func(d *webhook.Delivery) { d.Subjects = []string{"s"} },
		} {
			d := delivery(name)
			change(&d)
			for round := range 2 {
				tx, err := h.begin(ctx)
				require.NoError(t, err)
				had, err := tx.Enqueue(ctx, storetest.Events(d))
				require.NoError(t, err, name)
				require.Len(t, had, round, name)
				had, err = tx.Enqueue(ctx, storetest.Events(d))
				require.NoError(t, err, name)
				require.Equal(t, []string{name}, had, "again in the same transaction")
				require.NoError(t, tx.commit())
			}
			other := d
			other.ID = "other " + name
			_, err := h.Enqueue(ctx, storetest.Events(other))
			require.NoError(t, err, name)
			stored := func(id string) webhook.Delivery {
				ds, err := h.Deliveries(ctx, webhook.DeliveryQuery{All: true, IDs: []string{id}})
				require.NoError(t, err)
				require.Len(t, ds, 1, id)
				return ds[0]
			}
			got, want := stored(d.ID), stored(other.ID)
			want.ID, want.Sequence, got.Sequence = d.ID, 0, 0 // one of them may be the first of their line
			require.Equal(t, want, got, name)
		}
		ids := map[string]int{}
		for range 5 {
			ds, err := h.Claim(ctx, webhook.Claim{Now: now, Until: now.Add(time.Minute), Limit: 99, Each: 99})
			require.NoError(t, err)
			for _, d := range ds {
				ids[strings.TrimPrefix(d.ID, "other ")]++
			}
		}
		require.Equal(t, map[string]int{
			"plain": 2, "body": 2, "empty": 2, "texts": 2, "time": 2, "carrier": 2, "key": 1, "failure": 2, "subject": 2,
		}, ids)
	})
}
