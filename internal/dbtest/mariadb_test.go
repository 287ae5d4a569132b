package dbtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/listhook/webhook"
)

// Galera demands innodb_autoinc_lock_mode 2, in which rows of one statement are
// not numbered in a row.
func TestStoreOnMariaDBWithAutoincLockMode2(t *testing.T) {
	server := startMariaDB(t, "--innodb-autoinc-lock-mode=2")
	suite(storage{create: func(t testing.TB) func(string) *handle {
		dsn := server.source(server.create(t), "")
		return func(prefix string) *handle { return mysqlHandle(open(t, "mysql", dsn, 8), prefix) }
	}}).Run(t)
}

// In the first schema the server numbered the deliveries.
func TestMigrateUpgradesTheFirstSchemaOfMariaDBWithItsRows(t *testing.T) {
	ctx := t.Context()
	dsn := mariadb(t)
	h := mysqlHandle(open(t, "mysql", dsn, 8), "")
	for statement := range strings.SplitSeq(strings.TrimSuffix(h.Schema(0), h.Schema(1)), ";\n") {
		if statement != "" {
			if err := h.exec(ctx, statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	due := now.UnixMilli()
	insert := func(id, state string, due int64, lane, wake string) error {
		return h.exec(ctx, fmt.Sprintf(`
insert ignore into webhook_deliveries
  (id, account, webhook, event, type, created, state, due, lease, attempts, token, lane, wake, body, carrier, log)
values ('%s', 'acme', '1', 'e', 'open', %d, '%s', %d, 0, 0, 7, %s, %s, 'type=open', '', '')`, id, now.UnixMilli(), state, due, lane, wake))
	}
	for i := range 300 {
		if err := insert(fmt.Sprintf("ready %03d", i), "pending", due+int64(i), `'1'`, `null`); err != nil {
			t.Fatal(err)
		}
	}
	for id, err := range map[string]error{
		"waits":    insert("waits", "pending", due+60_000, `null`, fmt.Sprint(due+60_000)),
		"finished": insert("finished", "delivered", due, `null`, `null`),
	} {
		if err != nil {
			t.Fatal(id, err)
		}
	}
	_, err := h.Enqueue(ctx, []webhook.Delivery{delivery("early")})
	says(t, err, "older version")

	migrated(t, h)
	if n := count(t, h); n != 302 {
		t.Errorf("there are %d deliveries after the upgrade, want 302", n)
	}
	had, err := h.Enqueue(ctx, []webhook.Delivery{delivery("new"), delivery("ready 007"), delivery("finished")})
	slices.Sort(had)
	if err != nil || !slices.Equal(had, []string{"finished", "ready 007"}) {
		t.Errorf("Enqueue returned %q and the error %v, want the two that the first schema held", had, err)
	}
	claim := webhook.Claim{Now: now, Until: now.Add(1e9), Limit: 9, Each: 1}
	if ds, err := h.Claim(ctx, claim); err != nil || len(ds) != 1 || ds[0].Due != claim.Until {
		t.Errorf("claimed %+v and got the error %v, want one", ds, err)
	}
	claim.Now, claim.Limit, claim.Each = now.Add(1e11), 999, 999
	if ds, err := h.Claim(ctx, claim); err != nil || len(ds) != 302 {
		t.Errorf("claimed %d and got the error %v, want all that is pending", len(ds), err)
	}
	// A process of the older version that still runs would not know the numbers:
	// it must fail rather than lose what it adds.
	if err := insert("by an older process", "pending", due, `'1'`, `null`); err == nil {
		t.Error("an older version's insert did not fail")
	}
}
