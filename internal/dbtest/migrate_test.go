package dbtest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/storetest"
)

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func delivery(id string) webhook.Delivery {
	return webhook.Delivery{
		ID: id, Account: "acme", WebhookID: "1", EventID: id, Type: webhook.TypeOpen, Body: []byte("type=open"),
		Created: now, State: webhook.StatePending, Due: now,
	}
}

// count returns how many deliveries there are.
func count(t testing.TB, s webhook.Store) int {
	t.Helper()
	n, err := s.Count(t.Context(), webhook.DeliveryQuery{All: true})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// says fails the test unless the error's text has the words.
func says(t testing.TB, err error, words string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), words) {
		t.Errorf("the error is %v, want one that says %q", err, words)
	}
}

func TestMigrateMayRunTwice(t *testing.T) {
	each(t, func(t *testing.T, open func(string) *handle) {
		h := migrated(t, open(""))
		if _, err := h.Enqueue(t.Context(), storetest.Events(delivery("d"))); err != nil {
			t.Fatal(err)
		}
		migrated(t, h)
		if n := count(t, migrated(t, open(""))); n != 1 {
			t.Errorf("there are %d deliveries after Migrate, want 1", n)
		}
	})
}

func TestMigrateMayRunInSeveralProcessesAtOnce(t *testing.T) {
	each(t, func(t *testing.T, open func(string) *handle) {
		var wg sync.WaitGroup
		for range 6 {
			h := open("")
			wg.Go(func() {
				if err := h.Migrate(t.Context()); err != nil {
					t.Error(err)
				}
				if _, err := h.Enqueue(t.Context(), storetest.Events(delivery("d"))); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := count(t, open("")); n != 1 {
			t.Errorf("there are %d deliveries, want 1", n)
		}
	})
}

func TestSchemaIsWhatMigrateRuns(t *testing.T) {
	each(t, func(t *testing.T, open func(string) *handle) {
		h := open("mine_")
		for statement := range strings.SplitSeq(h.Schema(0), ";\n") {
			if statement == "" {
				continue
			}
			if err := h.exec(t.Context(), statement); err != nil {
				t.Fatalf("%v, of the statement\n%s", err, statement)
			}
		}
		if n := count(t, h); n != 0 {
			t.Errorf("there are %d deliveries, want 0", n)
		}
		migrated(t, h)
		latest, err := h.number(t.Context(), `select max(version) from mine_schema`)
		if err != nil {
			t.Fatal(err)
		}
		if rest := h.Schema(latest); rest != "" {
			t.Errorf("from the latest version on there is still to run:\n%s", rest)
		}
	})
}

func TestStoreBeforeMigrateSaysWhatToDo(t *testing.T) {
	each(t, func(t *testing.T, open func(string) *handle) {
		const mend = "call the store's Migrate"
		h, ctx := open(""), t.Context()
		_, err := h.Enqueue(ctx, storetest.Events(delivery("d")))
		says(t, err, mend)
		_, err = h.Claim(ctx, webhook.Claim{Now: now, Until: now, Limit: 1, Each: 1})
		says(t, err, mend)
		_, err = h.Apply(ctx, []webhook.Change{{ID: "d"}})
		says(t, err, mend)
		_, err = h.PutWebhook(ctx, webhook.Webhook{ID: "1"})
		says(t, err, mend)
		_, err = h.Webhooks(ctx, webhook.WebhookQuery{All: true})
		says(t, err, mend)

		tx, err := h.begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.rollback()
		_, err = tx.Enqueue(ctx, storetest.Events(delivery("d")))
		says(t, err, mend)
	})
}

// Once it has worked, a store finds out by the database's own error.
func TestStoreWithoutItsTablesSaysWhatToDo(t *testing.T) {
	each(t, func(t *testing.T, open func(string) *handle) {
		h := migrated(t, open(""))
		count(t, h)
		if err := h.exec(t.Context(), `drop table webhook_deliveries`); err != nil {
			t.Fatal(err)
		}
		_, err := h.Enqueue(t.Context(), storetest.Events(delivery("d")))
		says(t, err, "call the store's Migrate")
	})
}

func TestNewerSchemaIsRefused(t *testing.T) {
	each(t, func(t *testing.T, open func(string) *handle) {
		h := migrated(t, open(""))
		if err := h.exec(t.Context(), `insert into webhook_schema (version) values (99)`); err != nil {
			t.Fatal(err)
		}
		const refuse = "update the library"
		h = open("")
		says(t, h.Migrate(t.Context()), refuse)
		_, err := h.Enqueue(t.Context(), storetest.Events(delivery("d")))
		says(t, err, refuse)
		tx, err := h.begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer tx.rollback()
		_, err = tx.Enqueue(t.Context(), storetest.Events(delivery("d")))
		says(t, err, refuse)
	})
}

func TestPrefixesKeepStoresApart(t *testing.T) {
	each(t, func(t *testing.T, open func(string) *handle) {
		one, two := migrated(t, open("one_")), migrated(t, open("two_"))
		if _, err := one.Enqueue(t.Context(), storetest.Events(delivery("d"))); err != nil {
			t.Fatal(err)
		}
		if n, m := count(t, one), count(t, two); n != 1 || m != 0 {
			t.Errorf("the stores have %d and %d deliveries, want 1 and 0", n, m)
		}
	})
}

func TestPrefixIsChecked(t *testing.T) {
	each(t, func(t *testing.T, open func(string) *handle) {
		for _, prefix := range []string{"a-b", "1a", "a b", `a"b`, "a;drop table x", "ä", strings.Repeat("a", 33)} {
			says(t, open(prefix).Migrate(context.Background()), "Prefix")
		}
	})
}
