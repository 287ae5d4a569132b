package dbtest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/listhook/webhook"
	"github.com/listhook/webhook/storetest"
)

// Under testdata/schema there is a dump of the tables with each schema before the
// latest, as that version of the library wrote them: webhooks with each field that has
// changed its name since, and deliveries in each state and queue. Upgraded, they are
// used as others are.
func TestEachSchemaIsUpgraded(t *testing.T) {
	for _, s := range storages {
		if s.again && !long() {
			continue
		}
		database, _, _ := strings.Cut(s.name, " ")
		dumps, err := filepath.Glob(filepath.Join("testdata", "schema", database+"-*.sql"))
		require.NoError(t, err)
		require.NotEmpty(t, dumps)
		for _, dump := range dumps {
			t.Run(s.name+"/"+filepath.Base(dump), func(t *testing.T) {
				open := s.create(t)
				h := open("")
				restore(t, h, dump)
				before, err := h.number(t.Context(), `select max(version) from webhook_schema`)
				require.NoError(t, err)
				require.NotEmpty(t, h.Schema(before), "the dump is of the latest schema")
				_, err = h.Claim(t.Context(), webhook.Claim{Limit: 1})
				says(t, err, "Migrate")
				upgraded(t, migrated(t, open("")), migrated(t, open("")))
			})
		}
	}
}

// A definition of MariaDB's commits by itself. So an upgrade that was interrupted
// begins again with definitions that were made before.
func TestMariaDBsUpgradeMayBeginAgain(t *testing.T) {
	dumps, err := filepath.Glob(filepath.Join("testdata", "schema", "mariadb-*.sql"))
	require.NoError(t, err)
	for _, dump := range dumps {
		t.Run(filepath.Base(dump), func(t *testing.T) {
			dsn := mariadb(t)
			h := mysqlHandle(open(t, "mysql", dsn, 8), "")
			restore(t, h, dump)
			before, err := h.number(t.Context(), `select max(version) from webhook_schema`)
			require.NoError(t, err)
			list := statements(h.Schema(before))
			for n := range list {
				for _, statement := range list[:n] {
					if !strings.Contains(statement, "webhook_schema (version)") {
						require.NoError(t, h.exec(t.Context(), statement))
					}
				}
			}
			upgraded(t, migrated(t, h), migrated(t, mysqlHandle(open(t, "mysql", dsn, 8), "")))
		})
	}
}

func statements(text string) []string {
	return slices.DeleteFunc(strings.Split(text, ";\n"), func(s string) bool { return strings.TrimSpace(s) == "" })
}

// restore runs a dump.
func restore(t *testing.T, h *handle, dump string) {
	t.Helper()
	data, err := os.ReadFile(dump)
	require.NoError(t, err)
	for _, statement := range statements(string(data)) {
		require.NoError(t, h.exec(t.Context(), statement), statement)
	}
}

// upgraded checks that two processes see what a dump holds and go on with it.
func upgraded(t *testing.T, h, other *handle) {
	ctx, here, there := t.Context(), use{t, h}, use{t, other}
	ws, err := h.Webhooks(ctx, webhook.WebhookQuery{All: true, Deleted: true, Newest: true, Tallies: true})
	require.NoError(t, err)
	byName := map[string]webhook.Webhook{}
	for i, w := range ws {
		byName[w.Name] = w
		require.Positive(t, w.Put, "who asks for puts after none misses no webhook")
		require.True(t, i == 0 || w.Put < ws[i-1].Put, "puts have different numbers")
		require.Nil(t, w.Tallies)
	}
	require.Len(t, byName, 4)
	require.Equal(t, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLw5w", byName["on"].Secrets[0].Key)
	off := byName["off"]
	require.Equal(t, []any{"it failed for days", true, 3, now}, []any{off.Disabled, off.KeepEvents, off.Discarded, off.DisabledAt})
	require.Equal(t, now.Add(time.Hour), byName["held"].HeldUntil)
	require.True(t, byName["gone"].Deleted)
	last := ws[0].Put
	off.Tallies = []byte("figures")
	_, err = h.PutWebhook(ctx, off)
	require.NoError(t, err)
	ws, err = other.Webhooks(ctx, webhook.WebhookQuery{All: true, PutAfter: last, Tallies: true})
	require.NoError(t, err)
	require.Len(t, ws, 1)
	require.Equal(t, []any{"off", "figures"}, []any{ws[0].Name, string(ws[0].Tallies)})

	stored, err := h.Deliveries(ctx, webhook.DeliveryQuery{All: true, Oldest: true})
	require.NoError(t, err)
	require.Len(t, stored, 9)
	for _, d := range stored {
		require.Equal(t, "type=open&id="+d.ID+"\x00\xff'\\", string(d.Body))
		require.Equal(t, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", d.Carrier["traceparent"])
		require.Empty(t, d.Key+d.Failure)
		require.Zero(t, d.Sequence)
		require.True(t, d.Joined.IsZero() && d.Time.IsZero() && d.Subjects == nil)
		if d.ID == "failed" {
			require.Equal(t, "oops\x00\xff", string(d.Log[0].Response))
		}
	}
	n, err := h.Count(ctx, webhook.DeliveryQuery{All: true, States: []webhook.State{webhook.StatePending}})
	require.NoError(t, err)
	require.Equal(t, 6, n)

	here.claims(now, "of gone", "ready")
	there.claims(now.Add(30*time.Second), "leased", "of gone", "pre-leased", "ready")
	here.apply(2, webhook.StateDelivered, now, "leased", "pre-leased")
	here.claims(now.Add(2*time.Minute), "of gone", "ready", "waiting")
	there.claims(now.Add(time.Hour), "of gone", "of held", "ready", "waiting")

	// What is new works with old rows.
	first, second := delivery("first"), delivery("second")
	for _, d := range []*webhook.Delivery{&first, &second} {
		d.Key, d.Joined, d.Subjects = "ann", now, []string{"ann@example.com"}
	}
	_, err = h.Enqueue(ctx, storetest.Events(first, second))
	require.NoError(t, err)
	here.claims(now, "first")
	there.deliver(1, "first")
	here.claims(now, "second")
	found, err := other.Deliveries(ctx, webhook.DeliveryQuery{Account: "acme", Subject: "ann@example.com", Oldest: true})
	require.NoError(t, err)
	require.Len(t, found, 2)
	require.Less(t, found[0].Sequence, found[1].Sequence)
	pruned, err := h.Prune(ctx, webhook.Prune{Before: now.Add(time.Hour), Limit: 99, Deleted: now})
	require.NoError(t, err)
	require.Equal(t, 6, pruned, "delivered, failed, canceled, leased, pre-leased, first")
	ws, err = h.Webhooks(ctx, webhook.WebhookQuery{All: true, Deleted: true})
	require.NoError(t, err)
	require.Len(t, ws, 3, "the deleted webhook is pruned, although it has a delivery left")
}
